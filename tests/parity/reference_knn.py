"""What items look up behind their window, as the reference has it (model/OPTIONS.md,
Neighbours behind a window): all pairs are ranked."""

import jax
import jax.numpy as jnp
import numpy as np


def has_neighbours(c, prefix):
    return prefix.endswith(f".dec.{c.get('knn_layer', 0) - 1}.")


def chosen(scores, behind, count):
    """[batch, heads, n, n] of bool: of equal scores the newer."""
    s = jnp.where(behind, jax.lax.stop_gradient(scores), -jnp.inf)
    mine, other = s[..., :, None], s[..., None, :]
    j = np.arange(s.shape[-1])
    better = (other > mine) | ((other == mine) & (j[None, :] > j[:, None]))
    return behind & (better.sum(-1) < count)


def with_neighbours(w, prefix, c, x, q, k, v, local):
    """`local` [batch, n, heads, K] is what the window gave to the normed items x."""
    def unit(vectors):
        return vectors / jnp.sqrt((vectors**2).sum(-1, keepdims=True) + 1e-6)

    n = x.shape[1]
    age = np.arange(n)[:, None] - np.arange(n)[None, :]
    behind = (age >= c["window"]) & (age < c["window"] + c["knn_items"])
    scores = jnp.einsum("bihk,bjhk->bhij", unit(q), unit(k))
    scores = scores * jnp.exp(w[prefix + "knn.scale"])[:, None, None]
    near = jax.nn.softmax(jnp.where(chosen(scores, behind, c["knn_neighbours"]),
                                    scores, -1e30), -1)
    opened = w[prefix + "knn.bias"]
    if c.get("knn_gate") == "context":
        opened = opened + x @ w[prefix + "knn.gate"].T
    share = jax.nn.sigmoid(opened) * behind.any(-1)[:, None] * jnp.ones(q.shape[:3])
    share = share[..., None]
    return share * jnp.einsum("bhij,bjhk->bihk", near, v) + (1 - share) * local
