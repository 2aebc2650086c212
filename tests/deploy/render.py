"""Renders deploy/kubernetes: by kubectl where it is, else by the few rules of
Kustomize that the base and its overlay use."""
import pathlib
import shutil
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
KNOWN = {"apiVersion", "kind", "resources", "configMapGenerator", "labels",
         "images", "patches"}


def render_with_kubectl(name="base"):
    """None where there is no kubectl with a Kustomize that knows the rules."""
    if shutil.which("kubectl") is None:
        return None
    result = subprocess.run(["kubectl", "kustomize", str(KUBERNETES / name)],
                            capture_output=True, text=True)
    if result.returncode != 0:
        return None
    return list(yaml.safe_load_all(result.stdout))


def _resources(path):
    if path.is_dir():
        return _render(path)
    return list(yaml.safe_load_all(path.read_text()))


def _same(a, b):
    return (a["kind"], a["metadata"]["name"]) == (b["kind"],
                                                  b["metadata"]["name"])


def _generate(folder, generator, objects):
    data = {}
    for name in generator["envs"]:
        for line in (folder / name).read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                key, value = line.split("=", 1)
                data[key] = value
    made = {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": generator["name"]}, "data": data}
    if generator.get("behavior", "create") == "create":
        objects.append(made)
        return
    assert generator["behavior"] == "merge"
    old, = (o for o in objects if _same(o, made))
    old["data"].update(data)


def _patch(target, patch):
    """Strategic merge: objects by key, lists of named things by name; other
    lists are replaced."""
    for key, value in patch.items():
        if isinstance(value, dict) and key in target:
            _patch(target[key], value)
        elif isinstance(value, list) and key in target and all(
                "name" in v for v in value):
            for item in value:
                old = [t for t in target[key] if t["name"] == item["name"]]
                if old:
                    _patch(old[0], item)
                else:
                    target[key].append(item)
        else:
            target[key] = value


def _render(folder):
    rules = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(rules) <= KNOWN, f"no rule for {set(rules) - KNOWN}"
    objects = [o for name in rules["resources"]
               for o in _resources(folder / name)]
    for generator in rules.get("configMapGenerator", []):
        _generate(folder, generator, objects)
    for rule in rules.get("patches", []):
        for patch in _resources(folder / rule["path"]):
            target, = (o for o in objects if _same(o, patch))
            _patch(target, patch)
    for obj in objects:
        for label in rules.get("labels", []):
            obj["metadata"].setdefault("labels", {}).update(label["pairs"])
        for container in containers(obj):
            for image in rules.get("images", []):
                if container["image"].split(":")[0] == image["name"]:
                    container["image"] = f'{image["newName"]}:{image["newTag"]}'
    return objects


def render_by_hand(name="base"):
    """The same objects, but for the hash in a generated name."""
    return _render(KUBERNETES / name)


def pod_of(obj):
    return obj.get("spec", {}).get("template", {}).get("spec")


def containers(obj):
    pod = pod_of(obj) or {}
    return pod.get("containers", []) + pod.get("initContainers", [])
