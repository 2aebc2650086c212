"""What the reference and the C++ test both start from: configs, and weights and
items as formulas of integers, written down in both languages."""

import numpy as np

BATCH, ITEMS = 2, 19


def level(dim, **keys):
    base = dict(dim=dim, heads=2, ff_mult=2, enc_layers=0, enc_scope="window",
                dec_layers=1, dec_scope="full", window=0, block=0)
    return {**base, **keys}


KNN = [
    level(16, enc_layers=1, dec_layers=2, dec_scope="window", window=3, block=3,
          knn_layer=2, knn_items=7, knn_neighbours=2),
    level(12, dec_scope="window", window=2, knn_layer=1, knn_items=3,
          knn_neighbours=2, knn_gate="context", gate="gru", position="alibi")]

CONFIGS = {
    "block": [
        level(16, enc_layers=1, dec_scope="window", window=6, block=4),
        level(24, dec_layers=2)],
    "block-literal": [
        level(16, enc_layers=1, enc_scope="bidir_block", dec_scope="block",
              block=4),
        level(16)],
    "flat": [level(16, dec_layers=2)],
    "hourglass": [
        level(16, enc_layers=1, dec_scope="window", window=5, block=3,
              pool="mean", bridge="repeat"),
        level(16)],
    "megabyte": [
        level(16, dec_scope="block", block=4, pool="concat"),
        level(24)],
    "block-transformer": [
        level(16, dec_layers=2, dec_scope="block", block=4, pool="concat",
              bridge="prefix", prefix=3),
        level(24)],
    "spacebyte": [
        level(16, enc_layers=1, dec_scope="window", window=6, block=4,
              block_rule="spacelike", block_min=2, pool="last",
              bridge="repeat"),
        level(24)],
    "ngram": [
        level(16, enc_layers=1, dec_scope="window", window=6, block=4),
        level(16)],
    "dynamic": [
        level(16, enc_layers=1, dec_scope="window", window=6, block=5,
              block_rule="router", block_min=2, block_mean=3, pool="last",
              bridge="repeat"),
        level(24)],
    "multirate": [
        level(16, dec_layers=2, dec_scope="window", window=3, streams=[
            dict(rate=4, stride=2, dim=12, heads=1, window=3),
            dict(rate=3, stride=3, dim=8, heads=2, window=0)])],
    "repeats": [
        level(16, enc_layers=1, dec_layers=2, dec_scope="window", window=6, block=3,
              repeats=2),
        level(12, dec_scope="tree", leaf=2, summaries=2, tree_height=0, repeats=2)],
    "halting": [
        level(16, enc_layers=1, dec_layers=2, dec_scope="window", window=6, block=3,
              repeats=3, ponder=0.2),
        level(12, dec_scope="tree", leaf=2, summaries=2, tree_height=0, repeats=4,
              ponder=0.1)],
    "knn": KNN,
    "knn-memory": [c | {"memory": "segment"} for c in KNN],
    "exits": [
        level(16, enc_layers=1, dec_layers=4, dec_scope="window", window=6, block=3,
              exits=2),
        level(12)],
    "gates": [
        level(16, enc_layers=1, dec_scope="window", window=6, block=3, gate="gru"),
        level(12, dec_layers=2, dec_scope="tree", leaf=2, summaries=2,
              tree_height=0, gate="gru")],
    "reversible": [
        level(16, enc_layers=1, dec_scope="window", window=6, block=3,
              gate="reversible"),
        level(12, dec_layers=2, dec_scope="tree", leaf=2, summaries=2,
              tree_height=0, gate="reversible", repeats=2)],
    "routing": [
        level(12, enc_layers=1, dec_scope="window", window=6, block=3),
        level(12, dec_layers=2, trained_attention="routing", buckets=3)],
    "bridge-attention": [
        level(16, enc_layers=1, dec_scope="window", window=5, block=3,
              bridge="attention", bridge_window=3),
        level(12, enc_layers=1, dec_scope="window", window=3, block=2, pool="concat",
              bridge="attention", bridge_window=2),
        level(24)],
    "memory": [
        level(12, enc_layers=1, dec_scope="window", window=7, block=3,
              bridge="attention", bridge_window=3, memory="segment"),
        level(12, dec_layers=2, dec_scope="window", window=3, position="shaw",
              position_span=2, memory="segment")],
    "memory-means": [
        level(12, enc_layers=1, dec_scope="window", window=5, block=3,
              memory="compressive", memory_rate=2, memory_items=3),
        level(12, dec_layers=2, dec_scope="window", window=2, position="shaw",
              position_span=4, memory="compressive", memory_rate=2, memory_items=1)],
    "three-level": [
        level(16, enc_layers=1, dec_scope="window", window=6, block=3),
        level(16, enc_layers=1, dec_scope="window", window=4, block=2,
              pool="last", bridge="repeat"),
        level(24)],
    "tree": [level(16, dec_layers=2, dec_scope="tree", leaf=3, summaries=2,
                   tree_height=0)],
}


