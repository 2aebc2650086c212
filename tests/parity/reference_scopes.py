"""Which keys the queries of a layer see."""

import numpy as np


def visible(c, scope, n):
    window = c["window"]
    i, j = np.arange(n)[:, None], np.arange(n)[None, :]
    if scope in ("full", "linear"):
        return j <= i
    if scope == "window":
        return (j <= i) & (i - j < window)
    if scope == "dilated":
        hops, rest = np.divmod(i - j, c["dilation"])
        return (j <= i) & (rest == 0) & (hops < window)
    if scope == "strided":
        return (j <= i) & ((i - j < window) | ((j + 1) % c["stride"] == 0))
    if scope == "global_local":
        return (j <= i) & ((i - j < window) | (j < c["global_items"]))
    same_block = i // c["block"] == j // c["block"]
    return same_block if scope == "bidir_block" else same_block & (j <= i)
