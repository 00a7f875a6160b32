"""A receiver of OTLP over HTTP: what it gets, held against the schema; what it answers, as the test wants it."""
import gzip
import json
import threading
import time
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .schema import REQUESTS, RESPONSES, Schema, missing

Got = namedtuple("Got", "kind body at headers status")
# One answer: after delay seconds, or never while the gate is shut.
Answer = namedtuple("Answer", "status headers body delay", defaults=(200, {}, {}, 0))
WAIT_SECONDS_MAX = 30
schema = None if missing() else Schema()


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answers=(), gate=None):
        self.got, self.answers, self.gate, self.problems = [], list(answers), gate, []
        self.changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def bodies(self, kind):
        return [g.body for g in self.got if g.kind == kind and g.status == 200]

    def spans(self):
        return [s for b in self.bodies("traces") for r in b["resourceSpans"] for x in r["scopeSpans"] for s in x["spans"]]

    def resource(self, kind="traces"):
        return attributes(self.bodies(kind)[-1][{"traces": "resourceSpans", "metrics": "resourceMetrics"}[kind]][0]["resource"])

    def metrics(self):
        """{name: {attributes as sorted pairs: point}} of the last request."""
        all_metrics = self.bodies("metrics")[-1]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
        out = {}
        for metric in all_metrics:
            (kind,) = set(metric) - {"name", "unit"}
            out[metric["name"]] = {tuple(sorted(attributes(p).items())): p for p in metric[kind]["dataPoints"]}
        return out

    def number(self, name, **of):
        point = self.metrics()[name][tuple(sorted((f"plumb.{k}", v) for k, v in of.items()))]
        return int(point["asInt"]) if "asInt" in point else point["asDouble"]

    def wait(self, condition, seconds=WAIT_SECONDS_MAX):
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), seconds), f"got {[g[:1] + g[4:] for g in self.got]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def problem(self, kind, body):
        if self.headers["Content-Type"] != "application/json":
            return f"Content-Type {self.headers['Content-Type']}"
        return schema.problem_of(body, REQUESTS[kind]) if schema else None

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            raw = gzip.decompress(raw)
        kind, body, server = self.path.removeprefix("/v1/"), json.loads(raw), self.server
        found = self.problem(kind, body)
        if server.gate is not None:
            server.gate.wait(WAIT_SECONDS_MAX)
        with server.changed:
            answer = server.answers.pop(0) if server.answers else Answer()
        time.sleep(answer.delay)
        if schema and answer.status == 200 and isinstance(answer.body, dict):
            schema.parse(answer.body, RESPONSES[kind])
        text = json.dumps(answer.body).encode() if isinstance(answer.body, dict) else answer.body
        with server.changed:
            if found:
                server.problems.append(found)
            server.got.append(Got(kind, body, time.monotonic(), dict(self.headers), answer.status))
            server.changed.notify_all()
        try:
            self.answer(answer, text)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the test is about a client that no longer waits

    def answer(self, answer, text):
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def attributes(thing):
    """As a dict; each value has exactly one type."""
    out = {}
    for a in thing.get("attributes", []):
        ((kind, value),) = a["value"].items()
        assert a["key"] not in out, f"{a['key']} is given twice"
        out[a["key"]] = int(value) if kind == "intValue" else value
    return out
