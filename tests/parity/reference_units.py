"""Units of different lengths, as the reference cuts them: where words end, or where a
router does (model/OPTIONS.md)."""

import jax
import jax.numpy as jnp
import numpy as np


def words_end(x):
    def word(byte):
        return chr(byte).isalnum() and byte < 128 or 0x80 <= byte <= 0xBF

    return [[not word(row[i]) and i > 0 and word(row[i - 1])
             for i in range(len(row))] for row in np.asarray(x)]


def router_p(w, l, h):
    q, k = jnp.split(h @ w[f"level.{l}.router.weight"].T, 2, axis=-1)
    q, k = q[:, :-1], k[:, 1:]
    cosine = (q * k).sum(-1) / jnp.sqrt((q * q).sum(-1) * (k * k).sum(-1))
    return jnp.pad((1 - cosine) / 2, ((0, 0), (1, 0)))


def cut(c, wished):
    """Where the units of rows lie: the item that ends each, the unit and the offset
    of the item that each context predicts."""
    rows = []
    for row in wished:
        lasts, units, offsets, begin = [], [0], [0], 0
        for i, wish in enumerate(row):
            length = i + 1 - begin
            if length == c["block"] or (wish and length >= c["block_min"]):
                lasts.append(i)
                begin = i + 1
            units.append(len(lasts))
            offsets.append(i + 1 - begin)
        rows.append((lasts, units, offsets))
    most = max(len(lasts) for lasts, _, _ in rows)
    return (np.array([lasts + [0] * (most - len(lasts)) for lasts, _, _ in rows]),
            np.array([units for _, units, _ in rows]),
            np.array([offsets for _, _, offsets in rows]))


def smoothed(o, p, lasts):
    """Each context mixed with those before it, by the router's doubts."""
    share = jnp.maximum(p[np.arange(p.shape[0])[:, None], lasts], 0.5)
    mixed = [o[:, 0]]
    for j in range(1, o.shape[1]):
        s = share[:, j - 1, None]
        mixed.append(s * o[:, j] + (1 - s) * mixed[-1])
    return jnp.stack(mixed, 1)


def confidence(c, p, offsets):
    """One, with the gradient of the probability of each choice that there was."""
    length = offsets[:, :-1] + 1
    free = (length >= c["block_min"]) & (length < c["block"])
    chosen = jnp.where(free, jnp.where(p >= 0.5, p, 1 - p), 1.0)
    return jnp.pad(1 + (chosen - jax.lax.stop_gradient(chosen)), ((0, 0), (1, 0)),
                   constant_values=1.0)


def ratio(w, c, h, offsets):
    """How far units are from their mean length; the first item has no say."""
    ends = jnp.mean(offsets[:, 2:] == 0)
    p, n = jnp.mean(router_p(w, 0, h)[:, 1:]), c["block_mean"]
    return n / (n - 1) * ((n - 1) * ends * p + (1 - ends) * (1 - p))
