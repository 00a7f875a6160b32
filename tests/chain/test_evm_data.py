"""The evm source over real logs of mainnet, at their real heights, served by two nodes that do everything wrong at once.

All 21,561 logs in some 319,000 blocks, with kills, caps, refusals, failing calls, empty heads, a lagging endpoint and forks of
depth 1 to 64. The data belongs to others and is not part of the repository: the test looks for it in $PLUMB_DATA, or in the
folder shared/data beside the checkout, and skips when it is not there. PLUMB_CHAIN_BLOCKS takes only the first so many blocks.
"""
import csv
import gzip
import json
import os
import time
from pathlib import Path

import pytest

from .anvil import ROOT
from .evm import Place
from .fakechain import Chain
from .hostile import HostileNode

FOLDER = Path(os.environ.get("PLUMB_DATA", ROOT.parent / "shared" / "data")) / "uniswapv2-2021q4"
LOGS, DISTINCT = 21_561, 21_560
BLOCKS_MAX = int(os.environ.get("PLUMB_CHAIN_BLOCKS", "1000000"))
SECONDS_MAX = 120
LIVE_BLOCKS = 600  # the last ones come one after the other, through forks
KILLS = 4
FAULTS = {"missing_blocks": 0.1, "duplicate_logs": 0.1, "cut": 0.02, "rate_429": 0.01, "rate_item": 0.02, "passing_error": 0.02,
          "batch_shuffled": 0.5, "empty_head": 0.3}

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
    numbers = [int(log["blockNumber"], 16) for log in logs]
    first, last = min(numbers) - 10, min(max(numbers) + 10, min(numbers) - 10 + BLOCKS_MAX)
    logs = [log for log, number in zip(logs, numbers) if number <= last]
    return Chain(logs, first=first, last=last, times=times, **options)


def kill_at(place, height):
    """Runs until a height is covered, and ends the process as a power cut would."""
    process = place.start()
    deadline = time.monotonic() + SECONDS_MAX
    try:
        while (place.high() or 0) < height and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert process.poll() is None and place.high() >= height, f"covered to {place.high()} of {height}"
    finally:
        process.kill()
        process.communicate()


def test_real_logs_come_whole_through_caps_kills_forks_and_faults(plumb, tmp_path):
    chain = read_chain(finality=64)
    chain.view = chain.view._replace(head=chain.last - LIVE_BLOCKS)
    chain.final = chain.view.head - 64
    nodes = [HostileNode(chain, results_cap=500, results_text="infura", retry_after="0", head_blocks=16, **FAULTS).start(),
             HostileNode(chain, seed=2, span_cap=800, span_text="quicknode", lag=5, retry_after="0", head_blocks=16, **FAULTS).start()]
    try:
        place = Place(plumb, tmp_path / "flow", [node.url for node in nodes], from_block=chain.first)
        for kill in range(KILLS):
            kill_at(place, chain.first + (chain.view.head - chain.first) * (kill + 1) // (KILLS + 1))
        kill_at(place, chain.view.head)
        chain.head_step, chain.forks_left = 8, 12
        place.run_until_true(chain, SECONDS_MAX)
    finally:
        for node in nodes:
            node.stop()
    happened = {fault: sum(node.counters[fault] for node in nodes) for fault in FAULTS}
    assert all(happened.values()), happened
    assert nodes[0].counters["results_cap"] + nodes[1].counters["span_cap"] > 0
    assert len(chain.depths) > 6, "too few forks"
