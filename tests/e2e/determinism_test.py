"""The same request gives the same bytes alone, in any batch, at any number of
workers: 200 requests of 500 bytes."""
import concurrent.futures

COUNT, LENGTH = 200, 500


def run_all(server, concurrency):
    def one(i):
        return server.text("tiny", b"prompt number %d" % (i * 37),
                           max_tokens=LENGTH,
                           sampling=dict(seed=i, ignore_eos=True,
                                         temperature=0.9, top_k=50))[0]
    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        return list(pool.map(one, range(COUNT)))


def test_alone_in_batches_and_over_workers(serve):
    alone = run_all(serve(), 1)
    assert len(set(alone)) == COUNT
    assert run_all(serve("--max-batch", "64"), 100) == alone
    assert run_all(serve("--workers", "2", "--max-batch", "7"), 40) == alone
    assert run_all(serve("--prefill-chunk", "16", "--threads", "2"), 30) == alone
