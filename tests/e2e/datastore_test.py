"""Datastores: built by a job, served, asked by requests; killed, damaged, too large."""
import concurrent.futures
import re
import subprocess
import time

import grpc
import pytest

from harness import (Server, cli, collect, error_reason, generation, json_lines,
                     models, training)

STORED = 18_000  # bytes; all but 2 % of them are stored


def build(server, data, base="tiny", model="tiny", key="", datastore=None, **spec):
    dataset = server.upload(data).name
    return server.training.Train(training.TrainRequest(
        idempotency_key=key, spec=training.TrainSpec(
            dataset=dataset, base=base, model=model,
            datastore=training.DatastoreSpec(**(datastore or {})), **spec)))


def version(server, name, number):
    model = server.models.GetModel(models.GetModelRequest(name=name))
    return next(v for v in model.versions if v.version == number)


def load(server, name):
    return server.models.LoadModel(models.LoadModelRequest(name=name))


def score(server, model, text, **neighbours):
    request = generation.ScoreRequest(model=model, text=text)
    if neighbours:
        request.neighbours.CopyFrom(generation.NeighbourParams(**neighbours))
    return server.generation.Score(request)


@pytest.fixture(scope="module")
def remembering(trained, tmp_path_factory, text):
    """Root of a stopped server whose `tiny@2` has a datastore of the text's beginning."""
    import harness
    root = tmp_path_factory.mktemp("remembering")
    harness.copy_models(trained, root)
    server = Server(root)
    try:
        job = build(server, text[:STORED])
        done = server.wait_job(job.name)
        assert done.state == training.SUCCEEDED, done
        assert done.published == "tiny@2"
        assert server.terminate() == 0
    finally:
        server.close()
    return root


@pytest.fixture
def serve_remembering(remembering, tmp_path):
    from conftest import serve_copies
    yield from serve_copies(remembering, tmp_path)


def test_a_job_builds_tunes_and_publishes_it(serve, text):
    server = serve()
    before = version(server, "tiny", "1")
    assert not before.HasField("datastore")
    job = build(server, text[:STORED])
    events = list(server.training.WatchJob(training.WatchJobRequest(name=job.name)))
    done = server.wait_job(job.name)
    assert done.state == training.SUCCEEDED, done
    alone, mixed = [e.eval for e in events if e.HasField("eval")]
    assert alone.step == 0 and mixed.step == done.progress.total_steps
    assert mixed.bits_per_byte < alone.bits_per_byte
    assert any(e.HasField("checkpoint") for e in events)
    assert done.progress.step == done.progress.total_steps > 30
    assert (job.spec.datastore.entries, job.spec.datastore.neighbours,
            job.spec.datastore.index) == (1_000_000, 64, "auto")
    after = version(server, "tiny", "2")
    # 98 % of the text: one entry a byte.
    assert after.datastore.entries == done.progress.tokens_total == 17_641
    assert after.datastore.index == "graph"
    assert after.weight_bytes == before.weight_bytes + after.datastore.bytes
    assert after.parameters == before.parameters
    assert 0 < after.datastore.weight < 1
    # The weights are those of the base: weight 0 answers as it does, to the bit.
    load(server, "tiny@1")
    plain = score(server, "tiny@1", text[:2_000])
    assert score(server, "tiny@2", text[:2_000], weight=0).log2_prob == plain.log2_prob


def test_a_text_that_it_holds_is_foretold(serve_remembering, text):
    server = serve_remembering()
    held = text[:511]  # a piece of the job's first step
    with_it = score(server, "tiny@2", held).bits_per_byte
    without = score(server, "tiny@2", held, weight=0).bits_per_byte
    assert without > 3
    assert score(server, "tiny@2", held, weight=0.95, k=1).bits_per_byte < without / 4
    assert with_it < without
    # Greedily it goes on as the text did.
    data, _ = server.text("tiny@2", held[:200], max_tokens=100,
                          sampling=dict(temperature=0),
                          neighbours=generation.NeighbourParams(weight=0.95, k=1))
    assert data == held[200:300]


