"""Checks an object against the types of Kubernetes, strictly: the classes that
the official Python client is generated into carry every field's name and type,
and refuse an object that lacks a required one."""
import datetime
import re

import kubernetes.client as client

_SCALARS = {"str": str, "int": int, "float": (int, float), "bool": bool}


def _class_of(obj):
    group, _, version = obj["apiVersion"].rpartition("/")
    del group  # the classes are named by version and kind alone
    name = version[0].upper() + version[1:] + obj["kind"]
    found = getattr(client, name, None)
    return found


def check(obj):
    """A list of complaints; empty for a good object."""
    kind = _class_of(obj)
    if kind is None:
        return [f'{obj["apiVersion"]} {obj["kind"]} is unknown']
    complaints = []
    _check_object(obj, kind, obj["kind"], complaints)
    return complaints


def _check_object(value, kind, path, complaints):
    if not isinstance(value, dict):
        complaints.append(f"{path} is {value!r}, not an object")
        return
    names = {json: name for name, json in kind.attribute_map.items()}
    known = {}
    for key, inner in value.items():
        if key not in names:
            complaints.append(f"{path}.{key} is unknown")
            continue
        known[names[key]] = inner
        _check_value(inner, kind.openapi_types[names[key]], f"{path}.{key}",
                     complaints)
    try:
        kind(**known)
    except ValueError as error:
        complaints.append(f"{path}: {error}")


def _check_value(value, declared, path, complaints):
    element = re.fullmatch(r"list\[(.*)\]", declared)
    mapping = re.fullmatch(r"dict\(str, (.*)\)", declared)
    if element:
        if not isinstance(value, list):
            complaints.append(f"{path} is {value!r}, not a list")
            return
        for i, inner in enumerate(value):
            _check_value(inner, element[1], f"{path}[{i}]", complaints)
    elif mapping:
        if not isinstance(value, dict):
            complaints.append(f"{path} is {value!r}, not a map")
            return
        for key, inner in value.items():
            _check_value(inner, mapping[1], f"{path}.{key}", complaints)
    elif declared == "object":  # a number or a text: IntOrString
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            complaints.append(f"{path} is {value!r}, neither number nor text")
    elif declared == "datetime":
        if not isinstance(value, (str, datetime.datetime)):
            complaints.append(f"{path} is {value!r}, not a time")
    elif declared in _SCALARS:
        scalar = _SCALARS[declared]
        if not isinstance(value, scalar) or (scalar is not bool
                                             and isinstance(value, bool)):
            complaints.append(f"{path} is {value!r}, not {declared}")
    else:
        _check_object(value, getattr(client, declared), path, complaints)
