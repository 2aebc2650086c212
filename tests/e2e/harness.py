"""Real processes for the end-to-end tests: the server, the client, stubs.

The stubs are generated from proto/ by grpcio-tools into a temporary folder, so
that the client under these tests is Python's, not ours.
"""
import importlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("STRATA_BIN", ROOT / "build/release/bin"))
SERVER = BIN / "strata-server"
CLIENT = BIN / "strata"


def generate_stubs():
    """Compiles every proto of the project; returns the imported modules."""
    from grpc_tools import protoc

    out = tempfile.mkdtemp(prefix="strata-stubs-")
    protos = sorted(str(p.relative_to(ROOT / "proto"))
                    for p in (ROOT / "proto").rglob("*.proto")
                    if "grpc" not in p.parts)
    include = str(pathlib.Path(protoc.__file__).parent / "_proto")
    code = protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"-I{include}",
                        f"--python_out={out}", f"--grpc_python_out={out}",
                        *protos])
    assert code == 0, "protoc failed"
    sys.path.insert(0, out)
    import google  # ours adds google.rpc to the package that is installed
    google.__path__.append(out + "/google")
    names = ["generation", "inspect", "training", "models"]
    modules = {}
    for name in names:
        modules[name] = importlib.import_module(f"strata.v1.{name}_pb2")
        modules[name + "_grpc"] = importlib.import_module(
            f"strata.v1.{name}_pb2_grpc")
    return modules


PB = generate_stubs()
generation = PB["generation"]
inspection = PB["inspect"]
training = PB["training"]
models = PB["models"]


class Server:
    """One real strata-server; killed at exit if it still lives."""

    def __init__(self, root, *flags, wait=True, env=None):
        self.root = pathlib.Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.flags = flags
        self.env = env or {}
        self.process = None
        if wait:
            self.start()

    def start(self):
        port_file = self.root / "ports"
        port_file.unlink(missing_ok=True)
        self.log = open(self.root / "server.log", "ab")
        self.process = subprocess.Popen(
            [str(SERVER), "--models", str(self.root / "models"),
             "--data", str(self.root / "data"),
             "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0",
             "--port-file", str(port_file), "--drain-delay", "0s",
             "--threads", "1", "--trainer-threads", "1", *self.flags],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, **self.env})
        deadline = time.monotonic() + 60
        while not port_file.exists():
            if self.process.poll() is not None:
                raise AssertionError(f"server exited: {self.log_text()[-2000:]}")
            assert time.monotonic() < deadline, "server not ready in 60 s"
            time.sleep(0.05)
        lines = dict(l.split("=", 1) for l in port_file.read_text().split())
        self.grpc, self.http = lines["grpc"], lines["http"]
        self.channel = grpc.insecure_channel(self.grpc)
        self.generation = PB["generation_grpc"].GenerationStub(self.channel)
        self.training = PB["training_grpc"].TrainingStub(self.channel)
        self.models = PB["models_grpc"].ModelsStub(self.channel)
        return self

    def log_text(self):
        return (self.root / "server.log").read_text(errors="replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.channel.close()

    def terminate(self, timeout=60):
        """SIGTERM, then the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    # --- what most tests do ------------------------------------------------
    def generate(self, model, prompt=b"", timeout=None, **fields):
        """Starts a Generate; returns the call (an iterator of responses)."""
        sampling = generation.SamplingParams(**fields.pop("sampling", {}))
        request = generation.GenerateRequest(
            model=model, sampling=sampling, **fields)
        if not fields.keys() & {"messages", "completion_prompt"}:
            request.prompt = prompt
        return self.generation.Generate(request, timeout=timeout)

    def text(self, model, prompt=b"", **fields):
        """Runs a Generate to its end: (bytes, Finished)."""
        return collect(self.generate(model, prompt, **fields))

    def upload(self, data):
        chunks = [data[i:i + 2**20] for i in range(0, len(data), 2**20)] or [b""]
        return self.training.UploadDataset(
            training.UploadDatasetRequest(data=c) for c in chunks)

    def train(self, data, key="", **spec):
        spec.setdefault("base", "block-1m")
        spec.setdefault("model", "tiny")
        dataset = self.upload(data).name
        return self.training.Train(training.TrainRequest(
            idempotency_key=key,
            spec=training.TrainSpec(dataset=dataset, **spec)))

    def wait_job(self, name, timeout=240):
        """Polls until the job is terminal; survives restarts of the server."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                job = self.training.GetJob(training.GetJobRequest(name=name))
                if job.state in (training.SUCCEEDED, training.CANCELLED,
                                 training.FAILED):
                    return job
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
            assert time.monotonic() < deadline, f"job {name} still runs"
            time.sleep(0.1)

    def metrics(self):
        """/metrics as {sample with labels: value}."""
        import urllib.request
        text = urllib.request.urlopen(f"http://{self.http}/metrics").read()
        samples = {}
        for line in text.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        for line in status.splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")


def collect(call):
    data, finished = b"", None
    for response in call:
        event = response.WhichOneof("event")
        assert finished is None, "a message after Finished"
        if event == "delta":
            data += response.delta.data
        elif event == "finished":
            finished = response.finished
    assert finished is not None, "no Finished"
    return data, finished


def cli(server, *arguments, check=True, **kwargs):
    """Runs our client against the server."""
    result = subprocess.run([str(CLIENT), "--server", server.grpc, *arguments],
                            capture_output=True, timeout=300, **kwargs)
    if check:
        assert result.returncode == 0, result.stderr.decode()
    return result


def json_lines(output):
    return [json.loads(line) for line in output.decode().splitlines()]


def error_reason(error):
    """ErrorInfo.reason of a failed call, or an empty string."""
    from google.rpc import error_details_pb2, status_pb2
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return info.reason
    return ""


def copy_models(source_root, target_root):
    shutil.copytree(pathlib.Path(source_root) / "models",
                    pathlib.Path(target_root) / "models")
