#!/usr/bin/env python3
"""Conversations for `strata train` from the Schema-Guided Dialogue set (Rastogi et al.
2020, CC BY-SA 4.0): the user's turns and the system's.

    git clone --depth 1 \\
      https://github.com/google-research-datasets/dstc8-schema-guided-dialogue sgd
    deploy/recipes/dialogues.py sgd/train/dialogues_*.json >dialogues.jsonl
"""
import json
import sys

ROLES = {"USER": "user", "SYSTEM": "assistant"}

if len(sys.argv) < 2:
    sys.exit(__doc__)
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        dialogues = json.load(file)
    for dialogue in dialogues:
        messages = [{"role": ROLES[turn["speaker"]], "content": turn["utterance"]}
                    for turn in dialogue["turns"]]
        while messages and messages[-1]["role"] != "assistant":
            messages.pop()
        if messages:
            print(json.dumps({"messages": messages}, ensure_ascii=False))
