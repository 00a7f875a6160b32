"""A flow over files, what it made of them, and assertions about that. Every assertion here has a twin in
test_badinput_twins.py that shows it failing."""
import json
import re
import subprocess
import sys
from collections import Counter, namedtuple

from conftest import int256, rows_of

GOOD_BEFORE, GOOD_AFTER = [1, 2, 3], [9001, 9002, 9003]

# key: auto keeps one row per record: what is read twice, or not at all, is seen there.
FLOW = """flow: bad
store: sqlite:bad.db
sources:
  s:
    type: file
    path: data/*.{ext}*
    format: {format}
{options}
    columns:
      id:  {{type: int64, required: true}}
      v:   {{type: text}}
      n:   {{type: int64}}
      big: {{type: int256}}
      doc: {{type: json}}
tables:
  t:
    key: [id]
    columns: {{id: int64, v: text, n: int64, big: int256, doc: json}}
  log:
    key: auto
    columns: {{id: int64, v: text}}
  counts:
    key: [v]
    columns: {{v: text, records: int64}}
transforms:
  t:
    from: s
    into: t
    sql: SELECT id, v, n, big, doc FROM batch
  log:
    from: s
    into: log
    sql: SELECT id, v FROM batch
  counts:
    from: t
    into: counts
    sum: SELECT v, 1 AS records FROM change WHERE v IS NOT NULL
"""

Outcome = namedtuple("Outcome", "code error text summary rejects troubles audit log table counts")
Reject = namedtuple("Reject", "partition record reason column offset message")
Trouble = namedtuple("Trouble", "partition where message")


def flow_text(extension="jsonl", options=()):
    return FLOW.format(ext=extension, format="csv" if extension in ("csv", "tsv") else extension,
                       options="\n".join(f"    {option}" for option in options))


def good(identifier):
    return {"id": identifier, "v": f"good {identifier}"}


def json_lines(ids):
    return "".join(json.dumps(good(i)) + "\n" for i in ids).encode()


CSV_HEADER = b"id,v,n,big,doc\n"


def csv_lines(ids, header=CSV_HEADER):
    return header + "".join(f"{i},good {i},,,\n" for i in ids).encode()


def lines(ids, extension):
    return json_lines(ids) if extension == "jsonl" else csv_lines(ids)


def read_rejects(plumb, flow):
    listed = json.loads(plumb.ok("rejects", "list", flow, "--json", "--limit", 1000, cwd=flow).stdout)
    return [Reject(r["partition"], r["record"], r["reason"], r["column"], r["byte_offset"], r["message"])
            for r in reversed(listed["rows"])]


def read_troubles(plumb, flow):
    status = json.loads(plumb.ok("status", flow, "--json", cwd=flow).stdout)
    return [Trouble(t["partition"], t["where"], t["message"]) for t in status["troubles"]]


def read_audit(plumb, flow):
    result = plumb.run("audit", flow, "--json", cwd=flow)
    return (result.code, [(f["check"], f["where"], f["message"]) for f in json.loads(result.stdout)["findings"]])


def tables_of(flow):
    """(log, t, counts) as sorted lists."""
    database = flow / "bad.db"
    log = rows_of(database, 'SELECT id, v FROM "log" ORDER BY id, v')
    table = [(i, v, n, int256(big), doc) for i, v, n, big, doc in
             rows_of(database, 'SELECT id, v, n, big, doc FROM "t" ORDER BY id')]
    return log, table, rows_of(database, 'SELECT v, records FROM "counts" ORDER BY v')


def run(plumb, flow, *options):
    """One `run --once` and everything that can be asked afterwards."""
    done = plumb.run("run", flow, "--once", "--json", *options, cwd=flow)
    summary = json.loads(done.stdout)
    return Outcome(done.code, summary.get("error"), done.stderr, summary, read_rejects(plumb, flow),
                   read_troubles(plumb, flow), read_audit(plumb, flow), *tables_of(flow))


def assert_nothing_lost(outcome, ids):
    """The log has exactly these records, once each; the keyed table and the sum agree with it."""
    assert Counter(i for i, _ in outcome.log) == Counter(ids)
    assert [row[0] for row in outcome.table] == sorted(set(ids))
    expected = Counter(row[1] for row in outcome.table if row[1] is not None)
    assert dict(outcome.counts) == dict(expected)


def assert_good_rows(outcome, ids):
    """The rows around the bad thing hold what was written into them."""
    rows = {row[0]: row for row in outcome.table}
    for identifier in ids:
        assert rows[identifier] == (identifier, f"good {identifier}", None, None, None)


def assert_rejects(outcome, partition, expected):
    """expected: (record number in the partition, reason, pattern of the message), in any order; no others."""
    found = sorted(r for r in outcome.rejects if r.partition == partition)
    assert [(r.record, r.reason) for r in found] == [(record, reason) for record, reason, _ in sorted(expected)]
    for reject, (_, _, pattern) in zip(found, sorted(expected)):
        assert re.search(pattern, reject.message), f"{pattern!r} is not in {reject.message!r}"
    elsewhere = [r for r in outcome.rejects if r.partition != partition]
    assert not elsewhere, f"rejects of other files: {elsewhere}"


def assert_trouble(outcome, where, pattern):
    """Told by the run itself (exit code, standard error) and by status: what, where, what to do."""
    if where is None:
        assert outcome.code == 0, outcome.text
        assert not outcome.troubles
        assert outcome.error is None
        return
    assert outcome.code == 1
    assert [t.where for t in outcome.troubles] == [where]
    message = outcome.troubles[0].message
    assert re.search(pattern, message), f"{pattern!r} is not in {message!r}"
    assert message in outcome.text and where in outcome.text
    assert message in outcome.error["message"]
    assert outcome.error["message"].count(where) <= 1, f"says the name again and again: {outcome.error['message']}"


def assert_audit(outcome, findings=()):
    """audit exits 0, or 3 with exactly these (check, where)."""
    code, found = outcome.audit
    assert [(check, where) for check, where, _ in found] == list(findings)
    assert code == (3 if findings else 0)


def assert_same(again, before):
    """A second run found nothing new to do and told the same."""
    assert again.code == before.code
    assert again.summary["records"] == 0
    for field in ("rejects", "audit", "log", "table", "counts"):
        assert getattr(again, field) == getattr(before, field), field
    assert again.troubles == before.troubles


# A small process of its own starts the program: what pytest holds in memory is not counted as the program's.
MEASURE = """import json, os, subprocess, sys
p = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
text = p.stderr.read()
_, status, usage = os.wait4(p.pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss, text.decode("utf-8", "replace")]))
"""


def measured_run(plumb, flow, *options):
    """(exit code, largest resident size in MiB, standard error) of one `run --once`."""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", MEASURE, str(plumb.path), "run", str(flow), "--once",
                           *options], cwd=flow, env=plumb.environment(), capture_output=True, check=True, timeout=300)
    code, kib, text = json.loads(done.stdout)
    return code, kib / 1024, text


def assert_memory(mib, bound):
    assert mib < bound, f"{mib:.0f} MiB resident, {bound} allowed"


def is_instrumented(plumb):
    """Sanitizers need memory of their own."""
    content = plumb.path.read_bytes()
    return b"__asan_init" in content or b"__tsan_init" in content
