"""Checks over a chain: what the node answered and how long it took are facts of the store."""
from chain.evm import Place, plain_chain
from chain.hostile import HostileNode

CHECKS = """
checks:
  every: 1s
  slow: {latency: chain, stage: extract, percentile: 100, max: 1us, over: 1h}
  quick: {latency: chain, stage: extract, percentile: 100, max: 1h, over: 1h}
  refused: {http_status: chain, status: 429, max: 1%, over: 1h}
  lost: {http_status: chain, status: 5xx, max: 0, over: 1h}
  whole: {gap: chain}
  alive: {heartbeat: chain.Transfer, within: 1h}
"""


def test_refused_requests_and_slow_extraction_are_seen(plumb, tmp_path):
    chain = plain_chain(count=300, blocks=200)
    node = HostileNode(chain, seed=2, rate_429=0.5, retry_after="0", budget={"rate_429": 4})
    node.start()
    try:
        place = Place(plumb, tmp_path / "flow", [node.url])
        path = place.directory / "flow.yaml"
        path.write_text(path.read_text() + CHECKS, encoding="utf-8")
        place.run_until_true(chain)
        place.once()
    finally:
        node.stop()
    counted = dict(place.rows("SELECT status, sum(answers) FROM _plumb_http GROUP BY 1"))
    assert counted["429"] == node.counters["rate_429"] == 4
    assert counted["2xx"] + counted["429"] <= node.counters["requests"]
    assert counted["2xx"] > 0 and "5xx" not in counted
    states = dict(place.rows("SELECT name, state FROM _plumb_checks"))
    assert states == {"slow": "error", "quick": "ok", "refused": "error", "lost": "ok", "whole": "ok", "alive": "ok"}
    took = place.rows("SELECT b.staged_us - e.asked_us FROM _plumb_batches b LEFT JOIN _plumb_extractions e ON e.batch = b.id")
    assert took and all(us is not None and 0 <= us < 60_000_000 for (us,) in took)
