"""Items that stop before the last layer of a stack."""

import jax
import jax.numpy as jnp


class Halting:
    """Which items still go on, and the mean of their states so far."""

    def __init__(self, w, prefix, x):
        self.weight, self.bias = w[prefix + "halt.weight"], w[prefix + "halt.bias"]
        self.on = jnp.full(x.shape[:-1], True)
        self.left = jnp.ones(x.shape[:-1])
        self.out, self.cost = jnp.zeros_like(x), jnp.zeros(x.shape[:-1])

    def after(self, x, last):
        p = jax.nn.sigmoid(x @ self.weight[0] + self.bias)
        ends = self.on & (last | (self.left - p < 0.01))
        share = jnp.where(self.on, jnp.where(ends, self.left, p), 0)
        self.out = self.out + share[..., None] * x
        self.cost = self.cost + self.on + jnp.where(ends, self.left, 0)
        self.left, self.on = self.left - share, self.on & ~ends
