"""Where a row came from, over HTTP: the document of `plumb trace --json`, bounded, and nothing for what is no key."""
import json
import threading

import pytest
from serving import FLOW, Server, data

TRACE = "/api/v1/tables/%s/trace"


@pytest.fixture(name="traced", scope="module")
def traced_fixture(plumb, tmp_path_factory):
    directory = tmp_path_factory.mktemp("traced")
    (directory / "data").mkdir()
    (directory / "flow.yaml").write_text(FLOW)
    (directory / "data/a.jsonl").write_text(data(60))
    server = Server(plumb, directory)
    server.settled(60)
    yield server
    assert server.stop() == 0


@pytest.mark.parametrize("table, key", [("events", "7"), ("totals", "a"), ("names", "name 7"), ("names", "<img src=x onerror=\"document.title='owned'\">")])
def test_a_trace_is_the_commands_document(traced, plumb, table, key):
    from urllib.parse import quote  # pylint: disable=import-outside-toplevel
    answer = traced.json(f"{TRACE % table}?key={quote(key)}")
    assert answer == json.loads(plumb.ok("trace", traced.directory, table, key, "--json").stdout)
    assert answer["rows"][0]["table"] == table
    if table == "events":
        assert json.loads(answer["rows"][0]["record"]["raw"])["id"] == 7 and {s["transform"] for s in answer["steps"]} == {"totals", "names"}


@pytest.mark.parametrize("table, query, status, word", [
    ("events", "key=8000", 404, "no row"), ("events", "key=x", 400, "no int64"), ("events", "", 400, "is id (int64)"), ("events", "key=1&key=2", 400, "is id (int64)"), ("events", "key=id%3D7", 400, "no int64"),
    ("events", "key=7&select=id", 400, "nothing else"), ("events", "key=7%00", 400, "zero byte"), ("names", "key=%ff", 400, "no text"), ("names", "key=' OR 1=1 --x".replace(" ", "%20"), 404, "no row"), ("nothing", "key=1", 404, "no such table"),
    ("_plumb_batches", "key=1", 404, "no such table"), ("events", "&".join(["key=1"] * 65), 400, "64 parameters")])
def test_what_is_no_key_has_no_trace(traced, table, query, status, word):
    answer = traced.json(f"{TRACE % table}?{query}", status=status)
    assert word in answer["error"]["message"], answer


def test_a_trace_leaves_its_reader_as_it_was(traced):
    """Traces search in temporary tables; many at once, by the same few readers, meet none of another's."""
    expected = traced.json(f"{TRACE % 'totals'}?key=a")
    wrong = []

    def ask():
        for _ in range(10):
            status, _, body = traced.get(f"{TRACE % 'totals'}?key=a")
            if status != 503 and (status, json.loads(body)) != (200, expected):
                wrong.append((status, body[:300]))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_too_large_a_trace_is_refused_and_the_server_lives(plumb, make_flow):
    flow = FLOW.replace("    lineage: true\n", "")
    lines = "".join(json.dumps({"id": n, "name": "big", "kind": "a", "wei": "1", "more": {"x": "\u0001" * 140_000}}) + "\n" for n in range(1, 12))
    server = Server(plumb, make_flow({"flow.yaml": flow, "data/a.jsonl": lines}, name="large"))
    try:
        server.settled(11)
        answer = server.json(f"{TRACE % 'totals'}?key=a", status=400)
        assert "plumb trace" in answer["error"]["message"] and answer["error"]["class"] == "limit"
        assert server.json("/ready")["ready"] is True
    finally:
        assert server.stop() == 0
