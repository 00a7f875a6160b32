"""Checks and alerts of the program as a whole: time is PLUMB_CLOCK, the past is in the store, kills forget nothing."""
import json
import signal
import sqlite3
import time

import pytest

SECOND, MINUTE, HOUR = 10**6, 60 * 10**6, 3600 * 10**6
BEGIN = 20000 * 24 * HOUR
FLOW = """\
flow: w
store: sqlite:w.db
sources:
  orders:
    type: file
    path: data/*.jsonl
    columns: {id: {type: int64, required: true}, who: text}
tables:
  orders: {key: [id], columns: {id: int64, who: text}}
  sums: {key: [who], columns: {who: text, n: int64}}
transforms:
  load: {from: sources.orders, into: orders, sql: "SELECT id, who FROM batch"}
  sums: {from: tables.orders, into: sums, sum: "SELECT who, 1 AS n FROM change WHERE who IS NOT NULL"}
checks:
"""
ARRIVE = "  arrive: {heartbeat: orders, within: 1h, keep: 5m}\n"
REJECTS = "  few-rejects: {rejects: orders, max: 10%, over: 1h, keep: 5m}\n"


class Place:
    def __init__(self, plumb, directory):
        self.plumb, self.directory, self.now, self.records = plumb, directory, BEGIN, 0

    def use(self, checks):
        (self.directory / "flow.yaml").write_text(FLOW + checks, encoding="utf-8")

    def bring(self, *lines):
        self.records += 1
        (self.directory / "data" / f"{self.records:04}.jsonl").write_text("".join(line + "\n" for line in lines),
                                                                         encoding="utf-8")

    def bring_one(self):
        self.bring(json.dumps({"id": self.records, "who": "ada"}))

    def run(self, later=0, **options):
        self.now += later
        return self.plumb.ok("run", self.directory, "--once", env={"PLUMB_CLOCK": self.now}, **options)

    def at(self, *arguments):
        return self.plumb.run(*arguments, env={"PLUMB_CLOCK": self.now})

    def alerts(self, *options):
        return json.loads(self.at("alerts", self.directory, "--json", *options).stdout)


@pytest.fixture(name="place")
def a_place(plumb, make_flow):
    def make(checks):
        made = Place(plumb, make_flow({"flow.yaml": FLOW + checks, "data/0000.jsonl": ""}, name="w"))
        return made

    return make


def test_a_silent_source_fires_and_resolves(place):
    flow = place(ARRIVE)
    flow.bring_one()
    assert "check" not in flow.run().stdout
    assert flow.alerts()["checks"][0]["state"] == "ok"
    assert "1 check fires" in flow.run(later=61 * MINUTE).stdout
    alert = flow.alerts()["alerts"][0]
    assert (alert["check"], alert["state"], alert["severity"], alert["root"]) == ("arrive", "firing", "error", "source orders")
    flow.bring_one()
    flow.run(later=MINUTE)
    assert len(flow.alerts()["alerts"]) == 1, "five minutes it must be fine"
    flow.run(later=5 * MINUTE)
    assert not flow.alerts()["alerts"]
    over = flow.alerts("--all")["alerts"]
    assert [alert["state"] for alert in over] == ["resolved"] and "fine again" in over[0]["detail"]


def test_the_map_of_the_whole_flow_is_watched_not_what_was_seen(place):
    """A source that never brought a record is in the list of what is expected all the same."""
    flow = place(ARRIVE)
    flow.run()
    flow.run(later=2 * HOUR)
    assert "nothing ever came" in flow.alerts()["alerts"][0]["summary"]


def test_rejects_fire_and_history_tells_the_same(place):
    flow = place(ARRIVE + REJECTS)
    for hour in range(6):
        if hour == 3:
            flow.bring('{"id": "no"}', '{"id": 9}')
        else:
            flow.bring_one()
        flow.run(later=HOUR - 10 * MINUTE)
    told = flow.at("alerts", "test", flow.directory, "--json")
    assert told.code == 3
    facts = json.loads(told.stdout)
    assert {check["check"]: check["times"] for check in facts["checks"]} == {"arrive": 0, "few-rejects": 1}
    episode = facts["episodes"][0]
    opened = flow.alerts("--all")["alerts"][0]["opened"]
    assert episode["check"] == "few-rejects" and episode["from"][:16] == opened[:16]
    text = flow.at("alerts", "test", flow.directory, "few-rejects").stdout
    assert "few-rejects would have fired 1 time" in text and "arrive" not in text
    assert flow.at("alerts", "test", flow.directory, "arrive").code == 0
    assert flow.at("alerts", "test", flow.directory, "--to", "soon").code == 2
    assert flow.at("alerts", "test", flow.directory, "nobody").code == 2


