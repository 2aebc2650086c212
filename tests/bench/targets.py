"""What a decoder that makes the hierarchy pay should reach, beside what it does: shares
of the machine's roofs and ratios of presets, all of one run. See run.sh --only targets.

A roof is the larger of bytes / read bandwidth (of as many bytes, read again and again)
and operations / matrix-multiply peak (of LibTorch and of the executor's own fp32 kernel,
the better one), measured in the run: of a step, the weights once and each stream's keys
and values, in the bytes that they take: weights are fp32 where a row says nothing else,
keys and values 16 bits. Operations are those of a whole pass by formula; of a prefill,
without what no logit needs.
"""
import json
import pathlib
import subprocess

WEIGHT_BYTES = {"fp32": 4, "bf16": 2, "int8": 1}
KV_BYTES = 2
LONG = 65536 - 256  # the longest context that leaves room to step in


def many_streams():
    """64, or 16 where there is no room for as many states of flat-45m, of 252 MB each."""
    free = next(line for line in pathlib.Path("/proc/meminfo").read_text().splitlines()
                if line.startswith("MemAvailable"))
    return 64 if int(free.split()[1]) * 1024 > 20e9 else 16


MANY = many_streams()


def rows(contexts_of_pairs):
    return [f"decode/{preset}/{context}/{streams}"
            for preset, context, streams in contexts_of_pairs]


DECODE = [("flat-25m", 64, 1), ("flat-25m", 512, 8), ("flat-25m", 512, 32),
          ("flat-25m", 8192, 1), ("block-45m", 8192, 1), ("flat-45m", 8192, 1),
          ("block-45m", 8192, MANY), ("flat-45m", 8192, MANY), ("block-45m", 64, 1),
          ("tree-1m", 1024, 1), ("tree-1m", LONG, 1),
          ("three-level-1m", 1024, 1), ("three-level-1m", LONG, 1)]
# bf16 is of use where the processor multiplies it.
BF16 = "flat-25m:bf16"
if "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text():
    DECODE.append((BF16, 64, 1))
# What of the roof they should reach.
SHARES = [("flat-25m", 64, 1, .8), ("flat-25m", 512, 8, .7), ("flat-25m", 512, 32, .6),
          ("flat-25m", 8192, 1, .6), *((*row, .8) for row in DECODE if row[0] == BF16)]
PREFILL = [("flat-25m", 512), ("flat-25m", 4096), ("block-45m", 4096)]
TRAIN = ["flat-25m", "block-45m"]
PRESETS = sorted({row[0].split(":")[0] for row in DECODE + PREFILL} | set(TRAIN))


def facts(binaries, preset, context):
    output = subprocess.run([str(binaries / "preset_facts"), str(context),
                             str(context), preset],
                            stdout=subprocess.PIPE, check=True).stdout
    return json.loads(output)


def decode_name(preset, context, streams):
    return f"decode/{preset}/context{context}/streams{streams}"


def flat_step(binaries, preset, context, streams):
    """Bytes that a step of a flat preset reads, and its operations: all weights, and all
    keys and values."""
    name, weights = (preset.split(":") + ["fp32"])[:2]
    known = facts(binaries, name, context)  # its state_bytes: of fp32
    moved = (WEIGHT_BYTES[weights] * known["parameters"] +
             streams * known["state_bytes"] * KV_BYTES // 4)
    return moved, streams * (2 * known["parameters"] + known["state_bytes"] / 2)


def share_of_roof(binaries, figures, peak, preset, context, streams):
    moved, operations = flat_step(binaries, preset, context, streams)
    roof = max(moved / figures[f"read/{moved}"], operations / peak)
    return roof * figures[decode_name(preset, context, streams)] / streams


def measure(benchmark, binaries, environment, quick, roofs):
    """(what, value, target, whether a smaller value is better) of each row."""
    names = ["kernel_peak"] + rows(DECODE)
    names += [f"prefill/{preset}/{context}" for preset, context in PREFILL]
    # Among the rows that it is a roof of: the same process has the same kind of memory.
    names += sorted({f"read/{flat_step(binaries, *row)[0]}" for *row, _ in SHARES})
    figures = benchmark(binaries / "decode_bench", names, environment, quick)
    # LibTorch's product is not the best there is on every machine.
    library = roofs["matrix_multiply_peak"]
    peak = max(library, figures["kernel_peak"])
    roofs = {**roofs, "matrix_multiply_peak": peak}
    print(f"matrix multiply: LibTorch {library / 1e9:.0f} GFLOP/s, own kernel "
          f"{figures['kernel_peak'] / 1e9:.0f}")
    figures.update(benchmark(binaries / "train_bench",
                             [f"{kind}/{preset}" for kind in ("train", "train_bf16")
                              for preset in TRAIN],
                             environment, quick))

    def ratio(above, below):
        return figures[decode_name(*above)] / figures[decode_name(*below)]

    def share_of_peak(peak, name, preset, sequence, what="flops_per_byte", passes=1):
        operations = passes * facts(binaries, preset, sequence)[what]
        return figures[name] * operations / peak

    table = []
    for *row, target in SHARES:
        table.append(("{}, context {}, {} streams: share of the roof".format(*row),
                      share_of_roof(binaries, figures, peak, *row), target, False))
    for streams, target in ((1, 8), (MANY, 20)):
        table.append((f"block-45m over flat-45m, context 8192, {streams} streams",
                      ratio(("block-45m", 8192, streams), ("flat-45m", 8192, streams)),
                      target, False))
    table.append(("block-45m, context 8192 over 64",
                  ratio(("block-45m", 8192, 1), ("block-45m", 64, 1)), .8, False))
    for (preset, context), target in zip(PREFILL, (.65, .55, .45)):
        table.append((f"{preset}, prefill of {context}: share of the peak",
                      share_of_peak(peak, f"prefill/{preset}/context{context}", preset,
                                    context, "prefill_flops_per_byte"), target, False))
    for preset in ("tree-1m", "three-level-1m"):
        table.append((f"{preset}, cost of a byte at context 64k over 1k",
                      ratio((preset, 1024, 1), (preset, LONG, 1)), 1.1, True))
    for kind, tops, best in (("train", (.7, .55), peak),
                             ("train_bf16", (.5, .4), roofs["matrix_multiply_peak_bf16"])):
        for preset, target in zip(TRAIN, tops):
            row = f"{kind}/{preset}"
            table.append((f"{row}: share of the peak",
                          share_of_peak(best, row, preset, 512, passes=3), target, False))
    for preset, target in zip(TRAIN, (.7, .55)):
        table.append((f"train/{preset}: share of LibTorch's product",
                      share_of_peak(library, f"train/{preset}", preset, 512, passes=3), target,
                      False))
        table.append((f"{preset}, training with bf16 over without",
                      figures[f"train_bf16/{preset}"] / figures[f"train/{preset}"], 1,
                      False))
    return table


def show(table):
    for what, value, target, least in table:
        met = value <= target if least else value >= target
        print(f"{what:58}{value:8.2f}   target {'<=' if least else '>='} {target:<5}"
              f"{'met' if met else 'missed'}")
