"""A model on SentencePiece's pieces, the whole road: trained, published, generating,
scoring, restarted, killed while it trains, trained further; and a file imported."""
import hashlib
import json
import time

import grpc
import pytest

from harness import (Server, cli, collect, error_reason, generation, inspection,
                     json_lines, models, training)

SPEC = dict(steps=30, batch=4, sequence=128, seed=5, checkpoint_every_steps=5,
            eval_every_steps=15)


def tokenizer(**fields):
    return training.TokenizerSpec(**fields)


def version(server, name="tiny"):
    return server.models.GetModel(models.GetModelRequest(name=name)).versions[-1]


def files(server, name="tiny", number=1):
    return server.root / "models" / name / str(number)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory, text):
    """A server whose model `tiny` has a BPE tokeniser, and the job that made it."""
    server = Server(tmp_path_factory.mktemp("pieces"))
    job = server.wait_job(server.train(
        text, tokenizer=tokenizer(train="bpe", pieces=500), **SPEC).name)
    assert job.state == training.SUCCEEDED, job.error
    yield server, job
    server.close()


def test_the_model_says_what_its_tokens_are(pieces):
    server, job = pieces
    got = version(server)
    assert got.tokenizer == "bpe"
    assert 260 < got.vocabulary <= 760
    assert job.spec.tokenizer.train == "bpe" and job.spec.tokenizer.pieces == 500
    config = json.loads((files(server) / "config.json").read_text())
    assert config["vocab"] == got.vocabulary
    manifest = json.loads((files(server) / "MANIFEST.json").read_text())
    assert "tokenizer.model" in {f["name"] for f in manifest["files"]}


def test_bits_are_of_bytes(pieces):
    _, job = pieces
    # Several bytes a token, so fewer bits a byte than a token.
    assert 0 < job.last_eval.bits_per_byte < job.last_eval.loss / 0.693 * 0.7
    assert 0 < job.progress.bits_per_byte < job.progress.loss / 0.693 * 0.7


def test_any_bytes_are_tokens_and_come_back(pieces):
    server, _ = pieces
    for text in (b"", b"The model  is small.\n\n", bytes(range(256)),
                 "naïve ▁ \U0001F642".encode(), b"\xe2\x98"):
        response = server.generation.Tokenize(
            generation.TokenizeRequest(model="tiny", text=text))
        assert sum(response.token_bytes) == len(text)
        assert len(response.tokens) == len(response.token_bytes)
        at = 0
        for token, size in zip(response.tokens, response.token_bytes):
            assert token < 256 or 260 <= token < version(server).vocabulary
            assert size > 1 or text[at] == token
            at += size


def test_prompts_count_tokens_and_the_stream_is_whole_characters(pieces):
    server, _ = pieces
    prompt = "It was the best of times, ".encode()
    tokens = len(server.generation.Tokenize(
        generation.TokenizeRequest(model="tiny", text=prompt)).tokens)
    data, text, items = b"", "", 0
    for response in server.generate("tiny", prompt, max_tokens=60,
                                    sampling=dict(seed=3, temperature=1.5)):
        event = response.WhichOneof("event")
        if event == "accepted":
            assert response.accepted.prompt_tokens == tokens + 1 < len(prompt)
        elif event == "delta":
            data += response.delta.data
            text += response.delta.text
            items += response.delta.tokens
        elif event == "finished":
            finished = response.finished
    assert text == data.decode(errors="replace")
    assert finished.usage.prompt_tokens == tokens + 1
    assert finished.usage.generated_tokens <= 60
    ended = finished.reason == generation.FINISH_REASON_EOS
    assert items == finished.usage.generated_tokens - ended
    assert len(data) > items  # pieces were drawn


def test_a_stop_string_ends_within_a_piece(pieces):
    server, _ = pieces
    options = dict(max_tokens=80, sampling=dict(seed=3, temperature=0))
    whole, _ = server.text("tiny", b"The ", **options)
    assert len(whole) > 20
    for at in range(1, 12):
        stop = whole[at:at + 3]
        cut, finished = server.text("tiny", b"The ", stop=[stop], **options)
        assert cut == whole[:whole.index(stop)]
        assert finished.reason == generation.FINISH_REASON_STOP
        assert finished.matched_stop == stop


def test_top_k_goes_to_the_vocabulary(pieces):
    server, _ = pieces
    size = version(server).vocabulary
    server.text("tiny", b"a", max_tokens=2, sampling=dict(top_k=size))
    with pytest.raises(grpc.RpcError) as refused:
        server.text("tiny", b"a", max_tokens=2, sampling=dict(top_k=size + 1))
    assert f"must be in [0, {size}]" in refused.value.details()


def test_scores_are_of_pieces_and_bits_of_bytes(pieces):
    server, _ = pieces
    text = "The river ran under the bridge; naïve.".encode()
    score = server.generation.Score(
        generation.ScoreRequest(model="tiny", text=text))
    tokens = server.generation.Tokenize(
        generation.TokenizeRequest(model="tiny", text=text))
    assert list(score.item_bytes) == list(tokens.token_bytes)
    assert len(score.log2_prob) == len(tokens.tokens) < len(text)
    assert score.bytes == len(text)
    assert score.bits_per_byte == pytest.approx(-sum(score.log2_prob) / len(text))


