"""Means of items that have left a window, as the reference has them (model/OPTIONS.md,
Memory): each lies where the last item of its run does."""

import jax.numpy as jnp
import numpy as np


def run_means(x, rate):
    """Of each item [batch, n, heads, K] and the rate - 1 before it."""
    n = x.shape[1]
    return sum(jnp.pad(x, ((0, 0), (back, 0), (0, 0), (0, 0)))[:, :n]
               for back in range(rate)) / rate


def left(c, i, j):
    """Whether query i sees no item of the run of j any more."""
    return i - j // c["memory_rate"] * c["memory_rate"] >= c["window"]


def visible_items_and_means(c, n):
    """[n, n] each; of means, by the last items of their runs."""
    i, j = np.arange(n)[:, None], np.arange(n)[None, :]
    rate = c["memory_rate"]
    newer = j + rate * c["memory_items"]
    pushed_out = (newer <= i) & left(c, i, newer)
    means = (j <= i) & ((j + 1) % rate == 0) & left(c, i, j) & ~pushed_out
    return (j <= i) & ~left(c, i, j), means
