"""Notices reach real receivers, once and in order, whatever happens on the way. Time is PLUMB_CLOCK where it matters."""
import email
import email.policy
import http.client
import json
import shutil
import signal
import socket
import subprocess
import time

import pytest
from receivers import MailServer, Receiver

SECOND, HOUR = 10**6, 3600 * 10**6
BEGIN = 20000 * 24 * HOUR
FLOW = """\
flow: told
store: sqlite:told.db
sources:
  orders: {type: file, path: data/*.jsonl, columns: {id: {type: int64, required: true}, name: text}}
tables:
  orders: {key: [id], columns: {id: int64, name: text}}
transforms:
  orders: {from: sources.orders, into: orders, sql: "SELECT id, name FROM batch"}
checks:
  every: 1s
  named: {sql: "SELECT id FROM orders WHERE name IS NULL", counts: rows, keep: 0s, description: "Look at <orders> & \\u00e4."}
alerts:
"""
BAD, GOOD = '{"id": 1}\n', '{"id": 1, "name": "x"}\n'


class Place:
    def __init__(self, plumb, flow):
        self.plumb, self.flow, self.now, self.files = plumb, flow, BEGIN, 0

    def bring(self, line):
        self.files += 1
        (self.flow / f"data/{self.files:03}.jsonl").write_text(line, encoding="utf-8")

    def run(self, line=None, later=60 * SECOND, env=None):
        if line:
            self.bring(line)
        self.now += later
        return self.plumb.run("run", self.flow, "--once", env={"PLUMB_CLOCK": self.now, **(env or {})}, cwd=self.flow)

    def deliveries(self, columns="event, state, attempts"):
        import sqlite3  # pylint: disable=import-outside-toplevel
        connection = sqlite3.connect(f"file:{self.flow}/told.db?mode=ro", uri=True)
        try:
            return connection.execute(f"SELECT {columns} FROM _plumb_deliveries ORDER BY id").fetchall()
        finally:
            connection.close()


@pytest.fixture(name="receiver")
def a_receiver():
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(name="place")
def a_place(plumb, make_flow):
    def make(alerts):
        return Place(plumb, make_flow({"flow.yaml": FLOW + alerts, "data/000.jsonl": ""}, name="told"))
    return make


def routes(**kinds):
    return "  routes:\n" + "".join(f"    {name}: {text}\n" for name, text in kinds.items())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_begin_and_end_are_told_once_each(place, receiver):
    p = place(routes(hook=f"{{type: webhook, url: '{receiver.url}/x', headers: {{Authorization: Bearer z}}}}"))
    p.run(BAD)
    p.run()
    p.run()
    assert receiver.events() == ["firing"]
    p.run(GOOD)
    p.run()
    assert receiver.events() == ["firing", "resolved"]
    method, path, headers, body = receiver.got[0]
    assert (method, path, headers["Authorization"], headers["Content-Type"]) == ("POST", "/x", "Bearer z", "application/json")
    assert headers["Idempotency-Key"] == "plumb-told-1"
    assert body["alerts"][0]["labels"] == {"alertname": "named", "flow": "told", "severity": "critical", "kind": "sql",
                                           "root": "check named"}
    assert body["alerts"][0]["annotations"]["description"] == "Look at <orders> & \u00e4."
    assert p.deliveries() == [("firing", "sent", 1), ("resolved", "sent", 1)]


def test_who_was_away_is_told_later_and_in_order(place):
    port = free_port()
    p = place(routes(hook=f"{{type: webhook, url: 'http://127.0.0.1:{port}/'}}"))
    p.run(BAD)
    assert p.deliveries() == [("firing", "pending", 1)]
    p.run(GOOD)  # the first is tried again, the second waits behind it
    assert p.deliveries() == [("firing", "pending", 2), ("resolved", "pending", 0)]
    late = Receiver(port)
    listed = p.plumb.ok("alerts", p.flow, env={"PLUMB_CLOCK": p.now}).stdout
    assert "Not delivered" in listed and "hook" in listed
    undelivered = json.loads(p.plumb.ok("alerts", p.flow, "--json", env={"PLUMB_CLOCK": p.now}).stdout)["undelivered"]
    assert [(n["route"], n["event"], n["attempts"]) for n in undelivered] == [("hook", "firing", 2)]
    p.run(later=HOUR)
    late.close()
    assert late.events() == ["firing", "resolved"]
    assert [state for _, state, _ in p.deliveries()] == ["sent", "sent"]


