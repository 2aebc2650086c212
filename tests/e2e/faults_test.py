"""Faults of the disk: corrupt newest checkpoint, corrupt model, disk full; and a
port that is taken."""
import hashlib
import os
import signal
import socket
import subprocess
import time

import grpc
import pytest

from harness import SERVER, Server, collect, training, models
from kill_test import SPEC, final_hash, trainer_pid, uninterrupted  # noqa: F401


def wait_for_checkpoint(server, name, step):
    for event in server.training.WatchJob(training.WatchJobRequest(name=name)):
        if event.HasField("checkpoint") and event.checkpoint.step >= step:
            return
    raise AssertionError("no such checkpoint")


def test_a_taken_port_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        result = subprocess.run(
            [str(SERVER), "--models", str(tmp_path / "models"), "--data",
             str(tmp_path / "data"), "--listen", address, "--http",
             "127.0.0.1:0"], capture_output=True, timeout=60)
    assert result.returncode == 1
    assert result.stderr.decode() == (
        f"strata-server: --listen is {address}, which cannot be bound: Address "
        "already in use: another process has the port; port 0 takes a free one\n")


def test_corrupt_newest_checkpoint_falls_back(tmp_path, text, uninterrupted):
    expected, _ = uninterrupted
    server = Server(tmp_path / "s")
    job = server.train(text, **SPEC)
    wait_for_checkpoint(server, job.name, 15)
    server.kill()
    time.sleep(0.5)  # the trainer ends with its pipe
    folders = sorted((server.root / "data" / "jobs").glob(
        "*/checkpoints/step-*"), key=lambda p: int(p.name.split("-")[1]))
    victim = folders[-1] / "model.safetensors"
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    server.start()
    assert server.wait_job(job.name).state == training.SUCCEEDED
    events = list(server.training.WatchJob(
        training.WatchJobRequest(name=job.name)))
    assert any("CHECKPOINT_CORRUPT" in e.message or
               e.error.code == "CHECKPOINT_CORRUPT" for e in events)
    assert final_hash(server.root) == expected
    server.close()


def test_corrupt_version_is_broken_and_the_others_serve(serve):
    server = serve()
    path = server.root / "models" / "talk" / "1" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    server.terminate()
    path.write_bytes(data)
    server.start()
    model = server.models.GetModel(models.GetModelRequest(name="talk"))
    assert model.versions[0].state == models.BROKEN
    assert "model.safetensors" in model.versions[0].error
    with pytest.raises(grpc.RpcError) as caught:
        collect(server.generate("talk", b"a"))
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert server.text("tiny", b"a", max_tokens=3)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 MiB, where the test may mount one."""
    mount = tmp_path / "disk"
    mount.mkdir()
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(mount)],
            capture_output=True).returncode != 0:
        pytest.skip("SKIPPED: needs the right to mount a tmpfs")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(mount, leave):
    free = os.statvfs(mount)
    size = free.f_bavail * free.f_frsize - leave
    with open(mount / "ballast", "wb") as ballast:
        ballast.write(b"\0" * max(0, size))


def test_disk_full_keeps_the_old_checkpoint_and_the_job(
        small_disk, text, uninterrupted):
    expected, _ = uninterrupted
    server = Server(small_disk / "s")
    try:
        job = server.train(text, **SPEC)
        wait_for_checkpoint(server, job.name, 5)
        fill(small_disk, 2 << 20)
        for event in server.training.WatchJob(
                training.WatchJobRequest(name=job.name)):
            if "STORAGE_FULL" in event.message or \
                    event.error.code == "STORAGE_FULL":
                break
        else:
            pytest.fail("the job never met the full disk")
        (small_disk / "ballast").unlink()
        assert server.wait_job(job.name).state == training.SUCCEEDED
        assert final_hash(server.root) == expected
    finally:
        server.close()


def test_disk_full_at_the_end_fails_with_the_reason(small_disk, text):
    server = Server(small_disk / "s")
    try:
        job = server.train(text, **{**SPEC, "checkpoint_every_steps": 1000})
        for event in server.training.WatchJob(
                training.WatchJobRequest(name=job.name)):
            if event.HasField("progress"):
                break
        fill(small_disk, 1 << 20)
        done = server.wait_job(job.name)
        assert done.state == training.FAILED
        assert done.error.code == "STORAGE_FULL"
        (small_disk / "ballast").unlink()
    finally:
        server.close()


def test_killed_trainer_of_a_dead_server_leaves_nothing_running(tmp_path, text):
    server = Server(tmp_path / "s")
    server.train(text, steps=100_000)
    while trainer_pid(server) is None:
        time.sleep(0.05)
    child = trainer_pid(server)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{child}") and \
            open(f"/proc/{child}/stat").read().split()[2] != "Z":
        assert time.monotonic() < deadline, "the trainer outlived its server"
        time.sleep(0.05)
