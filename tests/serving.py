"""A running flow with its server, for tests that ask it things."""
import http.client
import json
import re
import subprocess
import time

import pytest

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30

# Every column type, hostile text, a sum, and a map that fails on some rows.
FLOW = """
flow: served
store: sqlite:served.db
sources:
  events:
    type: file
    path: data/*.jsonl
    format: jsonl
    columns:
      id: {type: int64, required: true}
      name: {type: text, required: true}
      wei: {type: int256}
      raw: {type: bytes}
      ok: {type: bool}
      ratio: {type: float64}
      at: {type: timestamp}
      more: {type: json}
      kind: {type: text, one_of: [a, b]}
tables:
  events:
    key: [id]
    columns: {id: int64, name: text, wei: int256, raw: bytes, ok: bool, ratio: float64, at: timestamp, more: json, kind: text}
    lineage: true
  totals:
    key: [kind]
    columns: {kind: text, n: int64, wei: int256}
  names:
    key: [name]
    columns: {name: text, n: int64}
transforms:
  events:
    from: sources.events
    into: events
    sql: SELECT id, name, wei, raw, ok, ratio, at, more, kind FROM batch
  totals:
    from: tables.events
    into: totals
    sum: SELECT kind, 1 AS n, wei FROM change WHERE kind IS NOT NULL AND wei IS NOT NULL
  names:
    from: tables.events
    into: names
    sum: SELECT name, 1 AS n FROM change
"""
HOSTILE = ["<img src=x onerror=\"document.title='owned'\">", "</script><script>document.title='owned'</script>", "\u202egnp.exe", "a\"} 1\nplumb_owned 1",
           "javascript:document.title='owned'", "' OR 1=1 --", "{{7*7}}", "\u0007\u001b[31mred", "x" * 300]


def event(number):
    return {"id": number, "name": HOSTILE[number // 3 % len(HOSTILE)] if number % 3 == 0 else f"name {number % 50}", "wei": str(10**40 + number),
            "raw": "0x" + f"{number:08x}", "ok": number % 2 == 0, "ratio": number / 8, "at": f"2026-01-{1 + number % 28:02d}T00:00:00.{number % 1000:03d}Z",
            "more": {"n": number}, "kind": "ab"[number % 2]}


def data(count=300):
    lines = [json.dumps(event(n)) for n in range(1, count + 1)]
    lines.append(json.dumps({**event(9001), "id": "<b>not a number</b>"}))
    lines.append('{"id": 9002, "name": "broken\u202e", "wei": ]}')
    lines.append(json.dumps({**event(9003), "kind": "z"}))
    return "\n".join(lines) + "\n"


class Server:
    def __init__(self, plumb, directory, *options, env=None):
        self.plumb, self.directory = plumb, directory
        self.process = plumb.start("run", directory, "--listen", "127.0.0.1:0", *options, env=env)
        self.port = None
        until = time.monotonic() + START_SECONDS_MAX
        while self.port is None:
            line = self.process.stderr.readline().decode()
            assert line and time.monotonic() < until, "the server did not say where it listens"
            found = re.search(r"url=http://127\.0\.0\.1:(\d+)", line)
            self.port = int(found.group(1)) if found else None
        self.url = f"http://127.0.0.1:{self.port}"

    def get(self, path, method="GET", **headers):
        """(status, headers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def json(self, path, status=200, **headers):
        got, _, body = self.get(path, **headers)
        assert got == status, f"{path}: {got} {body[:500]}"
        return json.loads(body)

    def settled(self, rows, table="events", **headers):
        """Waits until the table has so many rows."""
        until = time.monotonic() + START_SECONDS_MAX
        while True:
            status, answer, _ = self.get(f"/api/v1/tables/{table}/rows?limit=0", Prefer="count=exact", **headers)
            if status == 200 and answer["Content-Range"] == f"*/{rows}":
                return
            assert time.monotonic() < until and self.process.poll() is None, f"{status} {answer.get('Content-Range')}"
            time.sleep(0.05)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            for pipe in (self.process.stdout, self.process.stderr):
                pipe.close()
        return code


@pytest.fixture(name="serve")
def serve_fixture(plumb, make_flow):
    """serve(*options, flow=..., rows=300, env=None) -> a running Server; stopped at the end, which must end well."""
    started = []

    def start(*options, flow=FLOW, rows=300, env=None):
        directory = make_flow({"flow.yaml": flow, "data/a.jsonl": data(rows)}, name=f"flow{len(started)}")
        started.append(Server(plumb, directory, *options, env=env))
        return started[-1]

    yield start
    codes = [server.stop() for server in started if server.process.poll() is None]
    assert codes == [0] * len(codes)