def ask_all(server, concurrency, **neighbours):
    def one(i):
        params = generation.NeighbourParams(**neighbours) if neighbours else None
        return server.text("tiny@2", b"prompt number %d" % (i * 37), max_tokens=150,
                           sampling=dict(seed=i, ignore_eos=True),
                           neighbours=params)[0]
    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        return list(pool.map(one, range(24)))


def test_batches_workers_and_chunks_change_nothing(serve_remembering):
    server = serve_remembering()
    alone = ask_all(server, 1)
    assert len(set(alone)) == 24
    other = serve_remembering("--workers", "2", "--threads", "2",
                              "--prefill-chunk", "7", "--prefix-cache", "0")
    assert ask_all(other, 24) == alone
    plain = ask_all(server, 24, weight=0)
    assert plain != alone
    load(server, "tiny@1")
    assert plain == [server.text("tiny@1", b"prompt number %d" % (i * 37),
                                 max_tokens=150,
                                 sampling=dict(seed=i, ignore_eos=True))[0]
                     for i in range(24)]


def test_the_tensor_executor_asks_as_well(serve_remembering, text):
    fused = serve_remembering("--kv-dtype", "fp32")
    tensor = serve_remembering("--devices", "tensor")
    sample = text[25_000:26_000]  # not stored
    assert version(tensor, "tiny", "2").executor.startswith("tensor-")
    for weight in (0, 0.5):
        want = score(fused, "tiny@2", sample, weight=weight)
        got = score(tensor, "tiny@2", sample, weight=weight)
        # A neighbour at the edge may be another: in sum they agree.
        assert abs(got.bits_per_byte - want.bits_per_byte) < 0.01
    stream = tensor.generate("tiny@2", text[:100], max_tokens=20)
    assert next(iter(stream)).accepted.neighbours.weight > 0
    assert len(collect(stream)[0]) > 0


def test_what_cannot_be_is_refused_with_one_reason(serve_remembering, text):
    server = serve_remembering()

    def refusal(call):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        return caught.value.code().name, error_reason(caught.value), caught.value.details()

    code, reason, _ = refusal(lambda: score(server, "plain", b"a", weight=0.5))
    assert (code, reason) == ("FAILED_PRECONDITION", "NO_DATASTORE")
    for bad, field in [(dict(weight=1), "weight"), (dict(k=65), "k is 65"),
                       (dict(temperature=0), "temperature")]:
        code, reason, details = refusal(lambda: score(server, "tiny@2", b"a", **bad))
        assert (code, reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
        assert field in details
    small = text[:4_000]
    for spec, field in [(dict(base="block-1m", model="x"), "spec.base"),
                        (dict(base="talk"), "spec.dataset"),
                        (dict(steps=3), "spec.steps"),
                        (dict(eval_fraction=0), "spec.eval_fraction"),
                        (dict(datastore=dict(entries=0)), "spec.datastore.entries"),
                        (dict(datastore=dict(neighbours=999)), "spec.datastore.neighbours"),
                        (dict(datastore=dict(index="x")), "spec.datastore.index"),
                        (dict(datastore=dict(entries=100_000_000)), "--datastore-memory")]:
        code, _, details = refusal(lambda: build(server, small, **spec))
        assert code == "INVALID_ARGUMENT" and field in details, (spec, details)


def test_a_version_that_is_too_large_or_damaged_is_not_served(serve_remembering):
    server = serve_remembering("--datastore-memory", "1MB")
    broken = version(server, "tiny", "2")
    assert broken.state == models.BROKEN
    assert "--datastore-memory allows 1000000" in broken.error
    server.terminate()
    for name in ("datastore.index", "datastore.json"):
        damaged = serve_remembering(wait=False)
        path = damaged.root / "models" / "tiny" / "2" / name
        contents = bytearray(path.read_bytes())
        contents[len(contents) // 2] ^= 1
        path.unlink()  # it may be linked elsewhere
        path.write_bytes(contents)
        damaged.start()
        broken = version(damaged, "tiny", "2")
        assert broken.state == models.BROKEN and name in broken.error
        with pytest.raises(grpc.RpcError):
            score(damaged, "tiny@2", b"abc")
        assert score(damaged, "plain", b"abc").bits_per_byte > 0


def trainer_pid(server):
    out = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(server.process.pid)],
                         capture_output=True, text=True).stdout
    found = re.search(r"^\s*(\d+) .* trainer ", out, re.M)
    return int(found[1]) if found else None


