#!/usr/bin/env python3
"""Images and their captions, as pairs for `strata train`: the handwritten digits that
scikit-learn carries (1797 of 8 x 8 pixels, 17 shades), a byte a pixel and a block of 8
a row.

    python3 -m venv env && env/bin/pip install --no-deps scikit-learn
    env/bin/python deploy/recipes/digits.py see >digits.jsonl    # image, caption
    env/bin/python deploy/recipes/digits.py draw >digits.jsonl   # caption, image

A prompt follows one marker and a completion another, so texts in front of the rows have
7 bytes, or 14 with the second one: then each row is one block of the `block` presets.
The last 197 images are held out; `see-test` prints those, for trying.
"""
import csv
import gzip
import importlib.util
import json
import pathlib
import sys

NAMES = "zero one two three four five six seven eight nine".split()
SHADES = "0123456789abcdefg"
HELD_OUT = 197


def load_digits():
    """(64 pixels, digit) of each image; only the file is read, not the library."""
    package = importlib.util.find_spec("sklearn")
    if package is None:
        sys.exit("scikit-learn is not installed; see the head of this file")
    path = pathlib.Path(package.origin).parent / "datasets/data/digits.csv.gz"
    with gzip.open(path, "rt") as file:
        lines = [[int(float(word)) for word in line] for line in csv.reader(file)]
    return [(line[:-1], line[-1]) for line in lines]


def rows(image):
    return "".join(SHADES[pixel] for pixel in image)


def pair(way, image, caption):
    if way == "draw":
        return {"prompt": f"draw {caption}".ljust(14), "completion": rows(image)}
    return {"prompt": "digit: " + rows(image), "completion": caption}


way = sys.argv[1] if len(sys.argv) > 1 else ""
if way not in ("see", "draw", "see-test"):
    sys.exit(__doc__)
samples = load_digits()
for image, label in samples[-HELD_OUT:] if way == "see-test" else samples[:-HELD_OUT]:
    print(json.dumps(pair(way, image, NAMES[label])))
