"""Telemetry of a run, as a receiver of OTLP/HTTP gets it. Every payload is held against the published schema (receiver.py)."""
import json
import re
import signal
import threading
import time
from email.utils import formatdate

import pytest

from .receiver import Answer, Receiver, attributes

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
FLUSH_SECONDS = 5  # OTLP_FLUSH_US
PARTLY = {"partialSuccess": {"rejectedSpans": "2", "errorMessage": "no room"}}


@pytest.fixture
def flow(tmp_path):
    (tmp_path / "flow.yaml").write_text(FLOW)
    (tmp_path / "one.jsonl").write_text('{"id": 1, "v": "a"}\n{"id": 2, "v": "b"}\n{"v": "no id"}\n')
    return tmp_path


@pytest.fixture
def receiver():
    started = []

    def start(*answers, **options):
        started.append(Receiver(answers, **options))
        return started[-1]

    yield start
    for one in started:
        one.shutdown()
        one.server_close()
    assert [p for one in started for p in one.problems] == []


def telemetry(flow, url, **more):
    keys = {"endpoint": url, "interval": "100ms", **more}
    (flow / "flow.yaml").write_text(FLOW + "telemetry: " + json.dumps(keys) + "\n")


def check_spans(spans, since_ns):
    """What the schema cannot say: ids that are none, times, and links and parents that lead somewhere."""
    ids = [(s["traceId"], s["spanId"]) for s in spans]
    assert len(set(ids)) == len(ids)
    for span in spans:
        assert set(span["traceId"]) != {"0"} and set(span["spanId"]) != {"0"}
        assert since_ns - 10**9 <= int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]) <= time.time_ns() + 10**9
        assert span["kind"] == 1
        if "parentSpanId" in span:
            assert (span["traceId"], span["parentSpanId"]) in ids
        for link in span.get("links", []):
            assert (link["traceId"], link["spanId"]) in ids


def named(spans, name):
    return [s for s in spans if s["name"] == name]


def links(span):
    return [(one["traceId"], one["spanId"]) for one in span.get("links", [])]


def identity(span):
    return span["traceId"], span["spanId"]


