"""64 long streams under --state-memory of 256 MiB: memory bounded, all finish;
with states of prefixes kept in what they leave."""
import concurrent.futures
import threading
import time

BUDGET = 256 << 20


def test_streams_wait_for_memory_and_all_finish(serve):
    server = serve("--state-memory", "256MiB", "--max-batch", "64")
    server.text("plain", b"a", max_tokens=2)  # weights and code are resident now
    base = server.rss_bytes()
    peak = {"rss": 0, "state": 0, "kept": 0, "running": 0}
    done = threading.Event()

    def watch():
        while not done.is_set():
            samples = server.metrics()
            peak["state"] = max(peak["state"], samples["strata_state_bytes"])
            peak["kept"] = max(peak["kept"],
                               samples["strata_prefix_cache_bytes"])
            peak["running"] = max(peak["running"],
                                  samples["strata_running_requests"])
            peak["rss"] = max(peak["rss"], server.rss_bytes())
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    # flat-1m holds about 2.6 kB of keys and values an item: 64 streams of
    # 2,200 items would need 1.3 times the budget.
    def one(i):
        return server.text("plain", b"x" * 2_100, max_tokens=100,
                           sampling=dict(seed=i, ignore_eos=True))
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        results = list(pool.map(one, range(64)))
    done.set()
    watcher.join()
    assert all(len(data) == 100 for data, _ in results)
    assert 0 < peak["state"] <= BUDGET
    assert 0 < peak["kept"] <= BUDGET
    assert 1 < peak["running"] < 64, "the budget never bound: not a test"
    # Beside the states: prompts, messages in flight, the allocator's slack.
    assert peak["rss"] - base <= 1.3 * BUDGET, peak
