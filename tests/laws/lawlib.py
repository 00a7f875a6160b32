"""The small flow that the laws are tried on: its data, its runs, and everything that must be equal afterwards."""
import gzip
import hashlib
import json
import os
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conftest import rows_of
from storelib import copy_tree, is_postgres, store

FLOWS = Path(__file__).resolve().parent / "flows"
WORKERS = 2
BATCH_ROWS = 25  # of most runs here: several batches of every file
SIGKILLED = -9
CLEAN_CODES = (0, 1, 3, 78)  # how plumb may end; anything else is a crash
CUSTOMERS = [f"c{i}" for i in range(24)]
COUNTRIES = ["AT", "CH", "DE", "FR", "IT", "XX"]  # XX has no region
SKUS = ["tea", "jam", "oil"]


# ---- data ----

def order_lines(rng, count, ids):
    """States of orders; `updated` is unique, and rises only as a rule, so that old states arrive late."""
    lines = []
    for number in range(count):
        order = rng.randrange(ids)
        status = rng.choices(["open", "paid", "void"], [2, 6, 1])[0]
        line = {"id": order, "customer": CUSTOMERS[order % len(CUSTOMERS)], "total": rng.randrange(3000),
                "wei": str(rng.randrange(10 ** 30)), "status": status,
                "items": [{"sku": sku, "pieces": rng.randrange(1, 9)} for sku in rng.sample(SKUS, rng.randrange(3))],
                "updated": (number + rng.randrange(-20, 20)) * 1000 + number}
        fault = rng.randrange(40)
        if fault == 0:
            line["total"] = -1                      # the contract rejects it
        elif fault == 1:
            line["wei"] = "12x"                     # the SQL of `orders` fails on it
        elif fault == 2:
            line["items"] = [{"pieces": 1}]         # `items` would get a key that is NULL
        lines.append("{broken" if fault == 3 else json.dumps(line))
    return lines


