"""The HTTP server beside a running flow: who is let in, what health and metrics say, what the API answers."""
import datetime
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
from conftest import rows_of
from storelib import store
from serving import FLOW, Server, data, event, serve_fixture  # pylint: disable=unused-import # a fixture

TOKEN = "correct horse battery"
ROWS = "/api/v1/tables/events/rows"


# ---- who is let in ----
@pytest.mark.parametrize("host, status", [("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:99", 200), ("evil.example", 421),
                                          ("localhost.evil.example", 421), ("127.0.0.1.evil.example:80", 421), ("10.0.0.1", 421)])
def test_without_a_token_only_local_names_are_answered(serve, host, status):
    server = serve(rows=1)
    for path in ("/", "/health", "/api/v1/status", "/nothing"):
        got, headers, _ = server.get(path, Host=host)
        assert (got == 421) == (status == 421), path
        assert headers["Access-Control-Allow-Origin"] is None


def test_other_addresses_need_a_token(plumb, make_flow, tmp_path):
    directory = make_flow({"flow.yaml": FLOW, "data/a.jsonl": data(1)})
    short = tmp_path / "short"
    short.write_text("tooshort\n")
    for options, word in [(["--listen", "0.0.0.0:0"], "token"), (["--listen", "[::]:0"], "token"), (["--listen", "nowhere:1"], "no address"),
                          (["--listen", "127.0.0.1:0", "--token-file", str(short)], "characters"), (["--listen", "127.0.0.1:0", "--token-file", str(tmp_path / "absent")], "token-file")]:
        done = plumb.run("run", directory, "--once", *options)
        assert done.code == 78 and word in done.stderr, options
        assert not (directory / "served.db").exists()


