"""The evm source over real logs of mainnet, at their real heights, served by a node with small caps and faults.

The data belongs to others and is not part of the repository: the test looks for it in $PLUMB_DATA, or in the folder
shared/data beside the checkout, and skips when it is not there.
"""
import csv
import gzip
import json
import os
from pathlib import Path

import pytest

from .anvil import ROOT
from .evm import Place
from .fakechain import Chain
from .hostile import HostileNode

FOLDER = Path(os.environ.get("PLUMB_DATA", ROOT.parent / "shared" / "data")) / "uniswapv2-2021q4"
LOGS, DISTINCT = 21_561, 21_560
BLOCKS_MAX = int(os.environ.get("PLUMB_CHAIN_BLOCKS", "60000"))  # of the 319,000: a test of the source, not of patience
SECONDS_MAX = 300

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no chain data at {FOLDER} (PLUMB_DATA names another place)")


def read_chain(**options):
    """The first blocks of the sample as a chain, with real times; what the sample holds twice is there once."""
    with gzip.open(FOLDER / "rawlogs_sample.jsonl.gz", "rt", encoding="utf-8") as lines:
        logs = [json.loads(line) for line in lines]
    assert len(logs) == LOGS
    logs = list({(log["blockNumber"], log["logIndex"]): log for log in logs}.values())
    assert len(logs) == DISTINCT
    with (FOLDER / "block_timestamps.csv").open(encoding="utf-8") as lines:
        times = [(int(row["block"]), int(row["timestamp"])) for row in csv.DictReader(lines)]
    first = min(int(log["blockNumber"], 16) for log in logs) - 10
    logs = [log for log in logs if int(log["blockNumber"], 16) < first + BLOCKS_MAX]
    return Chain(logs, first=first, last=first + BLOCKS_MAX, times=times, **options)


def test_real_logs_come_whole_through_caps_and_faults(plumb, tmp_path):
    chain = read_chain(finality=64, forks_max=3, head_step=40)
    chain.view = chain.view._replace(head=chain.last - 400)
    chain.final = chain.view.head - 64
    faults = {"missing_blocks": 0.02, "duplicate_logs": 0.02, "cut": 0.02, "rate_item": 0.02, "passing_error": 0.02, "batch_shuffled": 0.5}
    nodes = [HostileNode(chain, results_cap=500, results_text="infura", **faults).start(),
             HostileNode(chain, seed=2, span_cap=800, span_text="quicknode", lag=5, gzip=0.5, **faults).start()]
    try:
        place = Place(plumb, tmp_path / "flow", [node.url for node in nodes], from_block=chain.first)
        place.run_until_true(chain, SECONDS_MAX)
    finally:
        for node in nodes:
            node.stop()
    assert all(sum(node.counters[fault] for node in nodes) for fault in faults)
    assert nodes[0].counters["results_cap"] + nodes[1].counters["span_cap"] > 0
