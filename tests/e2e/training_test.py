"""Train: idempotency, watching, cancelling, publishing, aliases."""
import concurrent.futures
import json

import grpc
import pytest

from harness import Server, collect, training, models

SMALL = dict(steps=8, batch=2, sequence=64)


def watch(server, name, after=0):
    return list(server.training.WatchJob(
        training.WatchJobRequest(name=name, after_sequence=after)))


def test_from_upload_to_a_served_version(empty_server, text):
    server = empty_server()
    job = server.train(text, **SMALL)
    events = watch(server, job.name)
    stored = [e for e in events if e.sequence]
    assert [e.sequence for e in stored] == list(range(1, len(stored) + 1))
    assert stored[-1].state == training.SUCCEEDED
    assert any(e.HasField("eval") for e in stored)
    done = server.wait_job(job.name)
    assert done.published == "tiny@1"
    assert done.progress.step == SMALL["steps"]
    assert server.text("tiny", b"a", max_tokens=5)


def test_an_architecture_of_ones_own(empty_server, text):
    server = empty_server()
    presets = server.models.ListPresets(models.ListPresetsRequest()).presets
    sizes = {p.name: p.parameters for p in presets}
    assert sizes["block-1m"] > 900_000 and sizes["flat-45m"] > 40_000_000
    assert sizes["document"] > 100_000
    config = json.loads(next(p.config for p in presets if p.name == "block"))
    for level in config["levels"]:
        level["position"] = "alibi"
    job = server.train(text, base="", config=json.dumps(config), **SMALL)
    assert job.spec.base == "" and json.loads(job.spec.config) == config
    assert server.wait_job(job.name).state == training.SUCCEEDED
    assert server.text("tiny", b"a", max_tokens=5)
    with pytest.raises(grpc.RpcError) as caught:
        config["levels"][0]["heads"] = 7
        server.train(text, base="", config=json.dumps(config), **SMALL)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "spec.config: levels[0]" in caught.value.details()


def test_watch_resumes_after_any_sequence(empty_server, text):
    server = empty_server()
    job = server.train(text, **SMALL)
    whole = [e.sequence for e in watch(server, job.name) if e.sequence]
    for cut in whole:
        rest = [e.sequence for e in watch(server, job.name, cut) if e.sequence]
        assert rest == whole[cut:]


def test_two_clients_with_one_key_get_one_job(empty_server, text):
    server = empty_server()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        names = {f.result().name for f in
                 [pool.submit(server.train, text, key="same", **SMALL)
                  for _ in range(8)]}
    assert len(names) == 1
    with pytest.raises(grpc.RpcError) as caught:
        server.train(text, key="same", **{**SMALL, "steps": 9})
    assert caught.value.code() == grpc.StatusCode.ALREADY_EXISTS
    page = server.training.ListJobs(training.ListJobsRequest())
    assert len(page.jobs) == 1
    server.wait_job(names.pop())


# Bytes without a tokeniser; without a datastore a job trains.
OPTIONAL = {"tokenizer", "datastore"}


def test_defaults_are_resolved_and_returned(empty_server, text):
    server = empty_server()
    spec = server.train(text, steps=1).spec
    assert spec.learning_rate == 5e-4
    assert spec.batch == 8
    for field in spec.DESCRIPTOR.fields:
        if field.has_presence and field.name not in OPTIONAL:
            assert spec.HasField(field.name), field.name


PAIR = b'{"prompt": "a", "completion": "b"}'
CHAT = (b'{"messages": [{"role": "user", "content": "a"}, '
        b'{"role": "assistant", "content": "b"}]}')
LABEL = b'{"text": "a", "label": "b"}'


