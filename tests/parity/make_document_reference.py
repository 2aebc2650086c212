#!/usr/bin/env python3
"""Makes the reference outputs of the document classifier's parity test.

As make_reference.py: an implementation of model/CLASSIFIER.md that shares nothing
with the C++ one. Sentence by sentence, without padding, masks or folded matrices; the
splitter is a regular expression. One file for each scope of LEVELS.

    env/bin/python tests/parity/make_document_reference.py tests/parity/data
"""

import json
import pathlib
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np

from make_reference import digest, mix, norm
from reference_document_scopes import layers

LEVELS = {  # what the two levels have besides, by file
    "document": [{}, {}],
    "document-words": [{}, {}],
    "document-linformer": [dict(scope="linformer", projected=5),
                           dict(scope="linformer", projected=3)],
    "document-etc": [dict(scope="etc", window=6, global_items=2),
                     dict(scope="etc", window=1, global_items=1)],
    "document-bigbird": [
        dict(scope="bigbird", window=4, global_items=2, random_blocks=2),
        dict(scope="bigbird", window=1, global_items=1, random_blocks=1)]}
SENTENCE = dict(dim=16, heads=2, ff_mult=2, layers=2)
DOCUMENT = dict(dim=24, heads=3, ff_mult=2, layers=1)
MOST = {"sentence.": 256, "document.": 1024}  # items of a row
BUCKETS, NGRAMS, LABELS = 32, (2, 3), 3
WORDS = {"document-words": 16}  # rows of the table of words, by file; else none
TEXTS = [
    b"Short. A sentence of a good many bytes, so that it is wider! No end",
    "One line only: caf\u00e9 \u2603".encode(),
    b"\n a\nb? c.d e.\" f 3.14 g...\n\nThe end of it all, after which "
    b"nothing follows but this.",
]
TRUE = [2, 0, 2]


def level_shapes(prefix, c, above):
    d, f = c["dim"], c["ff_mult"] * c["dim"]
    found = {}
    for i in range(c["layers"]):
        p = f"{prefix}enc.{i}."
        found[p + "attn.norm.weight"] = (d,)
        found[p + "attn.qkv.weight"] = (3 * d, d)
        found[p + "attn.out.weight"] = (d, d)
        found[p + "ff.norm.weight"] = (d,)
        found[p + "ff.up.weight"] = (f, d)
        found[p + "ff.down.weight"] = (d, f)
        if c.get("projected"):
            for of in ("key", "value"):
                found[f"{prefix}scope.{of}_{i}"] = (c["projected"], MOST[prefix])
    if c.get("global_items"):
        found[prefix + "scope.global"] = (c["global_items"], d)
    found[prefix + "pool.norm.weight"] = (d,)
    found[prefix + "pool.query"] = (d,)
    found[prefix + "pool.key.weight"] = (d, d)
    found[prefix + "pool.value.weight"] = (d, d)
    found[prefix + "pool.out.weight"] = (above, d)
    return found


def weights(sentence, document, words):
    shapes = {"embedding.weight": (256 + BUCKETS, SENTENCE["dim"]),
              "norm.weight": (DOCUMENT["dim"],),
              "head.weight": (LABELS, DOCUMENT["dim"]), "bias": (LABELS,),
              **level_shapes("sentence.", sentence, DOCUMENT["dim"]),
              **level_shapes("document.", document, DOCUMENT["dim"])}
    if words:
        shapes.update({"words.table.weight": (words, SENTENCE["dim"]),
                       **{f"words.{of}_norm.weight": (SENTENCE["dim"],)
                          for of in ("sentence", "text")},
                       **{f"words.{of}_out.weight": (DOCUMENT["dim"], SENTENCE["dim"])
                          for of in ("sentence", "text")}})
    made = {}
    for t, (name, shape) in enumerate(sorted(shapes.items())):
        unit = np.array([mix(t, k) / 2**32 - 0.5
                         for k in range(int(np.prod(shape)))]).reshape(shape)
        made[name] = unit * 0.9 + (1.0 if name.endswith("norm.weight") else 0)
    return made


def sentences(text):
    end = rb"(?:\n|[.!?]+[\"')\]}]*(?=\s|\Z)|\Z)"
    return [m.group() for m in re.finditer(rb"\s*(?s:.*?)" + end + rb"\s*", text)
            if m.group()]


