"""Trainers that take tickets, beside streams and alone."""
import contextlib
import threading
import time

from harness import training

SMALL = dict(steps=8, batch=2, sequence=64)
WAITS = "strata_trainer_ticket_wait_seconds"
WORKED = "strata_trainer_slice_seconds_total"


@contextlib.contextmanager
def streams(server, count=2):
    """So many streams run without a pause; yields how many have ended."""
    ended, over = [], threading.Event()

    def client():
        while not over.is_set():
            server.text("tiny", b"It was", max_tokens=100)
            ended.append(1)

    clients = [threading.Thread(target=client) for _ in range(count)]
    for each in clients:
        each.start()
    try:
        yield ended
    finally:
        over.set()
        for each in clients:
            each.join()


def test_beside_streams_a_job_keeps_to_its_share_and_ends(serve, text):
    share = 0.2
    server = serve("--trainer-tickets=on", f"--trainer-share={share}",
                   "--trainer-nice=0")
    with streams(server) as ended:
        begin = time.monotonic()
        job = server.train(text, model="other", **SMALL)
        assert server.wait_job(job.name).state == training.SUCCEEDED
        took = time.monotonic() - begin
        seen = server.metrics()
    assert ended
    # A forward and backward pass, and an update; the evaluation.
    assert seen[f"{WAITS}_count"] > 2 * SMALL["steps"]
    assert seen[f"{WAITS}_sum"] > 0
    assert 0 < seen[WORKED] < share * took


def test_a_job_that_waits_is_starved_not_hung_and_cancelled_at_once(serve, text):
    server = serve("--trainer-tickets=on", "--trainer-share=0.0001",
                   "--trainer-nice=0", "--job-stall-timeout=5s")
    with streams(server):
        job = server.train(text, model="other", **SMALL)
        deadline = time.monotonic() + 60
        while not server.metrics()[WORKED]:
            assert time.monotonic() < deadline, "no slice"
            time.sleep(0.05)
        time.sleep(8)
        # The second has to wait for minutes. A trainer in its place would have asked.
        assert server.metrics()[f"{WAITS}_count"] == 1
        assert server.training.GetJob(training.GetJobRequest(
            name=job.name)).state == training.RUNNING
        begin = time.monotonic()
        server.training.CancelJob(training.CancelJobRequest(name=job.name))
        assert server.wait_job(job.name).state == training.CANCELLED
        assert time.monotonic() - begin < 5


def test_an_idle_server_gives_tickets_at_once(serve, text):
    server = serve("--trainer-tickets=on", "--trainer-share=0.0001")
    job = server.train(text, model="other", **SMALL)
    assert server.wait_job(job.name).state == training.SUCCEEDED
    seen = server.metrics()
    assert seen[f"{WAITS}_count"] > 2 * SMALL["steps"]
    assert seen[f"{WAITS}_sum"] < 0.1


def test_on_the_cpu_trainers_take_none_unless_told_to(serve, text):
    server = serve()
    job = server.train(text, model="other", **SMALL)
    assert server.wait_job(job.name).state == training.SUCCEEDED
    assert server.metrics()[f"{WAITS}_count"] == 0
