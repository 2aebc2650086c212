"""What a server adds to its model, and what a small model's step adds to reading its
weights: rows of run.sh --only targets."""
import http.client
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import served
import targets
from server import Server

PRESETS = ["block-1m", "block-45m", served.MODEL]
STREAMS = 64


def added_by_the_engine(benchmark, binaries, environment, quick):
    """Of streams of 1024 bytes: it is of steps that this asks, not of requests."""
    rows = [f"engine/{preset}/{streams}/1024" for preset in (served.MODEL, "block-1m")
            for streams in (1, STREAMS)]
    figures = benchmark(binaries / "decode_bench", rows, environment, quick)
    return [(f"{row}: engine beside the model's steps", figures[row + "/own"], .05, True)
            for row in rows]


def two_workers(benchmark, binaries, environment, quick):
    row = f"engine/{served.MODEL}/workers"
    figures = benchmark(binaries / "decode_bench", [f"--benchmark_filter=^{row}"],
                        environment, quick)
    return [(f"{served.MODEL}, two workers of a thread over one, {STREAMS} streams",
             figures[row + "2"] / figures[row + "1"], 1.7, False)]


def through_the_wire(benchmark, binaries, models, environment, threads, quick):
    """Bytes/s of 64 streams through gRPC over the same engine in process, in turns; of as
    many bytes each as take some seconds. Both engines have run before, and keep few states
    of earlier requests (decode_bench.cc)."""
    table = []
    for preset, size, target in (("block-45m", 256, .95), ("block-1m", 2048, .90)):
        server = Server(binaries, models, threads, ["--prefix-cache", "16MiB"])
        load = dict(concurrency=STREAMS, prompt_bytes=32, max_tokens=size)
        server.bench(f"bench-{preset}", seed=1000, requests=2 * STREAMS, **load)
        row, ratios = f"engine/{preset}/{STREAMS}/{size}", []
        for i in range(1 if quick else 5):
            alone = benchmark(binaries / "decode_bench", [row],
                              environment, True)[row]
            report = server.bench(f"bench-{preset}", seed=i, requests=2 * STREAMS, **load)
            ratios.append(report["tokens_per_second"] / alone)
        server.close()
        table.append((f"{preset}, {STREAMS} streams through gRPC over in process",
                      statistics.median(ratios), target, False))
    return table


def reading_weights(benchmark, binaries, environment, quick):
    """block-1m on one thread: a byte's time over that of reading the weights that it
    needs from the cache."""
    one = {**environment, "STRATA_BENCH_THREADS": "1"}
    known = targets.facts(binaries, "block-1m", 64)
    read = f"read_alone/{4 * known['parameters'] // 64 * 64}"
    row = targets.decode_name("block-1m", 64, 1)
    speed = benchmark(binaries / "decode_bench", ["decode/block-1m/64/1"], one, quick)[row]
    bandwidth = benchmark(binaries / "decode_bench", [read], one, quick)[read]
    ratio = bandwidth / (4 * known["weights_per_byte"]) / speed
    print(f"one thread reads {bandwidth / 1e9:.0f} GB/s of {read.split('/')[1]} bytes")
    return [("block-1m, one thread: a byte over reading its weights", ratio, 2, True)]


def ready_seconds(binaries, models):
    """From the start of a process to /readyz."""
    start = time.perf_counter()
    server = Server(binaries, models, 1, poll=0.002)
    while True:
        probe = http.client.HTTPConnection(server.http)
        probe.request("GET", "/readyz")
        if probe.getresponse().status == 200:
            break
        time.sleep(0.002)
    seconds = time.perf_counter() - start
    server.close()
    return seconds


def started(binaries, models, quick):
    model = "bench-block-45m"
    ratios = []
    with tempfile.TemporaryDirectory(dir=models.parent) as alone:
        shutil.copytree(models / model, pathlib.Path(alone) / model, copy_function=os.link)
        for _ in range(3 if quick else 9):
            start = time.perf_counter()
            subprocess.run([str(binaries / "bare_start"),
                            f"{alone}/{model}/1/model.safetensors"], check=True,
                           stdout=subprocess.DEVNULL)
            bare = time.perf_counter() - start
            ratios.append(ready_seconds(binaries, alone) / bare)
    return [("start to ready, block-45m, over LibTorch and a checksum",
             statistics.median(ratios), 1.5, True)]


def measure(benchmark, binaries, models, environment, threads, quick):
    table = reading_weights(benchmark, binaries, environment, quick)
    table += added_by_the_engine(benchmark, binaries, environment, quick)
    table += two_workers(benchmark, binaries, environment, quick)
    table += through_the_wire(benchmark, binaries, models, environment, threads, quick)
    return table + started(binaries, pathlib.Path(models), quick)
