"""Fixtures: a repository with one small trained model, made once, and servers
that are gone when their test ends."""
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import harness  # noqa: E402


def sample_text(size=60_000):
    """Text that any checkout has: the project's own prose, repeated."""
    parts = [p.read_bytes() for p in sorted(harness.ROOT.rglob("*.md"))
             if "build" not in p.parts]
    text = b"\n".join(parts)
    return (text * (size // len(text) + 1))[:size].decode(
        errors="ignore").encode()


@pytest.fixture(scope="session")
def text():
    return sample_text()


@pytest.fixture(scope="session")
def trained(tmp_path_factory, text):
    """Root of a stopped server whose repository holds `tiny` (block-1m, text),
    `plain` (flat-1m, text) and `talk` (block-1m, chat), each barely trained."""
    root = tmp_path_factory.mktemp("trained")
    chat = b"\n".join(
        b'{"messages": [{"role": "user", "content": "say %d"}, '
        b'{"role": "assistant", "content": "it is %d."}]}' % (i, i)
        for i in range(200))
    train_all(root, [dict(data=text, model="tiny"),
                     dict(data=text, model="plain", base="flat-1m"),
                     dict(data=chat, model="talk")])
    return root


@pytest.fixture(scope="session")
def hierarchies(tmp_path_factory, trained, text):
    """The same with `literal` (block-literal, text), `leafy` (tree-1m, text) and `ahead`
    (block-1m with n-gram heads, text)."""
    root = tmp_path_factory.mktemp("hierarchies")
    harness.copy_models(trained, root)
    train_all(root, [dict(data=text, model="literal", base="block-literal"),
                     dict(data=text, model="leafy", base="tree-1m")])
    config = json.loads((root / "models/tiny/1/config.json").read_text())
    train_all(root, [dict(data=text, model="ahead", base="", steps=40,
                          config=json.dumps(dict(config, ngram_heads=3)))])
    return root


def train_all(root, jobs):
    server = harness.Server(root)
    try:
        defaults = dict(steps=12, batch=4, sequence=128, eval_fraction=0.02)
        names = [server.train(**dict(defaults, **job)).name for job in jobs]
        for name in names:
            done = server.wait_job(name)
            assert done.state == harness.training.SUCCEEDED, done
        assert server.terminate() == 0
    finally:
        server.close()


@pytest.fixture
def serve(trained, tmp_path):
    """serve(*flags): a server over a private copy of the trained repository."""
    yield from serve_copies(trained, tmp_path)


@pytest.fixture
def serve_hierarchies(hierarchies, tmp_path):
    yield from serve_copies(hierarchies, tmp_path)


def serve_copies(of, tmp_path):
    servers = []

    def start(*flags, **kwargs):
        root = tmp_path / f"server{len(servers)}"
        root.mkdir()
        harness.copy_models(of, root)
        servers.append(harness.Server(root, *flags, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def empty_server(tmp_path):
    """empty_server(*flags): a server with an empty repository."""
    servers = []

    def start(*flags, root=None, **kwargs):
        root = root or tmp_path / f"empty{len(servers)}"
        servers.append(harness.Server(root, *flags, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def pytest_addoption(parser):
    parser.addoption("--long-runs", action="store_true",
                     help="the long forms of the tests that have two")


@pytest.fixture(scope="session")
def long_runs(request):
    return request.config.getoption("--long-runs")
