"""The bundle of `cmake --install` serves and trains with an empty environment, and
loads no library from outside itself but glibc's."""
import os
import pathlib
import re
import subprocess
import time

import pytest

GLIBC = re.compile(r"/(ld-linux[^/]*|lib(c|m|dl|rt|pthread|resolv|util|"
                   r"nss_[a-z]+|anl|mvec))\.so[.0-9]*$")
ENVIRONMENT = {"PATH": "/nowhere", "TMPDIR": "/tmp"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("bundle")
    subprocess.run([os.environ["STRATA_CMAKE"], "--install",
                    os.environ["STRATA_BUILD"], "--prefix", str(prefix)],
                   check=True, stdout=subprocess.DEVNULL)
    return prefix


@pytest.fixture
def server(bundle, tmp_path):
    ports = tmp_path / "ports"
    process = subprocess.Popen(
        [bundle / "bin/strata-server", "--listen", "127.0.0.1:0", "--http",
         "127.0.0.1:0", "--models", tmp_path / "models", "--data",
         tmp_path / "data", "--port-file", ports, "--devices", "cpu"],
        env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if ports.exists() or process.poll() is not None:
                break
            time.sleep(0.1)
        yield process, re.search("grpc=(.*)", ports.read_text())[1]
    finally:
        process.terminate()
        process.wait(30)


def libraries(pid):
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    return set(re.findall(r"(/\S+\.so[.0-9]*)$", maps, re.M))


def test_it_trains_and_serves_by_itself(bundle, server, tmp_path):
    process, address = server

    def strata(*arguments):
        return subprocess.run(
            [bundle / "bin/strata", "--server", address, *arguments],
            env=ENVIRONMENT, check=True, stdout=subprocess.PIPE).stdout

    text = tmp_path / "text"
    text.write_bytes(b"The quick brown fox jumps over the lazy dog. \n" * 400)
    strata("train", "--base", "block-1m", "--data", text, "--name", "fox",
           "--steps", "4", "--batch", "2", "--sequence", "64", "--watch",
           "--tokenizer", "bpe", "--pieces", "256")
    assert strata("generate", "--model", "fox", "--prompt", "The",
                  "--max-tokens", "8", "--ignore-eos")
    foreign = {path for path in libraries(process.pid)
               if not path.startswith(str(bundle)) and not GLIBC.search(path)}
    assert not foreign
    for loaded in "libtorch_cpu", "libsentencepiece":
        assert any(loaded in path for path in libraries(process.pid))


def test_it_carries_the_plug_in_of_cuda_graphs(bundle):
    if not (pathlib.Path(os.environ["STRATA_BUILD"]) / "lib/libstrata_cuda.so").is_file():
        pytest.skip("SKIPPED: the plug-in was not built: no headers of the CUDA runtime")
    assert (bundle / "lib/libstrata_cuda.so").is_file()


def test_it_carries_the_contract(bundle):
    protos = {p.name for p in (bundle / "share/strata/proto").rglob("*.proto")}
    assert {"generation.proto", "training.proto", "models.proto"} <= protos
