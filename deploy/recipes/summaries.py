#!/usr/bin/env python3
"""Texts and their summaries, as pairs for `strata train`: the long description of each
Debian package on this machine, and the line that its maintainer made of it.

    deploy/recipes/summaries.py >summaries.jsonl
"""
import json

from debian_packages import packages

for _, summary, text in packages():
    print(json.dumps({"prompt": text + "\n\nIn a line:", "completion": " " + summary},
                     ensure_ascii=False))
