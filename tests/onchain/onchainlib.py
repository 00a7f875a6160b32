"""flows/onchain with a file source above its tables: what stands below the event tables is the shipped flow, word for word.

A file of logs is CSV, in chain order, one line a log:

    event,chain_id,block_number,log_index,at,address,a,b,c,n0,n1,n2,n3

`at` is in seconds, a to c are the event's addresses and n0 to n3 its numbers, in the order of its signature.
"""
import csv
import gzip
from pathlib import Path

from conftest import ROOT

SHIPPED = ROOT / "flows" / "onchain"
HEAD = "event,chain_id,block_number,log_index,at,address,a,b,c,n0,n1,n2,n3"
PLACE = "chain_id, block_number, log_index, at"
ZERO = "0x" + "0" * 40

SOURCE = """sources:
  chain:
    type: file
    path: ${ONCHAIN_LOGS}/*.csv
    format: csv
    columns:
      event: {type: text, required: true, one_of: [Transfer, PairCreated, Sync, Swap, Mint, Burn]}
      chain_id: {type: int64, required: true}
      block_number: {type: int64, required: true, min: 0}
      log_index: {type: int64, required: true, min: 0}
      at: {type: timestamp, unit: s, required: true}
      address: {type: bytes, required: true, min: 20, max: 20}
      a: {type: bytes, min: 20, max: 20}
      b: {type: bytes, min: 20, max: 20}
      c: {type: bytes, min: 20, max: 20}
      n0: int256
      n1: int256
      n2: int256
      n3: int256
"""

MAPS = {
    "transfers": ("Transfer", "address AS token, a AS sender, b AS receiver, n0 AS amount"),
    "pair_created": ("PairCreated", "address AS factory, c AS pool, a AS token0, b AS token1"),
    "syncs": ("Sync", "address AS pool, n0 AS reserve0, n1 AS reserve1"),
    "swaps": ("Swap", "address AS pool, a AS sender, b AS receiver, n0 AS amount0_in, n1 AS amount1_in, n2 AS amount0_out, "
                      "n3 AS amount1_out"),
    "mints": ("Mint", "address AS pool, a AS sender, n0 AS amount0, n1 AS amount1"),
    "burns": ("Burn", "address AS pool, a AS sender, b AS receiver, n0 AS amount0, n1 AS amount1"),
}


def sections(text):
    """[(top-level key or '', its lines)] of a flow file."""
    found = [("", [])]
    for line in text.splitlines():
        if line and not line.startswith((" ", "#")):
            found.append((line.split(":", 1)[0], []))
        found[-1][1].append(line)
    return found


def entries(lines):
    """[(name, its lines)] of a section: what stands two spaces in."""
    found = [("", [])]
    for line in lines:
        if line.startswith("  ") and not line.startswith(("   ", "  #")):
            found.append((line.strip().split(":", 1)[0], []))
        found[-1][1].append(line)
    return found


def file_flow():
    """The shipped flow file with another source, and maps that fill the same event tables from it."""
    result = []
    for name, lines in sections((SHIPPED / "flow.yaml").read_text()):
        if name == "sources":
            result.append(SOURCE)
            continue
        for entry, of_entry in entries(lines):
            if name != "transforms" or not any("from: chain." in line for line in of_entry):
                result += of_entry
            elif entry in MAPS:
                event, columns = MAPS[entry]
                result += [f"  {entry}:", "    from: sources.chain", f"    into: {entry}",
                           f"    sql: SELECT {PLACE}, {columns} FROM batch WHERE event = '{event}'"]
    return "\n".join(result) + "\n"


def make_flow(directory):
    """The flow's directory, with its SQL files copied into it."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in SHIPPED.glob("*.sql"):
        (directory / path.name).write_bytes(path.read_bytes())
    (directory / "flow.yaml").write_text(file_flow())
    return directory


def write_logs(path, rows):
    """Rows are dicts with some of the columns of HEAD."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEAD.split(","))
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_csv(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


# ---- the Uniswap set as logs ----

class Clock:
    """When a block was, between and beyond the blocks whose time is known."""

    def __init__(self, path):
        with open(path, encoding="utf-8", newline="") as file:
            self.known = [(int(row["block"]), int(row["timestamp"])) for row in csv.DictReader(file)]
        self.place = 0

    def __call__(self, block):
        low, high = 0, len(self.known) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self.known[middle][0] <= block:
                low = middle
            else:
                high = middle
        (block0, at0), (block1, at1) = self.known[low], self.known[high]
        return at0 + (block - block0) * (at1 - at0) // (block1 - block0)


FACTORY = "0x5c69bee701ef814a2b6a3edd4b1652cb9cc5aa6f"


def uniswap_logs(folder, only=None):
    """The events as logs in chain order, each pool announced where it was created; duplicates stay."""
    folder = Path(folder)
    clock = Clock(folder / "block_timestamps.csv")
    rows, first = [], {}
    for row in read_csv(folder / "events.csv.gz"):
        if only is not None and row["pool"] not in only:
            continue
        block, log_index = int(row["block"]), int(row["log_index"])
        first.setdefault(row["pool"], (block, log_index))
        log = {"event": row["event"], "chain_id": 1, "block_number": block, "log_index": log_index, "at": clock(block),
               "address": row["pool"]}
        if row["event"] == "Sync":
            log.update(n0=row["arg0"], n1=row["arg1"])
        else:
            log.update(a=row["arg0"], b=row["arg1"], n0=row["arg2"])
        rows.append(log)
    for place, row in enumerate(read_csv(folder / "pools.csv.gz")):
        if row["pool"] in first:
            block, log_index = int(row["created_block"]), place
            if block == first[row["pool"]][0]:
                log_index = first[row["pool"]][1] - 1
            rows.append({"event": "PairCreated", "chain_id": 1, "block_number": block, "log_index": log_index,
                         "at": clock(block), "address": FACTORY, "a": row["token0"], "b": row["token1"], "c": row["pool"]})
    rows.sort(key=lambda log: (log["block_number"], log["log_index"]))
    return rows
