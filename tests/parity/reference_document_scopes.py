"""What an item of a document classifier's level sees, by model/CLASSIFIER.md
("Scopes"): row by row, pair by pair, no blocks and no padding."""

import jax
import jax.numpy as jnp
import numpy as np

from make_reference import feed, norm
from reference_positions import rotate


def random_bits(seed, stream, position):
    """64 bits of Philox4x32-10, keyed by the seed."""
    low = 2**32 - 1
    counter = [position & low, position >> 32, stream & low, stream >> 32]
    key = [seed & low, seed >> 32]
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [second >> 32 ^ counter[1] ^ key[0], second & low,
                   first >> 32 ^ counter[3] ^ key[1], first & low]
        key = [(key[0] + 0x9E3779B9) & low, (key[1] + 0xBB67AE85) & low]
    return counter[1] << 32 | counter[0]


def drawn_blocks(layer, own, blocks, count):
    left = [b for b in range(blocks) if abs(b - own) > 1]
    drawn = set()
    while len(drawn) < count and left:
        drawn.add(left.pop(random_bits(layer, own, len(drawn)) % len(left)))
    return drawn


def visible_pairs(c, layer, n):
    """[n, n] of bool: whether item i sees item j by the window or a drawn block."""
    size = min(c["window"], n)
    blocks = -(-n // size)
    seen = np.abs(np.arange(n)[:, None] - np.arange(n)) <= c["window"]
    for i in range(n):
        for b in drawn_blocks(layer, i // size, blocks, c.get("random_blocks", 0)):
            seen[i, b * size:(b + 1) * size] = True
    return seen


def sparse(c, layer, q, k, v):
    """q, k, v [g + n, heads, K], the global items first."""
    g = c["global_items"]
    n = len(q) - g

    def turned(x):
        return jnp.concatenate([x[:g], rotate(x[None, g:])[0]])

    def scores(q, k):
        return jnp.einsum("ihk,jhk->hij", q, k) / np.sqrt(q.shape[-1])

    near = np.zeros((g + n, g + n), bool)
    near[g:, g:] = True
    both = jnp.where(near, scores(turned(q), turned(k)), scores(q, k))
    seen = np.ones((g + n, g + n), bool)
    seen[g:, g:] = visible_pairs(c, layer, n)
    share = jax.nn.softmax(jnp.where(seen, both, -jnp.inf), -1)
    return jnp.einsum("hij,jhk->ihk", share, v)


def projected(w, prefix, layer, q, k, v):
    n = len(q)
    def mixtures(of, x):
        weight = w[f"{prefix}scope.{of}_{layer}"]
        return jnp.einsum("pj,jhk->phk",
                          weight[:, :n] * np.sqrt(weight.shape[1] / n), x)

    keys, values = mixtures("key", rotate(k[None])[0]), mixtures("value", v)
    share = jax.nn.softmax(jnp.einsum("ihk,phk->hip", rotate(q[None])[0], keys)
                           / np.sqrt(q.shape[-1]), -1)
    return jnp.einsum("hip,phk->ihk", share, values)


def layers(w, prefix, c, x):
    """All layers of a level on one row [n, D]."""
    scope, heads = c.get("scope", "full"), c["heads"]
    g = c.get("global_items", 0)
    if g:
        x = jnp.concatenate([w[prefix + "scope.global"], x])
    for i in range(c["layers"]):
        p = f"{prefix}enc.{i}."
        qkv = norm(x, w[p + "attn.norm.weight"]) @ w[p + "attn.qkv.weight"].T
        q, k, v = (part.reshape(len(x), heads, -1) for part in jnp.split(qkv, 3, -1))
        if scope == "linformer":
            mixed = projected(w, prefix, i, q, k, v)
        elif scope == "full":
            every = dict(window=len(x), global_items=0)
            mixed = sparse(every, i, q, k, v)
        else:
            mixed = sparse(c, i, q, k, v)
        x = x + mixed.reshape(x.shape) @ w[p + "attn.out.weight"].T
        x = x + feed(w, p, x)
    return x[g:]
