#!/usr/bin/env python3
"""Images and their captions, as pairs for `strata train`: the handwritten digits that
scikit-learn carries (1797 of 8 x 8 pixels, 17 shades), a byte a pixel and a block of 8
a row.

    python3 -m venv env && env/bin/pip install scikit-learn
    env/bin/python deploy/recipes/digits.py see >digits.jsonl    # image, caption
    env/bin/python deploy/recipes/digits.py draw >digits.jsonl   # caption, image

A prompt follows one marker and a completion another, so texts in front of the rows have
7 bytes, or 14 with the second one: then each row is one block of the `block` presets.
The last 197 images are held out; `see-test` prints those, for trying.
"""
import json
import sys

from sklearn.datasets import load_digits

NAMES = "zero one two three four five six seven eight nine".split()
SHADES = "0123456789abcdefg"
HELD_OUT = 197


def rows(image):
    return "".join(SHADES[int(pixel)] for line in image for pixel in line)


def pair(way, image, caption):
    if way == "draw":
        return {"prompt": f"draw {caption}".ljust(14), "completion": rows(image)}
    return {"prompt": "digit: " + rows(image), "completion": caption}


way = sys.argv[1] if len(sys.argv) > 1 else ""
if way not in ("see", "draw", "see-test"):
    sys.exit(__doc__)
digits = load_digits()
samples = list(zip(digits.images, digits.target))
for image, label in samples[-HELD_OUT:] if way == "see-test" else samples[:-HELD_OUT]:
    print(json.dumps(pair(way, image, NAMES[label])))
