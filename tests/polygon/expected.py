#!/usr/bin/python3
"""The features of tests/polygon/flow from the same files in plain Python: no SQL, no engine, fractions instead of floats.

    tests/polygon/expected.py FOLDER        compares with the published ones
"""
import csv
import gzip
import sys
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

DAY = 86_400
ZERO, DEAD = "0x" + "0" * 40, "0x" + "0" * 36 + "dead"
EVENTS = {"num_mints": "mint", "num_burns": "burn", "num_swaps": "swap"}
FEATURES = (*EVENTS, "num_transactions", "n_unique_addresses", "tx_curve", "avg_cluster_coeff", "avg_transaction_value",
            "difference_token_pool")


def read(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def clustering(transfers, nodes):
    """The average over all addresses of the share of pairs of partners who are partners of each other."""
    partners = defaultdict(set)
    for sender, receiver, _, _ in transfers:
        if sender != receiver:
            partners[sender].add(receiver)
            partners[receiver].add(sender)
    total = Fraction(0)
    for node in nodes:
        around = partners[node]
        if len(around) > 1:
            linked = sum(len(partners[partner] & around) for partner in around)
            total += Fraction(linked, len(around) * (len(around) - 1))
    return total / len(nodes)


def of_transfers(transfers, created):
    nodes = {transfer[0] for transfer in transfers} | {transfer[1] for transfer in transfers}
    balances = defaultdict(int)
    for sender, receiver, amount, _ in transfers:
        balances[sender] -= amount
        balances[receiver] += amount
    supply = -balances[ZERO]
    features = {"num_transactions": len(transfers), "n_unique_addresses": len(nodes),
                "avg_cluster_coeff": clustering(transfers, nodes),
                "difference_token_pool": created - min(transfer[3] for transfer in transfers)}
    if supply:
        features["tx_curve"] = sum(Fraction(balance, supply) ** 2 for holder, balance in balances.items()
                                   if holder not in (ZERO, DEAD))
        features["avg_transaction_value"] = Fraction(sum(transfer[2] for transfer in transfers), len(transfers)) / supply
    return features


def compute(folder):
    """{pool: {feature: number}}; what cannot be told is absent."""
    folder = Path(folder)
    events, transfers = defaultdict(list), defaultdict(list)
    for row in read(folder / "pool_events.csv.gz"):
        events[row["pool"].lower()].append((row["event"], int(row["ts"])))
    for row in read(folder / "token_transfers.csv.gz"):
        transfers[row["token"].lower()].append((row["from"].lower(), row["to"].lower(), int(row["value"]), int(row["ts"])))
    result = {}
    for row in read(folder / "pools.csv.gz"):
        created = int(row["created_ts"])
        known = [event for event, at in events[row["pool"].lower()] if at <= created + DAY]
        features = {name: known.count(event) for name, event in EVENTS.items()}
        of_token = [transfer for transfer in transfers[row["token"].lower()] if transfer[3] <= created + DAY]
        result[row["pool"].lower()] = {**features, **(of_transfers(of_token, created) if of_token else
                                                      {"num_transactions": 0, "n_unique_addresses": 0})}
    return result


def published(folder):
    """{pool: {feature: number}} as others published them, where they did."""
    return {row["pool_address"].lower(): {name: float(row[name]) for name in FEATURES if row[name] != ""}
            for row in read(Path(folder) / "expected_features24h.csv.gz")}


def differ(found, wanted):
    return found is None or abs(float(found) - wanted) > 1e-9 * max(1.0, abs(wanted))


if __name__ == "__main__":
    mine, theirs = compute(sys.argv[1]), published(sys.argv[1])
    for feature in FEATURES:
        have = [pool for pool in theirs if feature in theirs[pool]]
        wrong = [pool for pool in have if differ(mine[pool].get(feature), theirs[pool][feature])]
        print(f"{feature}: {len(have) - len(wrong)} of {len(have)} pools; not: {wrong[:3]}")
