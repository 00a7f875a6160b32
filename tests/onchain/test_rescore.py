"""The score is changed: plan says what that will cost, replay makes it anew from what is staged while readers see the old scores or
the new and never a mix, the node is not asked for anything, and a kill in the middle costs a turn. And every score leads back to
the very logs it was made of, from which it can be computed again."""
import json
import random
import shutil
import signal
import socket
import sqlite3
import sys
import threading
from pathlib import Path

import pytest
from chain.fakechain import Chain
from chain.hostile import HostileNode
from conftest import int256, rows_of

sys.path.insert(0, str(Path(__file__).parent))
import onchainlib  # noqa: E402 (its folder is not on the path before)
from test_evm import TOPICS, as_logs  # noqa: E402
from test_laws import lp_tokens  # noqa: E402

SLOT_S, DAY_SLOTS = 600, 144
OLD_PART, NEW_PART = "WHEN sells < 20 THEN 25", "WHEN sells < 20 THEN 29"
OLD_REASON, NEW_REASON = "sales within a day", "sales in that day"
TABLES = ("scores", "alerts", "token_risks")
# One statement, so one moment: what the readers of three tables see together.
STATE = " UNION ALL ".join(f"SELECT '{t}', count(*), total(reasons LIKE '%{OLD_REASON}%'), total(reasons LIKE '%{NEW_REASON}%') FROM {t}" for t in TABLES)


class Tripwire:
    """Listens where the node was, and counts who knocks."""

    def __init__(self, port):
        self.socket = socket.create_server(("127.0.0.1", port))
        self.socket.settimeout(0.05)
        self.count, self.stopping = 0, threading.Event()
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        while not self.stopping.is_set():
            try:
                self.socket.accept()[0].close()
                self.count += 1
            except TimeoutError:
                pass

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.socket.close()


def write_score(place):
    text = (place / "scores.sql").read_text()
    assert text.count(OLD_PART) == text.count(OLD_REASON) == 1
    (place / "scores.sql").write_text(text.replace(OLD_PART, NEW_PART).replace(OLD_REASON, NEW_REASON))


def digests(plumb, place, env):
    return {name: table["digest"] for name, table in json.loads(plumb.ok("audit", place, "--json", env=env).stdout)["tables"].items()}


def make(directory):
    shutil.copytree(onchainlib.SHIPPED, directory, ignore=shutil.ignore_patterns("demo", "*.db*"))
    return directory


@pytest.fixture(name="world", scope="module")
def fixture_world(plumb, tmp_path_factory):
    """The flow run over a node, once with the score as shipped and once with the new one; then the node is stopped."""
    base = tmp_path_factory.mktemp("rescore")
    rows = onchainlib.launches(random.Random(11), blocks=700)
    chain = Chain(as_logs(rows), last=rows[-1]["block_number"] + 70, times=[
        (number, onchainlib.START + number * onchainlib.BLOCK_SECONDS) for number in (0, rows[-1]["block_number"] + 170)])
    old, new = make(base / "old"), make(base / "new")
    write_score(new)
    with HostileNode(chain) as node:
        env = {"RPC_URL": node.url}
        for place in (old, new):
            plumb.ok("run", place, "--once", "--batch-rows", "50", env=env)
        port = int(node.url.rsplit(":", 1)[1])
        asked = sum(count for name, count in node.counters.items() if name.startswith("eth_"))
    assert asked > 0
    wire = Tripwire(port)
    yield {"rows": rows, "old": old, "env": env, "wire": wire, "old_digests": digests(plumb, old, env), "new_digests": digests(plumb, new, env),
           "old_state": rows_of(old / "onchain.db", STATE), "new_state": rows_of(new / "onchain.db", STATE)}
    wire.stop()


@pytest.fixture(name="place")
def fixture_place(world, tmp_path):
    shutil.copytree(world["old"], tmp_path / "flow")
    return tmp_path / "flow"


@pytest.fixture(autouse=True)
def fixture_nobody_asks_the_node(world):
    before = world["wire"].count
    yield
    assert world["wire"].count == before, "the node was asked"


def test_the_tripwire_works(plumb, world, place):
    """So that its silence says something: a run does ask."""
    plumb.run("run", place, "--once", env={**world["env"], "PLUMB_FAULT": "count,hurry"})
    assert world["wire"].count > 0
    world["wire"].count = 0


def test_both_scores_differ_where_they_should(world):
    different = {name for name, digest in world["old_digests"].items() if digest != world["new_digests"][name]}
    assert different == set(TABLES)
    for state, column in ((world["old_state"], 2), (world["new_state"], 3)):
        assert all(row[column] > 0 and row[5 - column] == 0 for row in state), state


