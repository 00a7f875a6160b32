"""Published features of 332 pools, computed by a flow from raw events, and a second time in Python.

The data belongs to others and is not part of the repository: the tests look for it in $PLUMB_DATA, or in the folder
shared/data beside the checkout, and skip when it is not there.
"""
import csv
import gzip
import importlib.util
import os
from pathlib import Path

import pytest
from conftest import ROOT, rows_of

# By its path: another folder's module has the same name.
SPEC = importlib.util.spec_from_file_location("polygon_expected", Path(__file__).parent / "expected.py")
expected = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(expected)

FOLDER = Path(os.environ.get("PLUMB_DATA", ROOT.parent / "shared" / "data")) / "polygon-v2-24h"
FLOW = Path(__file__).parent / "flow"
RUN_SECONDS_MAX = 600
POOLS, OF_TRANSFERS = 332, 313

pytestmark = pytest.mark.skipif(not (FOLDER / "pools.csv.gz").is_file(),
                                reason=f"no chain data at {FOLDER} (PLUMB_DATA names another place)")


def run(plumb, directory, data, *options):
    env = {"PLUMB_STORE": f"sqlite:{directory}/polygon.db", "POLYGON_DATA": data}
    plumb.ok("run", FLOW, "--once", *options, env=env, timeout=RUN_SECONDS_MAX)
    rows = rows_of(directory / "polygon.db", f"SELECT pool, {', '.join(expected.FEATURES)} FROM features")
    return {"0x" + row[0].hex(): dict(zip(expected.FEATURES, row[1:])) for row in rows}


@pytest.fixture(scope="module")
def features(plumb, tmp_path_factory):
    return run(plumb, tmp_path_factory.mktemp("polygon"), FOLDER)


@pytest.fixture(scope="module")
def truth():
    return expected.compute(FOLDER)


@pytest.mark.parametrize("feature", expected.FEATURES)
def test_it_is_what_was_published(feature, features):
    theirs = {pool: of_pool[feature] for pool, of_pool in expected.published(FOLDER).items() if feature in of_pool}
    assert len(theirs) == (POOLS if feature in expected.EVENTS else OF_TRANSFERS)
    assert not [pool for pool in theirs if expected.differ(features[pool][feature], theirs[pool])]


@pytest.mark.parametrize("feature", expected.FEATURES)
def test_it_is_what_a_second_computation_gives(feature, features, truth):
    assert len(features) == len(truth) == POOLS
    for pool, of_pool in truth.items():
        found = features[pool][feature]
        assert (found is None) if feature not in of_pool else not expected.differ(found, float(of_pool[feature])), pool


def test_no_feature_needs_what_came_after_the_day(plumb, tmp_path, features):
    """The same from files that end for each pool where its day does: nothing looks ahead."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "pools.csv.gz").write_bytes((FOLDER / "pools.csv.gz").read_bytes())
    ends = {row["pool"]: int(row["created_ts"]) + expected.DAY for row in expected.read(FOLDER / "pools.csv.gz")}
    tokens = {row["token"]: ends[row["pool"]] for row in expected.read(FOLDER / "pools.csv.gz")}
    for name, key, end in (("pool_events.csv.gz", "pool", ends), ("token_transfers.csv.gz", "token", tokens)):
        rows = list(expected.read(FOLDER / name))
        with gzip.open(data / name, "wt", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(row for row in rows if int(row["ts"]) <= end[row[key]])
    assert run(plumb, tmp_path, data, "--batch-rows", "5000") == features