@pytest.mark.parametrize("data, place", [
    (PAIR + b'\n{"prompt": "a"}', "line 2, column 1: missing_field"),
    (PAIR + b'\n{"prompt": 1, "completion": "b"}',
     "line 2, column 12: wrong_type"),
    (PAIR + b'\n{"prompt": "a", "completion": ""}',
     "line 2, column 31: empty_text"),
    (PAIR + b'\n{"prompt": "a", "prompt": "a"}',
     "line 2, column 17: duplicate_key"),
    (PAIR + b'\n{"prompt": "\\u0000", "completion": "b"}',
     "line 2, column 12: nul_byte"),
    (PAIR + b'\n{"prompt": "a", "comp', "line 2, column 22: bad_json"),
    (b'{"messages": [{"role": "user", "content": "a"}]}\n',
     "line 1, column 14: no_assistant_turn"),
    (CHAT + b'\n{"messages": [{"role": "bot", "content": "a"}]}',
     "line 2, column 24: bad_role"),
    (CHAT + b'\n{"messages": [{"role": "assistant", "content": "a"}]}',
     "line 2, column 24: role_order"),
    (LABEL + b'\n{"text": "a", "label": ""}', "line 2, column 24: bad_label"),
    (b"\n".join(b'{"text": "a", "label": "%d"}' % i for i in range(1001)),
     "line 1001, column 24: too_many_labels"),
    (b"good\nb\xffd\n", "line 2, column 2: not_utf8"),
    (b"[" + PAIR + b", " + PAIR + b"]", "line 1, column 1: not_json_lines"),
    (b"", "line 1, column 1: empty_text"),
])
def test_bad_dataset_is_refused_with_its_place(empty_server, data, place):
    server = empty_server()
    with pytest.raises(grpc.RpcError) as caught:
        server.upload(data)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith(place), caught.value.details()
    assert not list((server.root / "data" / "datasets").glob("[0-9a-f]*"))


def test_long_conversations_get_long_rows_or_a_warning(empty_server):
    server = empty_server()
    data = b"\n".join(b'{"prompt": "%s", "completion": "%s"}'
                      % (b"q" * 400, b"a" * (300 + i)) for i in range(8))
    spec = server.train(data, steps=1).spec
    assert (spec.sequence, spec.micro_batch) == (1024, 4)
    cut = server.train(data, steps=1, sequence=512)
    codes = {e.error.code: e.error.message for e in watch(server, cut.name)
             if e.HasField("error")}
    assert codes["DOCUMENTS_CUT"].startswith("8 of 8 documents")
    assert server.wait_job(cut.name).state == training.SUCCEEDED


def test_bad_spec_names_the_field(empty_server, text):
    server = empty_server()
    for bad in [dict(steps=0), dict(steps=1, base="no-such"),
                dict(steps=1, model="block-1m"), dict(steps=1, batch=0),
                dict(steps=1, sequence=13)]:
        with pytest.raises(grpc.RpcError) as caught:
            server.train(text, **bad)
        assert caught.value.code() in (grpc.StatusCode.INVALID_ARGUMENT,
                                       grpc.StatusCode.NOT_FOUND), bad


def test_cancel_running_and_queued(empty_server, text):
    server = empty_server()
    running = server.train(text, steps=100_000)
    queued = server.train(text, steps=100_001)
    for event in server.training.WatchJob(
            training.WatchJobRequest(name=running.name)):
        if event.HasField("progress"):
            break
    for job in (queued, running):
        server.training.CancelJob(training.CancelJobRequest(name=job.name))
        assert server.wait_job(job.name).state == training.CANCELLED


def test_running_streams_keep_their_version_and_alias_takes_back(
        serve, text):
    server = serve()
    stream = server.generate("tiny", b"a", max_tokens=3_000,
                             sampling=dict(seed=1, ignore_eos=True))
    assert next(iter(stream)).accepted.model == "tiny@1"
    job = server.train(text, base="tiny", **SMALL)
    assert server.wait_job(job.name).published == "tiny@2"
    now = next(iter(server.generate("tiny", b"a", max_tokens=1))).accepted
    assert now.model == "tiny@2"
    streamed, _ = collect(stream)
    server.models.SetAlias(models.SetAliasRequest(
        name="tiny", alias="live", version="1"))
    data, _ = server.text("tiny", b"a", max_tokens=3_000,
                          sampling=dict(seed=1, ignore_eos=True))
    assert data == streamed
    restarted = Server(server.root, wait=False)
    server.terminate()
    restarted.start()
    try:
        model = restarted.models.GetModel(models.GetModelRequest(name="tiny"))
        assert dict(model.aliases)["live"] == "1"
        assert [v.version for v in model.versions] == ["1", "2"]
    finally:
        restarted.close()
