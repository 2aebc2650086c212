"""Document classifiers: trained on JSON lines, served by Classify and Embed."""
import json
import random

import grpc
import pytest

from harness import (cli, copy_models, error_reason, generation, json_lines,
                     models, Server, training)

FILLER = ["The film ran for two hours.", "We sat in the third row.",
          "It rained outside.", "Somebody had brought sandwiches.",
          "The music was loud at times."]
WORDS = {"neg": ["dreadful", "boring"], "pos": ["splendid", "touching"]}


def review(rng, label):
    sentences = rng.sample(FILLER, rng.randint(1, 4))
    sentences.insert(rng.randint(0, len(sentences)),
                     f"I found it {rng.choice(WORDS[label])}.")
    return " ".join(sentences)


def reviews(count, seed=1):
    rng = random.Random(seed)
    return [(review(rng, label), label)
            for label in rng.choices(["neg", "pos"], k=count)]


def lines(pairs):
    return "\n".join(json.dumps({"text": text, "label": label})
                     for text, label in pairs).encode()


@pytest.fixture(scope="session")
def classifier_root(tmp_path_factory):
    """A stopped server's root with the classifier `reviews` and its last job."""
    root = tmp_path_factory.mktemp("classifier")
    server = Server(root)
    try:
        job = server.train(lines(reviews(160)), base="document",
                           model="reviews", steps=60, batch=8,
                           eval_fraction=0.2, eval_every_steps=20)
        events = list(server.training.WatchJob(
            training.WatchJobRequest(name=job.name)))
        done = server.wait_job(job.name)
        assert done.state == training.SUCCEEDED, done
        assert server.terminate() == 0
    finally:
        server.close()
    return root, done, events


@pytest.fixture
def server(classifier_root, trained, tmp_path):
    """Serves `reviews` beside `tiny`, which generates."""
    copy_models(classifier_root[0], tmp_path)
    import shutil
    shutil.copytree(trained / "models" / "tiny", tmp_path / "models" / "tiny")
    server = Server(tmp_path)
    yield server
    server.close()


def classify(server, texts, model="reviews", **fields):
    return server.generation.Classify(generation.ClassifyRequest(
        model=model, texts=[t.encode() for t in texts], **fields))


def failure(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), error_reason(caught.value), caught.value.details()


def test_job_reports_accuracy_and_macro_f1(classifier_root):
    _, job, events = classifier_root
    evals = [e.eval for e in events if e.HasField("eval")]
    assert [e.step for e in evals] == [20, 40, 60]
    assert all(e.HasField("accuracy") and e.HasField("macro_f1") for e in evals)
    assert job.last_eval == evals[-1]
    assert job.last_eval.accuracy > 0.9
    assert job.last_eval.macro_f1 > 0.9
    assert job.last_eval.bits_per_byte == 0
    assert job.progress.bits_per_byte == 0
    assert job.published == "reviews@1"


def test_labels_weights_and_ranges(server):
    pairs = reviews(30, seed=9)
    texts = [text for text, _ in pairs]
    answer = classify(server, texts, byte_weights=True)
    assert answer.model == "reviews@1"
    right = sum(r.label == label for r, (_, label) in zip(answer.results, pairs))
    assert right >= 27
    for result, text in zip(answer.results, texts):
        assert [p.label for p in result.probabilities] == ["neg", "pos"]
        assert sum(p.probability for p in result.probabilities) == pytest.approx(1)
        best = max(result.probabilities, key=lambda p: p.probability)
        assert best.label == result.label
        data, at = text.encode(), 0
        for sentence in result.sentences:
            assert sentence.begin_byte == at
            at = sentence.end_byte
            assert data[sentence.begin_byte:at].strip().endswith(b".")
            assert len(sentence.byte_weights) == at - sentence.begin_byte
            assert sum(sentence.byte_weights) == pytest.approx(1, abs=1e-4)
        assert at == len(data)
        assert sum(s.weight for s in result.sentences) == pytest.approx(1, abs=1e-4)
    alone = classify(server, texts[:1], byte_weights=True)
    assert alone.results[0] == answer.results[0]  # neighbours change no bit
    assert not classify(server, texts[:1]).results[0].sentences[0].byte_weights


def test_the_sentence_that_tells_weighs_most(server):
    heaviest = 0
    texts = [text for text, _ in reviews(30, seed=5)]
    for text, result in zip(texts, classify(server, texts).results):
        top = max(result.sentences, key=lambda s: s.weight)
        heaviest += "I found it" in text[top.begin_byte:top.end_byte]
    assert heaviest >= 15  # one of two to five sentences each


