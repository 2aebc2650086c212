"""What a server should reach as its clients see it, beside what it does: rows of
run.sh --only targets that need a whole server. All on block-10m, medians in turns."""
import json
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time

from server import Server

MODEL = "block-10m"


def bench(server, **options):
    return server.bench(f"bench-{MODEL}", **options)


def first_bytes(binaries, models, threads, rounds):
    """Time to the first byte of 8 clients, 512 bytes in and 128 out, over that of a
    lone one: all at once, and in a closed loop."""
    server = Server(binaries, models, threads)
    seen = {"lone": [], "at once": [], "closed": []}
    # Prompts of their own for each: none may be known from before.
    seeds = dict(zip(seen, (0, 1000, 2000)))
    shape = dict(prompt_bytes=512, max_tokens=128)
    for i in range(rounds):
        for way, load in (("lone", dict(concurrency=1, requests=8)),
                          ("at once", dict(concurrency=8, requests=8, warmup=0)),
                          ("closed", dict(concurrency=8, requests=64))):
            report = bench(server, **shape, **load, seed=seeds[way] + i)
            seen[way].append(report["ttft_seconds"]["p50"])
    server.close()
    middle = {way: statistics.median(values) for way, values in seen.items()}
    return middle["at once"] / middle["lone"], middle["closed"] / middle["lone"]


def used_server(binaries, models, threads, rounds):
    """A lone client's speed on a server that has served 1000 others over that on a
    fresh one."""
    used, fresh = (Server(binaries, models, threads) for _ in range(2))
    bench(used, concurrency=16, requests=1000, prompt_bytes=64, max_tokens=16)
    lone = dict(concurrency=1, requests=4, prompt_bytes=64, max_tokens=256)
    ratios = []
    for i in range(rounds):
        speeds = [bench(server, **lone, seed=i)["tokens_per_second"]
                  for server in (used, fresh)]
        ratios.append(speeds[0] / speeds[1])
    used.close()
    fresh.close()
    return statistics.median(ratios)


class Training:
    """A job that trains beside what is measured."""

    def __init__(self, binaries, server, text, base):
        self.command = [str(binaries / "strata"), "--server", server.address]
        self.server = server
        self.process = subprocess.Popen(
            [*self.command, "train", "--base", base, "--data", text, "--name",
             "beside", "--steps", "100000", "--eval-every", "100000", "--watch", "--json"],
            stdout=subprocess.PIPE, text=True)
        self.learning = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()
        self.learning.wait(60)

    def _read(self):
        for line in self.process.stdout:
            if json.loads(line).get("type") == "metrics":
                self.learning.set()

    def speed_while(self, work):
        """Items a second that it trains on meanwhile."""
        begin, before = time.monotonic(), self.server.metric("strata_training_items_total")
        work()
        items = self.server.metric("strata_training_items_total") - before
        return items / (time.monotonic() - begin)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def beside_training(binaries, models, threads, rounds, base="block-1m", flags=()):
    """Inter-token p99 of a lone stream while a job trains over alone, and the job's
    speed meanwhile over its own alone. Streams follow each other without a pause, and
    every byte is sent as it comes: of what is sent together only the mean is known."""
    server = Server(binaries, models, threads, ["--trainer-threads", str(threads),
                                                "--stream-interval", "0", *flags])
    with tempfile.TemporaryDirectory() as folder:
        text = pathlib.Path(folder) / "text"
        text.write_text("a text to train on, whatever it says. " * 20000)
        lone = dict(concurrency=1, requests=20 * rounds, prompt_bytes=64, max_tokens=256)
        seen = {}

        def stream(way):
            seen[way] = bench(server, **lone)["inter_token_seconds"]["p99"]

        stream("alone")
        job = Training(binaries, server, text, base)
        undisturbed = job.speed_while(lambda: time.sleep(8))
        meanwhile = job.speed_while(lambda: stream("beside"))
        job.stop()
    server.close()
    return seen["beside"] / seen["alone"], meanwhile / undisturbed


def measure(binaries, models, threads, quick):
    rounds = 2 if quick else 7
    at_once, closed = first_bytes(binaries, models, threads, rounds)
    beside, kept = beside_training(binaries, models, threads, rounds)
    used = used_server(binaries, models, threads, 3 if quick else 20)
    who = f"{MODEL}, 8 clients, first byte over a lone one's: "
    return [(who + "at once", at_once, 5, True), (who + "closed loop", closed, 3, True),
            (f"{MODEL}, a lone client on a used server over a fresh one", used, .97, False),
            (f"{MODEL}, p99 between bytes beside training over alone", beside, 1.25, True),
            ("the training's own speed meanwhile", kept, .10, False)]
