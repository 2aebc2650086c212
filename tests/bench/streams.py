"""What streaming costs a server: processor time a message, beside a bare callback server
that writes messages of the same size at the same pace. Of the server, all threads but
those that compute; what a worker takes to hand a byte over is its own (inside.py)."""
import pathlib
import statistics
import subprocess
import tempfile
import time

import server as servers

MODEL = "block-10m"
STREAMS = 64
LOAD = dict(concurrency=STREAMS, requests=2 * STREAMS, prompt_bytes=32, max_tokens=512)


class Bare(servers.Server):
    """The bare server in the place of a real one."""

    def __init__(self, binaries, message_bytes, interval):
        self.binaries = binaries
        self.folder = tempfile.TemporaryDirectory()
        ports = pathlib.Path(self.folder.name) / "ports"
        self.process = subprocess.Popen([str(binaries / "bare_stream"), str(ports),
                                         str(interval), str(message_bytes)])
        while not ports.exists():
            time.sleep(0.05)
        self.address = ports.read_text().strip().split("=")[1]


def cost(server, model):
    """(seconds of processor time a message, bytes a message, seconds between two of a
    stream's)."""
    before = server.cpu_seconds_beside({"worker", "compute"})
    report = server.bench(model, **LOAD)
    used = server.cpu_seconds_beside({"worker", "compute"}) - before
    messages = report["messages"]
    return (used / messages, report["generated_tokens"] / messages,
            STREAMS * report["seconds"] / messages)


def measure(binaries, models, threads, quick):
    ratios = []
    real = servers.Server(binaries, models, threads)
    for _ in range(1 if quick else 5):
        seconds, size, interval = cost(real, f"bench-{MODEL}")
        bare = Bare(binaries, max(1, round(size)), interval)
        bare_seconds, _, _ = cost(bare, MODEL)
        bare.close()
        ratios.append(seconds / bare_seconds)
    real.close()
    return [(f"{MODEL}, {STREAMS} streams: CPU a message over a bare callback server's",
             statistics.median(ratios), 1.5, True)]
