"""What each level attended to: Generation.Inspect, `strata inspect`, the picture."""
import json
import xml.etree.ElementTree as ET

import grpc
import pytest

from harness import (cli, copy_models, error_reason, generation, inspection,
                     json_lines, Server, training)

TEXT = ("It was the best of times,\nit was the worst of times: caf\u00e9 <&> "
        "\"quotes\".\t\x07").encode() + b"\xff\xfe"
SVG = "{http://www.w3.org/2000/svg}"
BASES = {"tiny": None, "plain": None, "leafy": "tree-1m", "words": "spacebyte-1m",
         "levels": "three-level-1m", "prefixed": "block-transformer-1m", "bridged": None,
         "streams": "multirate-1m"}


@pytest.fixture(scope="session")
def inspect_root(trained, text, tmp_path_factory):
    """A stopped server's root: the trained models, and one of each other shape."""
    root = tmp_path_factory.mktemp("inspect")
    copy_models(trained, root)
    reviews = b"\n".join(b'{"text": "It is %s.", "label": "%s"}' % (w, w)
                         for w in [b"good", b"bad"] * 10)
    bridged = json.loads((root / "models/tiny/1/config.json").read_text())
    bridged["levels"][0].update(bridge="attention", bridge_window=3)
    server = Server(root)
    try:
        few = dict(steps=2, batch=2, sequence=128, eval_fraction=0.02)
        jobs = [server.train(text, model=model, base=base, **few)
                for model, base in BASES.items() if base]
        jobs.append(server.train(text, model="bridged", base="",
                                 config=json.dumps(bridged), **few))
        jobs.append(server.train(reviews, model="reviews", base="document",
                                 steps=1, batch=2))
        for job in jobs:
            done = server.wait_job(job.name)
            assert done.state == training.SUCCEEDED, done
        assert server.terminate() == 0
    finally:
        server.close()
    return root


@pytest.fixture
def serve_inspect(inspect_root, tmp_path):
    servers = []

    def start(*flags):
        root = tmp_path / f"server{len(servers)}"
        root.mkdir()
        copy_models(inspect_root, root)
        servers.append(Server(root, *flags))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def inspect(server, model, text=TEXT, timeout=None, **fields):
    return server.generation.Inspect(inspection.InspectRequest(
        model=model, text=text, **fields), timeout=timeout)


def failure(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), error_reason(caught.value), caught.value.details()


def check_rows(stack, keys, top_k=4):
    for attention in stack["maps"]:
        assert len(attention["rows"]) == stack["positions"]
        for row in attention["rows"]:
            weights = [link["weight"] for link in row["links"]]
            assert 1 <= len(weights) <= top_k
            assert weights == sorted(weights, reverse=True)
            assert sum(weights) + row["rest"] == pytest.approx(1, abs=1e-4)
            assert all(0 <= link["key"] < keys for link in row["links"])


