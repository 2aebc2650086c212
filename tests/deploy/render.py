"""Renders deploy/kubernetes: by kubectl where it is, else by the few rules of
Kustomize that the base uses."""
import pathlib
import shutil
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE = ROOT / "deploy" / "kubernetes"


def render_with_kubectl():
    """None where there is no kubectl with a Kustomize that knows the base."""
    if shutil.which("kubectl") is None:
        return None
    result = subprocess.run(["kubectl", "kustomize", str(BASE)],
                            capture_output=True, text=True)
    if result.returncode != 0:
        return None
    return list(yaml.safe_load_all(result.stdout))


def _config_map(generator):
    data = {}
    for name in generator["envs"]:
        for line in (BASE / name).read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                key, value = line.split("=", 1)
                data[key] = value
    return {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": generator["name"]}, "data": data}


def render_by_hand():
    """The same objects, but for the hash in a generated name."""
    rules = yaml.safe_load((BASE / "kustomization.yaml").read_text())
    known = {"apiVersion", "kind", "resources", "configMapGenerator", "labels",
             "images"}
    assert set(rules) <= known, f"no rule for {set(rules) - known}"
    objects = [o for name in rules["resources"]
               for o in yaml.safe_load_all((BASE / name).read_text())]
    objects += [_config_map(g) for g in rules["configMapGenerator"]]
    for obj in objects:
        for label in rules["labels"]:
            obj["metadata"].setdefault("labels", {}).update(label["pairs"])
        for container in containers(obj):
            for image in rules["images"]:
                if container["image"] == image["name"]:
                    container["image"] = f'{image["newName"]}:{image["newTag"]}'
    return objects


def pod_of(obj):
    return obj.get("spec", {}).get("template", {}).get("spec")


def containers(obj):
    pod = pod_of(obj) or {}
    return pod.get("containers", []) + pod.get("initContainers", [])