def test_kills_of_trainer_and_server_change_no_bit(serve, text):
    import os
    import signal
    data = text[:14_000]
    spec = dict(checkpoint_every_steps=4, datastore=dict(index="graph"))
    files = []
    for kills in (False, True):
        server = serve("--job-retry-base", "100ms")
        job = build(server, data, **spec)
        if kills:
            for killer in ("trainer", "server"):
                seen = 0
                for event in server.training.WatchJob(
                        training.WatchJobRequest(name=job.name)):
                    seen += event.type == "checkpoint_saved"
                    if seen == 2:
                        break
                if killer == "trainer":
                    os.kill(trainer_pid(server), signal.SIGKILL)
                    time.sleep(0.5)
                else:
                    server.kill()
                    server.start()
        done = server.wait_job(job.name)
        assert done.state == training.SUCCEEDED, done
        assert (done.attempt > 1) == kills
        folder = server.root / "models" / "tiny" / "2"
        files.append({n: (folder / n).read_bytes()
                      for n in ("datastore.json", "datastore.index")})
    assert files[0] == files[1]


def test_a_cancelled_job_leaves_no_version(serve, text):
    server = serve()
    job = build(server, text, key="same")
    assert build(server, text, key="same").name == job.name
    for event in server.training.WatchJob(training.WatchJobRequest(name=job.name)):
        if event.HasField("progress"):
            break
    server.training.CancelJob(training.CancelJobRequest(name=job.name))
    assert server.wait_job(job.name).state == training.CANCELLED
    assert len(server.models.GetModel(models.GetModelRequest(name="tiny")).versions) == 1


def test_the_client_builds_and_asks(serve, text, tmp_path):
    server = serve()
    path = tmp_path / "text"
    path.write_bytes(text[:12_000])
    out = cli(server, "datastore", "--base", "tiny", "--data", str(path), "--watch",
              "--entries", "20000", "--json")
    job = json_lines(out.stdout)[-1]
    assert job["published"] == "tiny@2"
    shown = json_lines(cli(server, "models", "get", "tiny", "--json").stdout)[0]
    assert int(shown["versions"][1]["datastore"]["entries"]) > 10_000
    part = tmp_path / "part"
    part.write_bytes(text[:500])
    bits = [float(re.search(rb"([0-9.]+) bits", cli(
        server, "score", "--model", "tiny", "--file", str(part), *flags).stdout)[1])
        for flags in ([], ["--neighbour-weight", "0"],
                      ["--neighbour-weight", "0.9", "--neighbours", "1",
                       "--neighbour-temperature", "1"])]
    assert bits[2] < bits[0] < bits[1]
    out = cli(server, "generate", "--model", "tiny", "--prompt", text[:100].decode(),
              "--max-tokens", "20", "--temperature", "0", "--neighbour-weight", "0.95",
              "--neighbours", "1").stdout
    assert out == text[100:120]
    for arguments, word in [(("score", "--file", str(part), "--neighbours", "65"),
                             b"--neighbours is 65"),
                            (("score", "--file", str(part), "--neighbour-weight", "2"),
                             b"--neighbour-weight is 2")]:
        failed = cli(server, arguments[0], "--model", "tiny", *arguments[1:], check=False)
        assert failed.returncode != 0 and word in failed.stderr, failed.stderr
    failed = cli(server, "datastore", "--base", "tiny", "--data", str(path), "--index",
                 "tree", check=False)
    assert failed.returncode != 0
    assert failed.stderr.splitlines()[-1].startswith(b'error: --index is "tree"')
