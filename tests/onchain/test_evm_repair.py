"""A store filled from a node, damaged and repaired: the node is asked again for the blocks of a batch, and what it gives is the same
bytes, or everything behind is extracted anew."""
import json
import random
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
from chain.fakechain import Chain
from chain.hostile import HostileNode
from conftest import rows_of

sys.path.insert(0, str(Path(__file__).parent))
import onchainlib  # noqa: E402 (its folder is not on the path before)
from test_evm import as_logs  # noqa: E402


@pytest.fixture(scope="module", name="node")
def node_of_a_quiet_chain():
    rows = onchainlib.launches(random.Random(5), blocks=120)
    last = rows[-1]["block_number"] + 70
    times = [(number, onchainlib.START + number * onchainlib.BLOCK_SECONDS) for number in (0, last + 100)]
    with HostileNode(Chain(as_logs(rows), first=0, last=last, head=last, head_step=1, times=times, seed=1, forks_max=0), seed=1) as node:
        yield node


@pytest.fixture(scope="module", name="made")
def made_flow(plumb, node, tmp_path_factory):
    place = tmp_path_factory.mktemp("evm") / "flow"
    shutil.copytree(onchainlib.SHIPPED, place, ignore=shutil.ignore_patterns("demo", "*.db*"))
    plumb.ok("run", place, "--once", "--batch-rows", 40, env={"RPC_URL": node.url}, cwd=place)
    assert rows_of(place / "onchain.db", "SELECT count(*) > 6 FROM _plumb_batches") == [(1,)]
    return place


@pytest.fixture(name="place")
def own_copy(made, tmp_path):
    shutil.copytree(made, tmp_path / "flow")
    return tmp_path / "flow"


def by_hand(place, sql):
    connection = sqlite3.connect(place / "onchain.db")
    connection.executescript(sql)
    connection.close()


def audit(plumb, node, place, *options):
    done = plumb.run("audit", place, "--json", *options, env={"RPC_URL": node.url}, cwd=place)
    assert done.code in (0, 3), done.stderr
    return done.code, json.loads(done.stdout)


def test_recomputed_it_is_the_same(plumb, node, made):
    code, facts = audit(plumb, node, made, "--deep")
    assert code == 0, facts["findings"]
    assert all(table["result"] == "the same" for table in facts["recomputed"])


def test_a_map_that_got_other_rows_than_its_stream_has_is_found(plumb, node, place):
    by_hand(place, "UPDATE _plumb_streams SET records = records + 1 WHERE batch = 2 AND stream = 'Transfer';"
                   "UPDATE _plumb_batches SET decoded = decoded + 1, records = records + 1 WHERE id = 2")
    code, facts = audit(plumb, node, place)
    assert code == 3
    assert any(one["check"] == "marks" and "rows in, but the batch has" in one["message"] and "of Transfer" in one["message"]
               for one in facts["findings"]), facts["findings"]


def test_a_node_gives_the_blocks_of_a_batch_again(plumb, node, made, place):
    frames = "SELECT batch, frame FROM _plumb_frames ORDER BY batch"
    before = rows_of(made / "onchain.db", frames)
    by_hand(place, "UPDATE _plumb_frames SET frame = zeroblob(90) WHERE batch IN (1, 4)")
    code, report = audit(plumb, node, place, "--repair", "--yes")
    assert code == 0 and [step["way"] for step in report["steps"]] == ["again", "again"], report
    assert rows_of(place / "onchain.db", frames) == before
    # And without the node nothing is lost that need not be.
    by_hand(place, "UPDATE _plumb_frames SET frame = zeroblob(90) WHERE batch = 4")
    done = plumb.run("audit", place, "--repair", "--yes", "--write-off", "--json", env={"RPC_URL": "http://127.0.0.1:9"}, cwd=place, timeout=100)
    report = json.loads(done.stdout)
    assert done.code == 3 and [step["way"] for step in report["steps"]] == ["lost"], report


def test_what_is_behind_a_missing_batch_is_extracted_anew(plumb, node, made, place):
    by_hand(place, "DELETE FROM _plumb_batches WHERE id = 5")
    code, report = audit(plumb, node, place, "--repair", "--yes")
    assert code == 0 and report["steps"][-1]["way"] == "rewind" and report["extracts"], report
    plumb.ok("run", place, "--once", env={"RPC_URL": node.url}, cwd=place)
    digests = [{name: table["digest"] for name, table in audit(plumb, node, one)[1]["tables"].items()} for one in (made, place)]
    assert digests[0] == digests[1]
    assert audit(plumb, node, place)[0] == 0
    assert rows_of(place / "onchain.db", "SELECT min(low), max(high), sum(high - low + 1) FROM _plumb_coverage") == \
        rows_of(made / "onchain.db", "SELECT min(low), max(high), sum(high - low + 1) FROM _plumb_coverage")
