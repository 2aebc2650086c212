"""A server of its own for a benchmark."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request


def cpu_seconds_of(task):
    """Processor time of a process or thread, by its folder in /proc."""
    ticks = (task / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


class Server:
    """Serves `models`, or an empty folder of its own; gone after close()."""

    def __init__(self, binaries, models, threads, flags=(), poll=0.05):
        self.binaries = binaries
        self.folder = tempfile.TemporaryDirectory()
        port_file = pathlib.Path(self.folder.name) / "ports"
        models = models or self.folder.name + "/models"
        self.process = subprocess.Popen(
            [str(binaries / "strata-server"), "--models", str(models),
             "--data", self.folder.name + "/data", "--listen", "127.0.0.1:0",
             "--http", "127.0.0.1:0", "--port-file", str(port_file),
             "--threads", str(threads), "--drain-delay", "0s", *flags],
            stderr=subprocess.DEVNULL)
        while not port_file.exists():
            if self.process.poll() is not None:
                sys.exit("the server did not start")
            time.sleep(poll)
        self.address, self.http = (
            line.split("=")[1] for line in port_file.read_text().splitlines()[:2])

    def bench(self, model, **options):
        """What `strata bench` reports of a load; options as its flags."""
        flags = [word for name, value in options.items()
                 for word in (f"--{name.replace('_', '-')}", str(value))]
        output = subprocess.run(
            [str(self.binaries / "strata"), "--server", self.address, "bench",
             "--model", model, "--json", *flags],
            stdout=subprocess.PIPE, check=True).stdout
        return json.loads(output.splitlines()[-1])

    def metric(self, name):
        """A counter or a gauge without labels."""
        with urllib.request.urlopen(f"http://{self.http}/metrics") as page:
            lines = page.read().decode().splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(name + " ")))

    def cpu_seconds(self):
        return cpu_seconds_of(pathlib.Path(f"/proc/{self.process.pid}"))

    def cpu_seconds_beside(self, names):
        """Of all threads but those of these names."""
        seconds = self.cpu_seconds()
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            if (task / "comm").read_text().strip() in names:
                seconds -= cpu_seconds_of(task)
        return seconds

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()