def test_plan_says_what_a_new_score_means(plumb, world, place):
    write_score(place)
    refused = plumb.run("run", place, "--once", env=world["env"])
    assert refused.code == 78 and "transform 'scores' changed" in refused.stderr and "--transform scores" in refused.stderr
    plan = plumb.run("plan", place, "--json", env=world["env"])
    told = json.loads(plan.stdout)
    assert plan.code == 3 and {(c["name"], c["effect"]) for c in told["changes"]} == {(t, "rebuild") for t in TABLES}
    rows = {name: count for name, count, _, _ in world["old_state"]}
    assert told["rebuild"]["transform"] == "scores" and told["rebuild"]["rows"] == sum(rows.values())


def test_plan_estimates_a_rebuild_from_the_staged_logs(plumb, world, place):
    flow = (place / "flow.yaml").read_text()
    (place / "flow.yaml").write_text(flow.replace("pair AS pool, token0, token1 FROM batch", "pair AS pool, token0, token1 FROM batch WHERE 1"))
    told = json.loads(plumb.run("plan", place, "--json", env=world["env"]).stdout)["rebuild"]
    ((batches, records),) = rows_of(place / "onchain.db", "SELECT count(*), sum(records) FROM _plumb_batches")
    assert (told["batches"], told["records"]) == (batches, records) and told["estimate_us"] > 0


@pytest.mark.parametrize("options", [(), ("--transform", "scores")])
def test_a_reader_sees_old_scores_or_new_ones_while_they_are_made(plumb, world, place, options):
    write_score(place)
    seen, stop = [], threading.Event()

    def poll():
        connection = sqlite3.connect(f"file:{place / 'onchain.db'}?mode=ro", uri=True, timeout=30)
        while not stop.is_set():
            seen.append(tuple(connection.execute(STATE).fetchall()))
        connection.close()

    reader = threading.Thread(target=poll)
    reader.start()
    plumb.ok("replay", place, *options, env=world["env"])
    stop.set()
    reader.join()
    assert set(seen) <= {tuple(world["old_state"]), tuple(world["new_state"])} and seen[0] == tuple(world["old_state"]) and len(seen) > 5
    assert digests(plumb, place, world["env"]) == world["new_digests"]


