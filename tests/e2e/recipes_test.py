"""The recipes of deploy/recipes: what they print is data that trains; a model that
learned returns behaves by the return that it is asked for."""
import importlib.util
import json
import pathlib
import subprocess
import sys

from harness import training

RECIPES = pathlib.Path(__file__).resolve().parents[2] / "deploy/recipes"


def printed(name, *arguments):
    return subprocess.run([sys.executable, RECIPES / name, *map(str, arguments)],
                          stdout=subprocess.PIPE, check=True).stdout


def module(name):
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def trains(server, data, **spec):
    fields = dict(steps=2, batch=1) | spec
    job = server.wait_job(server.train(data, **fields).name)
    assert job.state == training.SUCCEEDED, job
    return job


def test_summaries_train(empty_server):
    data = printed("summaries.py")
    assert len(data.splitlines()) > 100
    trains(empty_server(), data)


def test_questions_about_32k_train(empty_server):
    data = printed("questions.py", 2)
    pairs = [json.loads(line) for line in data.splitlines()]
    assert all(len(pair["prompt"].encode()) > 25_000 for pair in pairs)
    assert all(pair["completion"][1:] in pair["prompt"] for pair in pairs)
    trains(empty_server(), data, base="three-level-1m", sequence=32768, steps=1)


def test_dialogues_train(empty_server, tmp_path):
    turns = [("USER", "Wake me up."), ("SYSTEM", "When?"), ("USER", "At 6.")]
    path = tmp_path / "dialogues_001.json"
    path.write_text(json.dumps([{"turns": [
        {"speaker": speaker, "utterance": said} for speaker, said in turns]}] * 20))
    data = printed("dialogues.py", path)
    assert json.loads(data.splitlines()[0]) == {"messages": [
        {"role": "user", "content": "Wake me up."},
        {"role": "assistant", "content": "When?"}]}
    trains(empty_server(), data)


def test_digits_train(empty_server):
    for way in ("see", "draw"):
        data = printed("digits.py", way)
        assert len(data.splitlines()) == 1600
        trains(empty_server(), data)


def test_behaviour_follows_the_return_that_is_asked_for(empty_server):
    server = empty_server()
    data = printed("returns.py", 6000)
    trains(server, data, base="block-1m", steps=240, batch=8, sequence=256,
           learning_rate=2e-3)
    cells = module("returns").CELLS

    def points(wanted, seed):
        cell, walk, won = 3, "", 0
        for _ in range(16):
            walk += f"{min(9, max(0, wanted - won))}{cells[cell]}"
            text, _ = server.text("tiny", walk.encode(), max_tokens=1,
                                  sampling=dict(temperature=0.5, seed=seed))
            action = text.decode()
            walk += action + " "
            cell = max(0, min(len(cells) - 1, cell + (1 if action == "r" else -1)))
            won += cell == len(cells) - 1
        return won

    high = sum(points(9, seed) for seed in range(5))
    low = sum(points(0, seed) for seed in range(5))
    assert high >= low + 10, (high, low)
