"""Telemetry of a run, as a receiver of OTLP/HTTP in JSON gets it. The payloads are held against the
fields and types of the protocol's JSON mapping, written down here from its specification."""
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

FLOW = """\
flow: otel
sources:
  r: {type: file, path: "*.jsonl", columns: {id: {type: int64, required: true}, v: text}}
tables:
  t: {key: [id], columns: {id: int64, v: text}}
  counts: {key: [v], columns: {v: text, n: int64}}
transforms:
  t: {from: r, into: t, sql: "SELECT id, v FROM batch"}
  counts: {from: tables.t, into: counts, sum: "SELECT v, 1 AS n FROM change"}
"""
HEX = {"traceId": 32, "spanId": 16, "parentSpanId": 16}
SPAN = {"traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano", "attributes", "status"}


class Receiver(ThreadingHTTPServer):
    def __init__(self, statuses=(), stall=None):
        self.got, self.statuses, self.stall = [], list(statuses), stall
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def bodies(self, kind):
        return [body for path, body in self.got if path == f"/v1/{kind}"]

    def spans(self):
        return [s for b in self.bodies("traces") for r in b["resourceSpans"] for x in r["scopeSpans"] for s in x["spans"]]

    def sums(self):
        metrics = self.bodies("metrics")[-1]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
        return {m["name"]: int(m["sum"]["dataPoints"][0]["asInt"]) for m in metrics}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Content-Type"] == "application/json"
        if self.server.stall is not None:
            self.server.stall.wait(20)
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200:
            self.server.got.append((self.path, body))
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture
def flow(tmp_path):
    (tmp_path / "flow.yaml").write_text(FLOW)
    (tmp_path / "one.jsonl").write_text('{"id": 1, "v": "a"}\n{"id": 2, "v": "b"}\n{"v": "no id"}\n')
    return tmp_path


@pytest.fixture
def receiver():
    started = []

    def start(**options):
        started.append(Receiver(**options))
        return started[-1]

    yield start
    for one in started:
        one.shutdown()
        one.server_close()


def attributes(span):
    """As a dict; each value has exactly one of the types that are used, 64-bit numbers as text."""
    out = {}
    for a in span["attributes"]:
        (kind, value), = a["value"].items()
        assert set(a) == {"key", "value"} and kind in ("stringValue", "intValue") and isinstance(value, str)
        assert a["key"] not in out
        out[a["key"]] = int(value) if kind == "intValue" else value
    return out


def check_span(span):
    assert set(span) <= SPAN and SPAN - {"parentSpanId"} <= set(span)
    for key, digits in HEX.items():
        assert key not in span or re.fullmatch(f"[0-9a-f]{{{digits}}}", span[key]) and set(span[key]) != {"0"}
    assert span["kind"] == 1 and span["status"]["code"] in (0, 2)
    assert all(re.fullmatch(r"[0-9]{19}", span[k]) for k in ("startTimeUnixNano", "endTimeUnixNano"))
    assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
    attributes(span)


def test_a_turn_is_a_trace_with_its_batches_and_transforms(plumb, flow, receiver):
    to = receiver()
    before = time.time_ns()
    plumb.ok("run", flow, "--once", "--otlp", to.url + "/")
    spans = to.spans()
    for span in spans:
        check_span(span)
        assert before - 10**9 <= int(span["startTimeUnixNano"]) <= time.time_ns() + 10**9
    turns = [s for s in spans if "parentSpanId" not in s]
    assert len(turns) == 1 and turns[0]["name"] == "turn" and len({s["spanId"] for s in spans}) == len(spans)
    children = {s["name"]: attributes(s) for s in spans if s.get("parentSpanId") == turns[0]["spanId"]}
    assert {s["traceId"] for s in spans} == {turns[0]["traceId"]}
    assert children == {
        "extract r": {"plumb.flow": "otel", "plumb.source": "r", "plumb.batch": 1, "plumb.records": 3, "plumb.rejected": 1},
        "transform t": {"plumb.flow": "otel", "plumb.stage": "t", "plumb.batch": 1},
        "transform counts": {"plumb.flow": "otel", "plumb.stage": "counts"}}
    resource = attributes(to.bodies("traces")[0]["resourceSpans"][0]["resource"])
    assert resource["service.name"] == "plumb" and resource["service.version"]


def test_metrics_are_cumulative_sums(plumb, flow, receiver):
    to = receiver()
    plumb.ok("run", flow, "--once", "--otlp", to.url)
    for metric in to.bodies("metrics")[-1]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]:
        assert set(metric) == {"name", "unit", "sum"} and metric["sum"]["aggregationTemporality"] == 2
        point, = metric["sum"]["dataPoints"]
        assert metric["sum"]["isMonotonic"] is True and int(point["startTimeUnixNano"]) <= int(point["timeUnixNano"])
    sums = to.sums()
    assert (sums["plumb.batches"], sums["plumb.records"], sums["plumb.records.rejected"]) == (1, 3, 1)
    assert sums["plumb.turns"] == 1 and sums["plumb.turns.failed"] == sums["plumb.spans.dropped"] == 0


def test_a_transform_that_fails_is_an_error(plumb, flow, receiver):
    to = receiver()
    text = FLOW.replace("SELECT v, 1 AS n FROM change", "SELECT v, 9223372036854775807 AS n FROM change")
    (flow / "flow.yaml").write_text(text)
    (flow / "one.jsonl").write_text('{"id": 1, "v": "a"}\n{"id": 2, "v": "a"}\n')
    assert plumb.run("run", flow, "--once", "--otlp", to.url).code == 1
    failed = [s for s in to.spans() if s["status"]["code"] == 2]
    assert failed and all(s["name"] == "transform counts" and attributes(s)["error.type"] for s in failed)
    assert to.sums()["plumb.stage.failures"] == len(failed)


def test_the_environment_says_where_too(plumb, flow, receiver):
    to = receiver()
    plumb.ok("run", flow, "--once", env={"OTEL_EXPORTER_OTLP_ENDPOINT": to.url})
    assert to.spans()


def test_without_an_address_nothing_is_sent(plumb, flow, receiver):
    to = receiver()
    plumb.ok("run", flow, "--once")
    assert to.got == []


@pytest.mark.parametrize("statuses", [[500, 500], [429, 429], [400, 400]])
def test_a_receiver_that_refuses_harms_no_run(plumb, flow, receiver, query, statuses):
    to = receiver(statuses=statuses)
    done = plumb.ok("run", flow, "--once", "--otlp", to.url)
    assert f"HTTP {statuses[0]}" in done.stderr and done.stderr.count("at=otlp") == 1
    assert to.got == []


def test_a_receiver_that_answers_nothing_holds_no_turn_up(plumb, flow, receiver):
    gate = threading.Event()
    to = receiver(stall=gate)
    process = plumb.start("run", flow, "--otlp", to.url, "--batch-rows", "1")
    try:
        lines = "".join(json.dumps({"id": n, "v": "x"}) + "\n" for n in range(3000))
        (flow / "two.jsonl").write_text(lines)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            status = plumb.run("status", flow, "--json")
            if status.code == 0 and '"rows": 3000' in status.stdout.replace('":', '": ').replace("  ", " "):
                break
            time.sleep(0.1)
        else:
            pytest.fail("the engine waits for telemetry: " + status.stdout[-500:])
    finally:
        gate.set()
        process.terminate()
        process.wait(30)


def test_an_address_that_is_none_is_refused(plumb, flow):
    done = plumb.run("run", flow, "--once", "--otlp", "nowhere")
    assert done.code == 78 and "--otlp" in done.stderr
