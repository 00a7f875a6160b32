"""The laws on flows/onchain: however its logs come, its tables are the same, and none of them knows what comes later."""
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from conftest import int256
from laws.lawlib import Place, content, end_state, queues

sys.path.insert(0, str(Path(__file__).parent))
import onchainlib  # noqa: E402 (its folder is not on the path before)

KILLS = 25
EVENTS = ("transfers", "pair_created", "syncs", "swaps", "mints", "burns")


class Onchain(Place):
    """A copy of the flow with a file source, and its store beside it."""

    def __init__(self, plumb, directory, data):
        onchainlib.make_flow(directory)
        super().__init__(plumb, directory, data)
        self.name, self.store, self.env = "onchain", directory / "onchain.db", {"ONCHAIN_LOGS": data}


def parts(directory, rows, count):
    size = -(-len(rows) // count)
    for number in range(count):
        onchainlib.write_logs(directory / f"logs-{number}.csv", rows[number * size:(number + 1) * size])
    return directory


@pytest.fixture(scope="module")
def rows():
    return onchainlib.launches(random.Random(7))


@pytest.fixture(scope="module")
def data(tmp_path_factory, rows):
    return parts(tmp_path_factory.mktemp("logs"), rows, 1)


@pytest.fixture(scope="module")
def clean(plumb, tmp_path_factory, data):
    place = Onchain(plumb, tmp_path_factory.mktemp("clean") / "flow", data)
    place.ok(batch_rows=100)
    place.state = end_state(place)
    return place


def test_the_data_reaches_every_part_of_the_flow(clean):
    filled = {name: count for name, (count, _) in clean.state["content"].items()}
    assert all(count > 0 for name, count in filled.items() if name not in ("quote_tokens", "lockers", "blocks")), filled
    assert {level for (level,) in clean.query("SELECT DISTINCT level FROM alerts")} >= {"warning", "gone"}
    for part in ("liquidity_gone", "liquidity_lower", "lp_unlocked", "lone_provider", "few_sales", "one_way", "young", "creator_before"):
        assert clean.value(f"SELECT count(DISTINCT {part}) FROM scores") > 1, part


def crossings(place):
    """What alerts should hold: each score against the one before it of its pool."""
    last, found = {}, []
    for pool, block, score in place.query("SELECT pool, block_number, score FROM scores ORDER BY pool, block_number"):
        before = last.get(pool, 0)
        if (score >= 65) != (before >= 65) or (score >= 100) != (before >= 100):
            found.append((pool, block, before, score))
        last[pool] = score
    return found


def alerts(place):
    return place.query("SELECT pool, block_number, old_score, new_score FROM alerts ORDER BY pool, block_number")


def lp_tokens(rows):
    """(pool, block) -> supply, with the creator's side, locked, burned: followed transfer by transfer."""
    pools = {row["c"]: {"sums": [0, 0, 0, 0], "creator": None, "side": set()} for row in rows if row["event"] == "PairCreated"}
    result = {}
    for row in rows:
        if row["event"] != "Transfer" or row["address"] not in pools:
            continue
        it, sender, receiver, amount = pools[row["address"]], row["a"], row["b"], row["n0"]
        if it["creator"] is None and sender == onchainlib.ZERO != receiver:
            it["creator"] = receiver
            it["side"].add(receiver)
        from_side = sender in it["side"]
        if sender == it["creator"] and receiver not in (onchainlib.ZERO, row["address"], onchainlib.LOCKER, onchainlib.DEAD):
            it["side"].add(receiver)
        signs = [(sender == onchainlib.ZERO) - (receiver == onchainlib.ZERO), (receiver in it["side"]) - from_side,
                 (receiver == onchainlib.LOCKER) - (sender == onchainlib.LOCKER), int(receiver == onchainlib.DEAD)]
        it["sums"] = [total + sign * amount for total, sign in zip(it["sums"], signs)]
        result[row["address"], row["block_number"]] = tuple(it["sums"])
    return result


def test_lp_tokens_are_as_followed_one_by_one(clean, rows):
    found = {("0x" + row[0].hex(), row[1]): tuple(int256(cell) for cell in row[2:]) for row in clean.query(
        "SELECT pool, block_number, supply, insiders, locked, burned FROM lp")}
    assert found == lp_tokens(rows)


def test_alerts_are_where_scores_cross_a_line(clean):
    assert alerts(clean) == crossings(clean) != []


@pytest.mark.parametrize("batch_rows", [1, 7, 1000, 100000])
def test_any_batch_size_gives_the_same_tables(plumb, tmp_path, data, clean, batch_rows):
    place = Onchain(plumb, tmp_path / "flow", data)
    place.ok(batch_rows=batch_rows)
    assert end_state(place) == clean.state


def test_logs_delivered_twice_change_nothing(plumb, tmp_path, rows, clean):
    place = Onchain(plumb, tmp_path / "flow", parts(tmp_path / "logs", rows + rows[len(rows) // 3:], 3))
    place.ok(batch_rows=50)
    assert content(place) == clean.state["content"]


def test_logs_that_come_in_another_order_give_the_same_tables(plumb, tmp_path, rows, clean):
    """Later blocks first: every derive must find the keys that an earlier block changes."""
    place = Onchain(plumb, tmp_path / "flow", tmp_path / "some")
    whole = parts(tmp_path / "logs", rows, 5)
    (tmp_path / "some").mkdir()
    for path in sorted(whole.iterdir(), reverse=True):
        shutil.copy(path, tmp_path / "some")
        place.ok(batch_rows=40)
    assert content(place) == clean.state["content"] and not queues(place)


@pytest.mark.parametrize("order", ["STP", "TPS", "PST"])
def test_kinds_of_logs_that_come_one_after_the_other_give_the_same_tables(plumb, tmp_path, rows, clean, order):
    """One log in three of a kind last, so that little else changes with it: nothing hides a key that a mapping forgets."""
    place = Onchain(plumb, tmp_path / "flow", tmp_path / "logs")
    for kind in order:
        of_kind = [row for row in rows if row["event"][0] == kind or (kind == "P" and row["event"] in ("Mint", "Burn"))]
        for third in (2, 0, 1):
            onchainlib.write_logs(tmp_path / "logs" / f"{kind}{third}.csv", of_kind[third::3])
            place.ok(batch_rows=200)
    assert content(place) == clean.state["content"] and not queues(place)


def test_replay_gives_the_same_tables(plumb, tmp_path, data, clean):
    place = Onchain(plumb, tmp_path / "flow", data)
    place.ok(batch_rows=100)
    place.ok(command="replay")
    assert end_state(place) == clean.state


def test_killed_anywhere_it_ends_the_same(plumb, tmp_path, data, clean):
    place = Onchain(plumb, tmp_path / "flow", data)
    rng = random.Random(3)
    for _ in range(KILLS):
        process = plumb.start("run", place.directory, "--once", "--batch-rows", "20", env=place.env, cwd=place.directory)
        time.sleep(rng.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    place.ok(batch_rows=20)
    assert end_state(place)["digests"] == clean.state["digests"]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_logs_taken_back_leave_no_trace(plumb, tmp_path, rows, data, share):
    """As a reorg does it: the event tables lose the newest blocks, and all else follows."""
    last = rows[int(len(rows) * share)]["block_number"]
    straight = Onchain(plumb, tmp_path / "straight", parts(tmp_path / "logs", [row for row in rows if row["block_number"] <= last], 1))
    straight.ok()
    place = Onchain(plumb, tmp_path / "flow", data)
    place.ok()
    place.sql("".join(f"DELETE FROM {table} WHERE block_number > {last};" for table in EVENTS))
    place.ok()
    assert content(place) == content(straight)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_score_knows_nothing_of_later_blocks(plumb, tmp_path, rows, clean, share):
    """History as it was known at a block is what stands there today."""
    last = rows[int(len(rows) * share)]["block_number"]
    place = Onchain(plumb, tmp_path / "flow", parts(tmp_path / "logs", [row for row in rows if row["block_number"] <= last], 1))
    place.ok()
    for table in ("lp", "moments", "scores", "alerts"):
        columns = ", ".join(name for (name,) in clean.query("SELECT name FROM pragma_table_info(?)", table))
        then = place.query(f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3")
        now = clean.query(f"SELECT {columns} FROM {table} WHERE block_number <= ? ORDER BY 1, 2, 3", last)
        assert then == now and then, table
