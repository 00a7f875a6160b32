"""Alerts taken on and checks silenced over HTTP: who may, what is said to who may not, and that it is what `plumb alerts` does."""
import http.client
import json
import socket
import time

import pytest
from conftest import rows_of
from serving import FLOW, Server, data

TOKEN, WRITE = "correct horse battery", "staple writes here too"
BEARER = f"Bearer {WRITE}"
CHECKS = ("checks:\n  every: 1s\n  named: {sql: SELECT id FROM events, counts: rows}\n  many: {sql: SELECT id FROM events WHERE id > 1, counts: rows}\n"
          "  arrive: {heartbeat: sources.events, within: 1h}\n")


def ask(server, method, path, body=None, **headers):
    """(status, headers, answer); a body that is not bytes is sent as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    sent = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    if sent is not None:
        headers.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, path, body=sent, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, answer.headers, json.loads(text)
    finally:
        connection.close()


def alerting(plumb, directory, **environment):
    (directory / "data").mkdir()
    (directory / "flow.yaml").write_text(FLOW + CHECKS)
    (directory / "data/a.jsonl").write_text(data(3))
    return Server(plumb, directory, env=environment)


def open_alerts(server, **headers):
    """Those of the two checks that fire, when both have an alert; before that the store may not even be there."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        status, _, body = server.get("/api/v1/alerts?state=open", **headers)
        if status == 200 and len(json.loads(body)) == 2:
            return {a["check"]: a for a in json.loads(body)}
        time.sleep(0.05)
    raise AssertionError(f"no alerts: {status} {body}")


@pytest.fixture(name="writable", scope="module")
def writable_fixture(plumb, tmp_path_factory):
    server = alerting(plumb, tmp_path_factory.mktemp("writes"), PLUMB_WRITE_TOKEN=WRITE)
    yield server
    assert server.stop() == 0


def stored(server):
    return rows_of(server.directory / "served.db", "SELECT id, state, acknowledged_by, note FROM _plumb_alerts ORDER BY id"), rows_of(
        server.directory / "served.db", "SELECT id, matcher, until_us - since_us, author, reason, ended_us IS NULL FROM _plumb_silences ORDER BY id")


def test_an_alert_is_taken_on_as_the_command_does(plumb, writable):
    alert = open_alerts(writable)["named"]
    path = f"/api/v1/alerts/{alert['id']}/ack"
    assert ask(writable, "POST", path, {"by": "Ada <b>", "note": "I look\nat it \u202e"}, Authorization=BEARER)[::2] == (200, {"acknowledged": alert["id"]})
    told = next(a for a in json.loads(plumb.ok("alerts", writable.directory, "--json").stdout)["alerts"] if a["id"] == alert["id"])
    assert (told["state"], told["acknowledged_by"], told["note"]) == ("acknowledged", "Ada <b>", "I look\nat it \u202e")
    # Again by another, without a note: the note stays.
    assert ask(writable, "POST", path, {"by": "Grace", "note": None}, Authorization=BEARER)[0] == 200
    assert [row for row in stored(writable)[0] if row[0] == alert["id"]] == [(alert["id"], "acknowledged", "Grace", "I look\nat it \u202e")]


def test_a_silence_begins_and_ends_as_the_command_does(plumb, writable):
    open_alerts(writable)
    status, _, answer = ask(writable, "POST", "/api/v1/silences", {"check": "man*", "for": "2h", "because": "moving house", "by": "Ada"}, Authorization=BEARER)
    assert status == 201 and list(answer) == ["silence"]
    number = answer["silence"]
    assert (number, "man*", 7200 * 10**6, "Ada", "moving house", 1) in stored(writable)[1]
    listed = json.loads(plumb.ok("alerts", writable.directory, "--json").stdout)
    assert [a["silenced"] for a in listed["alerts"] if a["check"] == "many"] == [True]
    assert {a["check"]: a["silenced"] for a in writable.json("/api/v1/alerts?state=open")} == {"many": True, "named": False}
    status, headers, answer = ask(writable, "DELETE", f"/api/v1/silences/{number}", Authorization=BEARER)
    assert (status, answer) == (200, {"unsilenced": number})
    assert ask(writable, "DELETE", f"/api/v1/silences/{number}", Authorization=BEARER)[0] == 404
    assert [s["ended"] is not None for s in writable.json("/api/v1/silences") if s["id"] == number] == [True]
    assert headers["Cache-Control"] == "no-store" and headers["Access-Control-Allow-Origin"] is None


