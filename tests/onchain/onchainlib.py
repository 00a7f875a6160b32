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
        if name == "checks":  # of what only nodes have
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


# ---- launches of our own making ----

WETH, USDC = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2", "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"
LOCKER, DEAD = "0x663a5c229c09b049e36dcc11a9b0d4a8eb9db214", "0x" + "0" * 36 + "dead"
BLOCK_SECONDS = 300
START = 1_600_000_000
UNIT = 10 ** 18


def address(kind, number):
    return f"0x{kind:02x}{number:038x}"


class Chain:
    """Logs in chain order; what a pair contract would emit, with its arithmetic."""

    def __init__(self, chain_id=1):
        self.chain_id, self.block, self.index, self.rows, self.reserves, self.supply = chain_id, 1, 0, [], {}, {}

    def log(self, event, contract, **values):
        self.rows.append({"event": event, "chain_id": self.chain_id, "block_number": self.block, "log_index": self.index,
                          "at": START + self.block * BLOCK_SECONDS, "address": contract, **values})
        self.index += 1

    def next_block(self, count=1):
        self.block, self.index = self.block + count, 0

    def transfer(self, token, sender, receiver, amount):
        self.log("Transfer", token, a=sender, b=receiver, n0=amount)

    def sync(self, pool):
        self.log("Sync", pool, n0=self.reserves[pool][0], n1=self.reserves[pool][1])

    def create(self, pool, token0, token1):
        self.log("PairCreated", FACTORY, a=token0, b=token1, c=pool)
        self.reserves[pool], self.supply[pool] = [0, 0], 0

    def mint(self, pool, provider, amount0, amount1):
        shares = min(amount0, amount1) if not self.supply[pool] else amount0 * self.supply[pool] // self.reserves[pool][0]
        if not self.supply[pool]:
            self.transfer(pool, ZERO, ZERO, 1000)
        self.transfer(pool, ZERO, provider, shares)
        self.supply[pool] += shares
        self.reserves[pool] = [self.reserves[pool][0] + amount0, self.reserves[pool][1] + amount1]
        self.sync(pool)
        self.log("Mint", pool, a=provider, n0=amount0, n1=amount1)
        return shares

    def burn(self, pool, provider, shares):
        amounts = [reserve * shares // self.supply[pool] for reserve in self.reserves[pool]]
        self.transfer(pool, provider, pool, shares)
        self.transfer(pool, pool, ZERO, shares)
        self.supply[pool] -= shares
        self.reserves[pool] = [reserve - amount for reserve, amount in zip(self.reserves[pool], amounts)]
        self.sync(pool)
        self.log("Burn", pool, a=provider, b=provider, n0=amounts[0], n1=amounts[1])

    def swap(self, pool, trader, side, amount):
        """`amount` of the token on `side` comes in."""
        came, went = self.reserves[pool][side], self.reserves[pool][1 - side]
        out = went * amount * 997 // (came * 1000 + amount * 997)
        self.reserves[pool][side], self.reserves[pool][1 - side] = came + amount, went - out
        self.sync(pool)
        flow = {"n0": 0, "n1": 0, "n2": 0, "n3": 0, f"n{side}": amount, f"n{3 - side}": out}
        self.log("Swap", pool, a=trader, b=trader, **flow)


def launch(chain, rng, number):
    """A token, its pool and its first liquidity. Returns what is to be known of it."""
    token, pool, creator = address(0x70, number), address(0x90, number), address(0xc0, number % 4)
    quote = USDC if number % 7 == 3 else WETH
    pair = sorted([token, quote] if number % 11 != 5 else [WETH, USDC])
    chain.transfer(token, ZERO, creator, 1000 * UNIT)
    chain.create(pool, *pair)
    shares = chain.mint(pool, creator, rng.randrange(5, 50) * UNIT, rng.randrange(5, 50) * UNIT)
    side = pair.index(quote)
    return {"pool": pool, "token": token, "creator": creator, "shares": shares, "side": side, "kind": number % 5, "alive": True}


def live(chain, rng, it):
    """One thing that happens to a pool."""
    pool, trader = it["pool"], address(0xa0, rng.randrange(30))
    dice = rng.randrange(100)
    if it["alive"] and it["shares"] and dice < 2 and it["kind"] in (0, 1):
        chain.burn(pool, it["creator"], it["shares"])
        it.update(alive=False, shares=0)
    elif it["alive"] and dice < 2 and it["kind"] == 2:
        chain.swap(pool, it["creator"], 1 - it["side"], chain.reserves[pool][1 - it["side"]] * 200)
        it["alive"] = False
    elif it["shares"] and dice < 6:
        part = it["shares"] // rng.choice([1, 2, 10])
        chain.transfer(pool, it["creator"], rng.choice([LOCKER, DEAD, address(0xb0, 1)]), part)
        it["shares"] -= part
    elif dice < 9 and it["alive"]:
        chain.mint(pool, trader, *[reserve // 10 for reserve in chain.reserves[pool]])
    elif dice < 20:
        chain.transfer(it["token"], it["creator"], trader, rng.randrange(1, 9) * UNIT)
    elif min(chain.reserves[pool]) > 1000:
        side = it["side"] if it["kind"] == 4 or rng.random() < 0.6 else 1 - it["side"]
        chain.swap(pool, trader, side, max(1, chain.reserves[pool][side] * rng.randrange(1, 80) // 1000))


def launches(rng, pools=14, blocks=500):
    chain, known = Chain(), []
    for _ in range(blocks):
        chain.next_block(rng.choice([1, 1, 1, 2]))
        if len(known) < pools and rng.random() < 0.1:
            known.append(launch(chain, rng, len(known)))
        for _ in range(rng.randrange(6)):
            if known:
                live(chain, rng, rng.choice(known))
    return chain.rows
