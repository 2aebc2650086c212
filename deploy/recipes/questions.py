#!/usr/bin/env python3
"""Questions about long documents, as pairs for `strata train`: a catalogue of packages
of some 32 kB, drawn and shuffled anew each time, and "What is NAME?", whose answer is
somewhere in it.

    deploy/recipes/questions.py [PAIRS [BYTES]] >questions.jsonl
"""
import json
import random
import sys

from debian_packages import packages

pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 64
size = int(sys.argv[2]) if len(sys.argv) > 2 else 32000
known, draw = packages(), random.Random(1)
for _ in range(pairs):
    draw.shuffle(known)
    catalogue, listed, length = [], [], 0
    for name, summary, text in known:
        entry = f"{name}: {summary}\n{text}\n\n"
        if length + len(entry.encode()) > size and listed:
            break
        catalogue.append(entry)
        listed.append((name, summary))
        length += len(entry.encode())
    name, answer = draw.choice(listed)
    print(json.dumps({"prompt": "".join(catalogue) + f"What is {name}?",
                      "completion": " " + answer}, ensure_ascii=False))
