"""The Kustomize base and its overlay: good by the types of current Kubernetes,
and true to the server's own contract."""
import copy
import json
import os
import pathlib
import re
import subprocess

import pytest

import kube_types
import render


@pytest.fixture(scope="module", params=["base", "gpu"])
def variant(request):
    return request.param


@pytest.fixture(scope="module")
def objects(variant):
    return render.render_by_hand(variant)


def the(objects, kind, name=None):
    found = [o for o in objects if o["kind"] == kind
             and name in (None, o["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} objects {kind} {name}"
    return found[0]


@pytest.fixture
def config(objects):
    return the(objects, "ConfigMap")["data"]


@pytest.fixture
def workload(objects):
    return the(objects, "StatefulSet")


@pytest.fixture
def pod(workload):
    return workload["spec"]["template"]["spec"]


@pytest.fixture
def server(pod):
    assert len(pod["containers"]) == 1
    return pod["containers"][0]


def seconds(duration):
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|m|s|ms)", duration)
    assert parts and "".join(n + u for n, u in parts) == duration, duration
    return sum(float(n) * {"h": 3600, "m": 60, "s": 1, "ms": 1e-3}[u]
               for n, u in parts)


def test_kubectl_renders_the_same(objects, variant):
    rendered = render.render_with_kubectl(variant)
    if rendered is None:
        pytest.skip("no kubectl that renders: rendered by hand alone")

    def plain(obj):
        text = re.sub(r"(strata-config)-[a-z0-9]{10}\b", r"\1",
                      json.dumps(obj))
        return json.loads(text)

    def key(obj):
        return obj["kind"], obj["metadata"]["name"]

    assert (sorted((plain(o) for o in rendered), key=key)
            == sorted(objects, key=key))


def test_every_object_fits_the_types_of_kubernetes(objects):
    assert [c for o in objects for c in kube_types.check(o)] == []


def container_of(obj):
    return obj["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("spoil, complaint", [
    (lambda s: s["spec"].update(replica=1), "spec.replica is unknown"),
    (lambda s: s["spec"].update(replicas="1"), "is '1', not int"),
    (lambda s: s["spec"].pop("selector"), "selector"),
    (lambda s: container_of(s)["livenessProbe"]["grpc"].update(port="grpc"),
     "port is 'grpc', not int"),
    (lambda s: container_of(s)["securityContext"].update(
        readOnlyRootFileSystem=True), "is unknown"),
    (lambda s: s.update(apiVersion="apps/v9"), "is unknown"),
])
def test_the_check_finds_mistakes(workload, spoil, complaint):
    spoilt = copy.deepcopy(workload)
    spoil(spoilt)
    assert any(complaint in c for c in kube_types.check(spoilt))


def test_termination_is_longer_than_the_drain(pod, config):
    drain = (seconds(config["STRATA_DRAIN_DELAY"])
             + seconds(config["STRATA_DRAIN_TIMEOUT"]))
    assert pod["terminationGracePeriodSeconds"] > drain


def test_readiness_fails_before_the_drain_delay_ends(server, config):
    probe = server["readinessProbe"]
    assert (probe["periodSeconds"] * probe["failureThreshold"]
            < seconds(config["STRATA_DRAIN_DELAY"]))


def test_probes_ask_the_right_health_services(server):
    port = {p["name"]: p["containerPort"] for p in server["ports"]}["grpc"]
    for name, service in [("startupProbe", "readiness"),
                          ("readinessProbe", "readiness"),
                          ("livenessProbe", "liveness")]:
        assert server[name]["grpc"] == {"port": port, "service": service}


def test_selectors_match_the_pods(objects, workload):
    labels = workload["spec"]["template"]["metadata"]["labels"].items()
    selectors = [o["spec"]["selector"] for o in objects
                 if o["kind"] in ("Service", "StatefulSet",
                                  "PodDisruptionBudget")]
    assert len(selectors) == 4
    for selector in selectors:
        selector = selector.get("matchLabels", selector)
        assert selector and selector.items() <= labels


def test_services_lead_to_ports_that_the_server_listens_on(
        objects, workload, server, config):
    ports = {p["name"]: p["containerPort"] for p in server["ports"]}
    for name, flag in [("grpc", "STRATA_LISTEN"), ("http", "STRATA_HTTP")]:
        host, _, port = config[flag].rpartition(":")
        assert (host, int(port)) == ("0.0.0.0", ports[name])
    for service in (o for o in objects if o["kind"] == "Service"):
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports
    headless = the(objects, "Service", workload["spec"]["serviceName"])
    assert headless["spec"]["clusterIP"] == "None"


def test_what_the_server_writes_is_on_claims(workload, pod, server, config):
    mounts = {m["mountPath"]: m["name"] for m in server["volumeMounts"]}
    claims = {c["metadata"]["name"]
              for c in workload["spec"]["volumeClaimTemplates"]}
    volumes = {v["name"] for v in pod["volumes"]}
    assert set(mounts.values()) <= claims | volumes
    for flag in ("STRATA_MODELS", "STRATA_DATA"):
        assert mounts[config[flag]] in claims
    # The root is read-only, or another user's.
    assert mounts["/tmp"] in volumes


def test_the_pod_has_no_privileges(pod, server, variant):
    dockerfile = (render.ROOT / "Dockerfile").read_text()
    user = int(re.search(r"^USER (\d+)", dockerfile, re.M)[1])
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == context["fsGroup"] == user != 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert server["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": variant == "base",
        "capabilities": {"drop": ["ALL"]}}


def test_no_service_can_pose_as_a_flag(pod):
    assert pod["enableServiceLinks"] is False


def test_a_drained_node_never_waits_for_ever(objects):
    budget = the(objects, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] >= 1
    assert "minAvailable" not in budget


def test_the_configuration_names_real_flags(server, config):
    reference = server["envFrom"][0]["configMapRef"]["name"]
    assert reference == "strata-config"
    binary = pathlib.Path(os.environ.get("STRATA_BIN", "")) / "strata-server"
    if not binary.is_file():
        pytest.skip("no strata-server was built")
    help_text = subprocess.run([binary, "--help"], capture_output=True,
                               text=True, check=True).stdout
    for name in config:
        assert re.search(rf"\b{name}\b", help_text), name


def test_the_image_sets_the_same_places(config):
    dockerfile = (render.ROOT / "Dockerfile").read_text()
    for name in ("STRATA_LISTEN", "STRATA_HTTP", "STRATA_MODELS",
                 "STRATA_DATA"):
        assert f"{name}={config[name]}" in dockerfile


def test_the_gpu_overlay_adds_a_gpu_and_changes_nothing_else():
    expected = render.render_by_hand("base")
    the(expected, "ConfigMap")["data"]["STRATA_DEVICES"] = "cuda"
    workload = the(expected, "StatefulSet")
    workload["spec"]["template"]["spec"]["tolerations"] = [
        {"key": "nvidia.com/gpu", "operator": "Exists",
         "effect": "NoSchedule"}]
    server = container_of(workload)
    server["image"] += "-cuda"
    server["resources"]["limits"]["nvidia.com/gpu"] = "1"
    server["securityContext"]["readOnlyRootFilesystem"] = False
    assert render.render_by_hand("gpu") == expected
