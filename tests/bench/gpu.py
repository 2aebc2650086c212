"""What a GPU should make of the hierarchy, beside what it does: ratios and shares of one run
on the device STRATA_BENCH_DEVICE (cuda:0). See run.sh --only gpu. What is too large for graphs
(model/decode/README.md), as flat with many streams, runs without in rows named graphs."""
import os
import pathlib

import served
import targets

CONTEXT = 8192
PRESETS = ["block-45m", "flat-45m", served.MODEL]


def missing():
    """Why it cannot be measured, or None."""
    driver = pathlib.Path("/dev/nvidiactl"), pathlib.Path("/proc/driver/nvidia/version")
    if "STRATA_BENCH_DEVICE" in os.environ or any(path.exists() for path in driver):
        return None
    return "--only gpu needs a GPU: there is no NVIDIA driver"


def row(preset, steps, streams):
    return f"{preset}:bf16:{steps}", CONTEXT, streams


DECODE = ([row("block-45m", steps, streams)
           for steps in ("graphs", "eager") for streams in (1, 64)] +
          [row("block-45m", "graphs", 512)] +
          [row("flat-45m", "graphs", streams) for streams in (1, 64, 512)])


TRAIN = [("flat-124m", .35), ("flat-20m", .25)]


def training(benchmark, binaries, environment, quick):
    """Share of the bf16 products' peak, measured on the device. Operations: of a whole
    pass by formula, thrice; what is computed again for the way back is not counted."""
    figures = benchmark(binaries / "train_bench",
                        ["--benchmark_filter=bf16",
                         *(f"train_bf16/{preset}" for preset, _ in TRAIN)],
                        {"STRATA_BENCH_DEVICE": "cuda:0", **os.environ, **environment}, quick)
    peak = figures["matrix_multiply_peak_bf16"]
    print(f"bf16 products on the device: {peak / 1e12:.0f} TFLOP/s")
    return [(f"{preset}, training: share of the device's bf16 products",
             3 * targets.facts(binaries, preset, 512)["flops_per_byte"] *
             figures[f"train_bf16/{preset}"] / peak, target, False)
            for preset, target in TRAIN]


def beside_training(binaries, models, threads, quick):
    """What a job that takes tickets costs a lone stream on the same device."""
    device = os.environ.get("STRATA_BENCH_DEVICE", "cuda:0")
    beside, kept = served.beside_training(
        binaries, models, threads, 2 if quick else 7, base="flat-20m",
        flags=["--devices", device, "--trainer-devices", device])
    return [(f"{served.MODEL}, p99 between bytes beside training over alone", beside, 1.25,
             True), ("the training's own speed meanwhile, of a tenth", kept, .05, False)]


def measure(benchmark, binaries, models, environment, threads, quick):
    """As inside.measure."""
    figures = {}
    for one in DECODE:  # a process each: a device has memory for one at a time
        figures.update(benchmark(binaries / "device_bench", targets.rows([one]),
                                 environment, quick))

    def ratio(above, below):
        return (figures[targets.decode_name(*above)] /
                figures[targets.decode_name(*below)])

    table = []
    for streams, target in ((1, 3), (64, 1.5)):
        table.append((f"block-45m, graphs over eager, {streams} streams",
                      ratio(row("block-45m", "graphs", streams),
                            row("block-45m", "eager", streams)), target, False))
    for streams, target in ((1, 3), (64, 8), (512, 10)):
        table.append((f"block-45m over flat-45m, context {CONTEXT}, {streams} streams",
                      ratio(row("block-45m", "graphs", streams),
                            row("flat-45m", "graphs", streams)), target, False))
    table += training(benchmark, binaries, environment, quick)
    return table + beside_training(binaries, models, threads, quick)
