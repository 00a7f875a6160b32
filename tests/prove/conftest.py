"""Data for the flows of flows.py: late, twice, broken, and never two equal versions of one thing."""
import json
import random
import shutil

import pytest


def write_orders(directory, rng):
    states = {}
    for number in range(3):
        lines = []
        for _ in range(30):
            key = rng.randrange(1, 25)
            states[key] = states.get(key, 0) + 1
            # the newest version may well come in an earlier file
            version = states[key] * 100 if rng.random() < 0.7 else 10_000 - states[key]
            at = f"2026-01-{1 + number:02d}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:00Z"
            lines.append(json.dumps({
                "id": key, "customer": f"c{key % 7}", "cents": rng.choice([None, 5, 250, 990]), "version": version, "at": at,
                "status": rng.choice(["open", "paid", "paid", "void"]), "wei": str(rng.choice([1, 10 ** 18, 10 ** 25])),
                "items": [{"sku": rng.choice("ab"), "n": n} for n in range(rng.randrange(3))],
                "price": rng.choice([0.1, 0.2, 0.3, 1e15, 12.7]), "shop": rng.choice(["s1", "s2", "s3"]),
                "way": rng.choice(["localtime", "+0 days"])}))
        lines.insert(7, "{broken")
        lines.insert(9, json.dumps({"id": 1, "customer": "c1", "cents": -5, "at": "2026-01-01", "version": 1}))
        (directory / f"orders-{number}.jsonl").write_text("\n".join(lines) + "\n")


def write_people(directory, rng):
    seen = 0
    for number in range(2):
        lines = ["id,name,country,mentor,seen"]
        for _ in range(14):
            seen += 1
            when = seen if number else 1000 - seen
            lines.append(f"c{rng.randrange(9)},n{rng.randrange(99)},{rng.choice(['AT', 'DE', 'FR'])},c{rng.randrange(9)},{when}")
        lines.append("c1,short")
        (directory / f"people-{number}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    directory = tmp_path_factory.mktemp("prove") / "data"
    directory.mkdir()
    rng = random.Random(7)
    write_orders(directory, rng)
    write_people(directory, rng)
    hits = [f"{n} c{rng.randrange(5)} /{rng.choice(['a', 'b', 'health'])} {rng.randrange(1000)}" for n in range(40)]
    (directory / "hits.log").write_text("\n".join([*hits, "what is this"]) + "\n")
    return directory


@pytest.fixture
def ran(plumb, tmp_path, data):  # pylint: disable=redefined-outer-name
    """ran("flow.yaml text") -> its directory after a run in batches of five records; env for more commands.

    People come before orders. Sources are read side by side, and of some mistakes only one order leaves a trace in the tables."""

    def run(text, batch_rows=5):
        directory, copy, later = tmp_path / "flow", tmp_path / "data", tmp_path / "later"
        directory.mkdir()
        (directory / "flow.yaml").write_text(text)
        env = {"DATA": copy}
        shutil.copytree(data, copy)
        if "people-" in text and "orders-" in text:
            later.mkdir()
            for path in sorted(copy.glob("orders-*")):
                path.rename(later / path.name)
            assert plumb.run("run", directory, "--once", "--batch-rows", batch_rows, env=env, cwd=directory).code == 1
            for path in sorted(later.iterdir()):
                path.rename(copy / path.name)
        plumb.ok("run", directory, "--once", "--batch-rows", batch_rows, env=env, cwd=directory)
        return directory, env

    return run