@pytest.mark.parametrize("status, wait", [(500, None), (503, 120), (429, 7200), (401, None), (302, None)])
def test_what_may_pass_is_tried_again_when_it_was_asked_to(place, receiver, status, wait):
    p = place(routes(hook=f"{{type: webhook, url: '{receiver.url}'}}"))
    receiver.answers = [(status, {"Retry-After": str(wait)} if wait else {})]
    p.run(BAD)
    [(state, next_us, error)] = p.deliveries("state, next_us, last_error")
    assert state == "pending" and f"the answer was {status}: word" in error
    if wait:
        assert next_us == p.now + wait * SECOND
        p.run(later=(wait - 1) * SECOND)
        assert len(receiver.got) == 1
    p.run(later=SECOND if wait else HOUR)
    assert receiver.events() == ["firing", "firing"]
    assert receiver.got[0][2]["Idempotency-Key"] == receiver.got[1][2]["Idempotency-Key"]
    assert p.deliveries() == [("firing", "sent", 2)]


def test_what_is_wrong_for_good_does_not_hold_up_what_follows(place, receiver):
    p = place(routes(hook=f"{{type: webhook, url: '{receiver.url}'}}"))
    receiver.answers = [(400, {})]
    p.run(BAD)
    p.run(GOOD)
    assert p.deliveries("event, state") == [("firing", "failed"), ("resolved", "sent")]


def test_death_between_sending_and_writing_it_down_sends_the_same_notice_again(place, receiver):
    before = place(routes(hook=f"{{type: webhook, url: '{receiver.url}'}}"))
    before.run()
    before.bring(BAD)

    def copy(name):
        shutil.copytree(before.flow, before.flow.with_name(name))
        made = Place(before.plumb, before.flow.with_name(name))
        made.now = before.now
        return made

    counted = copy("counted").run(env={"PLUMB_FAULT": "count"})
    assert receiver.events() == ["firing"]
    for step in range(int(counted.stderr.split("step=")[1].split()[0]), 0, -1):
        receiver.got.clear()
        p = copy(f"killed-at-{step}")
        assert p.run(env={"PLUMB_FAULT": f"kill:{step}"}).code == -signal.SIGKILL
        if receiver.got and p.deliveries("state") == [("pending",)]:
            break  # it was sent, and nobody knows
    else:
        pytest.fail("no step lies between sending and writing it down")
    p.run()
    p.run()
    assert receiver.events() == ["firing", "firing"]
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in receiver.got}) == 1


def test_an_answer_of_any_length_after_a_yes_is_a_yes(place, receiver):
    """Otherwise who likes to talk is told for a day."""
    p = place(routes(hook=f"{{type: webhook, url: '{receiver.url}'}}"))
    receiver.says = b"x" * (3 << 20)
    p.run(BAD)
    p.run(later=HOUR)
    assert receiver.events() == ["firing"] and p.deliveries() == [("firing", "sent", 1)]
    receiver.answers = [(503, {}), (400, {})]
    p.run(GOOD)
    assert p.deliveries()[1] == ("resolved", "pending", 1), "a no of any length is a no"


