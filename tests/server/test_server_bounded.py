"""What a page asks for costs the same in a large store: counted in bytes read of the store, which no busy machine changes."""
import json
import os
import re

import pytest
from serving import FLOW, Server, event

ROWS, BAD = 120_000, 6_000
MUCH = 2 << 20  # a request may read; all rows together are many times that
ONE = "/api/v1/tables/events/rows?"
# What the dashboard asks for, page by page.
ASKED = ["/api/v1/flow", "/api/v1/history?minutes=5", "/api/v1/history?minutes=60", "/api/v1/alerts?state=open&limit=100", "/api/v1/alerts?state=resolved&limit=50", "/api/v1/checks", "/api/v1/silences", "/api/v1/notices?state=failed&limit=50",
         "/api/v1/ledger?transform=events&limit=500", "/api/v1/batches?source=events&limit=30", "/api/v1/rejects?limit=50", "/api/v1/rejects?source=events&transform=&reason=type&limit=50", "/api/v1/rejects/77", "/api/v1/coverage",
         ONE + "limit=51", ONE + "limit=51&offset=50", ONE + "key=77777", ONE + "limit=51&order=id.desc", ONE + "limit=51&filter.kind=eq.b", "/api/v1/tables/events/trace?key=77777", "/health", "/ready", "/version"]


@pytest.fixture(name="large", scope="module")
def large_fixture(plumb, tmp_path_factory):
    directory = tmp_path_factory.mktemp("large")
    (directory / "data").mkdir()
    (directory / "flow.yaml").write_text(FLOW)
    template = json.dumps({**event(1), "id": 0, "name": "NAME"}).replace('"id": 0', '"id": %d').replace("NAME", "name %d")
    with open(directory / "data/a.jsonl", "w", encoding="utf-8") as file:
        for number in range(1, ROWS + 1):
            file.write(template % (number, number % 500) + "\n")
            if number % (ROWS // BAD) == 0:
                file.write('{"id": "bad"}\n')
    plumb.ok("run", directory, "--once", "--batch-rows", 200)
    server = Server(plumb, directory)
    server.settled(ROWS)
    yield server
    assert server.stop() == 0


def read_by(server, path, **headers):
    """Bytes the process read, and the answer."""
    def bytes_read():
        return int(re.search(r"rchar: (\d+)", open(f"/proc/{server.process.pid}/io", encoding="utf-8").read()).group(1))
    before = bytes_read()
    status, _, body = server.get(path, **headers)
    return bytes_read() - before, status, body


def test_a_scan_would_be_seen(large):
    size = os.path.getsize(large.directory / "served.db")
    read, status, _ = read_by(large, ONE + "limit=1&filter.name=eq.nothing")
    assert status == 200 and read > 4 * MUCH, f"{read} of {size}"
    assert read_by(large, ONE + "limit=1", Prefer="count=exact")[0] > 2 * MUCH


@pytest.mark.parametrize("path", ASKED)
def test_a_page_reads_no_more_of_a_large_store(large, path):
    large.get(path)  # what was just asked for is remembered, and takes no part
    read, status, body = read_by(large, path)
    assert status == 200 and len(body) > 2, (status, body[:200])
    assert read < MUCH, f"{read} bytes for {len(body)}"


def test_status_is_counted_now_and_then_however_many_ask(large):
    large.get("/api/v1/status")
    read = sum(read_by(large, path)[0] for _ in range(30) for path in ("/api/v1/status", "/health", "/metrics"))
    assert read < 60 * MUCH, f"{read} bytes for ninety answers"
    assert json.loads(large.get("/api/v1/status")[2])["transforms"][0]["rows"] == ROWS
