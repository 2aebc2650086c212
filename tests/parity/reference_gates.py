"""How what a sublayer made of x enters x."""

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