def test_a_turn_is_a_trace_linked_to_those_of_its_batches(plumb, flow, receiver):
    to = receiver()
    before = time.time_ns()
    plumb.ok("run", flow, "--once", "--otlp", to.url + "/")
    spans = to.spans()
    check_spans(spans, before)
    assert sorted(s["name"] for s in spans) == ["batch r", "extract r", "transform counts", "transform t", "turn"]
    (turn,), (batch,), (extract,) = named(spans, "turn"), named(spans, "batch r"), named(spans, "extract r")
    (mapped,), (summed,) = named(spans, "transform t"), named(spans, "transform counts")
    assert "parentSpanId" not in turn and "parentSpanId" not in batch and turn["traceId"] != batch["traceId"]
    assert identity(turn) == (mapped["traceId"], mapped["parentSpanId"]) == (summed["traceId"], summed["parentSpanId"])
    assert identity(batch) == (extract["traceId"], extract["parentSpanId"])
    assert links(turn) == links(mapped) == [identity(batch)] and links(batch) == [identity(turn)] and links(summed) == []
    assert attributes(batch) == {"plumb.source": "r", "plumb.batch": 1, "plumb.records": 3, "plumb.records.rejected": 1}
    assert attributes(mapped) == {"plumb.stage": "t", "plumb.batch": 1} and attributes(summed) == {"plumb.stage": "counts"}
    resource = to.resource()
    assert resource["service.name"] == "plumb" and resource["plumb.flow"] == "otel" and resource["service.version"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", resource["service.instance.id"])


def test_trace_names_the_trace_of_the_batch_a_row_came_from(plumb, flow, receiver):
    to = receiver()
    telemetry(flow, to.url)
    plumb.ok("run", flow, "--once", "--batch-rows", "1")
    by_batch = {attributes(s)["plumb.batch"]: s["traceId"] for s in to.spans() if s["name"] == "batch r"}
    assert len(set(by_batch.values())) == len(by_batch) >= 2
    for key in (1, 2):
        record = json.loads(plumb.ok("trace", flow, "t", key, "--json").stdout)["rows"][0]["record"]
        assert record["trace_id"] == by_batch[record["batch_id"]]
        assert f"telemetry trace {record['trace_id']}" in plumb.ok("trace", flow, "t", key).stdout


def test_a_turn_of_many_batches_links_to_each_and_counts_those_left_out(plumb, flow, receiver):
    (flow / "many.jsonl").write_text("".join(f'{{"id": {n}, "v": "x"}}\n' for n in range(40)))
    plumb.ok("run", flow, "--once", "--batch-rows", "1")
    batches = {json.loads(plumb.ok("trace", flow, "t", n, "--json").stdout)["rows"][0]["record"]["trace_id"] for n in range(3)}
    text = FLOW.replace("tables:\n", "tables:\n  u: {key: [id], columns: {id: int64}}\n") + "  u: {from: r, into: u, sql: SELECT id FROM batch}\n"
    (flow / "flow.yaml").write_text(text)
    to = receiver()
    plumb.ok("run", flow, "--once", "--otlp", to.url)
    (turn,) = [s for s in named(to.spans(), "turn") if s.get("links")]
    maps = named(to.spans(), "transform u")
    assert len(turn["links"]) == 16 and turn["droppedLinksCount"] + 16 == len(maps) >= 40
    assert {one["traceId"] for m in maps for one in m["links"]} >= batches, "a batch's trace is the same in every run"


def test_metrics_are_counted_by_source_and_transform(plumb, flow, receiver):
    to = receiver()
    plumb.ok("run", flow, "--once", "--otlp", to.url)
    assert to.number("plumb.turns", outcome="committed") == 1 and to.number("plumb.turns", outcome="failed") == 0
    assert to.number("plumb.batches", source="r") == 1
    assert (to.number("plumb.records", source="r", outcome="decoded"), to.number("plumb.records", source="r", outcome="rejected")) == (2, 1)
    for stage in ("t", "counts"):
        assert to.number("plumb.stage.runs", stage=stage, outcome="done") == 1 and to.number("plumb.stage.time", stage=stage) > 0
    assert to.number("plumb.spans.sent") == len(to.spans()) == 5 and to.number("plumb.spans.queued") == 0
    assert to.number("plumb.telemetry.requests", signal="traces", outcome="accepted") == 1
    ((_, histogram),) = to.metrics()["plumb.turn.duration"].items()
    assert int(histogram["count"]) == 1 == sum(map(int, histogram["bucketCounts"])) and histogram["sum"] > 0
    assert len(histogram["bucketCounts"]) == len(histogram["explicitBounds"]) + 1
    assert histogram["explicitBounds"] == sorted(histogram["explicitBounds"])
    for points in to.metrics().values():
        assert all(int(p["startTimeUnixNano"]) <= int(p["timeUnixNano"]) for p in points.values())


def test_metrics_grow_and_never_start_anew_in_a_run(plumb, flow, receiver):
    to = receiver()
    telemetry(flow, to.url)
    process = plumb.start("run", flow)
    try:
        to.wait(lambda r: r.bodies("metrics") and r.number("plumb.turns", outcome="committed") >= 1)
        first = to.metrics()["plumb.turns"][(("plumb.outcome", "committed"),)]
        (flow / "two.jsonl").write_text('{"id": 3, "v": "c"}\n')
        to.wait(lambda r: r.number("plumb.records", source="r", outcome="decoded") == 3)
        last = to.metrics()["plumb.turns"][(("plumb.outcome", "committed"),)]
        assert first["startTimeUnixNano"] == last["startTimeUnixNano"] and int(last["asInt"]) > int(first["asInt"])
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_a_transform_that_fails_is_an_error(plumb, flow, receiver):
    to = receiver()
    text = FLOW.replace("SELECT v, 1 AS n FROM change", "SELECT v, 9223372036854775807 AS n FROM change")
    (flow / "flow.yaml").write_text(text)
    (flow / "one.jsonl").write_text('{"id": 1, "v": "a"}\n{"id": 2, "v": "a"}\n')
    assert plumb.run("run", flow, "--once", "--otlp", to.url).code == 1
    failed = [s for s in to.spans() if s.get("status", {}).get("code") == 2]
    assert failed and all(s["name"] == "transform counts" and attributes(s)["error.type"] for s in failed)
    assert to.number("plumb.stage.runs", stage="counts", outcome="failed") == len(failed)


# ---- where to ----


def test_the_flow_says_where_and_with_what(plumb, flow, receiver):
    to = receiver()
    telemetry(flow, to.url, headers={"Authorization": "Bearer ${TOKEN}"}, resource={"service.name": "orders", "deployment.environment.name": "test"})
    plumb.ok("check", flow, env={"TOKEN": "s3cret"})
    plumb.ok("run", flow, "--once", env={"TOKEN": "s3cret"})
    assert all(g.headers["Authorization"] == "Bearer s3cret" and g.headers["Content-Type"] == "application/json" for g in to.got)
    for kind in ("traces", "metrics"):
        resource = to.resource(kind)
        assert (resource["service.name"], resource["deployment.environment.name"], resource["plumb.flow"]) == ("orders", "test", "otel")


def test_the_command_line_is_stronger_than_the_flow_and_off_is_off(plumb, flow, receiver):
    to, other = receiver(), receiver()
    telemetry(flow, other.url)
    plumb.ok("run", flow, "--once", "--otlp", to.url)
    plumb.ok("run", flow, "--once", "--otlp", "off")
    assert to.got and other.got == []
    plumb.ok("run", flow, "--once", env={"OTEL_EXPORTER_OTLP_ENDPOINT": to.url})
    assert other.got, "the flow is stronger than the environment"


def test_the_environment_says_it_all_where_nothing_else_does(plumb, flow, receiver):
    to = receiver()
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": to.url, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20b, x-more=c,broken",
           "OTEL_RESOURCE_ATTRIBUTES": "team=data,service.name=no", "OTEL_SERVICE_NAME": "yes"}
    plumb.ok("run", flow, "--once", env=env)
    assert {(g.headers["x-key"], g.headers["x-more"]) for g in to.got} == {("a b", "c")}
    assert to.resource()["team"] == "data" and to.resource()["service.name"] == "yes"


