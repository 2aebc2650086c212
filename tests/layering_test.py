#!/usr/bin/env python3
"""Holds the one-way rule between modules, and the limit on a file's length.

Every source file belongs to one row of RULES. Of the project's own files it may
include those of the rows it names; of the heavy libraries, those it names. Test
code may use anything. It also checks itself on planted violations.
"""

import pathlib
import re
import sys

MAX_LINES = 400

BASE = ["model/base"]
FACES = BASE + ["model"]  # "model" alone: the files right under model/
ENGINE = FACES + ["server/registry", "server/engine", "server/jobs"]
PROTO = ["proto"]

# Folder -> (own folders beside itself, heavy libraries).
RULES = {
    "model/base": ([], []),
    "model": (BASE + ["model/sentencepiece"], []),
    # A plug-in: it sees one header of ours, and nobody else sees its library.
    "model/sentencepiece": ([], ["sentencepiece"]),
    "model/nn": (FACES, ["torch"]),
    "model/hierarchy": (FACES + ["model/nn"], ["torch"]),
    "model/document": (FACES + ["model/nn", "model/hierarchy"], ["torch"]),
    "model/inspect": (FACES + ["model/nn", "model/hierarchy"], ["torch"]),
    "model/datastore": (FACES, ["hnswlib"]),
    "model/decode": (FACES, []),
    "model/decode/tensor": (FACES + ["model/decode", "model/nn", "model/hierarchy"],
                            ["torch"]),
    # A plug-in, too.
    "model/cuda": (["model/decode/tensor"], ["torch", "cuda"]),
    "model/train": (FACES + ["model/nn", "model/hierarchy", "model/document",
                             "model/decode", "model/datastore"], ["torch"]),
    "server/registry": (FACES, []),
    # One row, but acyclic: jobs over engine over registry.
    "server/engine": (FACES + ["server/registry"], []),
    "server/jobs": (FACES + ["server/registry", "server/engine"], []),
    "server/metrics": (ENGINE, ["prometheus"]),
    "server/rpc": (PROTO + ENGINE, ["grpc", "protobuf"]),
    "server/http": (PROTO + ENGINE, ["grpc", "protobuf"]),
    "server/app": None,  # the only place that knows everything
    "server": None,      # server/main.cc
    # The base is std and Abseil alone; what a client must never see is models
    # and servers.
    "client": (PROTO + BASE, ["grpc", "protobuf"]),
    "tests": None,
}

HEAVY = {
    "torch": r"^(torch|ATen|c10|caffe2)/",
    "grpc": r"^(grpc|grpcpp|grpc\+\+)/|\.grpc\.pb\.h$",
    "protobuf": r"^google/protobuf/|(?<!\.grpc)\.pb\.h$",
    "prometheus": r"^prometheus/",
    "sentencepiece": r"^sentencepiece_(processor|trainer)\.h$",
    "hnswlib": r"^hnswlib/",
    "cuda": r"^(cuda|nccl|cublas|cudnn)[^/]*\.h$|^ATen/cuda/",
}

OWN = ("model/", "server/", "client/", "proto/", "tests/", "strata/v1/")
# Not <nlohmann/json.hpp> in headers: it is slow to compile.
SLOW_IN_HEADERS = r"^nlohmann/json\.hpp$"


def rule_folder(path):
    """The longest folder of RULES that holds `path` (a relative posix path)."""
    folder = path.rsplit("/", 1)[0]
    while folder not in RULES:
        if "/" not in folder:
            return None
        folder = folder.rsplit("/", 1)[0]
    return folder


def own_folder(include):
    if include.startswith(("strata/v1/", "proto/")):
        return "proto"
    return rule_folder(include) or include.rsplit("/", 1)[0]


def violations(path, text):
    """Yields what is wrong with one file, given as path and contents."""
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        yield f"{path}: {len(lines)} lines; at most {MAX_LINES}"
    folder = rule_folder(path)
    if folder is None:
        yield f"{path}: no rule for its folder"
        return
    for number, line in enumerate(lines, 1):
        found = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
        if not found:
            continue
        include, where = found.group(1), f"{path}:{number}"
        if path.endswith(".h") and re.search(SLOW_IN_HEADERS, include):
            yield f"{where}: {include} in a header"
        if RULES[folder] is None:
            continue
        own, heavy = RULES[folder]
        for library, pattern in HEAVY.items():
            if re.search(pattern, include) and library not in heavy:
                if not (library in ("grpc", "protobuf") and
                        include.startswith("strata/v1/") and "proto" in own):
                    yield f"{where}: {folder} may not use {library} ({include})"
        if include.startswith(OWN) and own_folder(include) not in own + [folder]:
            yield f"{where}: {folder} may not include {include}"


PLANTED = [
    ("model/sampling.cc", "#include <torch/torch.h>\n"),
    ("model/base/log.h", '#include "model/items.h"\n'),
    ("model/decode/step.cc", '#include "model/nn/rope.h"\n'),
    ("server/engine/engine.cc", "#include <grpcpp/grpcpp.h>\n"),
    ("server/engine/engine.h", "#include <nlohmann/json.hpp>\n"),
    ("server/jobs/job.h", '#include "strata/v1/training.pb.h"\n'),
    ("server/rpc/train.cc", '#include "model/train/adamw.h"\n'),
    ("model/train/a.cc", "#include <hnswlib/hnswlib.h>\n"),
    ("server/engine/engine.cc", '#include "server/jobs/job.h"\n'),
    ("server/metrics/m.cc", "#include <grpcpp/grpcpp.h>\n"),
    ("client/main.cc", '#include "model/items.h"\n'),
    ("client/main.cc", "\n" * (MAX_LINES + 1)),
    ("unknown/a.cc", ""),
]
FINE = [
    ("server/rpc/a.cc", '#include "strata/v1/models.grpc.pb.h"\n'
                        '#include "server/engine/engine.h"\n'),
    ("server/app/a.cc", "#include <torch/torch.h>\n"),
    ("model/train/a.cc", '#include <torch/torch.h>\n#include "model/nn/rope.h"\n'),
]


def main():
    root = pathlib.Path(sys.argv[1])
    problems = [f"planted violation went unseen: {path} {text.strip()}"
                for path, text in PLANTED if not list(violations(path, text))]
    problems += [f"a lawful file was refused: {problem}"
                 for path, text in FINE for problem in violations(path, text)]
    files = [f for top in ("model", "server", "client", "tests")
             for f in sorted((root / top).rglob("*"))
             if f.suffix in (".h", ".cc") and "build" not in f.parts]
    if len(files) < 50:
        problems.append(f"only {len(files)} files under {root}")
    for f in files:
        problems += violations(f.relative_to(root).as_posix(), f.read_text())
    for script in sorted(root.glob("**/*.proto")):
        if "build" not in script.parts:
            count = len(script.read_text().splitlines())
            if count > MAX_LINES:
                problems.append(f"{script.relative_to(root)}: {count} lines")
    print("\n".join(problems) or f"{len(files)} files keep the rules")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
