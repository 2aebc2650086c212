"""--devices: the tensor executor behind the same server, and what is refused.

The GPU's own executor is the tensor executor on another device, so here it runs
on the CPU. Where the server can use a CUDA device, it runs there too.
"""
import concurrent.futures
import pathlib
import subprocess

import pytest

from harness import SERVER, Server, generation, models


def no_cuda(tmp_path):
    """Why this machine cannot decode on a GPU; empty where it can."""
    server = Server(tmp_path / "probe", "--devices", "cuda", wait=False)
    try:
        server.start()
        server.close()
        return ""
    except AssertionError as error:
        return str(error).splitlines()[-1]


@pytest.fixture(params=["tensor", "cuda"])
def devices(request, tmp_path):
    if request.param == "cuda" and (reason := no_cuda(tmp_path)):
        pytest.skip(f"SKIPPED: {reason}")
    return request.param


def scores(server, model, text):
    response = server.generation.Score(
        generation.ScoreRequest(model=model, text=text))
    return list(response.log2_prob)


def executor(server, model):
    found = server.models.GetModel(models.GetModelRequest(name=model))
    return found.versions[0].executor


@pytest.mark.parametrize("model", ["tiny", "plain"])
def test_tensors_and_the_cpu_executor_agree(serve, model, text, devices):
    on_cpu, on_tensors = serve(), serve("--devices", devices)
    assert executor(on_cpu, model).startswith("cpu-")
    assert executor(on_tensors, model).startswith("tensor-")
    sample = text[:3000]
    for a, b in zip(scores(on_cpu, model, sample),
                    scores(on_tensors, model, sample), strict=True):
        assert abs(a - b) < 1e-3


def test_many_streams_over_tensor_workers(serve, devices):
    server = serve("--devices", devices, "--workers", "2", "--max-batch", "8")

    def one(i):
        data, finished = server.text(
            "tiny", b"x" * (1 + 97 * i % 700), max_tokens=40,
            sampling=dict(seed=i, ignore_eos=True))
        assert len(data) == 40
        return finished.reason

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        assert set(pool.map(one, range(24))) == {
            generation.FINISH_REASON_MAX_TOKENS}
    call = server.generate("tiny", b"x" * 3000, max_tokens=10)
    next(call)
    call.cancel()
    after, _ = server.text("tiny", b"after", max_tokens=5, sampling=dict(ignore_eos=True))
    assert len(after) == 5
    assert server.terminate() == 0


def refusal(tmp_path, devices, *flags):
    result = subprocess.run(
        [str(SERVER), "--devices", devices, "--listen", "127.0.0.1:0", "--http",
         "127.0.0.1:0", "--models", tmp_path / "m", "--data", tmp_path / "d",
         *flags],
        capture_output=True, timeout=60, text=True)
    assert result.returncode != 0
    return result.stderr


@pytest.mark.parametrize("devices", ["gpu", "cpu,cuda:0", "cuda:99"])
def test_a_device_that_is_not_there_is_named(tmp_path, devices):
    error = refusal(tmp_path, devices)
    assert "--devices" in error and devices in error
    assert len(error.splitlines()) == 1


def test_libtorch_serves_in_bf16_too_and_int8_is_the_cpus(tmp_path, serve):
    server = serve("--devices", "tensor", "--dtype", "bf16")
    assert executor(server, "tiny") == "tensor-cpu-bf16"
    data, finished = server.text("tiny", b"a prompt", max_tokens=40,
                                 sampling=dict(seed=1, ignore_eos=True))
    assert len(data) == 40
    assert finished.reason == generation.FINISH_REASON_MAX_TOKENS
    assert '--dtype: "int8"' in refusal(tmp_path, "tensor", "--dtype", "int8")


def test_cuda_without_a_gpu_is_refused_and_auto_takes_the_cpu(tmp_path, serve):
    if pathlib.Path("/dev/nvidiactl").exists():
        pytest.skip("SKIPPED: this machine has a GPU")
    assert "there is no CUDA device" in refusal(tmp_path, "cuda")
    assert executor(serve("--devices", "auto"), "tiny").startswith("cpu-")


@pytest.mark.parametrize("devices, prefix",
                         [("cpu", "cpu-"), ("tensor", "tensor-cpu")])
def test_a_tree_is_served_by_both_executors(serve_hierarchies, text, devices,
                                            prefix):
    server = serve_hierarchies("--devices", devices)
    assert executor(server, "leafy").startswith(prefix)
    prompt = text[:700]
    data, finished = server.text("leafy", prompt, max_tokens=60,
                                 sampling=dict(seed=1, ignore_eos=True))
    assert len(data) == 60
    assert finished.reason == generation.FINISH_REASON_MAX_TOKENS
    assert scores(server, "leafy", prompt)
    assert server.terminate() == 0