def test_inspection_is_by_bytes_of_the_text(pieces):
    server, _ = pieces
    text = b"It was the best of times."
    seen = server.generation.Inspect(
        inspection.InspectRequest(model="tiny", text=text))
    score = server.generation.Score(
        generation.ScoreRequest(model="tiny", text=text))
    assert seen.bytes == len(seen.surprise_bits) == len(text)
    assert seen.bits_per_byte == pytest.approx(score.bits_per_byte, rel=1e-3)
    spans = [(i.begin_byte, i.end_byte) for i in seen.levels[0].items]
    at = 0
    for begin, end in spans:
        assert begin == at
        at = end
    assert at == len(text)
    assert [e - b for b, e in spans[1:]] == list(score.item_bytes)


def test_the_command_line(pieces, tmp_path):
    server, _ = pieces
    lines = cli(server, "tokenize", "--model", "tiny", "--text",
                "the the\n").stdout.decode().splitlines()
    assert lines[-1].endswith('\\n"')
    file = tmp_path / "page"
    file.write_bytes(b"the best of times")
    assert json_lines(cli(server, "score", "--model", "tiny", "--file", str(file),
                          "--json").stdout)[0]["bytes"] == 17
    cli(server, "inspect", "--model", "tiny", "--text", "the best of times",
        "--svg", str(tmp_path / "seen.svg"))
    assert (tmp_path / "seen.svg").read_text().rstrip().endswith("</svg>")


def test_it_is_trained_further_with_its_own_tokeniser(pieces, text):
    server, _ = pieces
    job = server.wait_job(server.train(text[:30000], base="tiny@1", model="more",
                                       **{**SPEC, "steps": 3}).name)
    assert job.state == training.SUCCEEDED, job.error
    mine = (files(server) / "tokenizer.model").read_bytes()
    assert (files(server, "more") / "tokenizer.model").read_bytes() == mine
    with pytest.raises(grpc.RpcError) as refused:
        server.train(text, base="tiny@1", model="more",
                     tokenizer=tokenizer(train="bpe"), **SPEC)
    assert "has the one that it was trained with" in refused.value.details()


def test_a_file_is_imported(pieces, text, tmp_path):
    server, _ = pieces
    mine = files(server) / "tokenizer.model"
    data = tmp_path / "data.txt"
    data.write_bytes(text[:30000])
    result = cli(server, "train", "--base", "spacebyte-1m", "--tokenizer", str(mine),
                 "--data", str(data), "--name", "imported", "--steps", "3",
                 "--watch", "--json")
    assert json_lines(result.stdout)[-1]["state"] == "SUCCEEDED"
    assert (files(server, "imported") / "tokenizer.model").read_bytes() == \
        mine.read_bytes()
    assert collect(server.generate("imported", b"The", max_tokens=5))
    junk = tmp_path / "junk.model"
    junk.write_bytes(b"no model")
    refused = cli(server, "train", "--base", "block-1m", "--tokenizer", str(junk),
                  "--data", str(data), "--name", "imported", "--steps", "3",
                  check=False)
    assert refused.returncode == 1
    assert "is no SentencePiece model" in refused.stderr.decode()


def test_a_classifier_reads_bytes(pieces):
    server, _ = pieces
    labelled = b"".join(b'{"text": "t%d", "label": "%s"}\n' % (i, b"ab"[i % 2:i % 2 + 1])
                        for i in range(8))
    with pytest.raises(grpc.RpcError) as refused:
        server.train(labelled, base="document", model="labels", steps=1,
                     tokenizer=tokenizer(train="unigram"))
    assert "must be absent for a classifier" in refused.value.details()
    assert error_reason(refused.value) == "INVALID_FIELD"


def test_it_serves_after_a_restart_and_a_damaged_file_is_refused(pieces):
    server, _ = pieces
    options = dict(max_tokens=20, sampling=dict(seed=9))
    before, _ = server.text("tiny", b"The best", **options)
    assert server.terminate() == 0
    server.start()
    assert server.text("tiny", b"The best", **options)[0] == before
    assert server.terminate() == 0
    file = files(server, "imported") / "tokenizer.model"
    file.write_bytes(file.read_bytes()[:-5])
    server.start()
    got = version(server, "imported")
    assert got.state == models.BROKEN and "tokenizer.model" in got.error
    assert server.text("tiny", b"The best", **options)[0] == before


def test_a_killed_job_ends_in_the_same_weights(empty_server, text):
    spec = dict(tokenizer=tokenizer(train="unigram", pieces=400), **SPEC)

    def run(server, kill):
        job = server.train(text, **spec)
        if kill:
            deadline = time.monotonic() + 120
            kept = server.root / "data" / "jobs" / job.name[5:] / "tokenizer.model"
            while not kept.exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            first = kept.read_bytes()
            server.kill()  # the trainer's pipe closes, and it ends
            server.start()
            assert kept.read_bytes() == first
        job = server.wait_job(job.name)
        assert job.state == training.SUCCEEDED, job.error
        return [hashlib.sha256((files(server) / name).read_bytes()).hexdigest()
                for name in ("model.safetensors", "tokenizer.model")]

    assert run(empty_server("--job-retry-base", "100ms"), False) == \
        run(empty_server("--job-retry-base", "100ms"), True)