def test_without_an_address_nothing_is_sent(plumb, flow, receiver):
    to = receiver()
    plumb.ok("run", flow, "--once")
    telemetry(flow, "${NOWHERE:-}")
    plumb.ok("run", flow, "--once")
    assert to.got == []


@pytest.mark.parametrize("line, words", [
    ("telemetry: {endpoint: 'http://x', interval: 1ms}", "flow.yaml:10:45"), ("telemetry: {endpoint: 'http://x', every: 5s}", "'every'"),
    ("telemetry: {}", "endpoint"), ("telemetry: {endpoint: 'http://x/?a=b'}", "without '?'")])
def test_check_finds_mistakes_of_the_section(plumb, flow, line, words):
    (flow / "flow.yaml").write_text(FLOW + line + "\n")
    done = plumb.run("check", flow)
    assert done.code == 78 and words in done.stderr


def test_an_address_that_is_none_is_refused(plumb, flow):
    done = plumb.run("run", flow, "--once", "--otlp", "nowhere")
    assert done.code == 78 and "--otlp" in done.stderr


def test_a_reload_moves_telemetry_and_ends_it(plumb, flow, receiver):
    first, second = receiver(), receiver()
    telemetry(flow, first.url)
    process = plumb.start("run", flow)
    try:
        first.wait(lambda r: r.bodies("metrics"))
        telemetry(flow, second.url, resource={"service.name": "moved"})
        process.send_signal(signal.SIGHUP)
        second.wait(lambda r: r.bodies("metrics"))
        assert second.resource("metrics")["service.name"] == "moved"
        assert second.resource("metrics")["service.instance.id"] == first.resource("metrics")["service.instance.id"]
        (flow / "flow.yaml").write_text(FLOW)
        process.send_signal(signal.SIGHUP)
        (flow / "two.jsonl").write_text('{"id": 3, "v": "c"}\n')
        deadline = time.monotonic() + 30
        while '"rows":3' not in (status := plumb.run("status", flow, "--json").stdout.replace(" ", "")):
            assert time.monotonic() < deadline, status
        assert not [s for s in second.spans() if attributes(s).get("plumb.batch", 0) > 2]
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_gzip_is_smaller_and_says_the_same(plumb, flow, receiver):
    (flow / "many.jsonl").write_text("".join(f'{{"id": {n}, "v": "x"}}\n' for n in range(100)))
    to = receiver()
    telemetry(flow, to.url, compression="gzip", interval="1h")
    plumb.ok("run", flow, "--once", "--batch-rows", "1")
    assert {g.headers["Content-Encoding"] for g in to.got} == {"gzip"}
    traces = [g for g in to.got if g.kind == "traces"]
    plain = sum(len(json.dumps(g.body, separators=(",", ":"))) for g in traces)
    assert sum(int(g.headers["Content-Length"]) for g in traces) * 5 < plain and len(to.spans()) > 200


# ---- receivers that misbehave ----


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500, 501])
def test_what_is_refused_for_good_is_dropped_and_never_sent_again(plumb, flow, receiver, status):
    to = receiver(Answer(status))
    done = plumb.ok("run", flow, "--once", "--otlp", to.url)
    assert f"HTTP {status}" in done.stderr and done.stderr.count("HTTP") == 1
    assert [g.kind for g in to.got] == ["traces", "metrics"] and to.number("plumb.spans.dropped", reason="refused") == 5
    assert to.number("plumb.telemetry.requests", signal="traces", outcome="turned_down") == 1 and "spans_dropped=5" in done.stderr


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_be_repeated_is_sent_again_after_a_pause(plumb, flow, receiver, status):
    to = receiver(Answer(status))
    done = plumb.ok("run", flow, "--once", "--otlp", to.url)
    first, second = [g for g in to.got if g.kind == "traces"]
    assert first.body == second.body and second.at - first.at >= 0.6 and to.number("plumb.spans.sent") == 5
    assert "spans_dropped" not in done.stderr and to.number("plumb.telemetry.requests", signal="traces", outcome="to_retry") == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_followed(plumb, flow, receiver, form):
    to = receiver(Answer(429, {"Retry-After": "2" if form == "seconds" else formatdate(time.time() + 3, usegmt=True)}))
    plumb.ok("run", flow, "--once", "--otlp", to.url)
    first, second, _ = to.got
    assert second.at - first.at >= 1.5 and to.number("plumb.spans.sent") == 5