def test_no_secret_is_in_what_is_kept_or_logged(place):
    """Keys stand in addresses and headers; the reason why a notice is not sent is for everybody to read."""
    p = place(routes(hook=f"{{type: webhook, url: 'http://127.0.0.1:{free_port()}/T0KENPATH/x?key=T0KENQUERY', headers: {{Authorization: T0KENHEAD}}}}",
                     pager=f"{{type: pagerduty, key: T0KENPAGER, url: 'http://ada:T0KENUSER@127.0.0.1:{free_port()}/v2'}}"))
    done = p.run(BAD)
    assert [attempts for _, _, attempts in p.deliveries()] == [1, 1]
    shown = p.plumb.run("alerts", p.flow, env={"PLUMB_CLOCK": p.now})
    assert "127.0.0.1" in done.stderr and "Not delivered" in shown.stdout
    everything = done.stdout + done.stderr + shown.stdout + str(p.deliveries("last_error")) + (p.flow / "told.db").read_bytes().decode("latin-1")
    assert "T0KEN" not in everything


@pytest.mark.parametrize("echo", ["T0KENHEAD", "Bearer T0KENHEAD"])
def test_a_receiver_that_repeats_the_secret_does_not_leak_it(place, receiver, echo):
    p = place(routes(hook=f"{{type: webhook, url: '{receiver.url}', headers: {{Authorization: Bearer T0KENHEAD}}}}"))
    receiver.answers, receiver.says = [(401, {})], f"{echo} is no token of ours".encode()
    done = p.run(BAD)
    [(error,)] = p.deliveries("last_error")
    assert "the answer was 401" in error and "no token of ours" in error
    assert "T0KEN" not in error + done.stderr


def test_a_secret_of_stars_is_hidden_and_the_end_comes(place, receiver):
    p = place(routes(hook=f"{{type: webhook, url: '{receiver.url}', headers: {{Authorization: 'Bearer ********'}}}}"))
    receiver.answers, receiver.says = [(401, {})], b"bad token ********, who are you"
    p.run(BAD)
    [(error,)] = p.deliveries("last_error")
    assert "the answer was 401" in error and "who are you" in error


def test_a_slow_receiver_holds_up_neither_the_others_nor_the_end(place, receiver):
    slow = Receiver()
    slow.wait_seconds = 3
    p = place(routes(slow=f"{{type: webhook, url: '{slow.url}', timeout: 10s}}", quick=f"{{type: webhook, url: '{receiver.url}'}}"))
    p.bring(BAD)
    running = p.plumb.start("run", p.flow, cwd=p.flow)
    try:
        wait_for(lambda: slow.got and receiver.got)
        wait_for(lambda: ("quick", "sent") in p.deliveries("route, state"))
        assert ("slow", "pending") in p.deliveries("route, state"), "what is known is written at once"
    finally:
        began = time.monotonic()
        running.terminate()
        assert running.wait(30) == 0
        assert time.monotonic() - began < 8
        slow.close()
    assert p.deliveries("route, state") == [("slow", "sent"), ("quick", "sent")] and len(slow.got) == 1


# ---- a running program ----

def wait_for(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)


def test_a_running_flow_tells_and_pings(place, receiver):
    p = place(routes(hook=f"{{type: webhook, url: '{receiver.url}/hook'}}") + f"  ping: {{url: '{receiver.url}/ping', every: 5s}}\n")
    p.bring(BAD)
    running = p.plumb.start("run", p.flow, cwd=p.flow)
    try:
        wait_for(lambda: {path for _, path, _, _ in receiver.got} == {"/hook", "/ping"})
        p.bring(GOOD)
        wait_for(lambda: any(body and body["status"] == "resolved" for body in receiver.bodies()))
    finally:
        running.terminate()
        assert running.wait(30) == 0
    assert [body["plumb"]["event"] for body in receiver.bodies() if body] == ["firing", "resolved"]
    assert ("GET", "/ping") in {(method, path) for method, path, _, _ in receiver.got}


