"""The server under people who mean it harm: whatever they hold open or send, others are answered and memory stays bounded."""
import contextlib
import json
import os
import re
import resource
import socket
import subprocess
import time

import pytest
from serving import FLOW, Server, data

IDLE = 10000
ROWS = "/api/v1/tables/events/rows"


@pytest.fixture(name="held", scope="module")
def held_fixture(plumb, tmp_path_factory):
    directory = tmp_path_factory.mktemp("siege")
    (directory / "data").mkdir()
    (directory / "flow.yaml").write_text(FLOW)
    (directory / "data/a.jsonl").write_text(data(60))
    server = Server(plumb, directory, env={"PLUMB_WRITE_TOKEN": "staple writes here too"})
    server.settled(60)
    # Sixty rows whose answer is near the largest there is.
    subprocess.run(["sqlite3", "-cmd", ".timeout 20000", directory / "served.db", "UPDATE events SET raw = zeroblob(240000)"], check=True)
    yield server
    assert server.stop() == 0


@contextlib.contextmanager
def connections(server, count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, count + 200)), hard))
    held = []
    try:
        for _ in range(min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 200)):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", server.port))
            held.append(connection)
        yield held
    finally:
        for connection in held:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def send_all(held, text):
    for connection in held:
        with contextlib.suppress(OSError):  # it may have been shown the door
            connection.send(text)


def answers(server, times=20):
    """So many new connections are answered, one after the other."""
    for _ in range(times):
        assert server.json("/ready")["ready"] is True
        assert len(server.json(ROWS + "?select=id")) == 60


def ready(server, times=20):
    """It says it is ready each time, and goes on with everything else before long."""
    for _ in range(times):
        assert server.json("/ready")["ready"] is True
        status, _, body = server.get(ROWS + "?select=id")
        assert status == 200 or (status == 503 and b"again" in body), body
    until = time.monotonic() + 30
    while server.get(ROWS + "?select=id")[0] != 200:
        assert time.monotonic() < until


def resident(server):
    """MiB; none of it under sanitizers, which keep freed memory."""
    if "san" in os.environ.get("PLUMB", ""):
        return 0
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{server.process.pid}/status", encoding="utf-8").read()).group(1)) // 1024


def threads(server):
    return len(os.listdir(f"/proc/{server.process.pid}/task"))


def test_ten_thousand_idle_connections_keep_nobody_out(held):
    with connections(held, IDLE) as idle:
        answers(held)
        assert len(idle) >= 3000 and threads(held) < 300
    answers(held)


