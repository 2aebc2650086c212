"""The same request gives the same bytes alone, in any batch, at any number of
workers: 200 requests of 500 bytes. Also if it begins with a state that another
request left."""
import concurrent.futures

import pytest

COUNT, LENGTH = 200, 500


def run_all(server, concurrency, model="tiny", count=COUNT, length=LENGTH):
    def one(i):
        return server.text(model, b"prompt number %d" % (i * 37),
                           max_tokens=length,
                           sampling=dict(seed=i, ignore_eos=True,
                                         temperature=0.9, top_k=50))[0]
    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        return list(pool.map(one, range(count)))


def test_alone_in_batches_and_over_workers(serve):
    alone = run_all(serve(), 1)
    assert len(set(alone)) == COUNT
    assert run_all(serve("--max-batch", "64"), 100) == alone
    assert run_all(serve("--workers", "2", "--max-batch", "7"), 40) == alone
    assert run_all(serve("--prefill-chunk", "16", "--threads", "2"), 30) == alone


def test_guesses_change_no_byte(serve_hierarchies):
    with_guesses, without = serve_hierarchies(), serve_hierarchies("--draft-streams", "0")
    for sampling in (dict(temperature=0), dict(temperature=0.9, seed=3)):
        for prompt in (b"The ", b"strata train --data "):
            texts = [server.text("ahead", prompt, max_tokens=300,
                                 sampling=dict(ignore_eos=True, **sampling))
                     for server in (with_guesses, without)]
            assert texts[0][0] == texts[1][0]
            assert (texts[0][1].usage.generated_tokens
                    == texts[1][1].usage.generated_tokens == 300)
    samples = with_guesses.metrics()
    assert (samples["strata_draft_items_total"]
            > samples["strata_draft_items_accepted_total"] > 0)
    assert without.metrics()["strata_draft_items_total"] == 0
    # Several at once, beside which nobody guesses, say the same as each alone.
    assert (run_all(with_guesses, 20, "ahead", count=40, length=100)
            == run_all(without, 1, "ahead", count=40, length=100))


@pytest.mark.parametrize("model", ["plain", "literal", "leafy"])
def test_of_other_hierarchies(serve_hierarchies, model):
    serve = serve_hierarchies

    def run(server, concurrency):
        return run_all(server, concurrency, model, count=60, length=200)
    alone = run(serve(), 1)
    assert len(set(alone)) == 60
    assert run(serve("--max-batch", "64"), 60) == alone
    assert run(serve("--workers", "2", "--threads", "2", "--prefill-chunk", "16"),
               30) == alone


def test_samples_are_what_their_seeds_give_alone(serve):
    server = serve()
    fields = dict(max_tokens=200)
    sampling = dict(ignore_eos=True, temperature=0.9)
    data, finished = {}, {}
    for message in server.generate("tiny", b"Once upon a time", n=6,
                                   sampling=dict(seed=100, **sampling), **fields):
        if message.WhichOneof("event") == "delta":
            sample = message.delta.sample
            data[sample] = data.get(sample, b"") + message.delta.data
        elif message.WhichOneof("event") == "finished":
            finished[message.finished.sample] = message.finished
    assert sorted(finished) == list(range(6))
    for k in range(6):
        alone = server.text("tiny", b"Once upon a time",
                            sampling=dict(seed=100 + k, **sampling), **fields)[0]
        assert data[k] == alone
        assert finished[k].usage.generated_tokens == 200


def run_shared(server, concurrency):
    """Prompts that are prefixes of one another, or part after a while."""
    text = b"In the beginning there was a long preface, the same for all. " * 20

    def one(i):
        prompt = text[:300 + i % 7 * 100]
        if i % 3:
            prompt += b"Then came number %d. " % (i % 20) * 5
        data, finished = server.text("tiny", prompt, max_tokens=60,
                                     sampling=dict(seed=i // 2, ignore_eos=True))
        return data, finished.usage.cached_prompt_tokens
    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        data, cached = zip(*pool.map(one, range(COUNT)))
    return list(data), sum(1 for n in cached if n > 0)


def test_with_and_without_prefixes_of_others(serve):
    alone, hits = run_shared(serve("--prefix-cache", "0"), 1)
    assert hits == 0
    for flags, concurrency in [
            ([], 1), (["--max-batch", "64"], 50),
            (["--workers", "2", "--prefill-chunk", "48"], 20),
            (["--workers", "2", "--prefix-cache", "3MiB"], 20)]:
        data, hits = run_shared(serve(*flags), concurrency)
        assert hits > 20
        assert data == alone
