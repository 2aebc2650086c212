"""How items tell their places, as the reference has it (model/README.md)."""

import jax.numpy as jnp
import numpy as np


def rotate(x, period=None):
    n, width = x.shape[1], x.shape[-1]
    m = np.arange(width // 2)
    index = np.arange(n) % (period or n)
    angle = index[:, None] * 10000.0 ** (-2 * m / width)
    cos, sin = np.cos(angle)[None, :, None], np.sin(angle)[None, :, None]
    a, b = x[..., :width // 2], x[..., width // 2:]
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def sinusoids(x, width):
    angle = x[..., None] * 10000.0 ** (-2 * np.arange(width // 2) / width)
    return np.concatenate([np.cos(angle), np.sin(angle)], -1)


def entrance(w, c, l, x):
    index = np.arange(x.shape[1])
    scheme = c.get("position", "rope")
    if scheme == "sinusoidal":
        return x + w[f"level.{l}.position.gain"] * sinusoids(index, c["dim"])
    if scheme == "learned":
        return x + w[f"level.{l}.position.rows"][
            np.minimum(index, c["position_span"] - 1)]
    return x


def positioned_scores(w, prefix, c, scope, q, k):
    """[batch, heads, i, j], before the mask, pair by pair from distances."""
    scheme, span = c.get("position", "rope"), c.get("position_span", 0)
    n, heads, width = q.shape[1:]
    distance = np.arange(n)[:, None] - np.arange(n)[None, :]
    clipped = np.clip(distance, -span if scope == "bidir_block" else 0, span)
    rows = clipped - clipped.min()
    def dot(a, b):
        return jnp.einsum("bihk,bjhk->bhij", a, b) / np.sqrt(width)
    def dot_each(a, b):  # b [i, j, heads, K]
        return jnp.einsum("bihk,ijhk->bhij", a, b) / np.sqrt(width)
    if scheme == "rope":
        return dot(rotate(q), rotate(k))
    if scheme == "xpos":
        m = np.arange(width // 2)
        zeta = ((2 * m / width + 0.4) / 1.4)[None, None] ** (
            distance[..., None] / span)
        q, k, half = rotate(q), rotate(k), width // 2
        return sum(jnp.einsum("bihm,bjhm,ijm->bhij", a, b, zeta)
                   for a, b in ((q[..., :half], k[..., :half]),
                                (q[..., half:], k[..., half:]))) / np.sqrt(width)
    if scheme == "alibi":
        # Slopes of 4 heads at even places follow those of 2 heads.
        slopes = {2: [2**-4, 2**-8], 3: [2**-4, 2**-8, 2**-2]}[heads]
        return dot(q, k) - np.array(slopes)[:, None, None] * np.abs(distance)
    if scheme == "shaw":
        key = w[prefix + "position.key"][rows][:, :, None]
        return dot(q, k) + dot_each(q, jnp.broadcast_to(key, (n, n, heads, width)))
    if scheme == "transformer-xl":
        r = sinusoids(clipped, c["dim"]) @ w[prefix + "position.key.weight"].T
        content = w[prefix + "position.content"].reshape(heads, width)
        other = w[prefix + "position.distance"].reshape(heads, width)
        return dot(q + content, k) + dot_each(q + other,
                                              r.reshape(n, n, heads, width))
    if scheme == "distance-aware":
        a = w[prefix + "position.slope"][:, None, None]
        b = w[prefix + "position.offset"][:, None, None]
        factor = (1 + jnp.exp(b)) / (1 + jnp.exp(b - a * np.abs(distance)))
        return jnp.maximum(dot(q, k), 0) * factor
    if scheme == "adaptive-span":
        ramp = max(1, min(32, span // 8))
        z = span * jnp.clip(w[prefix + "position.span"], 0, 1)[:, None, None]
        shown = jnp.clip((ramp + z - np.abs(distance)) / ramp, 0, 1)
        hidden = shown <= 0
        term = jnp.where(hidden, -jnp.inf, jnp.log(jnp.where(hidden, 1, shown)))
        return dot(rotate(q), rotate(k)) + term
    return dot(q, k)
