"""Streams beside a decoder, and what its layers take from them."""

import jax
import jax.numpy as jnp
import numpy as np


class Streams:
    """All of a level that is entered by u; `parts` are the reference's functions."""

    def __init__(self, parts, w, c, u):
        self.parts, self.w, self.c = parts, w, c
        self.items = [self.compressed(r, u) for r in range(len(c["streams"]))]

    def compressed(self, r, u):
        rate, stride = (self.c["streams"][r][key] for key in ("rate", "stride"))
        padded = jnp.pad(u, ((0, 0), (rate - 1, 0), (0, 0)))
        last = np.arange(0, u.shape[1], stride)
        read = jnp.concatenate([padded[:, last + k] for k in range(rate)], -1)
        p = f"level.0.streams.{r}."
        return self.parts.norm(read @ self.w[p + "compress.weight"].T,
                               self.w[p + "norm.weight"])

    def after(self, i, x):
        """What the decoder's layer i made, with what theirs did."""
        everything = [x]
        for r, stream in enumerate(self.c["streams"]):
            apart = stream["rate"] // stream["stride"]
            scope = ("full" if not stream["window"] else
                     "dilated" if apart > 1 else "window")
            own = {"heads": stream["heads"], "window": stream["window"],
                   "dilation": apart, "gate": self.c.get("gate", "residual")}
            self.items[r] = self.parts.layer(
                self.w, f"level.0.streams.{r}.dec.{i}.", self.items[r], own, scope)
            place = np.arange(x.shape[1])
            everything.append(self.items[r][:, place // stream["stride"]])
        p = f"level.0.streams.merge.{i}."
        hidden = self.parts.norm(jnp.concatenate(everything, -1),
                                 self.w[p + "norm.weight"])
        hidden = jax.nn.silu(hidden @ self.w[p + "up.weight"].T)
        return x + hidden @ self.w[p + "down.weight"].T
