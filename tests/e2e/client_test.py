"""The command line client against a real server."""
import json
import signal
import subprocess
import time

import pytest

from harness import CLIENT, cli, json_lines


def test_generate_prints_the_generated_bytes_alone(serve):
    server = serve()
    arguments = ["generate", "--model", "tiny", "--prompt", "The", "--seed",
                 "4", "--max-tokens", "60"]
    plain = cli(server, *arguments).stdout
    lines = json_lines(cli(server, *arguments, "--json").stdout)
    import base64
    data = b"".join(base64.b64decode(l["delta"]["data"])
                    for l in lines if "delta" in l)
    assert plain == data
    assert lines[-1]["finished"]["reason"] in ("MAX_TOKENS", "EOS")
    assert isinstance(
        lines[-1]["finished"]["usage"]["generated_tokens"], int)


def test_score(serve, tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"The model is small.")
    result = json_lines(cli(serve(), "score", "--model", "tiny", "--file",
                            str(file), "--json").stdout)[0]
    assert result["bytes"] == 19
    assert len(result["log2_prob"]) == len(result["item_bytes"]) == 19
    assert result["bits_per_byte"] == pytest.approx(
        -sum(result["log2_prob"]) / 19)


def test_train_watch_jobs_and_models(empty_server, text, tmp_path):
    server = empty_server()
    file = tmp_path / "data.txt"
    file.write_bytes(text)
    train = ["train", "--base", "block-1m", "--data", str(file), "--name",
             "mine", "--steps", "6", "--key", "once", "--json"]
    first = json_lines(cli(server, *train).stdout)[-1]
    assert first["name"].startswith("jobs/")
    again = json_lines(cli(server, *train, "--watch").stdout)[-1]
    assert again["name"] == first["name"]
    assert again["state"] == "SUCCEEDED"
    jobs = json_lines(cli(server, "jobs", "--json").stdout)
    assert [j["name"] for j in jobs] == [first["name"]]
    identifier = first["name"].removeprefix("jobs/")
    got = json_lines(cli(server, "jobs", "get", identifier, "--json").stdout)
    assert got[0]["published"] == "mine@1"
    listed = json_lines(cli(server, "models", "--json").stdout)
    assert listed[0]["name"] == "mine"
    assert listed[0]["versions"][0]["state"] == "READY"
    result = cli(server, "jobs", "cancel", identifier, check=False)
    assert result.returncode != 0


def test_failing_job_fails_the_watch(empty_server, text, tmp_path):
    server = empty_server()
    file = tmp_path / "data.txt"
    file.write_bytes(text)
    train = cli(server, "train", "--base", "block-1m", "--data", str(file),
                "--name", "mine", "--steps", "100000", "--json")
    name = json_lines(train.stdout)[-1]["name"]
    watch = subprocess.Popen([str(CLIENT), "--server", server.grpc, "jobs",
                              "watch", name], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    cli(server, "jobs", "cancel", name)
    assert watch.wait(60) != 0


def test_ctrl_c_detaches_and_says_how_to_attach(empty_server, text, tmp_path):
    server = empty_server()
    file = tmp_path / "data.txt"
    file.write_bytes(text)
    process = subprocess.Popen(
        [str(CLIENT), "--server", server.grpc, "train", "--base", "block-1m",
         "--data", str(file), "--name", "mine", "--steps", "100000",
         "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not json_lines(cli(server, "jobs", "--json").stdout):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    job = json_lines(cli(server, "jobs", "--json").stdout)[0]
    assert job["state"] in ("QUEUED", "STARTING", "RUNNING")
    assert ("jobs watch " + job["name"].removeprefix("jobs/")) in err.decode()
    cli(server, "jobs", "cancel", job["name"])


def test_errors_are_one_line_and_a_code(serve):
    server = serve()
    for arguments in [["generate", "--model", "nobody", "--prompt", "a"],
                      ["generate", "--model", "tiny", "--prompt", "a",
                       "--temperature", "-3"],
                      ["jobs", "get", "nothing"], ["no-such-command"]]:
        result = cli(server, *arguments, check=False)
        assert result.returncode != 0
        assert len(result.stderr.decode().strip().splitlines()) == 1


def test_errors_name_the_option(serve, tmp_path):
    server = serve()
    result = cli(server, "generate", "--model", "tiny", "--prompt", "a",
                 "--max-tokens", "0", check=False)
    assert result.stderr.startswith(b"error: --max-tokens is 0; must be in ")
    file = tmp_path / "data.txt"
    file.write_bytes(b"some text to train on\n" * 100)
    result = cli(server, "train", "--base", "block-1m", "--data", str(file),
                 "--name", "mine", "--steps", "5", "--lr", "0", check=False)
    assert b"--lr is 0; must be in (0, 10]" in result.stderr


def test_chat_checks_the_model_before_it_reads(serve):
    server = serve()
    for model in ["nobody", "tiny", "tiny@9"]:
        chat = subprocess.run(
            [str(CLIENT), "chat", "--server", server.grpc, "--model", model],
            input=b"", capture_output=True, timeout=60)
        assert chat.returncode == 1
        assert len(chat.stderr.decode().strip().splitlines()) == 1
    talk = cli(server, "chat", "--model", "talk", "--max-tokens", "5",
               input=b"say 7\n")
    assert talk.stdout


def test_bench(serve):
    result = json_lines(cli(serve(), "bench", "--model", "tiny",
                            "--concurrency", "4", "--requests", "8",
                            "--prompt-bytes", "32", "--max-tokens", "32",
                            "--json").stdout)[-1]
    assert json.dumps(result)


def test_bench_of_an_open_loop(serve):
    server = serve()
    bench = ["bench", "--model", "tiny", "--prompt-bytes", "32", "--json"]
    report = json_lines(cli(server, *bench, "--rate", "40", "--requests", "20",
                            "--max-tokens", "16", "--ttft-goal", "1000").stdout)[-1]
    assert report["completed"] == 20 and report["concurrency"] == 20
    # Twenty at forty a second take as long whatever the server does.
    assert report["seconds"] > 0.2
    assert report["goodput_requests_per_second"] == report["requests_per_second"]
    report = json_lines(cli(server, *bench, "--requests", "12", "--concurrency", "4",
                            "--max-tokens", "400", "--cancel", "1").stdout)[-1]
    assert report["cancelled"] == 12 and report["failed"] == 0
    report = json_lines(cli(server, *bench, "--requests", "1", "--max-tokens", "4",
                            "--read-delay", "0.1", "--ttft-goal", "1e-9").stdout)[-1]
    assert report["goodput_requests_per_second"] == 0 and report["seconds"] > 0.2
    for option, value in (("--rate", "-1"), ("--cancel", "1.5")):
        refused = cli(server, *bench, option, value, check=False)
        assert refused.returncode == 2 and option.encode() in refused.stderr