def check_stream(stack, places):
    stride, keys = stack["stride"], stack["keys"]
    assert stack["positions"] == len(keys) == -(-places // stride)
    assert [key["kind"] for key in keys] == ["START"] + ["ITEM"] * (len(keys) - 1)
    # Behind the start and the marker, a place has read one byte more than the last.
    assert [key["end_byte"] for key in keys] == [
        max(0, i * stride - 1) for i in range(len(keys))]
    check_rows(stack, len(keys))
    for attention in stack["maps"]:
        for query, row in enumerate(attention["rows"]):
            assert all(link["key"] <= query for link in row["links"])


def check_level(level, above, text):
    at = 0
    for item in level["items"]:
        assert item["begin_byte"] == at
        at = item["end_byte"]
    assert at == len(text) if level["level"] == 0 else at <= len(text)
    for stack in level["stacks"]:
        keys = stack["keys"]
        if stack["kind"] == "STREAM":
            check_stream(stack, len(level["items"]) + 1)
            continue
        decoder = stack["kind"] != "ENCODER"
        read = [key["kind"] for key in keys[:stack["positions"]]
                if key["kind"] != "PREFIX"]
        assert len(read) == len(level["items"]) + decoder
        assert (read[0] == "START") == decoder
        nodes = keys[stack["positions"]:]
        if stack["kind"] == "BRIDGE":
            assert [key["kind"] for key in nodes] == ["CONTEXT"] * len(nodes)
            assert [key["end_byte"] for key in nodes] == [0] + [
                item["end_byte"] for item in above["items"]]
        else:
            assert all(key["kind"] == "NODE" for key in nodes)
            assert bool(nodes) == (stack["scope"] == "tree")
        check_rows(stack, len(keys))
    if above is None:
        assert level["pooling"] is None
        return
    units = level["pooling"]["units"]
    assert len(units) == len(above["items"])
    for unit, item in zip(units, above["items"]):
        size = unit["end_item"] - unit["begin_item"]
        assert item["end_byte"] == level["items"][unit["end_item"] - 1]["end_byte"]
        attends = level["pooling"]["rule"] == "attention"
        assert len(unit["heads"]) == (level["heads"] if attends else 0)
        for head in unit["heads"]:
            assert len(head["weights"]) == size
            assert sum(head["weights"]) == pytest.approx(1, abs=1e-4)


def test_every_shape_of_model_tells_what_it_saw(serve_inspect, tmp_path):
    server = serve_inspect()
    file = tmp_path / "text"
    file.write_bytes(TEXT)
    for model in BASES:
        got = json_lines(cli(server, "inspect", "--model", model, "--file",
                             str(file), "--json").stdout)[0]
        assert got["model"] == f"{model}@1"
        assert got["bytes"] == len(TEXT) == len(got["surprise_bits"])
        score = server.generation.Score(generation.ScoreRequest(
            model=model, text=TEXT))
        assert got["surprise_bits"] == pytest.approx(
            [-p for p in score.log2_prob], abs=2e-3)
        assert got["bits_per_byte"] == pytest.approx(score.bits_per_byte, abs=1e-3)
        levels = got["levels"]
        for level, above in zip(levels, levels[1:] + [None]):
            check_level(level, above, TEXT)
    blocks = inspect(server, "prefixed").levels[0]
    kinds = [key.kind for key in blocks.stacks[0].keys]
    assert kinds.count(inspection.KEY_KIND_PREFIX) == len(blocks.items) // 4 + 1
    kinds = [stack.kind for stack in inspect(server, "bridged").levels[0].stacks]
    assert kinds == [inspection.STACK_KIND_ENCODER, inspection.STACK_KIND_BRIDGE,
                     inspection.STACK_KIND_DECODER]
    streams = [(stack.stream, stack.rate) for stack in inspect(server, "streams").levels[0].stacks
               if stack.kind == inspection.STACK_KIND_STREAM]
    assert len(streams) > 1 and [number for number, _ in streams] == list(range(len(streams)))
    words = inspect(server, "words", b"Hold the door. Now")
    assert words.levels[0].pooling.ragged and words.levels[0].pooling.rule == "last"
    spans = [(i.begin_byte, i.end_byte) for i in words.levels[1].items]
    assert spans == [(0, 5), (5, 9), (9, 14)]


def test_tree_nodes_are_the_past_in_whole(serve_inspect):
    level = inspect(serve_inspect(), "leafy", b"abcdefgh" * 13, top_k=64).levels[0]
    stack = level.stacks[0]
    assert stack.scope == "tree"
    for attention in stack.maps:
        for query, row in enumerate(attention.rows):
            keys = [stack.keys[link.key] for link in row.links]
            spans = sorted((k.begin_byte, k.end_byte) for k in keys
                           if k.begin_byte < k.end_byte)
            at = 0
            for begin, end in spans:
                assert begin == at
                at = end
            assert at == stack.keys[query].end_byte


def test_choices_narrow_the_answer(serve_inspect):
    server = serve_inspect()
    one = inspect(server, "levels", levels=[1], heads=[0], top_k=1)
    assert [level.level for level in one.levels] == [1]
    for stack in one.levels[0].stacks:
        assert [m.head for m in stack.maps] == [0]
        assert all(len(row.links) == 1 for m in stack.maps for row in m.rows)
    deep = inspect(server, "plain", layers=[0, -1])
    assert [m.layer for m in deep.levels[0].stacks[0].maps[::deep.levels[0].heads]] == [
        0, deep.levels[0].stacks[0].layers - 1]
    # The same head of the same layer, whatever other heads were asked for.
    alone = inspect(server, "plain", layers=[0, -1], heads=[1])
    assert alone.levels[0].stacks[0].maps[1] == deep.levels[0].stacks[0].maps[
        deep.levels[0].heads + 1]


def test_picture_is_one_document(serve_inspect, tmp_path):
    server = serve_inspect()
    svg = tmp_path / "picture.svg"
    texts = [TEXT, bytes(range(256)), b"a", b"long " * 800]
    for model in BASES:
        for text in texts:
            file = tmp_path / "text"
            file.write_bytes(text)
            shown = cli(server, "inspect", "--model", model, "--file", str(file),
                        "--svg", str(svg)).stdout.decode()
            assert shown.startswith(f"{model}@1: {len(text)} bytes")
            root = ET.parse(svg).getroot()
            assert root.tag == SVG + "svg"
            titles = [t.text for t in root.iter(SVG + "title")]
            cells = sum(t.startswith("byte ") for t in titles)
            assert cells == min(len(text), 1278)
            notes = [t.text for t in root.iter(SVG + "text")]
            assert any("are drawn" in n for n in notes) == (cells < len(text))
            assert ("bridge, contexts" in notes) == (model == "bridged")
            assert any(n.startswith("stream 1, ") for n in notes) == (model == "streams")
            # Nothing is fetched from elsewhere.
            assert not any("href" in name for e in root.iter() for name in e.attrib)


def test_limits_and_wrong_requests_are_named(serve_inspect):
    server = serve_inspect("--inspect-max-bytes", "64")
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert inspect(server, "tiny", b"x" * 64).bytes == 64
    got = failure(lambda: inspect(server, "tiny", b"x" * 65))
    assert got[:2] == (invalid, "TEXT_TOO_LONG")
    assert "65 bytes" in got[2] and "64 (--inspect-max-bytes)" in got[2]
    for fields, word in [(dict(text=b""), "text is empty"),
                         (dict(model=""), "model"),
                         (dict(levels=[2]), "levels[0] is 2"),
                         (dict(layers=[99]), "layers[0] is 99"),
                         (dict(heads=[99]), "heads[0] is 99"),
                         (dict(top_k=65), "top_k is 65")]:
        got = failure(lambda: inspect(
            server, **{"model": "tiny", "text": b"abc", **fields}))
        assert got[:2] == (invalid, "INVALID_FIELD") and word in got[2]
    assert failure(lambda: inspect(server, "nobody", b"a"))[:2] == (
        grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    got = failure(lambda: inspect(server, "reviews", b"a"))
    assert got[:2] == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_A_GENERATOR")
    assert "Classify" in got[2]


def test_weights_stay_within_the_memory(serve_inspect):
    # Room for one of the models, of about 1M parameters each.
    server = serve_inspect("--inspect-memory", "6MiB")
    first = {m: inspect(server, m, b"some text") for m in ["tiny", "plain"]}
    for model in ["plain", "tiny", "plain"]:
        assert inspect(server, model, b"some text") == first[model]
    server = serve_inspect("--inspect-memory", "1MiB")
    got = failure(lambda: inspect(server, "tiny", b"a"))
    assert got[:2] == (grpc.StatusCode.FAILED_PRECONDITION, "MODEL_TOO_LARGE")
    assert "1048576 (--inspect-memory)" in got[2]


def test_calls_end_early_and_are_counted(serve_inspect):
    server = serve_inspect()
    long = b"x" * 4096
    assert failure(lambda: inspect(server, "plain", long, timeout=0.001))[0] == (
        grpc.StatusCode.DEADLINE_EXCEEDED)
    call = server.generation.Inspect.future(
        inspection.InspectRequest(model="plain", text=long))
    call.cancel()
    assert inspect(server, "tiny", b"short").bytes == 5
    assert any("Inspect" in name and value >= 1
               for name, value in server.metrics().items())


def test_client_says_what_is_wrong(serve_inspect, tmp_path):
    server = serve_inspect()
    for arguments in [["inspect", "--model", "tiny"],
                      ["inspect", "--model", "tiny", "--text", ""],
                      ["inspect", "--model", "tiny", "--text", "a", "--level", "7"],
                      ["inspect", "--model", "reviews", "--text", "a"],
                      ["inspect", "--model", "tiny", "--text", "a", "--svg",
                       str(tmp_path / "no" / "x.svg")]]:
        result = cli(server, *arguments, check=False)
        assert result.returncode != 0
        assert len(result.stderr.decode().strip().splitlines()) == 1
