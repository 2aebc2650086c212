"""deploy/libtorch-cuda.txt: with these wheels, and no other library of NVIDIA's,
LibTorch's CUDA half loads. It takes no GPU and no driver to see that."""
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

LIST = (pathlib.Path(__file__).resolve().parents[2] / "deploy"
        / "libtorch-cuda.txt")
LIB = pathlib.Path(os.environ["STRATA_TORCH_LIB"])
TREE = LIB.parents[1]  # of the wheels, unpacked side by side
NVRTC = TREE / "nvidia/cu13/lib"
# Opened by name when it is wanted, so that loading alone does not show it.
OPENED_LATER = {"nvidia-cuda-nvrtc"}

# In a process of its own, as the server does it: everything resolved at once,
# the CPU half first. Then prints which files of libraries it has.
LOAD = """
import ctypes, json, os, sys
for path in sys.argv[1:]:
    ctypes.CDLL(path, os.RTLD_NOW | os.RTLD_GLOBAL)
with open("/proc/self/maps") as maps:
    paths = {line.split()[5] for line in maps if len(line.split()) == 6}
print(json.dumps(sorted(p for p in paths if ".so" in p)))
"""


def load(*libraries):
    env = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    result = subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, libraries)],
        capture_output=True, text=True, timeout=300, env=env)
    assert result.returncode == 0, result.stderr
    return {pathlib.Path(p).resolve() for p in json.loads(result.stdout)}


def pinned():
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LIST.read_text(), re.M))


def files_of(wheel, version):
    folder = TREE / f"{wheel.replace('-', '_')}-{version}.dist-info"
    record = (folder / "RECORD").read_text().splitlines()
    return {(TREE / line.split(",")[0]).resolve() for line in record}


@pytest.fixture(scope="module", autouse=True)
def installed():
    mark = TREE / LIST.name
    if not mark.is_file() or mark.read_text() != LIST.read_text():
        pytest.skip("LibTorch's CUDA half is not installed: "
                    "deploy/install_deps.sh --cuda")


@pytest.fixture(scope="module")
def loaded():
    return load(LIB / "libtorch_cpu.so", LIB / "libtorch_cuda.so")


def test_the_cuda_half_loads_without_a_driver(loaded):
    assert (LIB / "libtorch_cuda.so").resolve() in loaded


def test_what_it_loads_of_nvidia_is_ours(loaded):
    of_nvidia = {p for p in loaded if re.match(r"lib(cu|nv|nccl)", p.name)}
    assert of_nvidia
    assert [p for p in of_nvidia if TREE.resolve() not in p.parents] == []


def test_no_wheel_is_idle(loaded):
    idle = {wheel for wheel, version in pinned().items()
            if not files_of(wheel, version) & loaded}
    assert idle == OPENED_LATER


def test_what_cudnn_opens_by_name_loads_too():
    parts = sorted((TREE / "nvidia/cudnn/lib").glob("libcudnn_*.so.*"))
    assert len(parts) >= 7
    assert {p.resolve() for p in parts} <= load(*parts)


# NVRTC opens its second library by name and has no run path: only the program's
# own can lead there, and only as DT_RPATH.
def test_the_servers_run_path_leads_to_nvrtc():
    binary = pathlib.Path(os.environ.get("STRATA_BIN", "")) / "strata-server"
    if not binary.is_file():
        pytest.skip("no strata-server was built")
    dynamic = subprocess.run(["readelf", "-d", binary], capture_output=True,
                             text=True, check=True).stdout
    paths = re.search(r"\(RPATH\).*\[(.*)\]", dynamic)[1].split(":")
    assert NVRTC.resolve() in [pathlib.Path(p).resolve() for p in paths if p]
    assert list(NVRTC.glob("libnvrtc-builtins.so.*"))


def test_versions_are_those_that_torch_asks_for():
    metadata = next(TREE.glob("torch-*.dist-info/METADATA")).read_text()
    asked = dict(re.findall(r"^Requires-Dist: (nvidia-[a-z0-9-]+)==([^;\s]+)",
                            metadata, re.M))
    assert asked and {w: pinned().get(w) for w in asked} == asked
