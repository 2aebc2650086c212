"""SIGTERM: every admitted stream finishes, queued ones too; new ones are told."""
import concurrent.futures
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import grpc
import pytest

from harness import PB, collect, error_reason, generation


# From the last stream's end to the exit; gRPC alone would wait for an idle
# client until it is cut, 5 s later.
EXIT_SECONDS = 2


def new_channel(server):
    """A connection of its own: channels of one address share one else."""
    return grpc.insecure_channel(server.grpc, [("grpc.use_local_subchannel_pool", 1)])


def stream_from(channel, tokens):
    request = generation.GenerateRequest(
        model="tiny", prompt=b"a", max_tokens=tokens,
        sampling=generation.SamplingParams(ignore_eos=True))
    return PB["generation_grpc"].GenerationStub(channel).Generate(request)


@contextlib.contextmanager
def crowded_host(processes):
    """Busy processes, so that a second of computing takes many."""
    busy = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
            for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_no_admitted_stream_fails(serve):
    server = serve("--max-batch", "4", "--drain-timeout", "120s")
    accepted = threading.Barrier(13)

    def one(i):
        call = server.generate("tiny", b"a", max_tokens=6_000,
                               sampling=dict(seed=i, ignore_eos=True))
        assert next(iter(call)).WhichOneof("event") == "accepted"
        accepted.wait(30)
        return collect(call)

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        streams = [pool.submit(one, i) for i in range(12)]
        accepted.wait(30)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        with pytest.raises(grpc.RpcError) as caught:
            server.text("tiny", b"a", max_tokens=1)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert server.process.poll() is None, "the streams should still run"
        assert error_reason(caught.value) == "DRAINING"
        for stream in streams:
            data, _ = stream.result(120)
            assert len(data) == 6_000
    assert server.process.wait(60) == 0


def test_readiness_falls_and_liveness_stays(serve):
    import urllib.request
    import urllib.error
    server = serve("--drain-delay", "2s")

    def status(path):
        try:
            return urllib.request.urlopen(
                f"http://{server.http}{path}", timeout=5).status
        except urllib.error.HTTPError as error:
            return error.code

    assert (status("/readyz"), status("/livez")) == (200, 200)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert (status("/readyz"), status("/livez")) == (503, 200)
    assert server.text("tiny", b"a", max_tokens=3)  # still accepted meanwhile
    assert server.process.wait(30) == 0


def test_drain_timeout_cuts_what_is_left(serve):
    server = serve("--drain-timeout", "1s")
    call = server.generate("plain", b"a", max_tokens=60_000,
                           sampling=dict(ignore_eos=True))
    next(iter(call))
    assert server.terminate(30) == 0
    with pytest.raises(grpc.RpcError) as caught:
        collect(call)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_an_idle_client_does_not_delay_the_exit(serve):
    """Twenty times: one client that is connected and idle, and four that stream
    and must get everything although the server leaves right after them."""
    server = serve("--drain-timeout", "60s")
    for _ in range(20):
        server.text("tiny", b"a", max_tokens=1)  # from now on connected and idle
        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(4))
            channels = [stack.enter_context(new_channel(server)) for _ in range(4)]
            calls = [stream_from(channel, 100 + 20 * i)
                     for i, channel in enumerate(channels)]
            for call in calls:
                assert next(call).WhichOneof("event") == "accepted"
            server.process.send_signal(signal.SIGTERM)
            streams = [pool.submit(collect, call) for call in calls]
            for i, stream in enumerate(streams):
                data, _ = stream.result(60)
                assert len(data) == 100 + 20 * i
            last = time.monotonic()
            assert server.process.wait(30) == 0
            assert time.monotonic() - last < EXIT_SECONDS
            assert all(call.code() == grpc.StatusCode.OK for call in calls)
        server.channel.close()
        server.start()


def test_exit_follows_the_last_line_on_a_crowded_host(serve):
    """The last line comes when everything of ours is closed; what then still
    runs in the process (once: LibTorch's statics, for a minute) is a hang."""
    server = serve()
    for _ in range(2):
        server.text("tiny", b"a", max_tokens=5)
        begin = len(server.log_text())
        with crowded_host(24 * os.cpu_count()):
            server.process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 60
            while "server stopped" not in server.log_text()[begin:]:
                assert time.monotonic() < deadline, server.log_text()[begin:]
                time.sleep(0.02)
            assert server.process.wait(5) == 0
        server.channel.close()
        server.start()
