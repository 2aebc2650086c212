"""Early exit: a model that may leave early does, in every batch alike, until the server
is told not to."""
import json
import subprocess

import pytest

from harness import SERVER, Server, copy_models, generation, training
from types_test import bits_per_byte, run_all


@pytest.fixture(scope="module")
def leaving(trained, tmp_path_factory, text):
    """Root of a stopped server whose `tiny` leaves after a layer of three, at nearly any
    cost."""
    root = tmp_path_factory.mktemp("leaving")
    copy_models(trained, root)
    config = json.loads((root / "models/tiny/1/config.json").read_text())
    config["levels"][0].update(dec_layers=3, exits=1, exit_tolerance=1.0)
    server = Server(root)
    try:
        job = server.train(data=text, model="tiny", base="", config=json.dumps(config),
                           steps=30, batch=4, sequence=128, eval_fraction=0.05)
        events = list(server.training.WatchJob(training.WatchJobRequest(name=job.name)))
        assert server.wait_job(job.name).published == "tiny@2"
        assert not [e for e in events if "NO_EARLY_EXIT" in e.message]
        assert server.terminate() == 0
    finally:
        server.close()
    return root


@pytest.fixture
def serve_leaving(leaving, tmp_path):
    from conftest import serve_copies
    yield from serve_copies(leaving, tmp_path)


def test_it_leaves_unless_told_not_to(serve_leaving, text):
    early = bits_per_byte(serve_leaving(), "tiny", text[:3000])
    late = bits_per_byte(serve_leaving("--early-exit", "off"), "tiny", text[:3000])
    assert early != late
    assert abs(early - late) < 2  # one nat is 1.44 bits


def test_leaving_changes_nothing_for_batch_mates(serve_leaving):
    alone = run_all(serve_leaving(), 1)
    assert len(set(alone)) == 40
    assert run_all(serve_leaving("--workers", "2", "--prefill-chunk", "16"), 40) == alone


def test_a_word_that_is_none_is_named():
    result = subprocess.run([str(SERVER), "--early-exit", "maybe"], capture_output=True,
                            timeout=60, text=True)
    assert result.returncode != 0
    assert "--early-exit" in result.stderr and "maybe" in result.stderr
    assert len(result.stderr.splitlines()) == 1
