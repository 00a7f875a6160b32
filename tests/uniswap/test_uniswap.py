"""Real chain events through the whole engine, compared row by row with expected.py.

The data belongs to others and is not part of the repository: the tests look for it in $PLUMB_DATA, or in the folder
shared/data beside the checkout, and skip when it is not there.
"""
import os
import sys
from pathlib import Path

import pytest
from conftest import ROOT, int256, rows_of

sys.path.insert(0, str(Path(__file__).parent))
import expected  # noqa: E402 (its folder is not on the path before)

FOLDER = Path(os.environ.get("PLUMB_DATA", ROOT.parent / "shared" / "data")) / "uniswapv2-2021q4"
FLOW = Path(__file__).parent / "flow"
ROWS, DISTINCT = 388_421, 388_359
RUN_SECONDS_MAX = 900

pytestmark = pytest.mark.skipif(not (FOLDER / "events.csv.gz").is_file(),
                                reason=f"no chain data at {FOLDER} (PLUMB_DATA names another place)")

# Columns as expected.py gives them; those marked * are int256 cells.
TABLES = {
    "transfers": "block log_index pool sender receiver amount*",
    "syncs": "block log_index pool reserve0* reserve1*",
    "pools": "pool token weth_side created_block",
    "balances": "pool holder balance*",
    "pool_state": "pool holders syncs reserve0* reserve1* weth_max* lost* lost_of* lost_block lost_log_index",
}


@pytest.fixture(scope="module")
def truth():
    return expected.compute(FOLDER)


@pytest.fixture(scope="module")
def store(plumb, tmp_path_factory):
    """The store after two runs, and the tables after the first."""
    database = tmp_path_factory.mktemp("uniswap") / "uniswap.db"
    env = {"PLUMB_STORE": f"sqlite:{database}", "UNISWAP_EVENTS": FOLDER / "events.csv.gz",
           "UNISWAP_POOLS": FOLDER / "pools.csv.gz"}
    plumb.ok("run", FLOW, "--once", env=env, timeout=RUN_SECONDS_MAX)
    first = {table: read(database, table) for table in TABLES}
    plumb.ok("run", FLOW, "--once", env=env, timeout=RUN_SECONDS_MAX)
    return database, first


def read(database, table):
    columns = TABLES[table].split()
    listed = ", ".join(f'"{column.rstrip("*")}"' for column in columns)
    big = [place for place, column in enumerate(columns) if column.endswith("*")]
    rows = []
    for row in rows_of(database, f'SELECT {listed} FROM "{table}"'):
        cells = list(row)
        for place in big:
            cells[place] = int256(cells[place])
        rows.append(tuple(cells))
    return sorted(rows)


def test_the_computation_agrees_with_what_others_found(truth):
    assert truth["rows"] == ROWS
    assert len(truth["transfers"]) + len(truth["syncs"]) == DISTINCT
    assert expected.against_labels(FOLDER, truth) == (864, 1, 6, 259)


def test_shares_of_weth_fit_the_exact_comparison_of_the_flow(truth):
    assert max(row[5] for row in truth["pool_state"]) < 2**80


@pytest.mark.parametrize("table", TABLES)
def test_every_row_is_as_computed(table, store, truth):
    _, first = store
    missing = sorted(set(truth[table]) - set(first[table]))
    extra = sorted(set(first[table]) - set(truth[table]))
    assert not missing and not extra, f"{len(missing)} missing, {len(extra)} extra: {missing[:2]} {extra[:2]}"
    assert first[table] == truth[table]


@pytest.mark.parametrize("table", TABLES)
def test_a_second_run_changes_nothing(table, store):
    database, first = store
    assert read(database, table) == first[table]


def test_what_came_in_equals_what_went_out(store):
    total = {}
    for pool, _, balance in store[1]["balances"]:
        total[pool] = total.get(pool, 0) + balance
    assert set(total.values()) == {0}