SILENCE = {"check": "named", "for": "1h", "because": "x", "by": "y"}
WRONG_BODIES = [(b"", "not JSON"), (b"{", "not JSON"), (b"[]", "object"), (b"\xff\xfe", "not JSON"), (b'{"check": "a", "check": "b"}', "not JSON"), (b"[" * 5000, "not JSON"), ({**SILENCE, "untill": "x"}, "'untill'"),
                ({**SILENCE, "for": 5}, "'for' is text"), ({**SILENCE, "for": "5"}, "how long"), ({**SILENCE, "for": "-5h"}, "how long"), ({**SILENCE, "for": "0s"}, "how long"),
                ({**SILENCE, "for": "367d"}, "366d"), ({**SILENCE, "by": " "}, "'by'"), ({**SILENCE, "by": "x" * 101}, "100 bytes"), ({**SILENCE, "because": "\x1b[31m"}, "control"),
                ({**SILENCE, "because": "a\u0000b"}, "control"), ({**SILENCE, "check": "name"}, "did you mean 'named'"), ({**SILENCE, "check": "x*"}, "no check"), ({k: v for k, v in SILENCE.items() if k != "because"}, "'because': why"),
                ({**SILENCE, "by": None}, "'by'"), ({**SILENCE, "by": {"a": 1}}, "'by'")]


@pytest.mark.parametrize("body, word", WRONG_BODIES, ids=range(len(WRONG_BODIES)))
def test_a_wrong_body_is_explained_and_changes_nothing(writable, body, word):
    open_alerts(writable)
    before = stored(writable)
    status, _, answer = ask(writable, "POST", "/api/v1/silences", body, Authorization=BEARER)
    assert status == 400 and word in answer["error"]["message"] and answer["error"]["class"] in ("input", "config"), answer
    assert stored(writable)[1] == before[1]


HEADERS = [({}, 401, "write token"), ({"Authorization": f"Bearer {WRITE[:-1]}X"}, 401, "write token"), ({"Authorization": WRITE}, 401, "write token"), ({"Authorization": f"Bearer {TOKEN}"}, 401, "write token"),
           ({"Authorization": BEARER, "Origin": "http://evil.example"}, 403, "another site"), ({"Authorization": BEARER, "Origin": "null"}, 403, "another site"), ({"Authorization": BEARER, "Origin": "http://localhost:1"}, 403, "another site"),
           ({"Authorization": BEARER, "Sec-Fetch-Site": "cross-site"}, 403, "another site"), ({"Authorization": BEARER, "Sec-Fetch-Site": "same-site"}, 403, "another site"),
           ({"Authorization": BEARER, "Host": "evil.example"}, 421, "localhost"), ({"Authorization": BEARER, "Content-Type": "text/plain"}, 415, "application/json"),
           ({"Authorization": BEARER, "Content-Type": "application/jsonx"}, 415, "application/json"), ({"Authorization": BEARER, "Content-Type": "application/x-www-form-urlencoded"}, 415, "application/json")]


@pytest.mark.parametrize("headers, wanted, word", HEADERS, ids=range(len(HEADERS)))
def test_who_may_not_changes_nothing(writable, headers, wanted, word):
    open_alerts(writable)
    before = stored(writable)
    status, answer_headers, answer = ask(writable, "POST", "/api/v1/silences", SILENCE, **headers)
    assert (status, word in answer["error"]["message"]) == (wanted, True), answer
    assert (answer_headers["WWW-Authenticate"] == "Bearer") == (status == 401) and answer_headers["Access-Control-Allow-Origin"] is None
    assert stored(writable)[1] == before[1]


def test_the_page_itself_may(writable):
    open_alerts(writable)
    own = {"Authorization": BEARER, "Origin": f"http://127.0.0.1:{writable.port}", "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json; charset=utf-8"}
    status, _, answer = ask(writable, "POST", "/api/v1/silences", SILENCE, **own)
    assert status == 201
    assert ask(writable, "DELETE", f"/api/v1/silences/{answer['silence']}", Origin=f"http://127.0.0.1:{writable.port}", Authorization=BEARER)[0] == 200


