"""Generate: streams, finish reasons, stop strings, cancel, deadline, limits."""
import shutil
import subprocess
import threading
import time

import grpc
import pytest

from harness import CLIENT, collect, error_reason, generation, models


def test_stream_begins_with_accepted_and_ends_with_finished(serve):
    call = serve().generate("tiny", b"The model", max_tokens=200)
    events = [r.WhichOneof("event") for r in call]
    assert events[0] == "accepted"
    assert events[-1] == "finished"
    assert events.count("finished") == 1


def test_accepted_reports_every_effective_parameter(serve):
    call = serve().generate("tiny", b"x", max_tokens=5)
    accepted = next(iter(call)).accepted
    assert accepted.model == "tiny@1"
    assert accepted.request_id
    for field in accepted.sampling.DESCRIPTOR.fields:
        assert accepted.sampling.HasField(field.name), field.name
    call.cancel()


def test_same_seed_same_bytes_and_another_seed_others(serve):
    server = serve()
    run = lambda seed: server.text("tiny", b"The", max_tokens=300,
                                   sampling=dict(seed=seed, ignore_eos=True))[0]
    assert run(7) == run(7)
    assert run(7) != run(8)


def test_max_tokens(serve):
    data, finished = serve().text("tiny", b"a", max_tokens=100,
                                  sampling=dict(ignore_eos=True))
    assert finished.reason == generation.FINISH_REASON_MAX_TOKENS
    assert len(data) == finished.usage.generated_tokens == 100


def test_context_limit(serve):
    # The context of every preset is 65536 items; SOS takes one.
    server = serve()
    data, finished = server.text("tiny", b"ab" * 32_700, max_tokens=10_000,
                                 sampling=dict(ignore_eos=True))
    assert finished.reason == generation.FINISH_REASON_CONTEXT_LIMIT
    assert 1 + 65_400 + len(data) == 65_536


def test_time_limit_is_a_finish_reason_of_its_own(serve):
    data, finished = serve().text("plain", b"a", max_tokens=60_000,
                                  time_limit_seconds=1.0,
                                  sampling=dict(ignore_eos=True))
    assert finished.reason == generation.FINISH_REASON_DEADLINE
    assert data


def test_rpc_deadline_is_a_status(serve):
    call = serve().generate("plain", b"a", timeout=1.0, max_tokens=60_000,
                            sampling=dict(ignore_eos=True))
    with pytest.raises(grpc.RpcError) as caught:
        collect(call)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("length", [1, 2, 5])
def test_stop_string_never_leaks(serve, length):
    server = serve()
    sampling = dict(seed=3, ignore_eos=True)
    whole, _ = server.text("tiny", b"The", max_tokens=400, sampling=sampling)
    stop = whole[200:200 + length]
    first = whole.find(stop)
    data, finished = server.text("tiny", b"The", max_tokens=400,
                                 stop=[stop, b"\xff\xfe never"],
                                 sampling=sampling)
    assert finished.reason == generation.FINISH_REASON_STOP
    assert finished.matched_stop == stop
    assert data == whole[:first]


def test_text_is_valid_utf8_and_agrees_with_data(serve):
    call = serve().generate("tiny", "naïve – ☃".encode(), max_tokens=500,
                            sampling=dict(temperature=5.0, ignore_eos=True))
    data = text = b""
    for response in call:
        if response.WhichOneof("event") == "delta":
            data += response.delta.data
            text += response.delta.text.encode()
    assert text.decode() == data.decode(errors="replace") or \
        text.replace("�".encode(), b"") == data.decode(errors="ignore").encode()


def wait_for(condition, timeout=20):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "condition not met in time"
        time.sleep(0.02)


def idle(server):
    samples = server.metrics()
    return (samples["strata_running_requests"] == 0 and
            samples["strata_queued_requests"] == 0 and
            samples["strata_state_bytes"] == 0)


def test_cancel_by_the_client_frees_everything(serve):
    server = serve()
    call = server.generate("tiny", b"a", max_tokens=60_000,
                           sampling=dict(ignore_eos=True))
    for response in call:
        if response.WhichOneof("event") == "delta":
            break
    call.cancel()
    wait_for(lambda: idle(server))


