"""How what a sublayer makes enters its stack, by model/OPTIONS.md ("Gates", "Reversible
layers")."""

import jax
import jax.numpy as jnp


def enter(w, c, prefix, x, y):
    """What a sublayer made of x, into x."""
    if c.get("gate", "residual") == "residual":
        return x + y
    wr, wz, wg = jnp.split(jax.nn.relu(y) @ w[prefix + "input.weight"].T, 3, axis=-1)
    ur, uz = jnp.split(x @ w[prefix + "state.weight"].T, 2, axis=-1)
    z = jax.nn.sigmoid(wz + uz - w[prefix + "bias"])
    reset = jax.nn.sigmoid(wr + ur) * x
    return (1 - z) * x + z * jnp.tanh(wg + reset @ w[prefix + "candidate.weight"].T)


def two_streams(w, c, prefix, name, x, attention, feed):
    """A stack whose sublayers take turns: attention reads the second stream."""
    first = second = x
    repeats = c.get("repeats", 1)
    for repeat in range(repeats):
        if repeats > 1:
            first, second = (s + w[prefix + "repeat"][repeat] for s in (first, second))
        for i in range(c[name + "_layers"]):
            p = f"{prefix}{i}."
            first = first + attention(w, p, second, c, c[name + "_scope"])
            second = second + feed(w, p, first)
    return (first + second) / 2
