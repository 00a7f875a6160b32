#!/usr/bin/python3
"""How good the scores of flows/onchain would have been: each pool as it was known some hours after its first event,
against what others say became of it.

    tests/onchain/measure.py PLUMB FOLDER      FOLDER holds events.csv.gz, pools.csv.gz, labels.csv.gz, block_timestamps.csv

A pool counts at a lead time when it was not emptied before, and the data reaches so far. The weights were fitted to pools of
the earlier half (by first event); the later half is what they had not seen.
"""
import os
import sys
import tempfile
from bisect import bisect_left, bisect_right
from collections import defaultdict, namedtuple
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]
from conftest import Program, rows_of  # noqa: E402 (their folders are not on the path before)
import onchainlib  # noqa: E402

HOURS = (1, 6, 24)
SECOND = 1_000_000
ALERT = 65

Known = namedtuple("Known", "rug score insider_ppm safe_ppm late")


def read_scores(store):
    scores = defaultdict(list)
    for pool, at, *rest in rows_of(store, "SELECT pool, at, score, insider_ppm, safe_ppm FROM scores ORDER BY pool, block_number"):
        scores["0x" + pool.hex()].append((at / SECOND, *rest))
    return scores


def known_after(hours, scores, labels, end, middle):
    """What was known of each pool that was alive so many hours after its first event."""
    result = []
    for pool, history in scores.items():
        begin, label = history[0][0], labels[pool]
        when, rug = begin + hours * 3600, label["is_rugpull"] == "1"
        if when > end or (rug and float(label["rugpull_timestamp"]) <= when):
            continue
        _, *last = [row for row in history if row[0] <= when][-1]
        result.append(Known(rug, *last, begin >= middle))
    return result


def rates(known, alarm):
    """(precision, recall, share of false alarms among the others)"""
    hits = sum(alarm(row) for row in known if row.rug)
    false = sum(alarm(row) for row in known if not row.rug)
    rugs = sum(row.rug for row in known)
    return hits / max(1, hits + false), hits / max(1, rugs), false / max(1, len(known) - rugs)


def area(known):
    """The chance that a rug scores higher than a pool that is none (ties count half)."""
    others = sorted(row.score for row in known if not row.rug)
    wins = [(bisect_left(others, row.score) + bisect_right(others, row.score)) / 2 for row in known if row.rug]
    return sum(wins) / max(1, len(wins) * len(others))


def measure(store, folder):
    """[(hours, half, pools, base rate, area, (rates of the score), (rates of the rule))]"""
    scores = read_scores(store)
    labels = {row["pool"]: row for row in onchainlib.read_csv(Path(folder) / "labels.csv.gz")}
    ((end,),) = rows_of(store, "SELECT max(at) FROM syncs")
    begins = sorted(history[0][0] for history in scores.values())
    table = []
    for hours in HOURS:
        known = known_after(hours, scores, labels, end / SECOND, begins[len(begins) // 2])
        for half in ("earlier", "later"):
            part = [row for row in known if row.late == (half == "later")]
            table.append((hours, half, len(part), sum(row.rug for row in part) / len(part), area(part),
                          rates(part, lambda row: row.score >= ALERT),
                          rates(part, lambda row: row.insider_ppm > 900_000 and row.safe_ppm == 0)))
    return table


def run(plumb, folder, directory):
    onchainlib.write_logs(directory / "logs" / "logs.csv", onchainlib.uniswap_logs(folder))
    env = {"PLUMB_STORE": f"sqlite:{directory}/onchain.db", "ONCHAIN_LOGS": directory / "logs"}
    plumb.ok("run", onchainlib.make_flow(directory / "flow"), "--once", env=env, timeout=3600)
    return directory / "onchain.db"


def show(table):
    print("| hours | pools | of them | rugs | AUC | score >= 6.5: P | R | alarms | rule: P | R | alarms |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for hours, half, pools, base, auc, score, rule in table:
        cells = " | ".join(f"{value:.3f}" for value in (base, auc, *score, *rule))
        print(f"| {hours} | {half} half | {pools} | {cells} |")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as work:
        show(measure(run(Program(Path(sys.argv[1]).absolute()), sys.argv[2], Path(work)), sys.argv[2]))
