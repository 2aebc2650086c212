"""The base on a real control plane: the API server takes every object in strict
validation, in a namespace that allows no privileges; the controllers make of
them the pod, its claims and the budget that we meant."""
import copy
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import render

HERE = pathlib.Path(__file__).resolve().parent
NAMESPACE = "strata-test"
TOKEN = "control-plane-test"
CANNOT_BUILD = 77  # of build.sh
PATHS = {"ConfigMap": "api/v1", "Service": "api/v1", "Pod": "api/v1",
         "PersistentVolumeClaim": "api/v1", "StatefulSet": "apis/apps/v1",
         "PodDisruptionBudget": "apis/policy/v1"}
PLURALS = {"PersistentVolumeClaim": "persistentvolumeclaims"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, condition, timeout=120):
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"no {what} in {timeout} s"
        time.sleep(0.2)


class ControlPlane:
    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.port = free_port()
        self.context = ssl._create_unverified_context()  # a certificate of its own

    def start(self, programs):
        folder = self.folder
        self._write_keys()
        self._start_etcd()
        self._start("apiserver", [
            programs / "kube-apiserver", f"--etcd-servers={self.etcd}",
            "--bind-address=127.0.0.1", f"--secure-port={self.port}",
            # Without them it looks for a network, which need not be there.
            "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
            f"--cert-dir={folder}/certs", "--authorization-mode=RBAC",
            f"--token-auth-file={folder}/tokens",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder}/key",
            f"--service-account-signing-key-file={folder}/key"])
        wait_for("API server", self._ready, 300)
        self._start("controllers", [
            programs / "kube-controller-manager",
            f"--kubeconfig={folder}/kubeconfig", "--leader-elect=false",
            "--secure-port=0",
            f"--service-account-private-key-file={folder}/key"])

    def _write_keys(self):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (self.folder / "key").write_bytes(key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption()))
        (self.folder / "tokens").write_text(
            f'{TOKEN},admin,admin,"system:masters"\n')
        (self.folder / "kubeconfig").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {
                "server": f"https://127.0.0.1:{self.port}",
                "insecure-skip-tls-verify": True}}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
            "contexts": [{"name": "c",
                          "context": {"cluster": "c", "user": "u"}}]}))

    def _start_etcd(self):
        self.etcd = f"http://127.0.0.1:{free_port()}"
        peers = f"http://127.0.0.1:{free_port()}"
        self._start("etcd", [
            "etcd", "--data-dir", self.folder / "etcd",
            "--listen-client-urls", self.etcd,
            "--advertise-client-urls", self.etcd,
            "--listen-peer-urls", peers, "--initial-advertise-peer-urls",
            peers, "--initial-cluster", f"default={peers}"])

    def _start(self, name, command):
        with open(self.folder / f"{name}.log", "wb") as log:
            self.processes.append(subprocess.Popen(
                [str(c) for c in command], stdout=log, stderr=log))
        self.processes[-1].log = log.name

    def ending_of(self, process):
        text = pathlib.Path(process.log).read_text(errors="replace")
        return (f"{process.args[0]} ended with {process.returncode}:\n"
                + "\n".join(text.splitlines()[-20:]))

    def _ready(self):
        for process in self.processes:
            assert process.poll() is None, self.ending_of(process)
        try:
            return self.request("GET", "readyz") is not None
        except (urllib.error.URLError, OSError):
            return False

    def request(self, method, path, body=None):
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}/{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}",
                     "Content-Type": "application/json"})
        with urllib.request.urlopen(request, context=self.context,
                                    timeout=30) as response:
            text = response.read().decode()
        return json.loads(text) if text.startswith("{") else text

    def create(self, obj, flags="fieldValidation=Strict"):
        path = self.collection(obj["kind"])
        return self.request("POST", f"{path}?{flags}", obj)

    def collection(self, kind):
        plural = PLURALS.get(kind, kind.lower() + "s")
        return f"{PATHS[kind]}/namespaces/{NAMESPACE}/{plural}"

    def list(self, kind):
        return self.request("GET", self.collection(kind))["items"]

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    if shutil.which("etcd") is None:
        pytest.skip("SKIPPED: no etcd (package etcd-server; tests/tools.sh "
                    "--long brings it)")
    built = subprocess.run([HERE / "control_plane" / "build.sh"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True)
    if built.returncode == CANNOT_BUILD:
        pytest.skip(f"SKIPPED: {built.stderr.strip()}")
    assert built.returncode == 0, built.stderr
    plane = ControlPlane(tmp_path_factory.mktemp("plane"))
    try:
        plane.start(pathlib.Path(built.stdout.strip()))
        plane.request("POST", "api/v1/namespaces", {
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {
                "pod-security.kubernetes.io/enforce": "restricted"}}})
        yield plane
    finally:
        plane.close()


def render_somehow(name):
    return render.render_with_kubectl(name) or render.render_by_hand(name)


@pytest.fixture(scope="module")
def objects():
    return render_somehow("base")


def test_a_mistake_is_refused(plane, objects):
    spoilt = copy.deepcopy(next(o for o in objects
                                if o["kind"] == "StatefulSet"))
    spoilt["spec"]["template"]["spec"]["gracePeriod"] = 5
    with pytest.raises(urllib.error.HTTPError) as refusal:
        plane.create(spoilt, "dryRun=All&fieldValidation=Strict")
    assert refusal.value.code == 400
    assert "unknown field" in refusal.value.read().decode()


def test_every_object_of_the_gpu_overlay_is_taken(plane):
    for obj in render_somehow("gpu"):
        plane.create(obj, "dryRun=All&fieldValidation=Strict")


def test_every_object_is_taken_and_the_controllers_make_the_pod(plane,
                                                                 objects):
    for obj in objects:
        plane.create(obj)
    pod = wait_for("pod", lambda: plane.list("Pod"))[0]
    assert pod["metadata"]["name"] == "strata-0"
    assert pod["spec"]["terminationGracePeriodSeconds"] == 90
    claims = {c["metadata"]["name"]
              for c in plane.list("PersistentVolumeClaim")}
    assert claims == {"models-strata-0", "data-strata-0"}
    budget = wait_for("budget's status", lambda: [
        b for b in plane.list("PodDisruptionBudget")
        if b.get("status", {}).get("expectedPods") == 1])
    assert budget
