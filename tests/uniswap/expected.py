#!/usr/bin/python3
"""The tables of tests/uniswap/flow, computed from the same files in plain Python: no SQL, no engine, exact integers.

    tests/uniswap/expected.py FOLDER        prints how large they are

FOLDER holds events.csv.gz, pools.csv.gz and labels.csv.gz. An event is identified by (block, log_index); the crawler's
overlapping windows delivered some twice, word for word.
"""
import csv
import gzip
import sys
from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path


def read(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def read_events(folder):
    """transfers and syncs by (block, log_index), and the number of rows read."""
    transfers, syncs, rows = {}, {}, 0
    for row in read(folder / "events.csv.gz"):
        rows += 1
        key = (int(row["block"]), int(row["log_index"]))
        if row["event"] == "Transfer":
            transfers[key] = (row["pool"], row["arg0"], row["arg1"], int(row["arg2"]))
        else:
            syncs[key] = (row["pool"], int(row["arg0"]), int(row["arg1"]))
    return transfers, syncs, rows


def read_pools(folder):
    return {row["pool"]: (row["token"], int(row["weth_side"]), int(row["created_block"]))
            for row in read(folder / "pools.csv.gz")}


def balances_of(transfers):
    """(pool, holder) -> what came in minus what went out, for everybody who ever sent or received."""
    balances = defaultdict(int)
    for pool, sender, receiver, amount in transfers.values():
        balances[pool, sender] -= amount
        balances[pool, receiver] += amount
    return dict(balances)


def state_of(syncs, weth_side, holders):
    """One row of pool_state from the pool's syncs in chain order: [(block, log_index, reserve0, reserve1)]."""
    largest = None  # (share lost, -order): the largest loss in one event, the first of equals
    drop = (None, None, None, None)
    before = 0
    for order, (block, log_index, *reserves) in enumerate(syncs):
        now = reserves[weth_side]
        if before > now:
            loss = (Fraction(before - now, before), -order)
            if largest is None or loss > largest:
                largest, drop = loss, (before - now, before, block, log_index)
        before = now
    _, _, reserve0, reserve1 = syncs[-1]
    return (holders, len(syncs), reserve0, reserve1, max(sync[2 + weth_side] for sync in syncs), *drop)


def compute(folder):
    folder = Path(folder)
    transfers, syncs, rows = read_events(folder)
    pools, balances = read_pools(folder), balances_of(transfers)
    by_pool, holders = defaultdict(list), defaultdict(int)
    for (block, log_index), (pool, reserve0, reserve1) in sorted(syncs.items()):
        by_pool[pool].append((block, log_index, reserve0, reserve1))
    for (pool, _), balance in balances.items():
        holders[pool] += balance > 0
    state = {pool: state_of(of_pool, pools[pool][1], holders[pool]) for pool, of_pool in by_pool.items() if pool in pools}
    return {
        "rows": rows,
        "transfers": sorted((*key, *row) for key, row in transfers.items()),
        "syncs": sorted((*key, *row) for key, row in syncs.items()),
        "pools": sorted((pool, *row) for pool, row in pools.items()),
        "balances": sorted((*key, balance) for key, balance in balances.items()),
        "pool_state": sorted((pool, *row) for pool, row in state.items()),
    }


def last_event_seconds(folder, last_block):
    """When the last event happened, from the last known block time on at the chain's pace of those weeks."""
    with open(Path(folder) / "block_timestamps.csv", encoding="utf-8", newline="") as file:
        times = [(int(row["block"]), int(row["timestamp"])) for row in csv.DictReader(file)]
    (first, first_at), (last, last_at) = times[0], times[-1]
    return last_at + (last_block - last) * (last_at - first_at) / (last - first)


def against_labels(folder, tables):
    """(tp, fp, fn, tn) of "lost 99 % of its WETH in one event" against labels that others gave the same pools.
    Rugs that came after the last event cannot show here and are left out."""
    end = last_event_seconds(folder, max(row[0] for row in tables["syncs"]))
    lost = {row[0]: row[6] is not None and Fraction(row[6], row[7]) >= Fraction(99, 100)
            for row in tables["pool_state"]}
    counts = Counter()
    for row in read(Path(folder) / "labels.csv.gz"):
        label = row["is_rugpull"] == "1"
        if row["pool"] in lost and not (label and float(row["rugpull_timestamp"]) > end):
            counts[lost[row["pool"]], label] += 1
    return counts[True, True], counts[True, False], counts[False, True], counts[False, False]


if __name__ == "__main__":
    tables = compute(sys.argv[1])
    for name, content in tables.items():
        print(name, content if isinstance(content, int) else len(content))
    print("against labels: tp %d, fp %d, fn %d, tn %d" % against_labels(sys.argv[1], tables))