def write_data(directory, seed=1, orders=(60, 50, 40), people=40, hits=40):
    """Writes every file; returns nothing: what they hold follows from the arguments."""
    rng = random.Random(seed)
    directory.mkdir(parents=True, exist_ok=True)
    for number, count in enumerate(orders):
        text = "".join(line + "\n" for line in order_lines(rng, count, 2 * len(CUSTOMERS)))
        if number + 1 == len(orders):
            (directory / f"orders-{number}.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
        else:
            (directory / f"orders-{number}.jsonl").write_text(text)
    lines = ["customer,country,seen"]
    for number in range(people):
        lines.append(f"{rng.choice(CUSTOMERS)},{rng.choice(COUNTRIES)},{number + 1000 * rng.randrange(3)}")
    lines.append("nobody,AT,soon")
    (directory / "people-0.csv").write_text("\n".join(lines) + "\n")
    log = [f"{number} {rng.choice(CUSTOMERS)} /{rng.choice(['a', 'b', 'health'])} {rng.randrange(5100)}"
           for number in range(hits)]
    (directory / "hits-0.log").write_text("\n".join(log + ["what is this"]) + "\n")


# ---- a flow in a directory of its own ----

class Place:
    """A copy of a flow with its store beside it; the data may be shared between places."""

    def __init__(self, plumb, directory, data, flow="all"):
        self.plumb = plumb
        self.directory = directory
        self.name = flow
        self.store = directory / f"{flow}.db"
        self.env = {"LAWS_DATA": data}
        if not directory.exists():
            shutil.copytree(FLOWS / flow, directory)

    def run(self, *options, fault=None, batch_rows=None, command="run", env=None):
        arguments = [command, self.directory, *options]
        if command == "run":
            arguments.append("--once")
            if batch_rows is not None:
                arguments += ["--batch-rows", batch_rows]
        more = dict(self.env, **(env or {}))
        if fault is not None:
            more["PLUMB_FAULT"] = fault
        return self.plumb.run(*arguments, env=more, cwd=self.directory)

    def ok(self, *options, **keywords):
        result = self.run(*options, **keywords)
        assert result.code == 0, f"ended with {result.code}: {result.stderr[-2000:]}"
        return result

    def sql(self, statements):
        """A correction by hand, as with sqlite3 or psql."""
        store().execute(self.store, statements)

    def exists(self):
        return store().exists(self.store)

    def query(self, sql, *parameters):
        return rows_of(self.store, sql, *parameters)

    def value(self, sql, *parameters):
        return self.query(sql, *parameters)[0][0]

    def audit(self):
        """The exit code and the report."""
        result = self.plumb.run("audit", self.directory, "--json", env=self.env, cwd=self.directory)
        return result.code, json.loads(result.stdout) if result.stdout else {}

    def tables(self):
        """{name: rows and digest}, as plumb says; the audit must be content."""
        code, report = self.audit()
        assert code == 0, f"audit ended with {code}: {json.dumps(report)[-3000:]}"
        return {name: (table["rows"], table["digest"]) for name, table in report["tables"].items()}


def new_place(plumb, directory, data, regions=True):
    """A place whose reference table is filled: the store is made by a run that finds nothing to read."""
    place = Place(plumb, directory, data)
    nothing = directory / "nothing"
    nothing.mkdir()
    place.run(env={"LAWS_DATA": nothing})
    if regions:
        place.sql("".join(f"INSERT INTO regions VALUES ('{country}', 'region {number % 3}');"
                          for number, country in enumerate(COUNTRIES[:-1])))
    return place


def copy_place(place, directory):
    """The same place as another: flow and store, nothing else. The store must be closed."""
    copy_tree(place.directory, directory)
    return Place(place.plumb, directory, place.env["LAWS_DATA"], place.name)


# ---- what must be equal ----

def check_batches(place):
    """No batch lost, none twice: numbers follow each other, records too, and marks stand at the end."""
    maps = place.query("SELECT name FROM _plumb_transforms WHERE kind = 'map'")
    partitions = place.query("SELECT id, source, name, last_seq, records FROM _plumb_partitions")
    for number, source, name, last_seq, records in partitions:
        expected = 0
        batches = place.query("SELECT seq, first_record, records, decoded + rejected FROM _plumb_batches "
                              "WHERE partition = ? ORDER BY seq", number)
        assert [batch[0] for batch in batches] == list(range(1, last_seq + 1)), f"{source} {name}: {batches}"
        for _, first_record, count, accounted in batches:
            assert first_record == expected and count == accounted, f"{source} {name}: {batches}"
            expected += count
        assert expected == records, f"{source} {name}"
    wrong = place.query("SELECT * FROM _plumb_ledger WHERE rows_in <> records_out + filtered + rejected "
                        "OR rows_out <> inserted + updated + unchanged + deleted + superseded")
    assert not wrong, wrong
    doubled = place.query("SELECT batch, transform FROM _plumb_ledger WHERE batch NOT IN "
                          "(SELECT id FROM _plumb_batches)")
    assert not doubled, doubled
    assert len(maps) > 0


def queues(place):
    names = [name for name in store().tables(place.store) if name.startswith("_plumb_q_") and not name.endswith(".gone")]
    return {name: count for name in names if (count := place.value(f'SELECT count(*) FROM "{name}"')) > 0}


def rejects(place):
    """Every reject by what it points to, not by how records were batched."""
    return sorted(place.query(
        "SELECT p.source, p.name, b.first_record + r.pos, r.transform, r.reason FROM _plumb_rejects r "
        "JOIN _plumb_batches b ON b.id = r.batch JOIN _plumb_partitions p ON p.id = b.partition"))


def content(place):
    """A hash of each table's rows, computed here: the program's digest is not asked to prove itself."""
    result = {}
    for table in store().tables(place.store):
        if table.startswith("_plumb"):
            continue
        columns = ", ".join(f'"{name}"' for name in store().columns(place.store, table) if not name.startswith("_") or name == "_n")
        rows = sorted(place.query(f'SELECT {columns} FROM "{table}"'), key=repr)
        result[table] = (len(rows), hashlib.sha256(repr(rows).encode()).hexdigest()[:16])
    return result


def end_state(place):
    """Everything that the laws promise to be the same."""
    check_batches(place)
    behind = place.query(
        "SELECT t.name, p.name, m.seq, p.last_seq FROM _plumb_partitions p JOIN _plumb_transforms t ON t.kind = 'map' "
        "LEFT JOIN _plumb_marks m ON m.partition = p.id AND m.transform = t.name "
        "WHERE m.seq IS NOT NULL AND m.seq <> p.last_seq")
    assert not behind, behind
    records = {(source, name): count for source, name, count in
               place.query("SELECT source, name, records FROM _plumb_partitions")}
    return {"content": content(place), "records": records, "rejects": rejects(place), "queues": queues(place),
            "digests": place.tables()}


def in_parallel(work, items):
    """work(item) for all items over WORKERS threads (the work is done by processes); the first failure is raised."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(work, items))


def fewer(most):
    """On PostgreSQL a tenth of it: what differs there is the driver, not each step. PLUMB_SLOW=1 tries all."""
    return most if not is_postgres() or os.environ.get("PLUMB_SLOW") == "1" else max(2, most // 10)


def spread(first, last, most):
    """At most `most` numbers from first to last, both included, evenly spread; all of them if they are few."""
    count = last - first + 1
    if count <= most:
        return list(range(first, last + 1))
    return sorted({first + (count - 1) * i // (most - 1) for i in range(most)})
