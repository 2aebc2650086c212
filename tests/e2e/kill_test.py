"""kill -9 of the trainer and of the server at random moments: no job is lost,
and the weights are those of an uninterrupted run, bit for bit."""
import hashlib
import os
import pathlib
import random
import signal
import time

import pytest

from harness import Server, training

SPEC = dict(steps=60, batch=4, sequence=128, seed=5, checkpoint_every_steps=5,
            eval_every_steps=20)


# Kills come faster than any operator's: a job must not be given up for them.
PATIENT = ("--job-retry-base", "100ms", "--job-attempts", "1000")


def final_hash(root):
    path = pathlib.Path(root) / "models" / "tiny" / "1" / "model.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def trainer_pid(server):
    """Process id of the server's trainer child, or None."""
    children = pathlib.Path(
        f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").glob("*"):
        pids = (task / "children").read_text().split()
        if pids:
            return int(pids[0])
    assert children.exists(), "this kernel lists no children"
    return None


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, text):
    root = tmp_path_factory.mktemp("whole")
    server = Server(root)
    begin = time.monotonic()
    job = server.wait_job(server.train(text, **SPEC).name)
    assert job.state == training.SUCCEEDED
    seconds = time.monotonic() - begin
    server.close()
    return final_hash(root), seconds


def kills(long_runs):
    return 20 if long_runs else 3


def test_killed_trainer_resumes_to_the_same_weights(
        empty_server, text, uninterrupted, long_runs):
    expected, seconds = uninterrupted
    randomness = random.Random(11)
    server = empty_server(*PATIENT)
    job = server.train(text, **SPEC)
    left = kills(long_runs)
    pace, reached = seconds / 3, 0
    while left:
        time.sleep(randomness.uniform(0.3, 1.0) * pace)
        pid = trainer_pid(server)
        now = server.training.GetJob(training.GetJobRequest(name=job.name))
        if now.state in (training.SUCCEEDED, training.FAILED):
            # Ran through between two kills: begin again.
            assert final_hash(server.root) == expected
            server.close()
            server = empty_server(*PATIENT, root=server.root.with_name(f"again{left}"))
            job = server.train(text, **SPEC)
            reached = 0
            continue
        if pid:
            os.kill(pid, signal.SIGKILL)
            left -= 1
            # Where the machine has become slower, kills at the old pace would let
            # nothing be saved, and each attempt would wait longer than the last.
            if now.progress.step <= reached:
                pace *= 1.5
            reached = max(reached, now.progress.step)
    done = server.wait_job(job.name)
    assert done.state == training.SUCCEEDED, done
    assert final_hash(server.root) == expected


def test_killed_server_loses_no_job(tmp_path, text, uninterrupted, long_runs):
    expected, seconds = uninterrupted
    randomness = random.Random(12)
    left, round_number = kills(long_runs), 0
    while left:
        root = tmp_path / f"round{round_number}"
        round_number += 1
        server = Server(root, *PATIENT)
        name = server.train(text, key="k", **SPEC).name
        while left:
            time.sleep(randomness.uniform(0.2, 1.0) * seconds / 3)
            server.kill()
            left -= 1
            server.start()
            job = server.train(text, key="k", **SPEC)
            assert job.name == name
            if job.state == training.SUCCEEDED:
                break
        done = server.wait_job(name)
        assert done.state == training.SUCCEEDED, done
        events = list(server.training.WatchJob(
            training.WatchJobRequest(name=name)))
        stored = [e.sequence for e in events if e.sequence]
        assert stored == list(range(1, len(stored) + 1))
        assert final_hash(root) == expected
        assert not (root / "models" / "tiny" / "2").exists()
        server.close()
