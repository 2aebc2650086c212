"""The loss of a text in segments that carry a memory, as the reference computes it: the
whole past of every run of a layer is kept, without gradient, and masks do the rest."""

import jax
import jax.numpy as jnp
import numpy as np

SEGMENT = 6  # items


class Segments:
    """Contexts of one segment after another; `parts` are the reference's functions."""

    def __init__(self, parts, w, levels):
        self.parts, self.w, self.levels, self.past = parts, w, levels, {}

    def after(self, key, x):
        """What came before x under this key, with x; and x is kept for the next."""
        everything = jnp.concatenate([*self.past.get(key, []), x], 1)
        self.past.setdefault(key, []).append(jax.lax.stop_gradient(x))
        return everything

    def stack(self, l, name, x):
        c, n = self.levels[l], x.shape[1]
        for repeat in range(c.get("repeats", 1)):
            if c[name + "_layers"] and c.get("repeats", 1) > 1:
                x = x + self.w[f"level.{l}.{name}.repeat"][repeat]
            for i in range(c[name + "_layers"]):
                everything = self.after((l, name, repeat, i), x)
                x = self.parts.layer(self.w, f"level.{l}.{name}.{i}.", everything, c,
                                     c[name + "_scope"])[:, -n:]
        return x

    def contexts(self, l, z, at):
        """z: the items from number `at` on."""
        c, w, n = self.levels[l], self.w, z.shape[1]
        h = self.stack(l, "enc", z)
        start = jnp.broadcast_to(w[f"level.{l}.start"], (z.shape[0], 1, c["dim"]))
        u = jnp.concatenate([start, self.after((l, "skip"), h)], 1)[:, at:at + n]
        if l + 1 < len(self.levels):
            b = c["block"]
            o = self.contexts(l + 1, self.parts.pool(w, c, l, h), at // b)
            said = self.after((l, "o"), o) @ w[f"level.{l}.bridge.weight"].T
            rows = said.reshape(*said.shape[:2], -1, c["dim"])
            i = np.arange(at, at + n)
            u = u + rows[:, i // b, i % b]
            if c.get("bridge") == "attention":
                u = u + self.parts.over_contexts(w, c, l, u, rows, (i // b)[None])
        return self.parts.norm(self.stack(l, "dec", u), w[f"level.{l}.norm.weight"])


def segment_loss(parts, w, levels, x, mask):
    """Mean of -ln p over the trained items of whole segments."""
    segments, total, count = Segments(parts, w, levels), 0.0, 0.0
    for at in range(0, x.shape[1] - SEGMENT + 1, SEGMENT):
        own = slice(at, at + SEGMENT)
        c = segments.contexts(0, w["embedding.weight"][x[:, own]], at)
        log_p = jax.nn.log_softmax(c @ w["head.weight"].T)
        chosen = jnp.take_along_axis(log_p, x[:, own, None], -1)[..., 0]
        total -= jnp.sum(chosen * mask[:, own])
        count += mask[:, own].sum()
    return total / count
