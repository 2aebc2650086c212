#!/usr/bin/env python3
"""Makes the reference outputs of the parity test.

An implementation of model/README.md that shares nothing with the C++ one: other
library (JAX, float64), naive masks, no folding. Weights and inputs are formulas
of integers, written down in both languages, so only results are stored.

    python3 -m venv env && env/bin/pip install jax==0.10.2
    env/bin/python tests/parity/make_reference.py tests/parity/data [NAME]...
"""

import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np

from reference_configs import (CONFIGS, NGRAM_HEADS, NGRAM_WEIGHT, VOCAB, items, mix,
                               trained, weights)
from reference_depth import Exits, Halting, exit_loss
from reference_gates import enter, two_streams
from reference_knn import has_neighbours, with_neighbours
from reference_means import run_means, visible_items_and_means
from reference_positions import entrance, positioned_scores, rotate
from reference_scopes import visible
from reference_segments import segment_loss
from reference_streams import Streams
from reference_units import confidence, cut, ratio, router_p, smoothed, words_end

jax.config.update("jax_enable_x64", True)

RATIO_WEIGHT = 0.03
LR, BETA1, BETA2, EPSILON, DECAY, CLIP = 1e-3, 0.9, 0.95, 1e-8, 0.1, 1.0


def norm(x, w):
    return x / jnp.sqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-5) * w


def gelu(x):
    return x / 2 * (1 + jnp.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def attend(q, k, v, mask):
    scores = jnp.einsum("bihk,bjhk->bhij", q, k) / np.sqrt(q.shape[-1])
    return mixed_by(scores, v, mask)


def mixed_by(scores, v, mask):
    share = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), -1)
    return jnp.einsum("bhij,bjhk->bihk", share, v)


def mixed_with_means(w, prefix, c, q, k, v):
    rate = c["memory_rate"]
    scores = [positioned_scores(w, prefix, c, "window", q, keys)
              for keys in (k, run_means(k, rate))]
    return mixed_by(jnp.concatenate(scores, -1),
                    jnp.concatenate([v, run_means(v, rate)], 1),
                    np.concatenate(visible_items_and_means(c, q.shape[1]), -1))


def summed(q, k, v, mask):
    def phi(x):
        turned = rotate(x)
        return jnp.where(turned > 0, turned + 1, jnp.exp(jnp.minimum(turned, 0)))

    share = jnp.where(mask, jnp.einsum("bihk,bjhk->bhij", phi(q), phi(k)), 0)
    return jnp.einsum("bhij,bjhk->bihk", share / share.sum(-1, keepdims=True), v)


def summary(w, prefix, query, k, v, height):
    """Key and value of one node, [batch, m, heads, K], from those it covers."""
    batch, heads, width = k.shape[0], k.shape[2], k.shape[3]
    d = heads * width
    query = w[prefix + "tree." + query]
    q = jnp.broadcast_to(query.reshape(1, -1, heads, width),
                         (batch, len(query), heads, width))
    s = attend(q, k, v, True).reshape(batch, len(query), d)
    s = s @ w[prefix + "out.weight"].T + w[prefix + "tree.height"][height]
    kv = norm(s, w[prefix + "tree.norm.weight"]) @ w[prefix + "qkv.weight"][d:].T
    return [part.reshape(q.shape) for part in jnp.split(kv, 2, axis=-1)]