def test_acknowledging_and_silences_from_the_command_line(place):
    flow = place(ARRIVE)
    flow.run()
    flow.run(later=2 * HOUR)
    assert flow.at("alerts", "ack", flow.directory, "7").code == 1
    assert flow.at("alerts", "ack", flow.directory, "x").code == 2
    assert flow.at("alerts", "ack", flow.directory, "1", "--by", "ada", "--note", "on it").code == 0
    alert = flow.alerts()["alerts"][0]
    assert (alert["state"], alert["acknowledged_by"], alert["note"]) == ("acknowledged", "ada", "on it")
    wrong = flow.at("alerts", "silence", flow.directory, "arriv", "--for", "2h", "--because", "x")
    assert wrong.code == 2 and "did you mean 'arrive'" in wrong.stderr
    assert flow.at("alerts", "silence", flow.directory, "arrive", "--for", "2h").code == 2
    assert flow.at("alerts", "silence", flow.directory, "arrive", "--for", "2", "--because", "x").code == 2
    assert flow.at("alerts", "silence", flow.directory, "arr*", "--for", "2h", "--because", "x", "--by", "ada").code == 0
    listed = flow.alerts()
    assert listed["silences"][0]["matcher"] == "arr*" and listed["alerts"][0]["silenced"]
    assert flow.at("alerts", "unsilence", flow.directory, "1").code == 0
    assert flow.at("alerts", "unsilence", flow.directory, "1").code == 1
    assert not flow.alerts()["silences"] and not flow.alerts()["alerts"][0]["silenced"]


def test_a_removed_check_resolves_its_alert(place):
    flow = place(ARRIVE)
    flow.run()
    flow.run(later=2 * HOUR)
    flow.use("  every: 10s\n")
    flow.run(later=MINUTE)
    assert not flow.alerts()["alerts"]
    assert "removed from the flow" in flow.alerts("--all")["alerts"][0]["detail"]


def test_check_finds_a_rule_about_a_column_that_is_not_there(place):
    for rule, word, column in [("  c: {nulls: orders.whoo}\n", "did you mean 'who'", 14),
                               ("  c: {sql: SELECT count(*) FROM oders}\n", "no such table: oders", 12),
                               ("  c: {heartbeat: order, within: 1h}\n", "did you mean 'orders'", 18)]:
        flow = place(rule)
        result = flow.at("check", flow.directory)
        assert result.code == 78 and word in result.stderr and f"flow.yaml:15:{column}: " in result.stderr


def test_status_shows_checks_before_and_after_the_first_look(place, plumb):
    flow = place(ARRIVE)
    flow.bring_one()
    flow.run()
    database = sqlite3.connect(flow.directory / "w.db")
    shown = json.loads(flow.at("status", flow.directory, "--json").stdout)["checks"]
    assert [(check["check"], check["state"]) for check in shown] == [("arrive", "ok")]
    with database:
        database.execute("DELETE FROM _plumb_checks")
    assert "not yet" in plumb.ok("status", flow.directory).stdout
    database.close()


def wait_for(what, seconds=30):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)


def test_a_running_flow_looks_by_itself_and_a_kill_forgets_nothing(place, query):
    flow = place("  every: 1s\n  few: {rejects: orders, max: 10%, keep: 1s}\n"
                 "  arrive: {heartbeat: orders, within: 1h}\n")
    flow.bring('{"id": "no"}')
    database = flow.directory / "w.db"

    def opened():
        try:
            return query(database, "SELECT id, state FROM _plumb_alerts")
        except sqlite3.OperationalError:
            return []

    process = flow.plumb.start("run", flow.directory)
    wait_for(opened)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert opened() == [(1, "firing")]
    seen = query(database, "SELECT evaluated_us FROM _plumb_checks WHERE name = 'few'")[0][0]
    process = flow.plumb.start("run", flow.directory)
    try:
        wait_for(lambda: query(database, "SELECT evaluated_us FROM _plumb_checks WHERE name = 'few'")[0][0] > seen)
        assert opened() == [(1, "firing")], "the same alert, not another"
        flow.bring(*[json.dumps({"id": n}) for n in range(100)])
        wait_for(lambda: opened() == [(1, "resolved")])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 0


def test_dying_anywhere_in_a_round_neither_loses_nor_doubles_an_alert(place, query):
    flow = place(ARRIVE)
    flow.bring_one()
    flow.run()
    flow.now += 2 * HOUR
    database = flow.directory / "w.db"
    for step in range(1, 40):
        env = {"PLUMB_CLOCK": flow.now, "PLUMB_FAULT": f"kill:{step}"}
        result = flow.plumb.run("run", flow.directory, "--once", env=env)
        assert query(database, "SELECT count(*) FROM _plumb_alerts")[0][0] in (0, 1)
        if result.code == 0:
            break
    assert step > 2, "no kill came"
    flow.run()
    assert query(database, "SELECT check_name, state FROM _plumb_alerts") == [("arrive", "firing")]
