"""The schema check: the published examples pass, and each way to be wrong is noticed."""
import copy

import pytest

from . import schema as published

pytestmark = pytest.mark.skipif(published.missing() is not None, reason=str(published.missing()))

TRACES = {"resourceSpans": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "plumb"}}]},
    "scopeSpans": [{"scope": {"name": "plumb", "version": "1"}, "spans": [{
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "parentSpanId": "eee19b7ec3c1b173",
        "name": "turn", "kind": 1, "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000",
        "attributes": [{"key": "plumb.batch", "value": {"intValue": "7"}}],
        "links": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174"}],
        "droppedLinksCount": 1, "status": {"code": 2}}]}]}]}
METRICS = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [
    {"name": "a", "unit": "s", "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [
        {"startTimeUnixNano": "1", "timeUnixNano": "2", "asInt": "3"}]}},
    {"name": "b", "histogram": {"aggregationTemporality": 2, "dataPoints": [
        {"startTimeUnixNano": "1", "timeUnixNano": "2", "count": "3", "sum": 0.5, "bucketCounts": ["1", "2"], "explicitBounds": [0.1]}]}}]}]}]}


@pytest.fixture(scope="module", name="schema")
def a_schema():
    return published.Schema()


def span_of(payload):
    return payload["resourceSpans"][0]["scopeSpans"][0]["spans"][0]


def metric_of(payload, n=0):
    return payload["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][n]


def test_what_is_right_passes_and_means_what_it_says(schema):
    message = schema.parse(TRACES, published.REQUESTS["traces"])
    span = message.resource_spans[0].scope_spans[0].spans[0]
    assert span.trace_id.hex() == span_of(TRACES)["traceId"] and span.links[0].span_id.hex() == "eee19b7ec3c1b174"
    assert span.start_time_unix_nano == 1544712660000000000 and span.status.code == 2
    assert schema.problem_of(METRICS, published.REQUESTS["metrics"]) is None
    assert schema.problem_of({"partialSuccess": {"rejectedSpans": "1", "errorMessage": "x"}}, published.RESPONSES["traces"]) is None


WRONG_SPANS = {
    "no field 'trace_id'": lambda s: s.update(trace_id=s.pop("traceId")),
    "no field 'batch'": lambda s: s.update(batch=1),
    "16 bytes in hex": lambda s: s.update(traceId="W47/95gDgQPSabYzgT/GDA=="),
    "8 bytes in hex": lambda s: s.update(spanId=s["traceId"]),
    "an enum is a number": lambda s: s.update(kind="SPAN_KIND_INTERNAL"),
    "64 bits are written as text": lambda s: s.update(startTimeUnixNano=1544712660000000000),
    "invalid literal": lambda s: s.update(endTimeUnixNano="soon"),
    "endTimeUnixNano": lambda s: s.update(endTimeUnixNano="-1"),
    "Failed to parse name": lambda s: s.update(name=7),
    "a list is wanted": lambda s: s.update(links={}),
    "an object is wanted": lambda s: s["attributes"].append("x"),
    "no field 'value'": lambda s: s["links"][0].update(value=1),
    "status": lambda s: s["status"].update(code=True),
    "oneof": lambda s: s["attributes"][0]["value"].update(stringValue="x"),
}
WRONG_METRICS = {
    "no field 'gauges'": lambda p: metric_of(p).update(gauges={}),
    "oneof": lambda p: metric_of(p).update(gauge={"dataPoints": []}),
    "64 bits are written as text": lambda p: metric_of(p)["sum"]["dataPoints"][0].update(asInt=3),
    "aggregationTemporality": lambda p: metric_of(p)["sum"].update(aggregationTemporality="CUMULATIVE"),
    "bucketCounts": lambda p: metric_of(p, 1)["histogram"]["dataPoints"][0].update(bucketCounts=[1, 2]),
    "sum.datapoints[0]": lambda p: metric_of(p)["sum"]["dataPoints"][0].update(asDouble=1.5),
}


@pytest.mark.parametrize("words", WRONG_SPANS)
def test_a_wrong_span_is_noticed(schema, words):
    payload = copy.deepcopy(TRACES)
    WRONG_SPANS[words](span_of(payload))
    assert words.lower() in (schema.problem_of(payload, published.REQUESTS["traces"]) or "").lower()


@pytest.mark.parametrize("words", WRONG_METRICS)
def test_a_wrong_metric_is_noticed(schema, words):
    payload = copy.deepcopy(METRICS)
    WRONG_METRICS[words](payload)
    assert words.lower() in (schema.problem_of(payload, published.REQUESTS["metrics"]) or "").lower()


def test_the_schema_is_the_one_that_was_published():
    """Six files, with their licence; a change of theirs would be ours."""
    files = sorted(published.DATA.rglob("*.proto"))
    assert len(files) == 6 and "Apache License" in (published.DATA / "LICENSE").read_text(encoding="utf-8")
    assert all("Copyright 20" in f.read_text(encoding="utf-8") and "Apache License, Version 2.0" in f.read_text(encoding="utf-8") for f in files)