def tree_mixed(w, prefix, c, q, k, v):
    """The tree scope, item by item: q, k, v [batch, n, heads, K]."""
    leaf, n = c["leaf"], q.shape[1]
    q, k = rotate(q, leaf), rotate(k, leaf)
    levels = [[summary(w, prefix, "leaf_query", k[:, i:i + leaf],
                       v[:, i:i + leaf], 0)
               for i in range(0, n - leaf + 1, leaf)]]
    while len(levels[-1]) > 1:
        below, above = levels[-1], []
        for left, right in zip(below[0::2], below[1::2]):
            both = jnp.concatenate([left[0], right[0]], 1)
            key, value = summary(w, prefix, "merge_query", rotate(both),
                                 jnp.concatenate([left[1], right[1]], 1),
                                 len(levels))
            above.append([key + (left[0] + right[0]) / 2,
                          value + (left[1] + right[1]) / 2])
        levels.append(above)
    rows = []
    for i in range(n):
        own = i // leaf * leaf
        keys, values = [k[:, own:i + 1]], [v[:, own:i + 1]]
        for bit in range((i // leaf).bit_length()):
            if i // leaf >> bit & 1:
                node = levels[bit][(i // leaf >> bit) - 1]
                keys.append(node[0])
                values.append(node[1])
        rows.append(attend(q[:, i:i + 1], jnp.concatenate(keys, 1),
                           jnp.concatenate(values, 1), True))
    return jnp.concatenate(rows, 1)


def attention(w, prefix, x, c, scope):
    batch, n, d = x.shape
    heads = c["heads"]
    normed = norm(x, w[prefix + "attn.norm.weight"])
    qkv = normed @ w[prefix + "attn.qkv.weight"].T
    q, k, v = (part.reshape(batch, n, heads, d // heads)
               for part in jnp.split(qkv, 3, axis=-1))
    if scope == "tree":
        mixed = tree_mixed(w, prefix + "attn.", c, q, k, v)
    elif scope == "window" and c.get("memory") == "compressive":
        mixed = mixed_with_means(w, prefix + "attn.", c, q, k, v)
    else:
        mask = visible(c, scope, n)
        mixed = summed(q, k, v, mask) if scope == "linear" else mixed_by(
            positioned_scores(w, prefix + "attn.", c, scope, q, k), v, mask)
    if has_neighbours(c, prefix):
        mixed = with_neighbours(w, prefix + "attn.", c, normed, q, k, v, mixed)
    return mixed.reshape(batch, n, d) @ w[prefix + "attn.out.weight"].T


def feed(w, prefix, x):
    y = gelu(norm(x, w[prefix + "ff.norm.weight"]) @ w[prefix + "ff.up.weight"].T)
    return y @ w[prefix + "ff.down.weight"].T


def layer(w, prefix, x, c, scope):
    x = enter(w, c, prefix + "attn_gate.", x, attention(w, prefix, x, c, scope))
    return enter(w, c, prefix + "ff_gate.", x, feed(w, prefix, x))


def stack(w, c, l, name, x, seen):
    prefix, repeats = f"level.{l}.{name}.", c.get("repeats", 1)
    if not c[name + "_layers"]:
        return x
    streams = name == "dec" and c.get("streams") and Streams(
        sys.modules[__name__], w, c, x)
    x = entrance(w, c, l, x)
    if c.get("gate") == "reversible":
        return two_streams(w, c, prefix, name, x, attention, feed)
    depth = Halting(w, prefix, x) if c.get("ponder", 0) else None
    exits = Exits(w, prefix, c, x, seen) if name == "dec" and c.get("exits") else None
    for repeat in range(repeats):
        def kept(new, old):
            on = depth.on if depth else exits.on if exits else None
            return new if on is None else jnp.where(on[..., None], new, old)

        if repeats > 1:
            x = kept(x + w[prefix + "repeat"][repeat], x)
        for i in range(c[name + "_layers"]):
            x = kept(layer(w, f"{prefix}{i}.", x, c, c[name + "_scope"]), x)
            if streams:
                x = streams.after(i, x)
            if exits:
                exits.after(i, x)
        if depth:
            depth.after(x, repeat + 1 == repeats)
    if depth:
        cost = c["ponder"] * jnp.mean(depth.cost)
        seen["ponder"] = seen.get("ponder", 0) + cost
    return depth.out if depth else x


def pool(w, c, l, h):
    p, b, heads = f"level.{l}.pool.", c["block"], c["heads"]
    batch, blocks, d = h.shape[0], h.shape[1] // b, h.shape[2]
    g = h[:, :blocks * b].reshape(batch, blocks, b, d)
    g = norm(g, w[p + "norm.weight"])
    rule, out = c.get("pool", "attention"), w[p + "out.weight"].T
    if rule == "mean":
        return g.sum(2) / b @ out
    if rule == "last":
        return g[:, :, b - 1] @ out
    if rule == "concat":
        return jnp.concatenate([g[:, :, r] for r in range(b)], -1) @ out
    g = g + w[p + "offset"]
    k = (g @ w[p + "key.weight"].T).reshape(batch, blocks, b, heads, d // heads)
    v = (g @ w[p + "value.weight"].T).reshape(k.shape)
    query = w[p + "query"].reshape(heads, d // heads)
    share = jax.nn.softmax(
        jnp.einsum("bjrhk,hk->bjrh", k, query) / np.sqrt(d // heads), axis=2)
    mixed = jnp.einsum("bjrh,bjrhk->bjhk", share, v)
    return mixed.reshape(batch, blocks, d) @ out


def cuts_of(w, levels, x):
    """None where blocks are fixed."""
    rule = levels[0].get("block_rule")
    if rule == "router":
        h = stack(w, levels[0], 0, "enc", w["embedding.weight"][x], {})
        return cut(levels[0], np.asarray(router_p(w, 0, h)) >= 0.5)
    return cut(levels[0], words_end(x)) if rule else None


def pool_last(w, l, h, lasts):
    p = f"level.{l}.pool."
    g = norm(h[np.arange(h.shape[0])[:, None], lasts], w[p + "norm.weight"])
    return g @ w[p + "out.weight"].T


def contexts(w, levels, l, z, seen, cuts=None):
    c, batch, n = levels[l], z.shape[0], z.shape[1]
    h = stack(w, c, l, "enc", z, seen)
    bidirectional = c["enc_layers"] and c["enc_scope"] == "bidir_block"
    start = jnp.broadcast_to(w[f"level.{l}.start"], (batch, 1, c["dim"]))
    u = jnp.concatenate([start, z if bidirectional else h], 1)
    seen[f"level.{l}.h"] = h
    if l + 1 < len(levels):
        p = pool(w, c, l, h) if cuts is None else pool_last(w, l, h, cuts[0])
        o = contexts(w, levels, l + 1, p, seen)
        seen[f"level.{l}.p"], seen[f"level.{l}.o"] = p, o
        routed = c.get("block_rule") == "router"
        if routed:
            ends = router_p(w, l, h)
            o = smoothed(o, ends, cuts[0])
        said = o @ w[f"level.{l}.bridge.weight"].T
        i, b = np.arange(n + 1)[None], np.arange(batch)[:, None]
        unit, offset = (i // c["block"], i % c["block"]) if cuts is None else cuts[1:]
        if c.get("bridge") == "prefix":
            return done(w, levels, l, with_prefixes(w, c, l, u, said, seen), seen)
        if c.get("bridge") == "repeat":
            mine = said[b, unit]
            if routed:
                mine = mine * confidence(c, ends, offset)[..., None]
            u = u + mine
        else:
            rows = said.reshape(batch, o.shape[1], -1, c["dim"])
            u = u + rows[b, unit, offset]
            if c.get("bridge") == "attention":
                u = u + over_contexts(w, c, l, u, rows, unit)
    return done(w, levels, l, stack(w, c, l, "dec", u, seen), seen)


def over_contexts(w, c, l, v, rows, unit):
    """What the items make of the newest contexts, all contexts masked."""
    p, heads, window = f"level.{l}.bridge_attention.", c["heads"], c["bridge_window"]
    q = norm(v, w[p + "norm.weight"]) @ w[p + "query.weight"].T
    q, k, value = (x.reshape(*x.shape[:2], heads, -1)
                   for x in (q, rows[:, :, -2], rows[:, :, -1]))
    back = np.broadcast_to(unit, v.shape[:2])[..., None] - np.arange(rows.shape[1])
    seen = (back >= 0) & (back < window)
    bias = w[p + "bias"][:, np.where(seen, back, 0)].swapaxes(0, 1)
    scores = jnp.einsum("bihk,bjhk->bhij", q, k) / np.sqrt(q.shape[-1]) + bias
    return mixed_by(scores, value, seen[:, None]).reshape(v.shape) @ w[p + "out.weight"].T


def done(w, levels, l, decoded, seen):
    context = norm(decoded, w[f"level.{l}.norm.weight"])
    seen[f"level.{l}.c"] = context
    return context


def with_prefixes(w, c, l, u, said, seen):
    """The decoder's contexts, where what is said of a block stands before it."""
    m, b, d = c["prefix"], c["block"], c["dim"]
    rows, mine = [], []
    for i in range(u.shape[1]):
        x = u[:, i]
        if i % b == 0:
            vectors = said[:, i // b].reshape(-1, m, d)
            rows += [vectors[:, r] for r in range(m - 1)]
            x = x + vectors[:, m - 1]
        mine.append(len(rows))
        rows.append(x)
    wide = c | {"block": b + m - 1}
    return stack(w, wide, l, "dec", jnp.stack(rows, 1), seen)[:, np.array(mine)]


def ngram_heads(w):
    return sum(name.startswith("ngram.") and name.endswith(".up.weight")
               for name in w)


def forward(w, levels, x, cuts, shut=False):
    seen = {"states": []} if shut else {}
    c = contexts(w, levels, 0, w["embedding.weight"][x], seen, cuts)
    seen["logits"] = c @ w["head.weight"].T
    for i in range(ngram_heads(w)):
        p = f"ngram.{i}."
        hidden = gelu(norm(c, w[p + "norm.weight"]) @ w[p + "up.weight"].T)
        mapped = c + hidden @ w[p + "down.weight"].T
        seen[p + "logits"] = mapped @ w["head.weight"].T
    return seen


def loss(w, levels, x, mask, cuts):
    """Mean of -ln p over the trained items, and with weights that of each n-gram
    head, the ratio of a router's units and what repeats cost; the last item is not fed.
    With a memory, of whole segments."""
    if levels[0].get("memory"):
        return segment_loss(sys.modules[__name__], w, levels, x, mask)
    seen = forward(w, levels, x[:, :-1], cuts, shut=True)
    total = 0.0
    for head in range(ngram_heads(w) + 1):
        name = f"ngram.{head - 1}.logits" if head else "logits"
        n = x.shape[1] - head
        log_p = jax.nn.log_softmax(seen[name][:, :n])
        chosen = jnp.take_along_axis(log_p, x[:, head:, None], -1)[..., 0]
        total -= (NGRAM_WEIGHT if head else 1) * jnp.sum(chosen * mask[:, head:])
    total = total / mask.sum()
    if levels[0].get("exits"):
        def predict(state):
            return norm(state, w["level.0.norm.weight"]) @ w["head.weight"].T

        total = exit_loss(w, predict, levels[0]["exits"], seen["states"], x, mask)
    if levels[0].get("block_rule") == "router":
        total += RATIO_WEIGHT * ratio(w, levels[0], seen["level.0.h"], cuts[2])
    return total + seen.get("ponder", 0)


# --- training and the file ---------------------------------------------------

def train(levels, vocab, heads, steps):
    w = weights(levels, vocab, heads)
    m = {k: np.zeros_like(v) for k, v in w.items()}
    s = {k: np.zeros_like(v) for k, v in w.items()}
    norms, after = [], {}
    gradient = jax.jit(
        jax.grad(lambda w, x, cuts: loss(w, levels, x, trained(), cuts)))
    for step in range(1, steps + 1):
        x = items(step, vocab)
        g = gradient(w, x, cuts_of(w, levels, x[:, :-1]))
        g = {k: np.asarray(v) for k, v in g.items()}
        norms.append(np.sqrt(sum((v**2).sum() for v in g.values())))
        scale = min(1.0, CLIP / norms[-1])
        for k in w:
            m[k] = BETA1 * m[k] + (1 - BETA1) * g[k] * scale
            s[k] = BETA2 * s[k] + (1 - BETA2) * (g[k] * scale) ** 2
            if w[k].ndim >= 2 and not k.endswith("buckets.centroids"):
                w[k] = w[k] * (1 - LR * DECAY)
            w[k] = w[k] - LR * (m[k] / (1 - BETA1**step)) / (
                np.sqrt(s[k] / (1 - BETA2**step)) + EPSILON)
        after[step] = dict(w)
    return norms, after


def digest(x):
    """Up to 12 elements spread evenly, and a sum with signs of a hash: enough
    that no wrong element goes unseen, at a hundredth of the size."""
    flat = np.asarray(x).ravel()
    count = min(12, flat.size)
    picked = [k * (flat.size - 1) // max(1, count - 1) for k in range(count)]
    signs = np.array([1 if mix(31, k) & 1 else -1 for k in range(flat.size)])
    return {"shape": list(np.shape(x)),
            "at": [float(f"{flat[k]:.9g}") for k in picked],
            "signed": float(f"{(flat * signs).sum():.9g}")}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or list(CONFIGS):
        levels = CONFIGS[name]
        vocab, heads = VOCAB.get(name, 16), NGRAM_HEADS.get(name, 0)
        w, x, mask = weights(levels, vocab, heads), items(1, vocab), trained()
        value, gradient = jax.value_and_grad(loss)(
            w, levels, x, mask, cuts_of(w, levels, x[:, :-1]))
        norms, after = train(levels, vocab, heads, 10)
        result = {
            "vocab": vocab, **({"ngram_heads": heads} if heads else {}),
            "levels": levels,
            "activations": {k: digest(v) for k, v in forward(
                w, levels, x, cuts_of(w, levels, x)).items() if k != "ponder"},
            "loss": float(f"{value:.12g}"),
            "gradients": {k: digest(v) for k, v in gradient.items()},
            "norms": [float(f"{v:.9g}") for v in norms],
            **{f"after_{n}": {k: digest(v) for k, v in after[n].items()} for n in (1, 10)},
        }
        text = json.dumps(result, separators=(",", ":")).replace('},"', '},\n"') + "\n"
        (folder / f"{name}.json").write_text(text)
        print(name, "loss", value, "norms", norms[0], norms[-1], len(text))


if __name__ == "__main__":
    main()
