#!/usr/bin/env python3
"""The document classifier against a bag of words, on whole film reviews.

Trains the preset `document` through a real server and, on the same texts, a
logistic regression over word presence written here in numpy; both are judged on
the same held-out fifth (the server's own split, recomputed here). The reviews are
those of $STRATA_SHARED_DATA/movie_reviews (Pang and Lee 2004).

    $(tests/python.sh --path) tests/bench/classify.py [--steps N] [--config FILE]
        [--fold N] [--json FILE]

--config: of a model in place of the preset's, as `strata models presets document` prints.

Takes the server from $STRATA_BIN, default build/release/bin.
"""
import argparse
import json
import os
import pathlib
import re
import sys
import tempfile
import time
import zipfile

import grpc
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402

HELD_OUT = 0.2


def reviews(fold):
    """[(text, label)] in the order of their names. Of another fold other texts are
    held out: which, hangs on a text's hash, and so on the line feeds behind it."""
    folder = pathlib.Path(os.environ.get("STRATA_SHARED_DATA",
                                         ROOT.parent / "shared/data"))
    path = folder / "movie_reviews/movie_reviews.zip"
    if not path.exists():
        sys.exit(f"SKIPPED: {path} is not there; set STRATA_SHARED_DATA")
    pairs = []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            found = re.search(r"/(neg|pos)/[^/]+\.txt$", name)
            if found:
                pairs.append((archive.read(name).decode() + "\n" * fold, found.group(1)))
    return pairs


def position(text):
    """model/train/split.cc: where a text's hash lies in [0, 1)."""
    mask, h = 2**64 - 1, 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 & mask
    h ^= h >> 33
    h = h * 0xFF51AFD7ED558CCD & mask
    h ^= h >> 33
    h = h * 0xC4CEB9FE1A85EC53 & mask
    h ^= h >> 33
    return (h >> 11) * 2.0**-53


def scores(truth, guess):
    """(accuracy, macro-F1)"""
    right = sum(t == g for t, g in zip(truth, guess))
    f1 = []
    for label in sorted(set(truth) | set(guess)):
        both = sum(t == g == label for t, g in zip(truth, guess))
        f1.append(2 * both / (truth.count(label) + guess.count(label)))
    return right / len(truth), sum(f1) / len(f1)


def bag_of_words(train, test):
    """L2-regularised logistic regression over the presence of the words that two
    training texts have, by accelerated gradient descent; guesses for `test`."""
    words = [set(re.findall(r"[a-z0-9']+", text.lower())) for text, _ in train]
    counts = {}
    for bag in words:
        for word in bag:
            counts[word] = counts.get(word, 0) + 1
    index = {w: i for i, w in enumerate(sorted(w for w, n in counts.items() if n > 1))}

    def matrix(bags):
        x = np.zeros((len(bags), len(index) + 1), np.float32)
        x[:, -1] = 0.1  # bias
        for row, bag in enumerate(bags):
            x[row, [index[w] for w in bag if w in index]] = 1
            x[row, :-1] /= max(1, np.linalg.norm(x[row, :-1]))
        return x

    x = matrix(words)
    y = np.array([label == "pos" for _, label in train], np.float32)
    w = v = np.zeros(x.shape[1], np.float32)
    decay, rate = np.float32(1e-3), np.float32(4)
    for step in range(300):
        p = 1 / (1 + np.exp(-(x @ v)))
        new = v - rate * (x.T @ (p - y) / len(y) + decay * v)
        v = new + np.float32(step / (step + 3)) * (new - w)
        w = new
    test_bags = [set(re.findall(r"[a-z0-9']+", text.lower())) for text, _ in test]
    return ["pos" if score > 0 else "neg" for score in matrix(test_bags) @ w], len(index)


def events(server, name):
    """Those of a job to its end, through lost connections (a crowded host)."""
    seen = 0
    while True:
        try:
            for event in server.training.WatchJob(harness.training.WatchJobRequest(
                    name=name, after_sequence=seen)):
                seen = max(seen, event.sequence)
                yield event
            return
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise


def train_document(server, pairs, options):
    data = "\n".join(json.dumps({"text": t, "label": l}) for t, l in pairs).encode()
    what = ({"base": "", "config": options.config.read_text()} if options.config
            else {"base": "document"})
    job = server.train(
        data, **what, model="reviews", steps=options.steps,
        batch=options.batch, learning_rate=options.lr, dropout=options.dropout,
        weight_decay=options.weight_decay, eval_fraction=HELD_OUT,
        eval_every_steps=options.eval_every, threads=options.threads)
    for event in events(server, job.name):
        if event.HasField("eval"):
            print(f"  step {event.eval.step}: loss {event.eval.loss:.4f}, accuracy "
                  f"{event.eval.accuracy:.4f}, macro-F1 {event.eval.macro_f1:.4f}",
                  flush=True)
    done = server.wait_job(job.name)
    if done.state != harness.training.SUCCEEDED:
        sys.exit(f"the job failed: {done.error}")
    return done


def served_guesses(server, texts):
    guesses = []
    for begin in range(0, len(texts), 50):
        answer = server.generation.Classify(harness.generation.ClassifyRequest(
            model="reviews", texts=[t.encode() for t in texts[begin:begin + 50]]))
        guesses += [result.label for result in answer.results]
    return guesses


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--eval-every", type=int, default=100)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--config", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


def main():
    options = arguments()
    pairs = reviews(options.fold)
    places = [position(text) for text, _ in pairs]
    train = [pair for pair, at in zip(pairs, places) if at >= HELD_OUT]
    test = [pair for pair, at in zip(pairs, places) if at < HELD_OUT]
    truth = [label for _, label in test]
    print(f"{len(train)} reviews to learn, {len(test)} held out "
          f"({truth.count('pos')} positive)", flush=True)
    begin = time.monotonic()
    guesses, words = bag_of_words(train, test)
    bag_seconds = time.monotonic() - begin
    bag = scores(truth, guesses)
    print(f"bag of {words} words: accuracy {bag[0]:.4f}, macro-F1 {bag[1]:.4f} "
          f"({bag_seconds:.0f} s)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        server = harness.Server(folder)
        try:
            begin = time.monotonic()
            done = train_document(server, pairs, options)
            seconds = time.monotonic() - begin
            document = scores(truth, served_guesses(server, [t for t, _ in test]))
        finally:
            server.close()
    # The served model on our split must say what the job said on its own.
    assert done.last_eval.tokens == len(test), (done.last_eval.tokens, len(test))
    assert abs(done.last_eval.accuracy - document[0]) < 0.01, done.last_eval
    print(f"document: accuracy {document[0]:.4f}, macro-F1 {document[1]:.4f} "
          f"({seconds:.0f} s, {options.steps} steps of {options.batch})")
    if options.json:
        options.json.write_text(json.dumps({
            "held_out": len(test), "steps": options.steps, "batch": options.batch,
            "document": dict(zip(("accuracy", "macro_f1"), document)),
            "bag_of_words": dict(zip(("accuracy", "macro_f1"), bag))}) + "\n")


if __name__ == "__main__":
    main()