def test_while_a_receiver_wants_a_pause_nothing_is_sent(plumb, flow, receiver):
    to = receiver(Answer(503, {"Retry-After": "600"}))
    telemetry(flow, to.url)
    process = plumb.start("run", flow)
    to.wait(lambda r: r.got)
    (flow / "two.jsonl").write_text('{"id": 3, "v": "c"}\n')
    deadline = time.monotonic() + 30
    while '"rows":3' not in plumb.run("status", flow, "--json").stdout.replace(" ", ""):
        assert time.monotonic() < deadline
    started = time.monotonic()
    process.terminate()
    stderr = process.communicate(timeout=30)[1].decode()
    assert len(to.got) == 1 and time.monotonic() - started < FLUSH_SECONDS and process.returncode == 0
    assert re.search(r"spans_dropped=\d+ at_end=\d+", stderr)


def test_a_partial_success_is_told_and_not_repeated(plumb, flow, receiver):
    to = receiver(Answer(body=PARTLY))
    done = plumb.ok("run", flow, "--once", "--otlp", to.url)
    assert [g.kind for g in to.got] == ["traces", "metrics"] and "refused 2 spans: no room" in done.stderr
    assert to.number("plumb.spans.sent") == 3 and to.number("plumb.spans.dropped", reason="refused") == 2
    assert to.number("plumb.telemetry.requests", signal="traces", outcome="partly") == 1


@pytest.mark.parametrize("body", [{"partialSuccess": {"errorMessage": "old version"}}, {"partialSuccess": {}}, b"", b"no json", b'{"partialSuccess": 7}'])
def test_what_a_receiver_says_besides_is_no_loss(plumb, flow, receiver, body):
    to = receiver(Answer(body=body))
    done = plumb.ok("run", flow, "--once", "--otlp", to.url)
    assert to.number("plumb.spans.sent") == 5 and ("old version" in done.stderr) == (b"old" in json.dumps(body, default=str).encode())


def test_a_receiver_that_is_not_there_costs_at_most_the_flush(plumb, flow, receiver):
    gone = receiver()
    gone.shutdown()
    gone.server_close()
    started = time.monotonic()
    done = plumb.ok("run", flow, "--once", "--otlp", gone.url)
    assert time.monotonic() - started < FLUSH_SECONDS + 3 and "at_end=5" in done.stderr


def test_a_receiver_that_answers_nothing_costs_at_most_the_flush(plumb, flow, receiver):
    gate = threading.Event()
    to = receiver(gate=gate)
    telemetry(flow, to.url, timeout="60s", interval="1h")
    started = time.monotonic()
    done = plumb.ok("run", flow, "--once")
    gate.set()
    assert FLUSH_SECONDS - 1 < time.monotonic() - started < FLUSH_SECONDS + 3 and "at_end=5" in done.stderr


def test_a_receiver_that_answers_nothing_holds_no_turn_up_and_the_queue_is_bounded(plumb, flow, receiver):
    gate = threading.Event()
    to = receiver(gate=gate)
    telemetry(flow, to.url, timeout="60s")
    (flow / "two.jsonl").write_text("".join(json.dumps({"id": n, "v": "x"}) + "\n" for n in range(3000)))
    process = plumb.start("run", flow, "--batch-rows", "1")
    try:
        deadline = time.monotonic() + 60
        while '"rows":3000' not in (status := plumb.run("status", flow, "--json").stdout.replace(" ", "")):
            assert time.monotonic() < deadline, "the engine waits for telemetry: " + status[-500:]
            time.sleep(0.1)
        gate.set()
        to.wait(lambda r: r.bodies("metrics") and r.number("plumb.spans.queued") == 0 and r.number("plumb.spans.dropped", reason="queue_full") > 0)
        assert 2048 <= to.number("plumb.spans.sent") <= 2048 + 512 + 200 and to.number("plumb.batches", source="r") == 3003
    finally:
        gate.set()
        process.terminate()
        process.wait(30)
