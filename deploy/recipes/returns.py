#!/usr/bin/env python3
"""Behaviour that is conditioned on the return it led to (Chen et al. 2021, Decision
Transformer, 2106.01345), as text for `strata train`: a random walker on a line of cells
A to H gets a point each time it is on H; each step is written as

    RETURN-TO-GO STATE ACTION SPACE      4 bytes, two steps a block of 8

where the return to go is what the walker will have got from here on, a digit. Asked
with a high return the model walks to H and stays, with 0 it keeps away.

    deploy/recipes/returns.py [EPISODES] >returns.txt
"""
import random
import sys

STEPS, CELLS = 16, "ABCDEFGH"


def episode(draw):
    """Cells, actions and points of one walk."""
    bias, cell, walk = draw.random(), draw.randrange(len(CELLS)), []
    for _ in range(STEPS):
        action = "r" if draw.random() < bias else "l"
        walk.append((cell, action))
        cell = max(0, min(len(CELLS) - 1, cell + (1 if action == "r" else -1)))
    cells = [at for at, _ in walk[1:]] + [cell]
    return walk, [int(at == len(CELLS) - 1) for at in cells]


def written(walk, points):
    steps = []
    for t, (cell, action) in enumerate(walk):
        to_go = min(9, sum(points[t:]))
        steps.append(f"{to_go}{CELLS[cell]}{action} ")
    return "".join(steps)[:-1]  # a line end in place of the last space


if __name__ == "__main__":
    draw = random.Random(1)
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 20000):
        print(written(*episode(draw)))
