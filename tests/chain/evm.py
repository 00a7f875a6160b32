"""plumb over a chain: a flow that keeps every Transfer and Sync, run until it holds what is true, and compared with that."""
import collections
import json
import random
import signal
import subprocess
import time

from conftest import int256, rows_of

from .fakechain import Chain

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
SYNC = "0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1"
SECONDS_MAX = 30
FLOW = """\
flow: chain
store: sqlite:chain.db
sources:
  chain: {source}
tables:
  blocks:
    key: [chain_id, block_number]
    columns: {{chain_id: int64, block_number: int64, block_hash: bytes, parent_hash: bytes, block_time: timestamp, log_count: int64}}
  transfers:
    key: [chain_id, block_number, log_index]
    columns:
      {{chain_id: int64, block_number: int64, log_index: int64, block_hash: bytes, block_time: timestamp, tx_hash: bytes, tx_index: int64,
       address: bytes, sender: bytes, receiver: bytes, value: int256}}
  syncs:
    key: [chain_id, block_number, log_index]
    columns: {{chain_id: int64, block_number: int64, log_index: int64, block_hash: bytes, address: bytes, reserve0: int256, reserve1: int256}}
  balances:
    key: [address, holder]
    columns: {{address: bytes, holder: bytes, balance: int256}}
transforms:
  blocks: {{from: chain.blocks, into: blocks, sql: "SELECT chain_id, block_number, block_hash, parent_hash, block_time, log_count FROM batch"}}
  transfers:
    from: chain.Transfer
    into: transfers
    sql: |
      SELECT chain_id, block_number, log_index, block_hash, block_time, tx_hash, tx_index, address, "from" AS sender, "to" AS receiver, value
      FROM batch
  syncs:
    from: chain.Sync
    into: syncs
    sql: SELECT chain_id, block_number, log_index, block_hash, address, reserve0, reserve1 FROM batch
  balances:
    from: tables.transfers
    into: balances
    sum: |
      SELECT address, sender AS holder, i256_neg(value) AS balance FROM change
      UNION ALL
      SELECT address, receiver AS holder, value AS balance FROM change
"""
EVENTS = {
    "Transfer": "event Transfer(address indexed from, address indexed to, uint256 value)",
    "Sync": "event Sync(uint112 reserve0, uint112 reserve1)",
}


def plain_logs(count, first, last, seed, busiest=3):
    """Random Transfers and Syncs that have the right shape, in some blocks of [first, last]."""
    rng = random.Random(seed)
    addresses = ["0x" + rng.randbytes(20).hex() for _ in range(6)]
    holders = ["0x" + "0" * 24 + rng.randbytes(20).hex() for _ in range(12)]
    numbers = collections.Counter()
    while sum(numbers.values()) < count:
        numbers[rng.randint(first, last)] += rng.randint(1, busiest)
    logs = []
    for number, here in sorted(numbers.items()):
        for place in range(here):
            sync = rng.random() < 0.4
            logs.append({"address": rng.choice(addresses), "topics": [SYNC] if sync else [TRANSFER, rng.choice(holders), rng.choice(holders)],
                         "data": "0x" + "".join(f"{rng.randrange(1 << 112):064x}" for _ in range(2 if sync else 1)),
                         "blockNumber": hex(number), "transactionHash": "0x" + rng.randbytes(32).hex(),
                         "transactionIndex": hex(place), "logIndex": hex(place)})
    return logs


def plain_chain(count=500, blocks=300, seed=1, **options):
    return Chain(plain_logs(count, 100, 100 + blocks, seed), first=90, last=100 + blocks + 5, seed=seed, **options)


def raw(text):
    return bytes.fromhex(text[2:])


def true_rows(chain, hidden=True):
    """{table: rows as the store should hold them} of the true branch, with what only receipts have or without."""
    transfers, syncs, balances = [], [], collections.Counter()
    for log in chain.truth(hidden=hidden):
        number, place = int(log["blockNumber"], 16), int(log["logIndex"], 16)
        topic, shape = (log["topics"] or [None])[0], (len(log["topics"]), len(log["data"]))
        if topic == TRANSFER and shape == (3, 66) and all(int(word, 16) < 1 << 160 for word in log["topics"][1:]):
            sender, receiver, value = raw(log["topics"][1])[12:], raw(log["topics"][2])[12:], int(log["data"], 16)
            transfers.append((number, place, raw(log["blockHash"]), int(log["blockTimestamp"], 16) * 1_000_000, raw(log["transactionHash"]),
                              int(log["transactionIndex"], 16), raw(log["address"]), sender, receiver, value))
            balances[raw(log["address"]), sender] -= value
            balances[raw(log["address"]), receiver] += value
        elif topic == SYNC:
            syncs.append((number, place, raw(log["blockHash"]), raw(log["address"]), int(log["data"][2:66], 16), int(log["data"][66:], 16)))
    held = sorted((address, holder, value) for (address, holder), value in balances.items())
    return {"transfers": sorted(transfers), "syncs": sorted(syncs), "balances": held}