def test_a_watch_that_does_not_look_does_not_ping(place, receiver):
    p = place(f"  ping: {{url: '{receiver.url}/ping', every: 5s}}\n")
    p.run()
    assert len(receiver.got) == 1  # the round of --once looked at the checks before it
    import sqlite3  # pylint: disable=import-outside-toplevel
    connection = sqlite3.connect(p.flow / "told.db")
    connection.execute("CREATE TRIGGER late AFTER UPDATE ON _plumb_meta BEGIN UPDATE _plumb_meta SET value = '1' WHERE key = 'watched'; END")
    connection.commit()
    connection.close()
    p.run()
    assert len(receiver.got) == 1


# ---- each kind ----

def test_slack_and_pagerduty(place, receiver):
    p = place(routes(team=f"{{type: slack, url: '{receiver.url}/slack'}}", pager=f"{{type: pagerduty, key: k, url: '{receiver.url}/pd'}}"))
    p.run(BAD)
    p.run(GOOD)
    slack = [body for _, path, _, body in receiver.got if path == "/slack"]
    pager = [body for _, path, _, body in receiver.got if path == "/pd"]
    assert [body["attachments"][0]["color"] for body in slack] == ["danger", "good"]
    assert "Look at &lt;orders&gt; &amp; \u00e4." in slack[0]["attachments"][0]["text"]
    assert [body["event_action"] for body in pager] == ["trigger", "resolve"]
    assert len({body["dedup_key"] for body in pager}) == 1


def test_only_errors_where_only_errors_are_wanted(place, receiver):
    p = place(routes(all=f"{{type: webhook, url: '{receiver.url}/all'}}", bad=f"{{type: webhook, url: '{receiver.url}/bad', severity: error}}"))
    text = (p.flow / "flow.yaml").read_text(encoding="utf-8").replace("counts: rows,", "counts: rows, severity: warn,")
    (p.flow / "flow.yaml").write_text(text, encoding="utf-8")
    p.run(BAD)
    assert [path for _, path, _, _ in receiver.got] == ["/all"]


def test_a_mail_arrives_whole(place):
    server = MailServer()
    p = place(routes(mail=f"{{type: email, smtp: '{server.url}', from: plumb@x.example, to: [a@x.example, b@x.example]}}"))
    p.run(BAD)
    p.run(GOOD)
    server.close()
    first, last = server.mails
    assert [line.split()[0].lower() for line in first["to"]] == ["rcpt", "rcpt"] and "a@x.example" in first["to"][0]
    mail = email.message_from_bytes(first["text"], policy=email.policy.default)
    assert mail["Subject"].startswith("[plumb told] ERROR named: ") and mail["To"] == "a@x.example, b@x.example"
    assert "Look at <orders> & \u00e4." in mail.get_content()
    end = email.message_from_bytes(last["text"], policy=email.policy.default)
    assert "RESOLVED" in end["Subject"] and end["References"] == mail["References"] and end["Message-ID"] != mail["Message-ID"]


def test_a_mail_server_that_refuses_is_quoted_and_a_password_needs_tls(place):
    server = MailServer(refuse="550 no such person")
    p = place(routes(mail=f"{{type: email, smtp: '{server.url}', from: a@x.example, to: [b@x.example]}}",
                     safe=f"{{type: email, smtp: '{server.url}', from: a@x.example, to: [b@x.example], user: u, password: s3cret}}"))
    result = p.run(BAD)
    server.close()
    rows = dict((route, (state, error)) for route, state, error in p.deliveries("route, state, last_error"))
    assert rows["mail"][0] == "failed" and "did not take the mail" in rows["mail"][1]
    assert rows["safe"][0] == "pending" and not server.mails
    assert "s3cret" not in result.stderr + str(rows)


def test_a_command_reads_the_notice(place, tmp_path):
    p = place(routes(mine=f"{{type: command, run: [sh, -c, 'cat > {tmp_path}/got-$$']}}", slow="{type: command, run: [sleep, '60'], timeout: 200ms}"))
    p.run(BAD)
    [got] = tmp_path.glob("got-*")
    assert json.loads(got.read_text())["plumb"]["check"] == "named"
    rows = dict((route, (state, error)) for route, state, error in p.deliveries("route, state, last_error"))
    assert rows["slow"][0] == "pending" and "took longer than 200 ms and was killed" in rows["slow"][1]


