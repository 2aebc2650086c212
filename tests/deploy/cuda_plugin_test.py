"""The plug-in of CUDA graphs asks LibTorch's CUDA half for nothing that is not there. It
takes no GPU, no driver and none of NVIDIA's libraries to see that."""
import os
import pathlib
import subprocess

import pytest

LIB = pathlib.Path(os.environ["STRATA_TORCH_LIB"])
PLUGIN = pathlib.Path(os.environ["STRATA_BIN"]).parent / "lib/libstrata_cuda.so"


def symbols(library, which):
    """Of its dynamic table, without versions."""
    output = subprocess.run(["nm", "-D", which, "--format=just-symbols", str(library)],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    return {line.split("@")[0] for line in output.split()}


@pytest.fixture(scope="module", autouse=True)
def built():
    if not PLUGIN.exists():
        pytest.skip("SKIPPED: the plug-in was not built: no headers of the CUDA runtime")


def test_it_exports_its_entry():
    assert "StrataNewCudaRecorder" in symbols(PLUGIN, "--defined-only")


def test_libtorch_has_what_it_asks_for():
    asked = {name for name in symbols(PLUGIN, "--undefined-only") if "cuda" in name.lower()}
    assert asked, "it asks for nothing: does it still record graphs?"
    offered = set()
    for half in "libtorch_cuda.so", "libc10_cuda.so":
        if not (LIB / half).exists():
            pytest.skip(f"SKIPPED: this LibTorch has no {half}")
        offered |= symbols(LIB / half, "--defined-only")
    assert asked <= offered, asked - offered
