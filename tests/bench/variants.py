"""What may follow a preset in a row of compare.sh, as block+gru: how its training differs,
or its config. Several may: block+ngram+foresee."""

NGRAM_HEADS = 3

# Flags of `strata train`.
FLAGS = {
    "foresee": ["--block-weight", "0.1"],  # next-block prediction
    "short-spans": ["--span-weight", "1e-4"],
}

# Of a config: its own members, and members of every level, of the byte level (0) and of
# the top (-1).
EDITS = {
    "ngram": {"config": {"ngram_heads": NGRAM_HEADS}},
    "gru": {"every": {"gate": "gru"}},
    "reversible": {"every": {"gate": "reversible"}},
    "repeat-bridge": {0: {"bridge": "repeat"}},
    "attention-bridge": {0: {"bridge": "attention", "bridge_window": 16}},
    "twice": {-1: {"repeats": 2}},
    "halting": {-1: {"repeats": 3, "ponder": 0.01}},
    "exits": {0: {"exits": 2}},
    "linear": {-1: {"dec_scope": "linear"}},
    "window": {"config": {"reach": 256}, -1: {"dec_scope": "window", "window": 64}},
    "dilated": {"config": {"reach": 256},
                -1: {"dec_scope": "dilated", "window": 32, "dilation": 2}},
    "strided": {"config": {"reach": 64},
                -1: {"dec_scope": "strided", "window": 16, "stride": 8}},
    "global": {"config": {"reach": 64},
               -1: {"dec_scope": "global_local", "window": 16, "global_items": 8}},
    "lsh": {-1: {"trained_attention": "lsh", "buckets": 8, "hash_rounds": 2}},
    "routing": {-1: {"trained_attention": "routing", "buckets": 8}},
    "segment": {"every": {"memory": "segment"}},
    "compressive": {"every": {"memory": "compressive", "memory_rate": 4,
                              "memory_items": 16}},
    "knn": {0: {"knn_layer": 1, "knn_items": 256, "knn_neighbours": 8}},
    "knn-context": {0: {"knn_layer": 1, "knn_items": 256, "knn_neighbours": 8,
                        "knn_gate": "context"}},
    "no-position": {"every": {"position": "none"}},
    "sinusoidal": {"every": {"position": "sinusoidal"}},
    "learned": {"every": {"position": "learned", "position_span": 512}},
    "shaw": {"every": {"position": "shaw", "position_span": 32}},
    "transformer-xl": {"every": {"position": "transformer-xl", "position_span": 512}},
    "xpos": {"every": {"position": "xpos", "position_span": 4096}},
    "alibi": {"every": {"position": "alibi"}},
    "distance-aware": {"every": {"position": "distance-aware"}},
    "adaptive-span": {"every": {"position": "adaptive-span", "position_span": 16384}},
}

# Rows of `--ablation`: the first of a group is what the others of it change.
ABLATIONS = {
    "objectives": [["block", "block+ngram", "block+foresee", "block+ngram+foresee"]],
    "options": [
        ["block", "block+gru", "block+reversible", "block+repeat-bridge",
         "block+attention-bridge", "block+twice", "block+halting", "block+knn",
         "block+knn-context", "block+linear", "block+strided", "block+global",
         "block+lsh", "block+routing"],
        ["block+window", "block+dilated", "block+window+segment",
         "block+window+compressive"],
        ["flat", "flat+exits", "flat+linear", "flat+window", "flat+lsh", "flat+routing"],
        ["block", "block+no-position", "block+sinusoidal", "block+learned", "block+shaw",
         "block+transformer-xl", "block+xpos", "block+alibi", "block+distance-aware",
         "block+adaptive-span", "block+adaptive-span+short-spans"],
    ],
}


def edited(config, options):
    """`config` with what each of the options says, and named for them."""
    config["architecture"] = "+".join([config["architecture"], *options])
    for option in options:
        for where, members in EDITS.get(option, {}).items():
            levels = config["levels"]
            for part in ([config] if where == "config" else
                         levels if where == "every" else [levels[where]]):
                part.update(members)
    return config


def flags(options):
    return [word for option in options for word in FLAGS.get(option, [])]