# Every position scheme but the default one: three heads, a window and a full scope,
# spans shorter than the text where they clip.
for scheme, span in {"none": 0, "alibi": 0, "xpos": 1100, "sinusoidal": 0,
                     "learned": 11, "shaw": 4, "transformer-xl": 7,
                     "distance-aware": 0, "adaptive-span": 9}.items():
    keys = {"position": scheme} | ({"position_span": span} if span else {})
    # Slow sinusoids hardly differ between distances, so their gradients are rounding
    # that Adam would make steps of: few channels, none of them slow.
    size = dict(dim=4) if scheme == "transformer-xl" else dict(dim=12, heads=3)
    # Spans that end within the scope, which may not be longer than they.
    if scheme == "adaptive-span":
        keys["dec_scope"] = "window"
    CONFIGS["position-" + scheme] = [
        level(enc_layers=1, window=6, **size, **keys)]


# Every scope that keeps or leaves out single items: in a decoder over an encoder with
# a window, and in an encoder.
for scope, keys in {"dilated": {"dilation": 2}, "strided": {"stride": 4},
                    "global_local": {"global_items": 2}, "linear": {}}.items():
    CONFIGS["scope-" + scope] = [
        level(16, enc_layers=1, dec_scope=scope, window=4, block=3, **keys),
        level(24, enc_layers=1, enc_scope=scope, window=2, **keys)]


# How many n-gram heads the model has, and what weight training gives each.
NGRAM_HEADS = {"ngram": 2}
NGRAM_WEIGHT = 0.2

# Where words end units, bytes must be letters and others.
VOCAB = {"spacebyte": 128}


# --- deterministic weights and inputs ----------------------------------------