def test_killed_in_the_middle_it_goes_on_from_there(plumb, world, place, tmp_path):
    write_score(place)
    ((batches,),) = rows_of(place / "onchain.db", "SELECT count(*) FROM _plumb_batches")
    assert batches > 30
    shutil.copytree(place, tmp_path / "counted")
    counted = plumb.ok("replay", tmp_path / "counted", "--turn-rows", "50", env={**world["env"], "PLUMB_FAULT": "count"})
    steps = int(counted.stderr.rsplit("step=", 1)[1].split()[0])
    left = []
    for kill in (steps // 4, steps // 4, steps // 4):  # each one from where the one before was killed
        killed = plumb.run("replay", place, "--turn-rows", "50", env={**world["env"], "PLUMB_FAULT": f"kill:{kill}"})
        assert killed.code == -signal.SIGKILL
        ((done,),) = rows_of(place / "onchain.db-aside", "SELECT count(DISTINCT batch) FROM _plumb_ledger")
        left.append(batches - done)
        assert rows_of(place / "onchain.db", STATE) == world["old_state"]
    assert batches > left[0] > left[1] > left[2] > 0, left
    done = json.loads(plumb.ok("replay", place, "--json", env=world["env"]).stdout)
    assert done["replayed_batches"] == left[2], "only what was left is applied"
    assert digests(plumb, place, world["env"]) == world["new_digests"]


# ---- where a score came from ----

def log_of(record):
    """The cells of onchainlib of a log, from its raw record alone."""
    raw = json.loads(record["raw"])
    event = next(name for name, topic in TOPICS.items() if topic == raw["topics"][0])
    words = [raw["data"][2 + i * 64:66 + i * 64] for i in range(len(raw["data"]) // 64)]
    it = {"event": event, "block_number": int(raw["blockNumber"], 16), "log_index": int(raw["logIndex"], 16), "address": raw["address"]}
    if event == "Transfer":
        it.update(a="0x" + raw["topics"][1][-40:], b="0x" + raw["topics"][2][-40:], n0=int(words[0], 16))
    if event == "Sync":
        it.update(n0=int(words[0], 16), n1=int(words[1], 16))
    if event == "PairCreated":
        it.update(a="0x" + raw["topics"][1][-40:], b="0x" + raw["topics"][2][-40:], c="0x" + words[0][-40:])
    return it


def at_of(block):
    return onchainlib.START + block * onchainlib.BLOCK_SECONDS


def features(logs, pool, block):
    """What the score knows of a pool at the end of a block, from logs alone."""
    created = next(log for log in logs if log["event"] == "PairCreated" and log["c"] == pool)
    side = 0 if created["a"] in (onchainlib.WETH, onchainlib.USDC) else 1
    syncs = [(log["block_number"], log[f"n{side}"], log[f"n{1 - side}"]) for log in logs if log["event"] == "Sync" and log["address"] == pool]
    low, high = at_of(block) // SLOT_S - DAY_SLOTS, at_of(block) // SLOT_S
    buys = sells = drop = 0
    for (_, quote0, base0), (number, quote1, base1) in zip(syncs, syncs[1:]):
        if low <= at_of(number) // SLOT_S < high:
            buys += quote1 > quote0 and base1 < base0
            sells += quote1 < quote0 and base1 > base0
        if number <= block and quote1 < quote0:
            lost = (quote0 - quote1) * 1000000 // quote0
            drop = max(drop, lost if lost >= 500000 else 0)
    day = [quote for number, quote, _ in syncs if low <= at_of(number) // SLOT_S < high]
    now = [quote for number, quote, _ in syncs if number <= block]
    tokens = {number: sums for (of, number), sums in lp_tokens(logs).items() if of == pool and number <= block}
    supply, insiders, locked, burned = tokens[max(tokens)]
    share = lambda part: min(1000000, part * 1000000 // supply) if supply > 0 and part > 0 else 0  # noqa: E731
    return {"age_s": at_of(block) - at_of(created["block_number"]), "buys": buys, "sells": sells, "drop_ppm": drop,
            "left_ppm": now[-1] * 1000000 // max(day) if day and now[-1] < max(day) else 1000000,
            "insider_ppm": share(insiders), "safe_ppm": share(locked + burned),
            "moves": sum(log["event"] == "Transfer" and log["address"] == pool and log["block_number"] <= block for log in logs)}


def some_scores(place):
    """One score for each set of parts that have points: every way to a score, and few of them."""
    return rows_of(place / "onchain.db", "SELECT lower(hex(pool)), block_number FROM (SELECT *, row_number() OVER (PARTITION BY liquidity_gone > 0, "
                   "liquidity_lower > 0, lp_unlocked > 0, lone_provider > 0, few_sales > 0, one_way > 0, young > 0, creator_before > 0 "
                   "ORDER BY buys + sells DESC, pool) AS n FROM scores) WHERE n = 1 ORDER BY 1, 2")


def test_a_score_leads_to_the_very_logs_that_give_its_features_again(plumb, world):
    place, true = world["old"], {(row["block_number"], row["log_index"]): row for row in world["rows"]}
    chosen = some_scores(place)
    assert len(chosen) >= 8
    events, compared = set(), 0
    for pool, block in chosen:
        pool = "0x" + pool
        trace = json.loads(plumb.ok("trace", place, "scores", "--limit", 1000, "--json", "--", 1, pool, block, env=world["env"]).stdout)
        records = [row["record"] for row in trace["rows"] if row["from_map"]]
        assert records and all(record["kept"] for record in records) and trace["search"]["missing"] == 0
        logs = [log_of(record) for record in records]
        for log in logs:  # they are the chain's own, cell by cell
            row = true[log["block_number"], log["log_index"]]
            assert all(row[name] == value for name, value in log.items()), (log, row)
        events |= {log["event"] for log in logs}
        logs = sorted({(log["block_number"], log["log_index"]): log for log in logs}.items())
        score = trace["rows"][0]["values"]
        found = features([log for _, log in logs], pool, block)
        assert found == {name: score[name] for name in found}, (pool, block)
        assert features([log for _, log in logs if log["event"] != "Transfer" or log["n0"] != 1000], pool, block) != found, "each log counts"
        parts = [score[name] for name in ("liquidity_gone", "liquidity_lower", "lp_unlocked", "lone_provider", "few_sales", "one_way", "young", "creator_before")]
        assert score["score"] == min(100, sum(parts))
        creators = [row for row in trace["rows"] if row["table"] == "creators" and row["key"]["pool"] != pool]
        assert score["gone_before"] == sum(1 for row in creators if (row["values"]["gone_block"] or block) < block)
        compared += len(found)
    assert events == {"Transfer", "Sync", "PairCreated"} and compared >= 64


def test_what_a_balance_names_adds_up_to_it(plumb, world):
    """A sum by its logs: the features of concentration stand on balances."""
    place, added = world["old"], 0
    for token, holder, balance in rows_of(place / "onchain.db", "SELECT '0x' || lower(hex(token)), '0x' || lower(hex(holder)), balance FROM balances "
                                          "ORDER BY token, holder LIMIT 1000000")[::40]:
        trace = json.loads(plumb.ok("trace", place, "balances", "--limit", 1000, "--json", "--", 1, token, holder, env=world["env"]).stdout)
        transfers = [log_of(row["record"]) for row in trace["rows"] if row["table"] == "transfers"]
        amount = sum(log["n0"] * ((log["b"] == holder) - (log["a"] == holder)) for log in transfers)
        assert amount == int256(balance) and all(step["adds_up"] for step in trace["steps"] if step["row"] == 0 and step["direction"] == "up")
        assert all(log["address"] == token for log in transfers)
        added += len(transfers)
    assert added > 20
