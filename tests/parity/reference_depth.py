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


class Exits:
    """Which items have not left; in training nobody leaves, and states are kept."""

    def __init__(self, w, prefix, c, x, seen):
        self.weight, self.bias = w[prefix + "exit.weight"], w[prefix + "exit.bias"]
        self.threshold = w[prefix + "exit.threshold"][0]
        self.first, self.states = c["exits"], seen.get("states")
        self.on = None if self.states is not None else jnp.full(x.shape[:-1], True)

    def after(self, i, x):
        row = i + 1 - self.first
        if row < 0:
            return
        if self.states is not None:
            self.states.append(x)
        elif row < len(self.bias):
            p = jax.nn.sigmoid(x @ self.weight[row] + self.bias[row])
            self.on = self.on & ~(p > self.threshold)


def exit_loss(w, predict, first, states, x, mask):
    """Of all layers that items may leave after, and of the judges of that."""
    p, count = "level.0.dec.exit.", len(states) - 1
    total, weights, said = 0.0, 0.0, []
    for i, state in enumerate(states):
        logits = predict(state)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), x[..., None], -1)[..., 0]
        total, weights = total - (first + i) * jnp.sum(chosen * mask), weights + first + i
        said.append(jnp.argmax(logits, -1))
    total = total / weights
    for i in range(count):
        z = jax.lax.stop_gradient(states[i]) @ w[p + "weight"][i] + w[p + "bias"][i]
        right = said[i] == said[count]
        total += jnp.sum(jax.nn.softplus(jnp.where(right, -z, z)) * mask) / count
    return total / mask.sum()