def row_hash(run):
    h, bits = 0, 2**64 - 1
    for byte in reversed(run):
        h = (h * 0x9E3779B97F4A7C15 + byte + 1) & bits
    return ((h ^ (h >> 32)) * 0x9E3779B97F4A7C15 & bits) >> 32


def table_rows(sentence, at):
    """The byte, then each n-gram that ends at it."""
    rows = [sentence[at]]
    for n in range(NGRAMS[0], NGRAMS[1] + 1):
        if at + 1 < n:
            rows.append(256)
            continue
        rows.append(256 + 1 + row_hash(sentence[at + 1 - n:at + 1]) % (BUCKETS - 1))
    return rows


def words_of(sentence, rows):
    """The words and the pairs of neighbours of a sentence, as rows of their table."""
    words = re.findall(rb"[a-z0-9'\x80-\xff]+", sentence.lower())
    pairs = [first + b" " + second for first, second in zip(words, words[1:])]
    return np.array([row_hash(run) % rows for run in words + pairs], int)


def word_bag(w, of, sentences):
    if "words.table.weight" not in w:
        return 0
    table = w["words.table.weight"]
    rows = np.concatenate([words_of(s, len(table)) for s in sentences])
    u = table[rows].sum(0) / np.sqrt(max(1, len(rows)))
    return norm(u, w[f"words.{of}_norm.weight"]) @ w[f"words.{of}_out.weight"].T


def pooled(w, prefix, c, x):
    """One row of items [n, D]: (vector, weights)."""
    x = layers(w, prefix, c, x)
    p, n, k = prefix + "pool.", x.shape[0], c["dim"] // c["heads"]
    g = norm(x, w[p + "norm.weight"])
    keys = (g @ w[p + "key.weight"].T).reshape(n, c["heads"], k)
    values = (g @ w[p + "value.weight"].T).reshape(n, c["heads"], k)
    query = w[p + "query"].reshape(c["heads"], k)
    share = jax.nn.softmax(jnp.einsum("nhk,hk->nh", keys, query) / np.sqrt(k), 0)
    mixed = jnp.einsum("nh,nhk->hk", share, values).reshape(-1)
    return mixed @ w[p + "out.weight"].T, share.mean(1)


def forward(w, sentence, document, text):
    vectors, byte_weights = [], []
    for s in sentences(text):
        rows = np.array([table_rows(s, at) for at in range(len(s))])
        vector, shares = pooled(w, "sentence.", sentence,
                                w["embedding.weight"][rows].sum(1))
        vectors.append(vector + word_bag(w, "sentence", [s]))
        byte_weights.append(shares)
    vector, shares = pooled(w, "document.", document, jnp.stack(vectors))
    vector = norm(vector, w["norm.weight"]) + word_bag(w, "text", sentences(text))
    return {"sentences": jnp.stack(vectors), "text": vector,
            "sentence_weights": shares,
            "byte_weights": jnp.concatenate(byte_weights),
            "logits": vector @ w["head.weight"].T + w["bias"]}


def loss(w, sentence, document):
    total = 0
    for text, true in zip(TEXTS, TRUE):
        total -= jax.nn.log_softmax(forward(w, sentence, document, text)["logits"])[true]
    return total / len(TEXTS)


def make(folder, name):
    sentence, document = ({**base, **more}
                          for base, more in zip((SENTENCE, DOCUMENT), LEVELS[name]))
    w = weights(sentence, document, WORDS.get(name, 0))
    value, gradient = jax.value_and_grad(loss)(w, sentence, document)
    result = {
        "sentence": sentence, "document": document, "ngram_min": NGRAMS[0],
        "ngram_max": NGRAMS[1], "ngram_buckets": BUCKETS,
        "word_buckets": WORDS.get(name, 0), "labels": LABELS,
        "texts": [text.decode() for text in TEXTS], "true": TRUE,
        "activations": {f"{i}.{k}": digest(v) for i, text in enumerate(TEXTS)
                        for k, v in forward(w, sentence, document, text).items()},
        "loss": float(f"{value:.12g}"),
        "gradients": {k: digest(v) for k, v in gradient.items()},
    }
    text = json.dumps(result, separators=(",", ":")).replace('},"', '},\n"')
    (folder / f"{name}.json").write_text(text + "\n")
    print(name, "loss", value, len(text), [len(sentences(t)) for t in TEXTS])


def main():
    for name in LEVELS:
        make(pathlib.Path(sys.argv[1]), name)


if __name__ == "__main__":
    main()