def test_embeddings_of_texts_and_of_sentences(server):
    def embed(level, *texts):
        return server.generation.Embed(generation.EmbedRequest(
            model="reviews", texts=[t.encode() for t in texts], level=level))

    whole = embed(generation.EMBED_LEVEL_DOCUMENT, "One. Two!", "Three?")
    assert [len(r.embeddings) for r in whole.results] == [1, 1]
    assert len(whole.results[0].embeddings[0].values) == whole.dimensions == 128
    assert whole == embed(generation.EMBED_LEVEL_UNSPECIFIED, "One. Two!", "Three?")
    parts = embed(generation.EMBED_LEVEL_SENTENCE, "One. Two!", "Two!")
    first, second = parts.results[0].embeddings
    assert (first.begin_byte, first.end_byte, second.end_byte) == (0, 5, 9)
    # A sentence's vector is made from its bytes alone.
    assert second.values == pytest.approx(
        parts.results[1].embeddings[0].values, abs=1e-5)
    assert failure(lambda: embed(7, "a"))[:2] == (
        grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


def test_wrong_kind_of_model_is_told(server):
    code = grpc.StatusCode.FAILED_PRECONDITION
    for call in [lambda: classify(server, ["a"], model="tiny"),
                 lambda: server.generation.Embed(generation.EmbedRequest(
                     model="tiny", texts=[b"a"]))]:
        assert failure(call)[:2] == (code, "NOT_A_CLASSIFIER")
    for call in [lambda: server.text("reviews", b"a"),
                 lambda: server.generation.Score(generation.ScoreRequest(
                     model="reviews", text=b"a"))]:
        assert failure(call)[:2] == (code, "NOT_A_GENERATOR")


def test_limits_are_named_and_truncate_reads_up_to_them(server):
    code = grpc.StatusCode.INVALID_ARGUMENT
    long = "splendid " * 8000
    got = failure(lambda: classify(server, ["fine", long]))
    assert got[:2] == (code, "TEXT_TOO_LONG")
    assert "texts[1]" in got[2] and "65536" in got[2]
    got = failure(lambda: classify(server, ["a. " * 1025]))
    assert got[:2] == (code, "TEXT_TOO_LONG") and "1024" in got[2]
    result = classify(server, [long], truncate=True).results[0]
    assert result.truncated and result.sentences[-1].end_byte == 65536
    for texts in [[], [""], ["a"] * 257]:
        got = failure(lambda: classify(server, texts))
        assert got[:2] == (code, "INVALID_FIELD") and "texts" in got[2]
    assert failure(lambda: classify(server, ["a"], model="nobody"))[:2] == (
        grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")


def test_deadline_and_cancel_free_the_pool(server):
    texts = [b"splendid. " * 1000] * 256
    request = generation.ClassifyRequest(model="reviews", texts=texts)
    with pytest.raises(grpc.RpcError) as caught:
        server.generation.Classify(request, timeout=0.5)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    call = server.generation.Classify.future(request)
    call.cancel()
    assert classify(server, ["short"]).results  # not behind 2.5 MB of texts


def test_versions_models_and_metrics(server, classifier_root):
    classify(server, ["a"])
    version = server.models.GetModel(
        models.GetModelRequest(name="reviews")).versions[0]
    assert version.architecture == "document"
    assert version.template == "label"
    assert version.parameters > 1_000_000
    assert version.max_context == 65536
    assert any("Classify" in name and value >= 1
               for name, value in server.metrics().items())


def test_training_goes_on_from_a_classifier(server):
    job = server.train(lines(reviews(40, seed=3)), base="reviews",
                       model="reviews", steps=3, batch=4)
    assert server.wait_job(job.name).published == "reviews@2"
    assert classify(server, ["a"]).model == "reviews@2"


@pytest.mark.parametrize("base, data, word", [
    ("document", b"some text\n" * 200, "labels"),
    ("block-1m", lines(reviews(20)), "document"),
    ("reviews", lines(reviews(20) + [("x", "new")]), "new"),
    ("tiny", lines(reviews(20)), "document"),
])
def test_data_and_base_that_do_not_fit_are_refused(server, base, data, word):
    got = failure(lambda: server.train(data, base=base, model="m", steps=1))
    assert got[0] == grpc.StatusCode.INVALID_ARGUMENT
    assert word in got[2]


@pytest.mark.parametrize("data, place", [
    (b'{"text": "a", "label": "x"}\n{"text": "b", "label": 3}\n', "line 2"),
    (b'{"text": "a", "label": "x"}\n{"text": "", "label": "y"}\n', "line 2"),
    (b'{"text": "a", "label": "x"}\n{"text": "b", "label": "x"}\n', "two labels"),
])
def test_bad_labelled_data_is_refused(server, data, place):
    code, reason, details = failure(lambda: server.upload(data))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "DATASET_INVALID")
    assert place in details


def test_client(server, tmp_path):
    file = tmp_path / "review.txt"
    file.write_text("We sat in the third row. I found it dreadful. It rained.")
    shown = cli(server, "classify", "--model", "reviews", "--file",
                str(file)).stdout.decode()
    assert shown.startswith("neg  neg 0.") and "dreadful" in shown
    got = json_lines(cli(server, "classify", "--model", "reviews", "--text",
                         "Splendid.", "--file", str(file), "--json").stdout)[0]
    assert [r["label"] for r in got["results"]] == ["pos", "neg"]
    got = json_lines(cli(server, "embed", "--model", "reviews", "--text",
                         "One. Two.", "--level", "sentence").stdout)[0]
    assert len(got["results"][0]["embeddings"]) == 2
    data = tmp_path / "data.jsonl"
    data.write_bytes(lines(reviews(60)))
    watched = cli(server, "train", "--base", "document", "--data", str(data),
                  "--name", "mine", "--steps", "3", "--eval-fraction", "0.2",
                  "--watch").stderr.decode()
    assert "texts with labels" in watched
    assert "macro-F1" in watched and "bits/byte" not in watched
    for arguments in [["classify", "--model", "reviews"],
                      ["embed", "--model", "reviews", "--text", "a",
                       "--level", "word"],
                      ["classify", "--model", "tiny", "--text", "a"]]:
        result = cli(server, *arguments, check=False)
        assert result.returncode != 0
        assert len(result.stderr.decode().strip().splitlines()) == 1
