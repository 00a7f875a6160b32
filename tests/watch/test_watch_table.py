"""Every kind of check, one after the other: it stays quiet up to its limit, fires once beyond it, and is over once when all is mended.

Time is PLUMB_CLOCK, each look a `run --once`. The twin of each row is the same story with a limit that is not reached: nothing may fire.
A kind without a row fails test_every_kind_has_a_row.
"""
import json
import re
import sqlite3
from collections import namedtuple
from contextlib import closing, contextmanager

import pytest
from chain.evm import plain_chain
from chain.hostile import HostileNode
from conftest import ROOT

SECOND, MINUTE, HOUR, DAY = 10**6, 60 * 10**6, 3600 * 10**6, 24 * 3600 * 10**6
MIDNIGHT = 20000 * DAY
KEEP = 5 * MINUTE  # what an alert must be fine for, unless told
FLOW = """\
flow: table
store: sqlite:table.db
sources:
  orders: {type: file, path: orders/*.jsonl, columns: {id: {type: int64, required: true}, who: text, total: int64, at: timestamp}}
  notes: {type: file, path: notes/*.jsonl, columns: {id: int64, doc: text}}
tables:
  orders: {key: [id], columns: {id: int64, who: text, total: int64, at: timestamp}}
  notes: {key: [id], columns: {id: int64, word: text}}
  scores: {key: [who], columns: {who: text, score: int64}}
transforms:
  load: {from: orders, into: orders, sql: "SELECT id, who, total, at FROM batch"}
  load_notes: {from: notes, into: notes, rejects: {max: 2}, sql: "SELECT id, json_extract(doc, '$.word') AS word FROM batch"}
  scores:
    on: {orders: [who]}
    into: scores
    derive: |
      SELECT k.who, max(CASE WHEN o.total = 13 THEN json_extract('{', '$') ELSE o.total END) AS score
      FROM changed k JOIN orders o ON o.who = k.who GROUP BY k.who
"""
CHAIN = """\
flow: table
store: sqlite:table.db
sources:
  chain: {type: evm, rpc: ["${RPC_URL}"], from_block: 90, poll: 10ms, events: {Transfer: "event Transfer(address indexed from, address indexed to, uint256 value)"}}
tables:
  blocks: {key: [chain_id, block_number], columns: {chain_id: int64, block_number: int64}}
transforms:
  blocks: {from: chain.blocks, into: blocks, sql: "SELECT chain_id, block_number FROM batch"}
"""