# ---- a real Alertmanager ----

class Alertmanager:
    def __init__(self, directory, hook=None):
        self.port = free_port()
        receivers = [{"name": "r", "webhook_configs": [{"url": hook}]}] if hook else [{"name": "r"}]
        (directory / "am.yml").write_text(json.dumps({"route": {"receiver": "r", "group_wait": "0s", "group_interval": "1s"},
                                                      "receivers": receivers}))
        self.log = open(directory / "am.log", "w", encoding="utf-8")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen([shutil.which("prometheus-alertmanager"), f"--config.file={directory}/am.yml",
                                         f"--storage.path={directory}/am", f"--web.listen-address=127.0.0.1:{self.port}",
                                         "--cluster.listen-address="], stdout=self.log, stderr=self.log)
        self.url = f"http://127.0.0.1:{self.port}"
        wait_for(lambda: self.ask("/-/ready")[0] == 200)

    def ask(self, path):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 0, b""

    def alerts(self):
        return json.loads(self.ask("/api/v2/alerts")[1])

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


@pytest.mark.skipif(not shutil.which("prometheus-alertmanager"), reason="no Alertmanager here (Debian's prometheus-alertmanager)")
def test_a_real_alertmanager_takes_begin_and_end_and_speaks_as_we_do(place, receiver, tmp_path):
    manager = Alertmanager(tmp_path, hook=receiver.url + "/theirs")
    try:
        p = place(routes(am=f"{{type: alertmanager, url: '{manager.url}/'}}", ours=f"{{type: webhook, url: '{receiver.url}/ours'}}"))
        p.now = int(time.time()) * SECOND  # it has a clock of its own
        p.run(BAD, later=0)
        [alert] = manager.alerts()
        assert alert["labels"]["alertname"] == "named" and alert["status"]["state"] == "active"
        assert "Look at <orders>" in alert["annotations"]["description"]
        wait_for(lambda: any(path == "/theirs" for _, path, _, _ in receiver.got))
        theirs = next(body for _, path, _, body in receiver.got if path == "/theirs")
        ours = next(body for _, path, _, body in receiver.got if path == "/ours")
        assert set(ours) - {"plumb"} == set(theirs) and set(ours["alerts"][0]) == set(theirs["alerts"][0])
        assert ours["alerts"][0]["labels"] == theirs["alerts"][0]["labels"]
        assert ours["version"] == theirs["version"] and ours["alerts"][0]["endsAt"] == theirs["alerts"][0]["endsAt"]
        p.run(GOOD, later=5 * SECOND)  # its clock is behind ours: to it, the end is yet to come
        assert manager.alerts()
        p.now -= 5 * SECOND
        wait_for(lambda: int(time.time()) * SECOND > p.now + 5 * SECOND)
        p.run(later=5 * SECOND)
        assert not manager.alerts()
    finally:
        manager.close()


@pytest.mark.skipif(not shutil.which("prometheus-alertmanager"), reason="no Alertmanager here (Debian's prometheus-alertmanager)")
def test_an_alertmanager_that_lost_its_memory_hears_of_open_alerts_again(place, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = Alertmanager(tmp_path / "one")
    p = place(routes(am=f"{{type: alertmanager, url: '{first.url}'}}"))
    p.now = int(time.time()) * SECOND
    p.run(BAD, later=0)
    assert len(first.alerts()) == 1
    first.close()
    second = Alertmanager(tmp_path / "two")
    try:
        text = (p.flow / "flow.yaml").read_text(encoding="utf-8").replace(first.url, second.url)
        (p.flow / "flow.yaml").write_text(text, encoding="utf-8")
        p.run(later=0)
        assert [alert["labels"]["alertname"] for alert in second.alerts()] == ["named"]
        assert p.deliveries() == [("firing", "sent", 1)]
    finally:
        second.close()
