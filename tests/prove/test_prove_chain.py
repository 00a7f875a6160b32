"""`plumb prove` on a source that takes records back: batches of a chain that forked, split, joined and killed."""
import json

import pytest
from chain.evm import Place, plain_chain
from chain.hostile import HostileNode

WRONG_TABLE = "  senders: {key: [holder], columns: {holder: bytes, n: int64}}\n"
WRONG_DERIVE = """
  senders:
    on: {transfers: [sender]}
    into: senders
    derive: SELECT k.holder, (SELECT count(*) FROM transfers t WHERE t.sender = k.holder OR t.receiver = k.holder) AS n FROM changed k
"""


@pytest.fixture(scope="module")
def forked(plumb, tmp_path_factory):
    chain = plain_chain(count=200, blocks=120, head=150, head_step=3, forks_max=4, fork_chance=0.3, fork_depth=12)
    node = HostileNode(chain)
    node.start()
    try:
        place = Place(plumb, tmp_path_factory.mktemp("prove") / "flow", [node.url])
        place.run_until_true(chain)
    finally:
        node.stop()
    assert place.rows("SELECT count(*) FROM _plumb_batches WHERE taken_back > 0")[0][0] > 0
    return place


def test_a_forked_chain_comes_out_the_same(plumb, forked):
    for options in ([], ["--oldest"], ["--batches", 1000]):
        result = plumb.run("prove", forked.directory, "--json", *options, cwd=forked.directory)
        report = json.loads(result.stdout)
        assert (result.code, report["findings"]) == (0, []), json.dumps(report["findings"])[:3000]
        tried = {trial["trial"]: trial["result"] for trial in report["trials"]}
        assert tried["twice"] == "not tried" and tried["split-1"] == tried["kill"] == tried["retract"] == "same"


def test_a_mistake_over_a_forked_chain_is_found(plumb, forked, tmp_path):
    text = (forked.directory / "flow.yaml").read_text().replace("transforms:\n", WRONG_TABLE + "transforms:\n") + WRONG_DERIVE
    flow = tmp_path / "flow.yaml"
    flow.write_text(text.replace("sqlite:chain.db", f"sqlite:{forked.store}"))
    result = plumb.run("prove", flow, "--json", "--batches", 1000)
    report = json.loads(result.stdout)
    assert result.code == 3 and [finding["transform"] for finding in report["findings"]] == ["senders"]
    assert sum(len(batch["records"]) for batch in report["findings"][0]["smallest"]) <= 4