def mix(*numbers):
    """A hash of integers, in 32-bit arithmetic."""
    h = 2166136261
    for number in numbers:
        h = ((h ^ (number & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
        h ^= h >> 15
        h = (h * 2246822519) & 0xFFFFFFFF
        h ^= h >> 13
    return h


def position_shapes(c, scope):
    d, heads, span = c["dim"], c["heads"], c.get("position_span", 0)
    return {
        "shaw": {"key": (span + 1 + (span if scope == "bidir_block" else 0),
                         d // heads)},
        "transformer-xl": {"key.weight": (d, d), "content": (d,),
                           "distance": (d,)},
        "distance-aware": {"slope": (heads,), "offset": (heads,)},
        "adaptive-span": {"span": (heads,)},
    }.get(c.get("position"), {})


def layer_shapes(q, c, d):
    """Of a layer of width d."""
    f = c["ff_mult"] * d
    found = {q + "attn.norm.weight": (d,), q + "attn.qkv.weight": (3 * d, d),
             q + "attn.out.weight": (d, d), q + "ff.norm.weight": (d,),
             q + "ff.up.weight": (f, d), q + "ff.down.weight": (d, f)}
    for gate in ("attn_gate.", "ff_gate."):
        if c.get("gate") == "gru":
            found |= {q + gate + "input.weight": (3 * d, d),
                      q + gate + "state.weight": (2 * d, d),
                      q + gate + "candidate.weight": (d, d), q + gate + "bias": (d,)}
    return found


def stream_shapes(c):
    found, streams, width = {}, c.get("streams", []), c["dim"]
    for r, stream in enumerate(streams):
        q, d = f"level.0.streams.{r}.", stream["dim"]
        found |= {q + "compress.weight": (d, stream["rate"] * c["dim"]),
                  q + "norm.weight": (d,)}
        for i in range(c["dec_layers"]):
            found |= layer_shapes(f"{q}dec.{i}.", c, d)
        width += d
    for i in range(c["dec_layers"] if streams else 0):
        q = f"level.0.streams.merge.{i}."
        found |= {q + "norm.weight": (width,), q + "up.weight": (2 * c["dim"], width),
                  q + "down.weight": (c["dim"], 2 * c["dim"])}
    return found


def shapes(levels, vocab, ngram_heads=0):
    """Names and shapes of model/README.md, in order of name."""
    d0 = levels[0]["dim"]
    found = {"embedding.weight": (vocab, d0), "head.weight": (vocab, d0)}
    for i in range(ngram_heads):
        found |= {f"ngram.{i}.norm.weight": (d0,), f"ngram.{i}.up.weight": (d0, d0),
                  f"ngram.{i}.down.weight": (d0, d0)}
    for l, c in enumerate(levels):
        d, p = c["dim"], f"level.{l}."
        found[p + "start"] = (d,)
        found[p + "norm.weight"] = (d,)
        scheme, span = c.get("position", "rope"), c.get("position_span", 0)
        if scheme == "sinusoidal":
            found[p + "position.gain"] = (d,)
        if scheme == "learned":
            found[p + "position.rows"] = (span, d)
        found |= stream_shapes(c)
        if c.get("exits", 0):
            rows = c["dec_layers"] - c["exits"]
            found |= {p + "dec.exit.weight": (rows, d), p + "dec.exit.bias": (rows,),
                      p + "dec.exit.threshold": (1,)}
        for stack in ("enc", "dec"):
            if c.get("repeats", 1) > 1 and c[stack + "_layers"]:
                found[f"{p}{stack}.repeat"] = (c["repeats"], d)
            if c.get("ponder", 0) and c[stack + "_layers"]:
                found[f"{p}{stack}.halt.weight"] = (1, d)
                found[f"{p}{stack}.halt.bias"] = (1,)
            for i in range(c[stack + "_layers"]):
                q = f"{p}{stack}.{i}."
                found |= layer_shapes(q, c, d)
                if c.get("trained_attention") == "routing":
                    found[q + "attn.buckets.centroids"] = (
                        c["heads"], c["buckets"], d // c["heads"])
                found |= {q + "attn.position." + name: shape
                          for name, shape in position_shapes(
                              c, c[stack + "_scope"]).items()}
                if stack == "dec" and i + 1 == c.get("knn_layer"):
                    found[q + "attn.knn.scale"] = (c["heads"],)
                    found[q + "attn.knn.bias"] = (c["heads"],)
                    if c.get("knn_gate") == "context":
                        found[q + "attn.knn.gate"] = (c["heads"], d)
                if c[stack + "_scope"] == "tree":
                    found[q + "attn.tree.leaf_query"] = (c["summaries"], d)
                    found[q + "attn.tree.merge_query"] = (c["summaries"], d)
                    found[q + "attn.tree.height"] = (16, d)
                    found[q + "attn.tree.norm.weight"] = (d,)
        if l + 1 < len(levels):
            u, b = levels[l + 1]["dim"], c["block"]
            rule = c.get("pool", "attention")
            found[p + "pool.norm.weight"] = (d,)
            found[p + "pool.out.weight"] = (u, b * d if rule == "concat" else d)
            rows = {"repeat": 1, "prefix": c.get("prefix"),
                    "attention": b + 2}.get(c.get("bridge"), b)
            if c.get("bridge") == "attention":
                q = p + "bridge_attention."
                found[q + "norm.weight"] = (d,)
                found[q + "query.weight"] = found[q + "out.weight"] = (d, d)
                found[q + "bias"] = (c["heads"], c["bridge_window"])
            found[p + "bridge.weight"] = (rows * d, u)
            if c.get("block_rule") == "router":
                found[p + "router.weight"] = (2 * d, d)
            if rule == "attention":
                found[p + "pool.offset"] = (b, d)
                found[p + "pool.query"] = (d,)
                found[p + "pool.key.weight"] = (d, d)
                found[p + "pool.value.weight"] = (d, d)
    return dict(sorted(found.items()))


def weights(levels, vocab, ngram_heads=0):
    made = {}
    for t, (name, shape) in enumerate(
            shapes(levels, vocab, ngram_heads).items()):
        unit = np.array([mix(t, k) / 2**32 - 0.5
                         for k in range(int(np.prod(shape)))]).reshape(shape)
        made[name] = unit * 0.9 + (1.0 if name.endswith("norm.weight") else 0)
        if name.endswith("exit.threshold"):
            made[name] = np.full(shape, 0.5)
    return made


def items(step, vocab):
    return np.array([[mix(7919, step, b, i) % vocab for i in range(ITEMS)]
                     for b in range(BATCH)])


def trained():
    return np.array([[(i * 7 + b) % 5 != 0 for i in range(ITEMS)]
                     for b in range(BATCH)])


# --- the model, as its page says ---------------------------------------------