class Place:
    """A flow over some endpoints, in a directory of its own."""

    def __init__(self, plumb, directory, urls, *, from_block=90, events=None, **options):
        self.plumb, self.directory = plumb, directory
        self.store = directory / "chain.db"
        source = {"type": "evm", "rpc": urls, "from_block": from_block, "poll": "10ms", "events": events or EVENTS, **options}
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "flow.yaml").write_text(FLOW.format(source=json.dumps(source)), encoding="utf-8")

    def start(self):
        # pylint: disable=consider-using-with # stop() waits for it
        return subprocess.Popen([str(self.plumb.path), "run", str(self.directory)], env=self.plumb.environment(),
                                cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def once(self):
        return self.plumb.run("run", self.directory, "--once", cwd=self.directory)

    def rows(self, sql, *parameters):
        """Rows of the store; none while there is no store."""
        try:
            return rows_of(self.store, sql, *parameters)
        except Exception:  # pylint: disable=broad-except # not made yet
            return []

    def high(self):
        """The highest block that is covered."""
        return (self.rows("SELECT max(high) FROM _plumb_coverage") or [(None,)])[0][0]

    def tables(self):
        transfers = [(*row[:-1], int256(row[-1])) for row in self.rows(
            "SELECT block_number, log_index, block_hash, block_time, tx_hash, tx_index, address, sender, receiver, value FROM transfers")]
        syncs = [(*row[:-2], int256(row[-2]), int256(row[-1])) for row in self.rows(
            "SELECT block_number, log_index, block_hash, address, reserve0, reserve1 FROM syncs")]
        balances = [(*row[:-1], int256(row[-1])) for row in self.rows("SELECT address, holder, balance FROM balances")]
        return {"transfers": sorted(transfers), "syncs": sorted(syncs), "balances": sorted(balances)}

    def count(self):
        return sum(row[0] for row in self.rows("SELECT count(*) FROM transfers UNION ALL SELECT count(*) FROM syncs"))

    def run_until(self, done, seconds=SECONDS_MAX, process=None):
        """Runs until done() is true, stops the run as a user does, and gives what it said. It must not have ended by itself."""
        process = process or self.start()
        deadline = time.monotonic() + seconds
        try:
            while process.poll() is None and time.monotonic() < deadline and not done():
                time.sleep(0.02)
            late, ended = time.monotonic() >= deadline, process.poll()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=SECONDS_MAX)
        finally:
            process.kill()
        status = self.plumb.run("status", self.directory, cwd=self.directory).stdout
        assert ended is None, f"the run ended by itself with {ended}: {said[-3000:]}"
        assert not late, f"not done within {seconds} s; covered to {self.high()}, {self.count()} rows\n{said[-3000:]}\n{status[-3000:]}"
        assert process.returncode == 0, f"stopped with {process.returncode}: {said[-3000:]}"
        return said

    def run_until_true(self, chain, seconds=SECONDS_MAX, process=None):
        """Runs until the chain is at its end and the store holds it all; then everything must be right."""
        truth = true_rows(chain)
        wanted = len(truth["transfers"]) + len(truth["syncs"])

        def done():
            return (self.high() == chain.last and chain.view == (chain.true, chain.last) and self.count() == wanted
                    and self.tables()["transfers"] == truth["transfers"])

        said = self.run_until(done, seconds, process)
        self.check(chain, truth)
        return said

    def check(self, chain, truth=None):
        """The tables are the truth, the coverage has no hole, blocks fit each other, and the books are in order."""
        truth = truth or true_rows(chain)
        found = self.tables()
        for table, rows in truth.items():
            missing, wrong = sorted(set(rows) - set(found[table])), sorted(set(found[table]) - set(rows))
            assert not missing and not wrong, f"{table}: {len(missing)} missing, {len(wrong)} wrong; {missing[:2]} {wrong[:2]}"
            assert len(rows) == len(found[table]), table
        expected = chain.first
        for low, high in self.rows("SELECT low, high FROM _plumb_coverage ORDER BY low"):
            assert low == expected and high >= low, f"coverage has a hole or an overlap at {low}, not {expected}"
            expected = high + 1
        assert expected == chain.last + 1
        for number, hashed, parent in self.rows("SELECT block_number, block_hash, parent_hash FROM blocks"):
            assert (hashed, parent) == (raw(chain.hash_at(chain.true, number)), raw(chain.hash_at(chain.true, number - 1))), number
        self.plumb.ok("audit", self.directory, cwd=self.directory)
