"""--dtype and --kv-dtype: what serves in fewer bits says so, takes less memory, answers
the same in every batch, and predicts nearly as well."""
import concurrent.futures
import subprocess

import pytest

from harness import SERVER, generation, models

TYPES = [("fp32", "fp32"), ("fp32", "fp16"), ("fp32", "bf16"), ("bf16", "fp16"),
         ("int8", "fp16")]


def version(server, model):
    return server.models.GetModel(models.GetModelRequest(name=model)).versions[0]


def bits_per_byte(server, model, text):
    response = server.generation.Score(
        generation.ScoreRequest(model=model, text=text))
    return -sum(response.log2_prob) / len(response.log2_prob)


def run_all(server, concurrency):
    def one(i):
        return server.text("tiny", b"prompt number %d" % (i * 37), max_tokens=200,
                           sampling=dict(seed=i, ignore_eos=True))[0]
    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        return list(pool.map(one, range(40)))


@pytest.mark.parametrize("dtype, kv", TYPES)
def test_a_type_is_said_and_batches_change_nothing(serve, dtype, kv):
    flags = ["--dtype", dtype, "--kv-dtype", kv]
    server = serve(*flags)
    assert version(server, "tiny").executor.endswith(f"-{dtype}-kv-{kv}")
    alone = run_all(server, 1)
    assert len(set(alone)) == 40
    assert run_all(serve(*flags, "--workers", "2", "--threads", "2",
                         "--prefill-chunk", "16"), 40) == alone


def test_fewer_bits_take_less_and_predict_nearly_as_well(serve, text):
    sample = text[:3000]
    full = serve("--dtype", "fp32", "--kv-dtype", "fp32")
    bits = bits_per_byte(full, "tiny", sample)
    known = version(full, "tiny")
    for dtype, kv in TYPES[1:]:
        server = serve("--dtype", dtype, "--kv-dtype", kv)
        assert abs(bits_per_byte(server, "tiny", sample) - bits) < 0.02
        narrow = version(server, "tiny")
        assert narrow.max_state_bytes < known.max_state_bytes
        assert (narrow.weight_bytes < known.weight_bytes) == (dtype != "fp32")


def test_auto_measures_and_says_what_it_chose(serve):
    server = serve("--dtype", "auto")
    executor = version(server, "tiny").executor
    chosen = "bf16" if "-bf16-kv-" in executor else "fp32"
    assert f"-{chosen}-kv-" in executor
    assert f"chosen={chosen}" in server.log_text()


@pytest.mark.parametrize("flag", ["--dtype", "--kv-dtype"])
def test_a_type_that_is_none_is_named(flag):
    result = subprocess.run([str(SERVER), flag, "fp8"], capture_output=True,
                            timeout=60, text=True)
    assert result.returncode != 0
    assert flag in result.stderr and "fp8" in result.stderr
    assert len(result.stderr.splitlines()) == 1