@pytest.mark.parametrize("method, path, wanted, allow", [
    ("POST", "/api/v1/alerts/999999/ack", 404, None), ("POST", "/api/v1/alerts/0/ack", 405, "GET, HEAD"), ("POST", "/api/v1/alerts/x/ack", 405, "GET, HEAD"), ("POST", "/api/v1/alerts/1", 405, "GET, HEAD"),
    ("POST", "/api/v1/alerts/-1/ack", 405, "GET, HEAD"), ("POST", "/api/v1/alerts/99999999999999999999/ack", 405, "GET, HEAD"), ("PUT", "/api/v1/alerts/1/ack", 405, "POST"), ("DELETE", "/api/v1/silences", 405, "GET, HEAD, POST"),
    ("DELETE", "/api/v1/silences/999999", 404, None), ("POST", "/api/v1/silences/1", 405, "DELETE"), ("DELETE", "/api/v1/alerts/1", 405, "GET, HEAD"), ("POST", "/api/v1/rejects", 405, "GET, HEAD"), ("POST", "/", 405, "GET, HEAD"),
    ("PATCH", "/api/v1/tables/events/rows", 405, "GET, HEAD")])
def test_only_what_is_there_can_be_changed(writable, method, path, wanted, allow):
    status, headers, answer = ask(writable, method, path, {"by": "Ada"}, Authorization=BEARER)
    assert (status, headers["Allow"]) == (wanted, allow), answer


def test_a_body_has_a_limit(writable):
    before = stored(writable)
    for size, wanted in ((16384 - 200, 400), (17000, 413), (3 << 20, 413)):
        body = json.dumps({**SILENCE, "because": "x" * size}).encode()
        status, _, answer = ask(writable, "POST", "/api/v1/silences", body, Authorization=BEARER)
        assert status == wanted and "bytes" in answer["error"]["message"]
    with socket.create_connection(("127.0.0.1", writable.port), timeout=20) as connection:  # in pieces, of a length not told
        connection.sendall(f"POST /api/v1/silences HTTP/1.1\r\nHost: localhost\r\nAuthorization: {BEARER}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        connection.sendall((b"1000\r\n" + b"x" * 4096 + b"\r\n") * 20 + b"0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert stored(writable)[1] == before[1]


def test_without_a_write_token_it_only_reads_and_says_how_to_change_that(plumb, tmp_path):
    server = alerting(plumb, tmp_path, PLUMB_TOKEN=TOKEN)
    try:
        open_alerts(server, Authorization=f"Bearer {TOKEN}")
        for method, path, body in (("POST", "/api/v1/alerts/1/ack", {"by": "Ada"}), ("POST", "/api/v1/silences", SILENCE), ("DELETE", "/api/v1/silences/1", None)):
            status, _, answer = ask(server, method, path, body, Authorization=f"Bearer {TOKEN}")
            assert status == 403 and "--write-token-file" in answer["error"]["message"] and "PLUMB_WRITE_TOKEN" in answer["error"]["message"]
            assert ask(server, method, path, body)[0] == 401
            assert ask(server, method, path, body, Authorization=BEARER)[0] == 401
        assert all(row[1] == "firing" for row in stored(server)[0]) and stored(server)[1] == []
        assert server.json("/api/v1/flow", Authorization=f"Bearer {TOKEN}")["writes"] is False
    finally:
        assert server.stop() == 0


def test_who_reads_does_not_write_and_who_writes_reads(plumb, tmp_path):
    (tmp_path / "writer").write_text(WRITE + "\nsecond line\n")
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow/data").mkdir()
    (tmp_path / "flow/flow.yaml").write_text(FLOW + CHECKS)
    (tmp_path / "flow/data/a.jsonl").write_text(data(3))
    server = Server(plumb, tmp_path / "flow", "--write-token-file", str(tmp_path / "writer"), env={"PLUMB_TOKEN": TOKEN})
    try:
        alert = open_alerts(server, Authorization=BEARER)["named"]
        assert server.json("/api/v1/flow", Authorization=BEARER)["writes"] is True
        assert ask(server, "POST", f"/api/v1/alerts/{alert['id']}/ack", {"by": "Ada"}, Authorization=f"Bearer {TOKEN}")[0] == 401
        assert ask(server, "POST", f"/api/v1/alerts/{alert['id']}/ack", {"by": "Ada"}, Authorization=BEARER)[0] == 200
        assert WRITE not in open(f"/proc/{server.process.pid}/cmdline", encoding="utf-8").read()
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("options, environment, word", [(["--write-token-file", "absent"], {}, "write-token-file"), ([], {"PLUMB_WRITE_TOKEN": "short"}, "characters")])
def test_a_write_token_that_is_none_is_refused(plumb, tmp_path, make_flow, options, environment, word):
    directory = make_flow({"flow.yaml": FLOW, "data/a.jsonl": data(1)})
    done = plumb.run("run", directory, "--once", "--listen", "127.0.0.1:0", *options, env=environment, cwd=tmp_path)
    assert done.code == 78 and word in done.stderr
