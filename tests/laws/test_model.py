"""Maps, sums and derives against their meaning written down in Python: random upserts, ties, deletions, old records
that come late, files that come in between, any batch size, a kill now and then.

The model is shown able to disagree by test_a_wrong_model_is_noticed."""
import json
import random
from collections import defaultdict

from laws.lawlib import SIGKILLED, Place, in_parallel

SEEDS = 200
SEEDS_SLOW = 2000


def random_records(rng):
    count = rng.randrange(1, 60)
    ids = rng.choice([3, 10, 40])
    return [{"id": rng.randrange(ids), "owner": rng.choice(["x", "y", "z", None]), "amount": rng.randrange(-5, 6),
             "gone": rng.random() < 0.2, "version": rng.choice([None, *range(6)])} for _ in range(count)]


def newer_or_tied(candidate, current):
    """NULL is older than anything; of two that tie the later record wins."""
    if current is None:
        return True
    return candidate is not None and candidate >= current


def model(records, newest=newer_or_tied):
    """The tables that the flow `model` must make of these records, in this order."""
    rows, stones, plain = {}, {}, {}
    for r in records:
        key = r["id"]
        known = rows[key][2] if key in rows else stones.get(key)
        if (key not in rows and key not in stones) or newest(r["version"], known):
            rows.pop(key, None)
            stones.pop(key, None)
            if r["gone"]:
                stones[key] = r["version"]
            else:
                rows[key] = (r["owner"], r["amount"], r["version"])
        plain.pop(key, None)
        if not r["gone"]:
            plain[key] = (r["owner"], r["amount"])
    owners = defaultdict(lambda: [0, 0])
    for owner, amount, _ in rows.values():
        if owner is not None and amount != 3:
            owners[owner][0] += 1
            owners[owner][1] += amount
    sizes = defaultdict(lambda: [0, 0])
    for count, amount in owners.values():
        sizes[count][0] += 1
        sizes[count][1] += amount
    means = {}
    for owner, (count, amount) in owners.items():
        mean = abs(amount) // count * (1 if amount >= 0 else -1)  # as SQL divides: towards zero
        means[owner] = (mean, max(value for name, value, _ in rows.values() if name == owner))
    grades = defaultdict(list)
    for owner, (mean, _) in means.items():
        grades[mean].append(owner)
    return {
        "rows": sorted((key, *row) for key, row in rows.items()),
        "plain": sorted((key, *row) for key, row in plain.items()),
        "owners": sorted((key, *row) for key, row in owners.items()),
        "sizes": sorted((key, *row) for key, row in sizes.items()),
        "means": sorted((key, *row) for key, row in means.items()),
        "grades": sorted((key, len(names), min(names)) for key, names in grades.items()),
    }


COLUMNS = {"rows": "id, owner, amount, version", "plain": "id, owner, amount", "owners": "owner, rows, amount",
           "sizes": "rows, owners, amount", "means": "owner, mean, highest", "grades": "mean, owners, first"}


def made(place):
    return {name: place.query(f"SELECT {columns} FROM {name} ORDER BY 1") for name, columns in COLUMNS.items()}


def write(data, number, records):
    (data / f"{number:02}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def test_the_tables_are_what_the_model_says(plumb, tmp_path, slow):
    def try_seed(seed):
        rng = random.Random(seed)
        data = tmp_path / f"data-{seed}"
        data.mkdir()
        place = Place(plumb, tmp_path / f"flow-{seed}", data, "model")
        records = []
        for number in range(rng.choice([1, 1, 2])):
            some = random_records(rng)
            records += some
            write(data, number, some)
            rows = rng.choice([1, 2, 3, 5, 8, 13, 1000])
            if rng.random() < 0.1:
                killed = place.run(batch_rows=rows, fault=f"kill:{rng.randrange(20, 200)}")
                assert killed.code in (0, SIGKILLED)
            place.ok(batch_rows=rows)
            assert made(place) == model(records), f"seed {seed}, file {number}, {rows} records a batch"
        if seed % 20 == 0:
            place.ok(command="replay")
            assert made(place) == model(records), f"seed {seed}, replayed"
            place.tables()

    in_parallel(try_seed, range(SEEDS_SLOW if slow else SEEDS))


def test_a_wrong_model_is_noticed():
    """The seeds reach what is easy to get wrong: with ties decided the other way, or NULL the newest, many differ."""
    def first_of_a_tie(candidate, current):
        return newer_or_tied(candidate, current) and candidate != current

    def null_is_newest(candidate, current):
        return candidate is None or (current is not None and candidate >= current)

    for wrong in (first_of_a_tie, null_is_newest):
        differ = 0
        for seed in range(SEEDS):
            records = random_records(random.Random(seed))
            differ += model(records) != model(records, wrong)
        assert differ > SEEDS / 4, wrong.__name__