def test_a_taken_port_is_told(plumb, make_flow):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = plumb.run("run", make_flow({"flow.yaml": FLOW, "data/a.jsonl": data(1)}), "--once", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.code == 1 and "something else" in done.stderr


def test_with_a_token_facts_need_it(serve, tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\nnot this line\n")
    server = serve("--token-file", str(file))
    right, wrong = f"Bearer {TOKEN}", f"Bearer {TOKEN[:-1]}X"
    server.settled(300, Authorization=right)
    for path in ("/metrics", "/version", "/api/v1/status", ROWS, "/api/v1/changes", "/api/v1/flow", "/nothing"):
        for headers in ({}, {"Authorization": wrong}, {"Authorization": TOKEN}):
            status, answer, body = server.get(path, **headers)
            assert status == 401 and answer["WWW-Authenticate"] == "Bearer", path
            assert b"events" not in body and b"served" not in body
    assert server.get("/metrics", Authorization=right)[0] == 200
    # The page itself holds no facts; health tells strangers one word.
    assert server.get("/")[0] == 200 and server.json("/health") == {"status": "ok"}
    assert server.json("/health", Authorization=right)["flow"] == "served"
    assert TOKEN not in "".join(open(f"/proc/{server.process.pid}/cmdline", encoding="utf-8").read())


def test_only_reading(serve):
    server = serve(rows=3)
    server.settled(3)
    before = server.json("/api/v1/status")
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        status, headers, _ = server.get(ROWS, method=method)
        assert status == 405 and headers["Allow"] == "GET, HEAD"
    status, _, body = server.get(ROWS, method="HEAD")
    assert status == 200 and body == b""
    assert server.json("/api/v1/status")["sources"] == before["sources"]


def test_every_answer_carries_the_strict_headers(serve):
    server = serve(rows=1)
    for path in ("/", "/style.css", "/app.js", "/health", "/metrics", "/api/v1/status", "/nothing", ROWS + "?no=1"):
        headers = server.get(path)[1]
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "script-src 'self'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"


# ---- health, metrics ----
def test_health_ready_version(serve):
    server = serve()
    server.settled(300)
    health = server.json("/health")
    assert health["status"] == "ok" and health["findings"] == [] and health["last_commit"]
    assert server.json("/ready") == {"ready": True, "why": None}
    assert re.fullmatch("[0-9a-f]{32}", server.json("/version")["flow_version"])


def test_the_last_commit_outlives_the_process(serve, plumb):
    first = serve()
    first.settled(300)
    first.stop()
    again = Server(plumb, first.directory)
    try:
        until = time.monotonic() + 20
        while again.get("/ready")[0] != 200 and time.monotonic() < until:
            time.sleep(0.05)
        newest = rows_of(first.directory / "served.db", "SELECT max(updated_us) FROM _plumb_partitions")[0][0]
        told = again.json("/health")["last_commit"]
        assert int(datetime.datetime.fromisoformat(told.replace("Z", "+00:00")).timestamp() * 1e6 + 0.5) == newest
    finally:
        assert again.stop() == 0


def test_health_says_what_has_been_wrong_for_a_while(serve):
    server = serve()
    server.settled(300)
    # As the engine would have written it two minutes ago; the file source's next look would take it away.
    store().execute(server.directory / "served.db",
                    "UPDATE _plumb_transforms SET attempts = 3, since_us = 1, message = 'no such <thing>' WHERE name = 'totals'")
    until = time.monotonic() + 20
    while server.get("/health")[0] == 200 and time.monotonic() < until:
        time.sleep(0.1)
    health = server.json("/health", status=503)
    assert [f["subject"] for f in health["findings"]] == ["transform totals"] and "no such <thing>" in health["findings"][0]["finding"]


def parse_metrics(text):
    """{name: {labels text: value}}"""
    metrics = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r'(\w+)(?:\{((?:[^"]|"(?:[^"\\]|\\.)*")*)\})? (\S+)', line).groups()
            metrics.setdefault(name, {})[labels or ""] = float(value)
    return metrics


def test_metrics_say_what_status_and_the_tables_say(serve, plumb):
    server = serve()
    server.settled(300)
    time.sleep(0.6)  # the kept snapshot is older than that moment
    status = json.loads(plumb.ok("status", server.directory, "--json").stdout)
    metrics = parse_metrics(server.get("/metrics")[2].decode())
    source = status["sources"][0]
    assert metrics["plumb_source_records_total"] == {'source="events"': source["records"]} and source["records"] == 303
    assert metrics["plumb_source_rejected_total"] == {'source="events"': 3}
    assert metrics["plumb_map_inserted_total"] == {'transform="events",table="events"': 300}
    assert metrics["plumb_table_rows"]['transform="totals",table="totals"'] == 2
    assert sum(metrics["plumb_rejects"].values()) == 3
    buckets = list(metrics["plumb_turn_duration_seconds_bucket"].values())
    assert buckets == sorted(buckets) and buckets[-1] == metrics["plumb_turn_duration_seconds_count"][""] >= 1
    assert metrics["process_resident_memory_bytes"][""] > 1 << 20 and "plumb_owned" not in metrics


def test_metrics_of_hostile_partitions_are_well_formed(serve, plumb, make_flow):
    directory = make_flow({"flow.yaml": FLOW, **{f"data/{name}.jsonl": data(2) for name in ('a"} 1', "b\\", "c<script>")}}, name="odd")
    server = Server(plumb, directory)
    try:
        server.settled(2)
        text = server.get("/metrics")[2].decode()
        assert len(parse_metrics(text)["plumb_partition_records_total"]) == 3
        check(text)
    finally:
        assert server.stop() == 0


def check(text):
    if shutil.which("promtool") is None:
        pytest.skip("no promtool here (Debian's prometheus has it)")
    done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")


def test_promtool_finds_nothing(serve):
    server = serve()
    server.settled(300)
    check(server.get("/metrics")[2].decode())


def test_metrics_of_checks_and_notices(plumb, make_flow):
    """Asked of the store, so a round of checks that is not done any more is seen by its time standing still."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    flow = FLOW + ("checks:\n  every: 1s\n  few: {sql: \"SELECT count(*) FROM events\", max: 5}\n  many: {sql: \"SELECT 1\", max: 0, severity: warn}\n"
                   f"alerts:\n  routes:\n    hook: {{type: webhook, url: 'http://127.0.0.1:{port}/', severity: error}}\n")
    server = Server(plumb, make_flow({"flow.yaml": flow, "data/a.jsonl": data(9)}, name="alerted"))
    try:
        server.settled(9)
        until = time.monotonic() + 20
        while True:
            text = server.get("/metrics")[2].decode()
            metrics = parse_metrics(text)
            if sum(metrics["plumb_alerts_firing"].values()) == 2 and metrics["plumb_notices_undelivered"]['route="hook"'] == 1:
                break
            assert time.monotonic() < until, text
            time.sleep(0.1)
        assert metrics["plumb_alerts_firing"] == {'severity="warn"': 1, 'severity="error"': 1}
        assert metrics["plumb_checks"][""] == 2 and abs(metrics["plumb_watch_round_timestamp_seconds"][""] - time.time()) < 15
        assert abs(metrics["plumb_notices_oldest_timestamp_seconds"]['route="hook"'] - time.time()) < 25
        assert [metrics[f"plumb_notices_{name}"]['route="hook"'] for name in ("sent", "failed", "held")] == [0, 0, 0]
        check(text)
    finally:
        assert server.stop() == 0


# ---- the API ----
def test_status_is_the_commands_document(serve, plumb):
    server = serve()
    server.settled(300)
    time.sleep(0.6)
    assert server.json("/api/v1/status") == json.loads(plumb.ok("status", server.directory, "--json").stdout)


def test_rows_are_written_as_documented(serve):
    server = serve()
    server.settled(300)
    row = server.json(f"{ROWS}?key=7")
    assert row == {"id": 7, "name": "name 7", "wei": str(10**40 + 7), "raw": "0x00000007", "ok": False, "ratio": 0.875, "at": "2026-01-08T00:00:00.007000Z",
                   "more": {"n": 7}, "kind": "b", "_batch": 1, "_pos": 6}
    assert server.json(f"{ROWS}?key=7", Prefer="int64=text")["id"] == "7"
    server.json(f"{ROWS}?key=70000", status=404)
    server.json("/api/v1/tables/nothing/rows", status=404)
    server.json("/api/v1/tables/_plumb_batches/rows", status=404)
    server.json("/api/v1/tables/events", status=200)


QUERIES = [
    ("ratio=gte.10&order=ratio.desc&limit=5", lambda e: e["ratio"] >= 10, lambda e: -e["ratio"], 5),
    ("wei=gt.10000000000000000000000000000000000000100&limit=1000", lambda e: int(e["wei"]) > 10**40 + 100, lambda e: e["id"], 1000),
    ("name=like.name 1*&limit=1000", lambda e: e["name"].startswith("name 1"), lambda e: e["id"], 1000),
    ("name=ilike.NAME 1%25&limit=1000", lambda e: e["name"].startswith("name 1"), lambda e: e["id"], 1000),
    ("ok=is.true&kind=eq.a&order=id.desc&limit=7&offset=3", lambda e: e["ok"] and e["kind"] == "a", lambda e: -e["id"], 7),
    ("id=in.(3,5,400)&id=not.eq.5", lambda e: e["id"] == 3, lambda e: e["id"], 100),
    ("raw=lt.0x00000010", lambda e: int(e["raw"], 16) < 16, lambda e: e["id"], 100),
    ("at=lt.2026-01-02T00:00:00Z&limit=1000", lambda e: e["at"] < "2026-01-02", lambda e: e["id"], 1000),
    ("name=eq.%27%20OR%201%3D1%20--", lambda e: e["name"] == "' OR 1=1 --", lambda e: e["id"], 100),
]


@pytest.fixture(name="events", scope="module")
def events_server(plumb, tmp_path_factory):
    directory = tmp_path_factory.mktemp("events")
    (directory / "data").mkdir()
    (directory / "flow.yaml").write_text(FLOW)
    (directory / "data/a.jsonl").write_text(data(300))
    server = Server(plumb, directory)
    server.settled(300)
    yield server
    assert server.stop() == 0


@pytest.mark.parametrize("text, keeps, order, most", QUERIES)
def test_filters_find_what_python_finds(events, text, keeps, order, most):
    found = sorted((e for e in map(event, range(1, 301)) if keeps(e)), key=order)
    offset = int((re.search(r"offset=(\d+)", text) or [0, 0])[1])
    status, headers, body = events.get(f"{ROWS}?select=id&{text.replace(' ', '%20')}", Prefer="count=exact")
    assert status == 200, body
    expected = [e["id"] for e in found[offset:offset + most]]
    assert [row["id"] for row in json.loads(body)] == expected and expected
    assert headers["Content-Range"] == f"{offset}-{offset + len(expected) - 1}/{len(found)}"


@pytest.mark.parametrize("text", ["nope=eq.1", "id=eq.x", "id=5", "select=id,rowid", "order=id;drop", "id%22=eq.1", "limit=100000", "key=1&key=2", "name=in.(%22a)",
                                  "id=eq.1%00", "name=like." + "%25a" * 9, "&".join(["id=eq.1"] * 40), "&".join(["a=b"] * 70)])
def test_what_cannot_be_asked_is_refused_with_a_reason(events, text):
    answer = events.json(f"{ROWS}?{text}", status=400)
    assert answer["error"]["class"] == "input" and len(answer["error"]["message"]) > 10
    assert "SELECT" not in answer["error"]["message"]


def test_pages_do_not_overlap(events):
    seen = [row["id"] for offset in range(0, 320, 40) for row in events.json(f"{ROWS}?select=id&order=kind&limit=40&offset={offset}")]
    assert sorted(seen) == list(range(1, 301))


def test_rejects_show_the_record_cut_at_the_fault(events):
    rejects = events.json("/api/v1/rejects")
    assert [r["reason"] for r in rejects] == ["not_allowed", "malformed", "type"]
    assert events.json("/api/v1/rejects?reason=malformed&source=events&transform=")[0]["id"] == rejects[1]["id"]
    assert events.json("/api/v1/rejects?source=other") == []
    one = events.json(f"/api/v1/rejects/{rejects[1]['id']}")
    raw = '{"id": 9002, "name": "broken\u202e", "wei": ]}'
    assert one["record"]["raw_before"] + one["record"]["raw_from"] == raw
    assert len(one["record"]["raw_before"].encode()) == one["reject"][0]["byte_offset"] and one["record"]["raw_from"].startswith("]")
    for path in ("/api/v1/rejects/99999", "/api/v1/rejects/x", "/api/v1/rejects/-1"):
        events.json(path, status=404)


def test_ledger_batches_history_agree_with_the_store(events):
    database = events.directory / "served.db"
    ledger = events.json("/api/v1/ledger?transform=events")
    assert [(x["batch"], x["rows_in"], x["inserted"]) for x in ledger] == rows_of(database, "SELECT batch, rows_in, inserted FROM _plumb_ledger ORDER BY batch DESC")
    assert [x["records"] for x in events.json("/api/v1/batches")] == [n for (n,) in rows_of(database, "SELECT records FROM _plumb_batches ORDER BY id DESC")]
    history = events.json("/api/v1/history?minutes=60")
    assert sum(x["records"] for x in history["sources"]) == 303 and sum(x["rows_in"] for x in history["transforms"]) == 300
    assert events.json("/api/v1/coverage") == []
    events.json("/api/v1/history?minutes=0", status=400)


ODD = ["at = 9223372036854775807", "at = -9223372036854775807 - 1", "more = '{\"a\":'", "more = '" + "[" * 500 + "]" * 500 + "'", "more = ''", "name = CAST(x'fffe41' AS TEXT)",
       "name = 'a' || char(0) || 'b'", "wei = x'00ff'", "wei = x''", "ratio = 9e999", "ratio = -9e999", "raw = zeroblob(100000)", "ok = 7"]


@pytest.mark.sqlite_only("PostgreSQL's columns hold what their type says")
def test_what_was_put_in_by_hand_still_gives_json(serve):
    server = serve(rows=len(ODD) + 1)
    server.settled(len(ODD) + 1)
    for number, change in enumerate(ODD, 1):
        store().execute(server.directory / "served.db", f"UPDATE events SET {change} WHERE id = {number}")
    rows = server.json(ROWS)
    assert [row["id"] for row in rows] == list(range(1, len(ODD) + 2))
    assert rows[2]["more"] == '{"a":' and rows[4]["more"] == "" and rows[9]["ratio"] is None and len(rows[11]["raw"]) == 200002


def test_an_answer_has_a_limit_of_size(serve):
    server = serve(rows=60)
    server.settled(60)
    store().execute(server.directory / "served.db", "UPDATE events SET raw = " + store().zeros(1000000))
    assert "MiB" in server.json(ROWS, status=400)["error"]["message"]
    assert len(server.json(ROWS + "?select=id,raw&limit=3")) == 3 and len(server.json(ROWS + "?select=id")) == 60


def test_openapi_names_paths_that_answer(events):
    document = events.json("/api/v1/openapi.json")
    assert document["openapi"] == "3.1.0" and document["components"]["schemas"]["events"]["properties"]["wei"]["pattern"] == "^-?[0-9]+$"
    assert {path for path, entry in document["paths"].items() if "get" not in entry} == {"/api/v1/alerts/{id}/ack", "/api/v1/silences/{id}"}
    assert document["paths"]["/api/v1/silences"]["post"]["requestBody"]["content"]["application/json"]["schema"]["required"] == ["check", "for", "because", "by"]
    assert document["components"]["securitySchemes"]["write"]["scheme"] == "bearer"
    for path, entry in document["paths"].items():
        if "get" not in entry:
            assert events.get(path.replace("{id}", "1"))[0] in (404, 405), path
            continue
        for parameter in entry["get"]["parameters"]:
            assert {"name", "in", "required", "schema"} <= set(parameter)
        if path.endswith("/trace"):
            assert events.get(path + "?key=1")[0] in (200, 404), path
        elif path != "/api/v1/changes":
            assert events.get(path.replace("{id}", "1"))[0] == 200, path
    assert all(reference in json.dumps(document) for reference in ("#/components/schemas/events", "#/components/schemas/totals"))


def test_a_query_has_a_limit_of_time_and_others_go_on(serve):
    server = serve(rows=2)
    server.settled(2)
    # A table as large as a slow scan wants, made behind the engine's back.
    store().execute(server.directory / "served.db",
                    "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
                    f"INSERT INTO names(name, n, _n) SELECT '{'x' * 1000}' || i, i, 1 FROM n")
    slow = "/api/v1/tables/names/rows?" + "&".join(["name=not.ilike.*" + "x" * 50 + "y*"] * 30) + "&order=n.desc&limit=1"
    took = []

    def ask():
        began = time.monotonic()
        took.append((server.get(slow)[0], time.monotonic() - began))

    thread = threading.Thread(target=ask)
    thread.start()
    while thread.is_alive():
        began = time.monotonic()
        assert server.get("/version")[0] == 200
        assert time.monotonic() - began < 4
        time.sleep(0.1)
    thread.join()
    assert took[0][0] in (200, 503) and took[0][1] < 20, took
    if took[0][0] == 200:
        pytest.skip("this machine is too fast for the slow query")


# ---- changes ----
def read_events(server, path, until, seconds=20, **headers):
    """Reads a stream until `until(events)`; the events so far."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        text, end = b"", time.monotonic() + seconds
        while time.monotonic() < end:
            text += connection.recv(65536)
            found = [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
                     for block in re.sub(r"\r\n[0-9a-f]+\r\n", "", text.decode()).split("\n\n") if "data: " in block]
            if until(found):
                return found
    raise AssertionError(f"not seen in time: {text}")


def test_changes_are_told_and_resumed(serve):
    server = serve()
    server.settled(300)
    first = read_events(server, "/api/v1/changes?since=0", lambda found: found and "id" in found[-1])
    assert {json.loads(one["data"])["table"] for one in first} == {"events", "totals", "names"}
    newest = first[-1]["id"]
    seen = []
    reader = threading.Thread(target=lambda: seen.extend(read_events(server, "/api/v1/changes?table=totals", lambda found: found and "id" in found[-1], Last_Event_ID=newest)))
    reader.start()
    time.sleep(1)
    assert not seen  # nothing moved since
    with open(server.directory / "data/a.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(event(301)) + "\n")
    reader.join(30)
    assert [json.loads(one["data"])["table"] for one in seen] == ["totals"] and int(seen[-1]["id"]) > int(newest)
    # Who was away is told at once.
    again = read_events(server, "/api/v1/changes", lambda found: found and "id" in found[-1], Last_Event_ID=newest)
    assert {json.loads(one["data"])["table"] for one in again} == {"events", "totals", "names"}
    server.json("/api/v1/changes?table=nothing", status=404)
    server.json("/api/v1/changes?since=x", status=400)
    assert server.get("/api/v1/changes", method="HEAD")[0] == 200


def test_it_stops_with_streams_and_idle_connections_open(serve):
    server = serve(rows=2)
    server.settled(2)
    streams = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    for connection in streams:
        connection.sendall(b"GET /api/v1/changes HTTP/1.1\r\nHost: localhost\r\n\r\n")
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
    codes = sorted(connection.recv(12)[9:12] for connection in streams)
    assert codes == [b"200"] * 16 + [b"503"] * 4
    began = time.monotonic()
    assert server.stop() == 0 and time.monotonic() - began < 10
    for connection in streams + idle:
        connection.close()


# ---- while the engine lives its life ----
def test_a_reload_serves_the_new_flow(serve):
    server = serve(rows=5)
    server.settled(5)
    assert [t["table"] for t in server.json("/api/v1/tables")] == ["events", "totals", "names"]
    (server.directory / "flow.yaml").write_text(FLOW.replace("transforms:\n", "  notes:\n    key: [id]\n    columns: {id: int64}\ntransforms:\n"))
    server.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + 20
    while len(server.json("/api/v1/tables")) == 3 and time.monotonic() < until:
        time.sleep(0.1)
    assert server.json("/api/v1/tables")[-1]["table"] == "notes"
    until = time.monotonic() + 20
    while server.get("/api/v1/tables/notes/rows")[0] == 503 and time.monotonic() < until:
        time.sleep(0.1)
    assert server.json("/api/v1/tables/notes/rows") == []


def test_many_ask_while_the_flow_writes_and_nothing_is_wrong(serve, plumb):
    server = serve(rows=2)
    stop, wrong = threading.Event(), []

    def ask(path):
        while not stop.is_set():
            status, _, body = server.get(path)
            if status != 200 and not (status == 503 and b"again" in body):
                wrong.append((path, status, body[:200]))

    paths = ["/metrics", "/health", "/api/v1/status", ROWS + "?order=ratio.desc&limit=20", "/api/v1/rejects", "/api/v1/history", "/api/v1/ledger", "/api/v1/tables/totals/rows"]
    server.settled(2)
    threads = [threading.Thread(target=ask, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    with open(server.directory / "data/a.jsonl", "a", encoding="utf-8") as file:
        for start in range(1000, 11000, 500):
            file.write("".join(json.dumps(event(n)) + "\n" for n in range(start, start + 500)))
            file.flush()
            time.sleep(0.05)
    server.settled(10002)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    totals = {row["kind"]: row for row in server.json("/api/v1/tables/totals/rows")}
    everything = [event(n) for n in [1, 2, *range(1000, 11000)]]
    for kind in "ab":
        assert totals[kind]["wei"] == str(sum(int(e["wei"]) for e in everything if e["kind"] == kind))
    assert server.stop() == 0
    plumb.ok("audit", server.directory)


def test_malformed_requests_end_nothing(serve):
    server = serve(rows=2)
    server.settled(2)
    for request in [b"\0\0\0", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100000 + b"\r\n\r\n", b"GET /%ff%fe%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
                    b"GET /api/v1/tables/..%2f..%2fx/rows HTTP/1.1\r\nHost: localhost\r\n\r\n"]:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(1 << 16)
            except OSError:  # it may have hung up before it heard all
                answer = b""
        assert not answer.startswith(b"HTTP/1.1 200") and b"root:" not in answer, request[:40]
    assert server.json("/ready")["ready"] is True


def test_memory_stays_where_it_was(serve):
    if "asan" in os.environ.get("PLUMB", ""):
        pytest.skip("sanitizers keep freed memory")
    server = serve()
    server.settled(300)

    def resident():
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{server.process.pid}/status", encoding="utf-8").read()).group(1))

    for _ in range(100):
        server.get(ROWS)
    before = resident()
    for _ in range(1500):
        server.get(ROWS + "?limit=300")
    assert resident() < before + 8192, f"{before} KiB grew to {resident()} KiB"