@pytest.mark.parametrize("begin, drip", [(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n"), (b"GET /", b"a"), (b"POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n", b" ")],
                         ids=["headers", "path", "body"])
def test_requests_that_never_end_keep_nobody_out(held, begin, drip):
    with connections(held, 400) as slow:
        answers(held, 1)  # all are accepted by now
        send_all(slow, begin)
        for _ in range(5):
            send_all(slow, drip)
            answers(held, 4)


def test_answers_that_nobody_reads_take_bounded_memory(held):
    size = len(held.get(ROWS)[2])
    assert size > 20 << 20
    with connections(held, 100) as deaf:
        for connection in deaf:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        answers(held, 1)
        send_all(deaf, f"GET {ROWS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        ready(held)
        assert resident(held) < 600, f"{resident(held)} MiB: a hundred answers of 28 MiB are held"
    ready(held, 1)
    answers(held)


def test_streams_that_nobody_reads_keep_nobody_out(held):
    with connections(held, 60) as deaf:
        answers(held, 1)
        send_all(deaf, b"GET /api/v1/changes?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answers(held)
    status, _, _ = held.get("/api/v1/changes", method="HEAD")
    assert status in (200, 503)


def raw(server, request):
    """What comes back for bytes, up to the end of the connection or a moment's silence."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        text = b""
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(1 << 16):
                text += more
    return text


@pytest.mark.parametrize("request_bytes", [
    b"GET /ready HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(20000)) + b"\r\n",
    b"GET /ready HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 5_000_000 + b"\r\n\r\n",
    b"GET /ready?" + b"&".join(b"a%d=1" % n for n in range(50000)) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /ready HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"; ".join(b"a%d=b" % n for n in range(20000)) + b"\r\n\r\n",
    b"X" * 3_000_000, b"\r\n" * 500_000, b"GET /ready HTTP/1.1\r\n" + b" folded\r\n" * 50_000 + b"\r\n"], ids=["headers", "header", "parameters", "cookies", "method", "lines", "folded"])
def test_giant_requests_are_refused(held, request_bytes):
    before = resident(held)
    answer = raw(held, request_bytes)
    assert not answer.startswith(b"HTTP/1.1 200"), answer[:100]
    answers(held, 2)
    assert resident(held) < before + 64


@pytest.mark.parametrize("path", ["/api/v1/tables/../status", "/api/v1/tables/%2e%2e/status", "//api/v1/status", "/api/v1/status/", "/API/v1/status", "/api/v1/tables/events/rows/", "/api/v1/tables/events%00/rows", "/api/v1/tables//rows",
                                  "/api/v1/tables/_plumb_meta/rows", "/api/v1/tables/sqlite_schema/rows", "/api/v1/tables/events\"/rows", "/api/v1/rejects/1%00", "/api/v1/rejects/0x1", "/api/v1/rejects/1/", "/style.css%00", "/./style.css",
                                  "http://localhost/api/v1/status", "/api/v1/tables/EVENTS/rows", "/%2e%2e/%2e%2e/etc/passwd", "/api/v1/alerts/1/ack/../..", "*"])
def test_paths_that_are_nearly_right_are_nothing(held, path):
    answer = raw(held, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert re.match(rb"HTTP/1\.1 (400|404) ", answer), answer[:200]
    assert b"root:" not in answer and b"CREATE TABLE" not in answer


BOMBS = ["&".join(["id=in.(" + ",".join(map(str, range(100))) + ")"] * 32), "&".join(["name=not.ilike." + "%25".join("abcdef")] * 32), "select=" + ",".join(["id"] * 5000), "order=" + ",".join(["id"] * 9), "id=in.(" + ",".join(["1"] * 101) + ")",
         "name=like." + "_" * 201, "more=eq." + "[" * 3000, "name=eq." + "\\" * 3000, "wei=eq." + "9" * 3000, "at=eq." + "9" * 3000, "offset=1000000000&limit=10000", "ratio=eq.1e999999", "ratio=eq.nan", "id=not.not.eq.1", "id=in.()", "name=in.(\"" + "a" * 3000, "raw=eq.0x" + "f" * 3001,
         "filter.filter.id=eq.1", "id=eq.9223372036854775808", "limit=-1", "limit=1e3", "limit=&offset="]


@pytest.mark.parametrize("query", BOMBS, ids=range(len(BOMBS)))
def test_filters_that_are_bombs_do_nothing(held, query):
    status, _, body = held.get(f"{ROWS}?select=id&{query}")
    assert status in (200, 400) and (status == 200 or len(json.loads(body)["error"]["message"]) > 10), body[:300]
    assert b"SELECT" not in body and len(body) < 5000
    answers(held, 1)


def test_a_thousand_requests_at_once_on_one_connection_are_answered_in_order(held):
    with socket.create_connection(("127.0.0.1", held.port), timeout=20) as connection:
        connection.sendall(b"".join(b"GET /api/v1/tables/events/rows?select=id&key=%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % (1 + n % 60) for n in range(1000)))
        text = b""
        while text.count(b'{"id":') < 1000:
            more = connection.recv(1 << 16)
            assert more, text[-300:]
            text += more
    assert [int(n) for n in re.findall(rb'\{"id":(\d+)\}', text)] == [1 + n % 60 for n in range(1000)]