class Files:
    """A flow over files, and what is brought to it."""

    flow = FLOW

    def __init__(self, plumb, directory):
        self.plumb, self.directory, self.now, self.files, self.env = plumb, directory, MIDNIGHT, 0, {}
        for name in ("orders", "notes"):
            (directory / name).mkdir(parents=True)
            (directory / name / "0000.jsonl").touch()

    def check(self, text):
        (self.directory / "flow.yaml").write_text(f"{self.flow}checks:\n  it: {text}\n", encoding="utf-8")

    def look(self, later=0, is_well=True):
        """is_well: how the run must end; None: it may fail."""
        self.now += later
        done = self.plumb.run("run", self.directory, "--once", env={"PLUMB_CLOCK": self.now, **self.env})
        assert done.code in ((0, 1) if is_well is None else (int(not is_well),))

    def bring(self, *records, to="orders"):
        self.files += 1
        lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
        (self.directory / to / f"{self.files:04}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def orders(self, first, count, **more):
        self.bring(*({"id": first + i, "who": f"w{first + i}", "total": 1, **more} for i in range(count)))

    def command(self, *arguments):
        return self.plumb.ok(*arguments, env={"PLUMB_CLOCK": self.now, **self.env})

    def state(self):
        """(the check's state, severities of open alerts, states of all that ever were)"""
        facts = json.loads(self.command("alerts", self.directory, "--json", "--all").stdout)
        is_open = [a["severity"] for a in facts["alerts"] if a["state"] != "resolved"]
        return facts["checks"][0]["state"], is_open, [a["state"] for a in facts["alerts"]]

    def hand(self, sql):
        with closing(sqlite3.connect(self.directory / "table.db")) as connection, connection:
            connection.execute(sql)

    def close(self):
        pass


class Blocks(Files):
    """A flow over a chain."""

    flow = CHAIN

    def __init__(self, plumb, directory):
        super().__init__(plumb, directory)
        self.chain = plain_chain(count=100, blocks=60)
        self.node = HostileNode(self.chain, seed=3).start()
        self.env = {"RPC_URL": self.node.url, "PLUMB_FAULT": "count,hurry"}

    @contextmanager
    def away(self):
        self.node.stop()
        yield
        self.node = HostileNode(self.chain, seed=4).start()
        self.env["RPC_URL"] = self.node.url

    def close(self):
        self.node.stop()


# ---- the stories: what is done before the limit, beyond it, and to mend it; each ends with a look ----

def heartbeat(day):
    day.orders(1, 1)
    day.look()
    day.look(later=60 * MINUTE)
    yield "quiet"
    day.look(later=MINUTE)
    yield "trouble"
    day.orders(2, 1)
    day.look()


def heartbeat_of_what_never_came(day):
    day.look()
    day.look(later=60 * MINUTE)
    yield "quiet"
    day.look(later=MINUTE)
    yield "trouble"
    day.orders(1, 1)
    day.look()


def heartbeat_that_never_ends(day):
    """Batches come, and a map that has stopped does not take them."""
    day.bring({"id": 1, "doc": "{}"}, to="notes")
    day.look()
    day.bring(*({"id": i, "doc": "{"} for i in range(2, 5)), to="notes")
    day.look(is_well=False)
    day.bring({"id": 9, "doc": "{}"}, to="notes")
    day.look(is_well=False)
    day.look(later=10 * MINUTE, is_well=False)
    yield "quiet"
    day.look(later=MINUTE, is_well=False)
    yield "trouble"
    day.command("rejects", "discard", day.directory, "--all", "--because", "noise", "--transform", "load_notes")
    day.look()


def latency(day):
    yield from heartbeat_that_never_ends(day)
    day.bring({"id": 20, "doc": "{}"}, to="notes")
    day.look(later=2 * HOUR)


def errors(day):
    day.orders(1, 19)
    day.bring({"id": 20, "who": "bad", "total": 13})
    day.look()
    yield "quiet"
    day.bring({"id": 21, "who": "worse", "total": 13})
    day.look()
    yield "trouble"
    day.bring({"id": 20, "who": "bad", "total": 1}, {"id": 21, "who": "worse", "total": 1})
    day.look()


def rejects(day):
    day.orders(1, 9)
    day.bring('{"id": "no"}')
    day.look()
    yield "quiet"
    day.bring('{"id": "no"}')
    day.look(later=MINUTE)
    yield "trouble"
    day.orders(20, 9)
    day.look(later=2 * HOUR)


def duplicates(day):
    day.orders(1, 9)
    day.orders(1, 1)
    day.look()
    yield "quiet"
    day.orders(2, 1)
    day.look(later=MINUTE)
    yield "trouble"
    day.orders(20, 9)
    day.look(later=2 * HOUR)


def rows(day):
    day.orders(1, 9)
    day.bring('{"id": "no"}')
    day.look()
    day.look(later=2 * MINUTE)
    yield "quiet"
    day.bring('{"id": "no"}')
    day.look()
    assert day.state() == ("ok", [], []), "what is younger than grace may still be on its way"
    day.look(later=2 * MINUTE)
    yield "trouble"
    day.orders(20, 9)
    day.look(later=2 * HOUR)
    day.look(later=2 * MINUTE)
    day.look(later=KEEP)


def nulls(day):
    day.orders(1, 9)
    day.bring({"id": 10, "total": 1})
    day.look()
    yield "quiet"
    day.bring({"id": 11, "total": 1})
    day.look()
    yield "trouble"
    day.bring({"id": 10, "who": "w10", "total": 1})
    day.look()


def values(day):
    day.orders(1, 1, total=0)
    day.orders(2, 1, total=100)
    day.bring({"id": 3, "who": "nothing is neither"})
    day.look()
    yield "quiet"
    day.orders(4, 1, total=101)
    day.look()
    yield "trouble"
    day.orders(4, 1, total=99)
    day.look()


def unique(day):
    day.orders(1, 2)
    day.bring({"id": 3}, {"id": 4})
    day.look()
    yield "quiet"
    day.bring({"id": 5, "who": "w1"})
    day.look()
    yield "trouble"
    day.bring({"id": 5, "who": "w5"})
    day.look()


def freshness(day):
    day.orders(1, 1, at="2024-10-04T00:00:00Z")
    day.look()
    day.look(later=60 * MINUTE)
    yield "quiet"
    day.look(later=MINUTE)
    yield "trouble"
    day.orders(2, 1, at="2024-10-04T01:00:30Z")
    day.look()


def gap(day):
    day.look()
    yield "quiet"
    with day.away():
        day.hand("UPDATE _plumb_coverage SET low = low + 5 WHERE low = (SELECT min(low) FROM _plumb_coverage)")
        day.hand("INSERT INTO _plumb_coverage SELECT partition, 90, 91, first_record, 0, how, origin, batch_seq, updated_us FROM _plumb_coverage "
                 "ORDER BY low LIMIT 1")
        day.look(is_well=False)
        yield "trouble"
        day.hand("UPDATE _plumb_coverage SET high = 94 WHERE low = 90")
    day.look()


def schema_change(day):
    day.orders(1, 2)
    day.look()
    (day.directory / "orders" / f"{day.files:04}.jsonl").open("a", encoding="utf-8").write('{"id": 3, "who": "w3", "total": 1}\n')
    day.look(later=MINUTE)
    yield "quiet"
    (day.directory / "orders" / f"{day.files:04}.jsonl").open("a", encoding="utf-8").write('{"id": 4, "who": "w4", "total": 1, "colour": "red"}\n')
    day.look(later=MINUTE)
    yield "trouble"
    day.orders(9, 1)
    day.look(later=25 * HOUR)


def http_status(day):
    day.look()
    day.chain.grow(3)
    day.look()
    yield "quiet"
    day.node.faults.update(rate_429=0.6, retry_after="0")
    for _ in range(6):
        day.chain.grow(1)
        day.look(is_well=None)
    yield "trouble"
    day.node.faults.update(rate_429=0.0)
    day.chain.grow(3)
    day.look(later=2 * HOUR)


def volume(day):
    def hour(count):
        day.orders(day.files * 1000, count)
        day.look(later=22 * HOUR)
        day.look(later=HOUR)  # that hour is whole
        day.now += HOUR

    for count in (20, 21, 19, 20, 22):
        hour(count)
    yield "quiet"
    hour(200)
    yield "trouble"
    hour(20)


def sql(day):
    day.orders(1, 2)
    day.look()
    yield "quiet"
    day.bring({"id": 3, "who": "ghost"})
    day.look()
    yield "trouble"
    day.bring({"id": 3, "who": "person"})
    day.look()


Row = namedtuple("Row", "kind story place check loose severity", defaults=("error",))
ROWS = {
    "heartbeat": Row("heartbeat", heartbeat, Files, "{heartbeat: orders, within: 1h}", "{heartbeat: orders, within: 2h}"),
    "heartbeat, never": Row("heartbeat", heartbeat_of_what_never_came, Files, "{heartbeat: orders, within: 1h, severity: warn}",
                            "{heartbeat: orders, within: 2h}", "warn"),
    "heartbeat, max_runtime": Row("heartbeat", heartbeat_that_never_ends, Files, "{heartbeat: notes, within: 1d, max_runtime: 10m}",
                                  "{heartbeat: notes, within: 1d, max_runtime: 1h}"),
    "latency": Row("latency", latency, Files, "{latency: notes, max: 10m, over: 1h}", "{latency: notes, max: 1h, over: 1h}"),
    "latency, of a map": Row("latency", latency, Files, "{latency: transforms.load_notes, warn: 10m, error: 1h, over: 1h}",
                             "{latency: transforms.load_notes, warn: 1h, over: 1h}", "warn"),
    "errors": Row("errors", errors, Files, "{errors: scores, max: 5%}", "{errors: scores, max: 10%}"),
    "rejects": Row("rejects", rejects, Files, "{rejects: orders, max: 10%, over: 1h}", "{rejects: orders, max: 50%, over: 1h}"),
    "duplicates": Row("duplicates", duplicates, Files, "{duplicates: load, max: 10%, over: 1h}", "{duplicates: load, max: 50%, over: 1h}"),
    "rows": Row("rows", rows, Files, "{rows: sources.orders, max: 10%, over: 1h}", "{rows: sources.orders, max: 50%, over: 1h}"),
    "nulls": Row("nulls", nulls, Files, "{nulls: orders.who, max: 10%}", "{nulls: orders.who, max: 50%}"),
    "range": Row("range", values, Files, "{range: orders.total, min: 0, max: 100}", "{range: orders.total, min: 0, max: 101}"),
    "unique": Row("unique", unique, Files, "{unique: orders.who, severity: warn}", "{unique: orders.id}", "warn"),
    "freshness": Row("freshness", freshness, Files, "{freshness: orders.at, warn: 1h, error: 6h}", "{freshness: orders.at, warn: 2h, error: 6h}", "warn"),
    "gap": Row("gap", gap, Blocks, "{gap: chain}", "{gap: chain, max: 3}"),
    "schema_change": Row("schema_change", schema_change, Files, "{schema_change: orders}", "{schema_change: orders, events: [missing_field]}"),
    "http_status": Row("http_status", http_status, Blocks, "{http_status: chain, status: 429, max: 10%, over: 1h}",
                       "{http_status: chain, status: 5xx, max: 10%, over: 1h}"),
    "volume": Row("volume", volume, Files, "{volume: orders, max: 8, min_days: 3}", "{volume: orders, max: 8, min_days: 3, direction: drop}"),
    "sql": Row("sql", sql, Files, "{sql: \"SELECT count(*) FROM orders WHERE who = 'ghost'\"}",
               "{sql: \"SELECT count(*) FROM orders WHERE who = 'ghost'\", max: 1}"),
    "sql, rows": Row("sql", sql, Files, "{sql: \"SELECT id FROM orders WHERE who = 'ghost'\", counts: rows}",
                     "{sql: \"SELECT id FROM orders WHERE who = 'ghost'\", counts: rows, max: 1}"),
}
LONG = (latency, rejects, duplicates, rows, schema_change, http_status, volume)  # mended by time, of which enough has passed then


@pytest.fixture(name="day")
def a_day(plumb, tmp_path, request):
    made = ROWS[request.param].place(plumb, tmp_path / "flow")
    yield made
    made.close()


def test_every_kind_has_a_row():
    page = (ROOT / "docs/reference/checks.md").read_text(encoding="utf-8")
    kinds = set(re.findall(r"^## (\w+)$", page, re.M))
    assert len(kinds) == 15 and {row.kind for row in ROWS.values()} == kinds


@pytest.mark.parametrize("day, name", [(name, name) for name in ROWS], indirect=["day"], ids=list(ROWS))
def test_it_is_quiet_fires_once_and_is_over_once(day, name):
    row = ROWS[name]
    day.check(row.check)
    story = row.story(day)
    assert next(story) == "quiet"
    assert day.state() == ("ok", [], [])
    assert next(story) == "trouble"
    assert day.state() == (row.severity, [row.severity], ["firing"])
    assert next(story, None) is None
    if row.story not in LONG:
        assert day.state()[1:] == ([row.severity], ["firing"]), "it must be fine for a while first"
        day.look(later=KEEP)
    assert day.state() == ("ok", [], ["resolved"])


@pytest.mark.parametrize("day, name", [(name, name) for name in ROWS], indirect=["day"], ids=list(ROWS))
def test_the_same_story_below_the_limit_is_quiet(day, name):
    row = ROWS[name]
    day.check(row.loose)
    for _ in row.story(day):
        assert day.state() == ("ok", [], [])
    day.look(later=KEEP)
    assert day.state()[1:] == ([], [])