def test_clients_that_are_killed_free_everything(serve):
    # With many writes in flight: the transport tells of it by a failed write.
    server = serve("--stream-interval", "0s")
    for _ in range(5):
        clients = [subprocess.Popen(
            [str(CLIENT), "--server", server.grpc, "generate", "--model", "tiny",
             "--prompt", "a", "--max-tokens", "60000", "--ignore-eos"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(6)]
        for client in clients:
            assert client.stdout.read(1)
        for client in clients:
            client.kill()
            client.wait()
            client.stdout.close()
        wait_for(lambda: idle(server))


def test_cancel_rpc_ends_the_stream(serve):
    server = serve()
    call = server.generate("tiny", b"a", max_tokens=60_000, request_id="mine",
                           sampling=dict(ignore_eos=True))
    next(iter(call))
    server.generation.Cancel(generation.CancelRequest(request_id="mine"))
    with pytest.raises(grpc.RpcError) as caught:
        collect(call)
    assert caught.value.code() == grpc.StatusCode.CANCELLED
    wait_for(lambda: idle(server))


def test_cancel_inside_a_long_prefill(serve):
    server = serve()
    call = server.generate("plain", b"ab" * 16_000, max_tokens=10)
    for response in call:
        if response.WhichOneof("event") == "prompt_progress":
            progress = response.prompt_progress
            if 0 < progress.processed_tokens < progress.prompt_tokens:
                break
        assert response.WhichOneof("event") in ("accepted", "prompt_progress")
    call.cancel()
    wait_for(lambda: idle(server))
    samples = server.metrics()
    assert samples['strata_requests_cancelled_total{phase="prefill"}'] == 1


def test_streams_go_on_during_a_long_prefill(serve):
    """A short request that arrives during a 32k-byte prefill ends before it."""
    server = serve()
    long_call = server.generate("plain", b"ab" * 16_000, max_tokens=1)
    for response in long_call:
        if response.WhichOneof("event") == "prompt_progress":
            break
    ended = threading.Event()
    threading.Thread(target=lambda: (collect(long_call), ended.set())).start()
    server.text("tiny", b"a", max_tokens=20)
    assert not ended.is_set()
    assert ended.wait(120)


def test_queue_full(serve):
    server = serve("--max-batch", "1", "--max-queued-requests", "2")
    endless = dict(max_tokens=60_000, sampling=dict(ignore_eos=True))
    running = server.generate("tiny", b"a", **endless)
    for response in running:
        if response.WhichOneof("event") == "delta":
            break
    queued = [server.generate("tiny", b"a", **endless) for _ in range(2)]
    for call in queued:
        assert next(iter(call)).WhichOneof("event") == "accepted"
    with pytest.raises(grpc.RpcError) as caught:
        collect(server.generate("tiny", b"a", **endless))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert error_reason(caught.value) == "QUEUE_FULL"
    for call in [running, *queued]:
        call.cancel()
    wait_for(lambda: idle(server))


def test_what_can_never_fit_is_refused(serve):
    server = serve("--state-memory", "1MiB")
    for model, prompt in [("plain", b"a" * 20_000), ("tiny", b"a" * 70_000)]:
        with pytest.raises(grpc.RpcError) as caught:
            collect(server.generate(model, prompt, max_tokens=10))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert error_reason(caught.value) == "CONTEXT_LENGTH_EXCEEDED"


def test_messages_and_completion_prompts(serve):
    server = serve()
    message = generation.Message
    messages = generation.Messages(
        messages=[message(role="user", content="say 7")])
    one = server.text("talk", messages=messages, max_tokens=40,
                      sampling=dict(seed=1))
    two = server.text("talk", completion_prompt=b"say 7", max_tokens=40,
                      sampling=dict(seed=1))
    assert one[0] == two[0]
    bad = generation.Messages(messages=[message(role="robot", content="x")])
    with pytest.raises(grpc.RpcError) as caught:
        server.text("talk", messages=bad)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "role" in caught.value.details()


def converse(server, model, questions, **fields):
    """A chat: [(data, Finished)] of its turns."""
    message, messages, turns = generation.Message, [], []
    for i, question in enumerate(questions):
        messages.append(message(role="user", content=question))
        call = server.generate(model, messages=generation.Messages(messages=messages),
                               max_tokens=100, sampling=dict(seed=i, top_k=5), **fields)
        data = text = b""
        for response in call:
            data += response.delta.data
            text += response.delta.text.encode()
        turns.append((data, text, response.finished))
        messages.append(message(role="assistant", content=text.decode()))
    return turns


def test_a_turn_of_a_chat_does_not_read_its_history_again(serve):
    questions = ["say " + "7" * 1000, "and then?", "and " + "8" * 200]
    server = serve()
    turns = converse(server, "talk", questions)
    assert turns[0][2].usage.cached_prompt_tokens == 0
    for (data, text, last), (_, _, turn) in zip(turns, turns[1:]):
        history = last.usage.prompt_tokens
        if data == text:  # else the answer came back with U+FFFD in it
            history += last.usage.generated_tokens - 1
        assert history - 64 < turn.usage.cached_prompt_tokens <= history
        assert turn.usage.cached_prompt_tokens < turn.usage.prompt_tokens
    samples = server.metrics()
    assert samples["strata_prefix_cache_hits_total"] == 2
    assert samples["strata_prefix_cache_misses_total"] == 1
    assert samples["strata_prefix_cache_bytes_reused_total"] == sum(
        turn.usage.cached_prompt_tokens for _, _, turn in turns)
    assert samples["strata_prefix_cache_bytes"] > 0
    # Nothing else differs.
    off = serve("--prefix-cache", "0")
    for other in (converse(server, "talk", questions, no_prefix_cache=True),
                  converse(off, "talk", questions)):
        assert [turn[0] for turn in other] == [turn[0] for turn in turns]
        assert all(turn[2].usage.cached_prompt_tokens == 0 for turn in other)
    assert off.metrics()["strata_prefix_cache_bytes"] == 0


def test_an_unloaded_version_leaves_no_state_behind(serve):
    server = serve()
    server.text("tiny", b"x" * 500, max_tokens=5)
    assert server.metrics()["strata_prefix_cache_bytes"] > 0
    folder = server.root / "models/tiny"
    shutil.copytree(folder / "1", folder / "2")
    server.models.LoadModel(models.LoadModelRequest(name="tiny@2"))
    server.models.SetAlias(models.SetAliasRequest(name="tiny", alias="live",
                                                  version="2"))
    server.models.UnloadModel(models.UnloadModelRequest(name="tiny@1"))
    wait_for(lambda: server.metrics()["strata_prefix_cache_bytes"] == 0)


@pytest.mark.parametrize("field, value", [
    ("temperature", -1.0), ("top_k", -1), ("top_p", 0.0), ("min_p", 2.0),
    ("repetition_penalty", 0.0)])
def test_bad_sampling_names_the_field(serve, field, value):
    with pytest.raises(grpc.RpcError) as caught:
        serve().text("tiny", b"a", sampling={field: value})
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert field in caught.value.details()


def test_unknown_model(serve):
    with pytest.raises(grpc.RpcError) as caught:
        serve().text("nobody", b"a")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert "nobody" in caught.value.details()
