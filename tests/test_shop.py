"""flows/shop from its files to every table, against the same tables computed here without SQL."""
import csv
import json
import re
import shutil
import subprocess
from collections import Counter
from datetime import datetime, timezone

import pytest
from conftest import ROOT

SHOP = ROOT / "flows" / "shop"
COUNTRIES = ["AT", "CH", "DE", "FR", "IT", ""]


def microseconds(text):
    if not isinstance(text, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text):
        raise ValueError(text)
    when = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return int(when.timestamp()) * 1_000_000


def read_orders(data):
    """The states of orders in file order, and how many records are wrong."""
    good, wrong = [], 0
    for path in sorted(data.glob("orders-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
                row = (record["id"], record["customer"]["id"], record["total_cents"], record["status"],
                       microseconds(record["updated"]))
                if not isinstance(row[2], int) or row[2] < 0 or row[3] not in ("open", "paid", "void"):
                    raise ValueError(line)
                good.append(row)
            except (ValueError, KeyError, TypeError):
                wrong += 1
    return good, wrong


def read_people(data):
    good, wrong = [], 0
    with open(data / "customers.csv", encoding="utf-8", newline="") as file:
        for row in list(csv.reader(file))[1:]:
            if len(row) != 4 or not row[0] or not row[1] or row[2] not in COUNTRIES:
                wrong += 1
            else:
                good.append((row[0], row[1], row[2] or None, microseconds(row[3])))
    return good, wrong


def newest(rows):
    latest = {}
    for row in rows:
        if row[0] not in latest or row[-1] >= latest[row[0]][-1]:
            latest[row[0]] = row
    return latest


def expected_tables(data):
    orders = [row for row in newest(read_orders(data)[0]).values() if row[3] != "void"]
    people = newest(read_people(data)[0])
    count, spent = Counter(), Counter()
    for _, customer, total, status, _ in orders:
        if status == "paid":
            count[customer] += 1
            spent[customer] += total
    vips = [(c, people[c][1], people[c][2], "gold" if spent[c] >= 100000 else "silver", spent[c] // count[c])
            for c in count if count[c] >= 3 and c in people]
    return {
        "orders": sorted(orders, key=repr),
        "people": sorted(people.values(), key=repr),
        "customers": sorted(((c, count[c], spent[c]) for c in count), key=repr),
        "vips": sorted(vips, key=repr),
        "tiers": sorted(Counter(row[3] for row in vips).items(), key=repr),
    }


@pytest.fixture
def shop(tmp_path):
    directory = tmp_path / "shop"
    shutil.copytree(SHOP, directory)
    return directory


def test_the_data_holds_what_the_flow_is_there_for():
    orders, wrong_orders = read_orders(SHOP / "data")
    people, wrong_people = read_people(SHOP / "data")
    assert wrong_orders == 6 and wrong_people == 3
    assert len(orders) > len(set(orders)), "no order delivered twice"
    assert newest(orders) != {row[0]: row for row in orders}, "no old state arrives late"
    assert newest(people) != {row[0]: row for row in people}
    assert any(row[3] == "void" for row in newest(orders).values())
    tables = expected_tables(SHOP / "data")
    assert {row[3] for row in tables["vips"]} == {"gold", "silver"}
    assert len(tables["customers"]) > len(tables["vips"])


def test_the_flow_passes_check(plumb, shop):
    plumb.ok("check", shop)


def test_one_run_makes_every_table(plumb, shop, dump):
    plumb.ok("run", shop, "--once", cwd=shop)
    assert dump(shop / "shop.db") == expected_tables(shop / "data")


def test_a_second_run_changes_nothing(plumb, shop, dump):
    plumb.ok("run", shop, "--once", cwd=shop)
    before = dump(shop / "shop.db")
    plumb.ok("run", shop, "--once", cwd=shop)
    assert dump(shop / "shop.db") == before


def test_files_that_come_later_correct_what_is_there(plumb, shop, dump):
    second = shop / "data" / "orders-2.jsonl"
    kept = second.read_bytes()
    second.unlink()
    plumb.ok("run", shop, "--once", cwd=shop)
    first_half = expected_tables(shop / "data")
    assert dump(shop / "shop.db") == first_half
    second.write_bytes(kept)
    plumb.ok("run", shop, "--once", cwd=shop)
    assert expected_tables(shop / "data") != first_half
    assert dump(shop / "shop.db") == expected_tables(shop / "data")


def test_voiding_every_order_of_a_customer_takes_the_customer_out(plumb, shop, dump):
    plumb.ok("run", shop, "--once", cwd=shop)
    customer = expected_tables(shop / "data")["vips"][0][0]
    lines = [{"id": row[0], "customer": {"id": customer}, "total_cents": row[2], "status": "void",
              "updated": "2024-03-09T00:00:00Z"}
             for row in expected_tables(shop / "data")["orders"] if row[1] == customer]
    (shop / "data" / "orders-3.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    plumb.ok("run", shop, "--once", cwd=shop)
    tables = dump(shop / "shop.db")
    assert tables == expected_tables(shop / "data")
    assert customer not in {row[0] for row in tables["customers"] + tables["vips"]}


def test_the_generator_writes_the_shipped_bytes(shop, tmp_path):
    subprocess.run(["/usr/bin/python3", shop / "generate.py", tmp_path / "again"], check=True)
    for path in sorted((SHOP / "data").iterdir()):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
