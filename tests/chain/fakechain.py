"""A chain of our own, built from given logs: blocks, parent hashes, times, blooms, receipts, and forks of all of it.

Blocks without logs exist only while somebody asks for them, so that a chain may have millions: a made-up block's hash holds
the fork and the number of its block, and everything else follows from these. A chain recorded from a real node keeps that
node's own headers and receipts.

A chain has one true branch and a view: the fork and head that nodes show at this moment. Nodes that lag show an older one.
"""
import bisect
import collections
import copy
import hashlib
import json
import random
import threading

from .keccak import keccak_many

EMPTY_BLOOM = "0x" + "0" * 512
FULL_BLOOM = "0x" + "f" * 512
BLOCK_SECONDS = 12
FORK_DEPTH_MAX = 64
NOISE_TOPIC = "0x" + hashlib.sha256(b"an event nobody declared").hexdigest()

# What our blocks say and nobody looks at.
REST = {"gasUsed": "0x0", "gasLimit": "0x1c9c380", "baseFeePerGas": "0x7", "difficulty": "0x0", "extraData": "0x",
        "nonce": "0x0000000000000000", "sha3Uncles": "0x" + "1d" * 32, "stateRoot": "0x" + "5a" * 32,
        "transactionsRoot": "0x" + "7a" * 32, "receiptsRoot": "0x" + "6a" * 32, "mixHash": "0x" + "00" * 32, "size": "0x220", "uncles": []}
EMPTY_REST = json.dumps(REST, separators=(",", ":"))[1:-1]

View = collections.namedtuple("View", "fork head")
BLOOM_BITS = {}  # address or topic as text -> the bits it sets, as an integer


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def bloom_bits(texts):
    """Remembers the bits of every text; many at once is much faster than one by one."""
    new = [text for text in set(texts) if text not in BLOOM_BITS]
    for text, hashed in zip(new, keccak_many([bytes.fromhex(text[2:]) for text in new])):
        bits = 0
        for pair in (0, 2, 4):
            bits |= 1 << (int.from_bytes(hashed[pair:pair + 2], "big") & 2047)
        BLOOM_BITS[text] = bits


def bloom_of(logs):
    """The logsBloom of some logs, as text."""
    wanted = {text for log in logs for text in (log["address"], *log["topics"])}
    bloom_bits(wanted)
    bloom = 0
    for text in wanted:
        bloom |= BLOOM_BITS[text]
    return "0x" + bloom.to_bytes(256, "big").hex()


class Fork:
    """A branch: its own blocks above `base`, its parent's up to there. The true branch has no parent."""

    def __init__(self, number, parent=None, base=-1, logs=None):
        self.number, self.parent, self.base = number, parent, base
        self.logs = logs or {}  # block number -> logs without hash and time
        self.noise = {}         # block number -> logs that nobody declared
        self.hidden = {}        # block number -> logs that only receipts have
        self.recorded = {}      # block number -> (header, receipts) of a real node
        self.blocks = {}        # those made already that have logs
        self.numbers = sorted(self.logs)
        self.places = None      # transaction -> numbers of the blocks of this branch's own that hold it; made when asked for

    def places_of(self, transaction):
        """Numbers of the fork's own blocks with logs of a transaction."""
        if self.places is None:
            self.places = collections.defaultdict(list)
            for number in self.numbers:
                for hashed in {log["transactionHash"] for log in [*self.logs[number], *self.noise.get(number, ()), *self.hidden.get(number, ())]}:
                    self.places[hashed].append(number)
            for number, (_, receipts) in self.recorded.items():
                for receipt in receipts:
                    if number not in self.places[receipt["transactionHash"]]:
                        self.places[receipt["transactionHash"]].append(number)
        return self.places.get(transaction, ())

    def owner(self, number):
        """The fork that made the block of a number on this branch."""
        fork = self
        while fork.parent and number <= fork.base:
            fork = fork.parent
        return fork


class Block:
    """One block: its header as a dict without transactions, its logs as (text, log) pairs, its transactions' hashes. hidden: logs,
    as pairs too, that stand in receipts only; listed: their transactions are among the block's."""

    def __init__(self, header, logs, receipts=None, hidden=(), listed=True):
        self.header = header
        self.logs = logs
        self.hidden = hidden
        self.kept = receipts
        self.number, self.hash = int(header["number"], 16), header["hash"]
        self.transactions = [r["transactionHash"] for r in receipts] if receipts is not None else list(
            dict.fromkeys(log["transactionHash"] for _, log in [*logs, *(hidden if listed else ())]))
        self.head_text = compact(header)[:-1]

    def text(self, whole=False):
        """As JSON, with the transactions' hashes or with as much of them as anybody needs."""
        transactions = self.transactions
        if whole:
            transactions = [{"hash": hashed, "blockHash": self.hash, "blockNumber": self.header["number"],
                             "transactionIndex": hex(place)} for place, hashed in enumerate(transactions)]
        return f'{self.head_text},"transactions":{compact(transactions)}}}'

    def receipts(self):
        """As a node gives them: one for each transaction, with its logs."""
        if self.kept is not None:
            return self.kept
        of = collections.OrderedDict()
        for _, log in [*self.logs, *self.hidden]:
            of.setdefault(log["transactionHash"], []).append(log)
        return [{"type": "0x2", "status": "0x1", "transactionHash": hashed, "transactionIndex": logs[0]["transactionIndex"],
                 "blockHash": self.hash, "blockNumber": self.header["number"], "from": "0x" + hashed[2:42], "to": logs[0]["address"],
                 "contractAddress": None, "cumulativeGasUsed": "0x5208", "gasUsed": "0x5208", "effectiveGasPrice": "0x1",
                 "logsBloom": bloom_of(logs), "logs": logs} for hashed, logs in of.items()]


class Chain:
    """logs: as eth_getLogs gives them, hashes and times of blocks not needed. times: [(block, seconds), ...] known ones.

    head_step: how far the head moves each time it is asked for, from `head` until `last`. forks_max forks of depth up to
    fork_depth come, each when the head is asked for with chance fork_chance, are shown for a few questions, and go again.
    bloom "right", "full" (some chains set every bit) or "empty" (some set none). noise: the share of blocks with logs that also have one nobody asks
    for. false_blooms: the share of blocks whose bloom has the bits of logs that are not there. hidden: the share of blocks with
    logs that have one more, as the block after them has one, which is in receipts only: no eth_getLogs gives it and no bloom
    shows it, as with Polygon's state-sync logs. hidden_listed: its transaction is among its block's."""

    def __init__(self, logs, *, chain_id=1, first=0, last=None, head=None, head_step=0, finality=64, times=None, seed=1,
                 bloom="right", noise=0.0, false_blooms=0.0, hidden=0.0, hidden_listed=True, forks_max=0, fork_chance=0.2, fork_depth=FORK_DEPTH_MAX, fork_polls=3):
        self.chain_id, self.first, self.finality, self.bloom = chain_id, first, finality, bloom
        self.random = random.Random(seed)
        self.lock = threading.RLock()
        self.times = times or [(first, 1_600_000_000)]
        by_block = collections.defaultdict(list)
        for log in logs:
            by_block[int(log["blockNumber"], 16)].append(log)
        self.hidden_listed = hidden_listed
        hidden_logs = {}
        for number in sorted(by_block) if hidden else ():
            for place in (number, number + 1) if self.random.random() < hidden else ():
                hidden_logs[place] = [self.hidden_log(by_block[number][0], place)]
        for number in hidden_logs:
            by_block.setdefault(number, [])
        self.forks = [Fork(0, logs=dict(by_block))]
        self.true = self.forks[0]
        self.true.hidden = hidden_logs
        self.last = max(self.true.numbers, default=first) if last is None else last
        self.recorded_hashes = {}
        self.false_blooms = false_blooms
        self.false_bits = [log for number in self.true.numbers[:50] for log in by_block[number]] if false_blooms else []
        bloom_bits([text for found in by_block.values() for log in found for text in (log["address"], *log["topics"])])
        for number in self.true.numbers if noise else ():
            if self.random.random() < noise:
                self.true.noise[number] = [self.noise_log(number)]
        self.view = View(self.true, self.last if head is None else head)
        self.head_step = head_step
        self.forks_left, self.fork_chance, self.fork_depth, self.fork_polls = forks_max, fork_chance, fork_depth, fork_polls
        self.polls_left = 0
        self.final = max(first, self.view.head - finality)
        self.depths = []  # of the forks there were

    @classmethod
    def recorded(cls, blocks, receipts, **options):
        """A chain that a real node had: its blocks (hashes of transactions only) and each block's receipts."""
        logs = [log for found in receipts for receipt in found for log in receipt["logs"]]
        chain = cls(logs, first=int(blocks[0]["number"], 16), last=int(blocks[-1]["number"], 16), **options)
        for block, found in zip(blocks, receipts):
            header = {name: value for name, value in block.items() if name != "transactions"}
            chain.true.recorded[int(block["number"], 16)] = (header, found)
            chain.recorded_hashes[block["hash"]] = int(block["number"], 16)
        return chain

    # What a block is.

    def hash_at(self, fork, number):
        owner = fork.owner(number)
        if number in owner.recorded:
            return owner.recorded[number][0]["hash"]
        if number < 0:
            return "0x" + "0" * 64
        made = hashlib.sha256(b"%d block %d of fork %d" % (self.chain_id, number, owner.number)).digest()
        return "0x" + made[:20].hex() + f"{owner.number:08x}{number:016x}"

    def locate(self, hashed):
        """(fork, number) of a block's hash, or None."""
        if hashed in self.recorded_hashes:
            return self.true, self.recorded_hashes[hashed]
        try:
            fork, number = int(hashed[42:50], 16), int(hashed[50:66], 16)
        except ValueError:
            return None
        if fork >= len(self.forks) or self.hash_at(self.forks[fork], number) != hashed:
            return None
        return self.forks[fork], number

    def time_at(self, number):
        place = bisect.bisect_right(self.times, (number, 1 << 62)) - 1
        block, seconds = self.times[max(place, 0)]
        if 0 <= place < len(self.times) - 1:
            next_block, next_seconds = self.times[place + 1]
            return seconds + (number - block) * (next_seconds - seconds) // (next_block - block)
        return seconds + (number - block) * BLOCK_SECONDS

    def block(self, fork, number):
        owner = fork.owner(number)
        if number in owner.blocks:
            return owner.blocks[number]
        made = self.make_block(owner, number)
        if made.logs:
            owner.blocks[number] = made
        return made

    def make_block(self, owner, number):
        if number in owner.recorded:
            header, receipts = owner.recorded[number]
            return Block(header, [(compact(log), log) for receipt in receipts for log in receipt["logs"]], receipts)
        hashed, time = self.hash_at(owner, number), hex(self.time_at(number))
        logs, hidden = [], []
        own = [*owner.logs.get(number, ()), *owner.noise.get(number, ())]
        for place, log in enumerate([*own, *owner.hidden.get(number, ())]):
            full = {"address": log["address"], "topics": log["topics"], "data": log["data"], "blockNumber": hex(number),
                    "transactionHash": log["transactionHash"], "transactionIndex": log["transactionIndex"], "blockHash": hashed,
                    "blockTimestamp": time, "logIndex": log["logIndex"], "removed": False}
            (logs if place < len(own) else hidden).append((compact(full), full))
        logs.sort(key=lambda pair: int(pair[1]["logIndex"], 16))
        header = {"number": hex(number), "hash": hashed, "parentHash": self.hash_at(owner, number - 1), "timestamp": time,
                  "logsBloom": self.bloom_at(hashed, [log for _, log in logs]),
                  "miner": "0x" + hashed[2:42], **REST, "gasUsed": hex(21000 * len(logs))}
        return Block(header, logs, hidden=hidden, listed=self.hidden_listed)

    def bloom_at(self, hashed, logs):
        if self.bloom != "right":
            return FULL_BLOOM if self.bloom == "full" else EMPTY_BLOOM
        if self.false_bits and int(hashed[2:10], 16) < self.false_blooms * (1 << 32):
            return bloom_of([*logs, *self.false_bits])
        return bloom_of(logs) if logs else EMPTY_BLOOM

    def empty_text(self, owner, number):
        """A block without logs as JSON at once: most of a long chain's blocks are asked for once and have none."""
        hashed, parent = self.hash_at(owner, number), self.hash_at(owner, number - 1)
        bloom = EMPTY_BLOOM if self.bloom == "right" and not self.false_bits else self.bloom_at(hashed, [])
        return (f'{{"number":"{number:#x}","hash":"{hashed}","parentHash":"{parent}","timestamp":"{self.time_at(number):#x}",'
                f'"logsBloom":"{bloom}","miner":"{hashed[:42]}",{EMPTY_REST},"transactions":[]}}')

    def text_at(self, fork, number, whole=False):
        """The JSON of a block on a branch."""
        owner = fork.owner(number)
        if number in owner.logs or number in owner.noise or number in owner.recorded:
            return self.block(owner, number).text(whole)
        return self.empty_text(owner, number)

    def hidden_log(self, like, number):
        """A log that stands in receipts only, the last but one of its block."""
        hashed = "0x" + hashlib.sha256(b"hidden %d" % number).hexdigest()
        return {**like, "blockNumber": hex(number), "transactionHash": hashed, "transactionIndex": "0xfffe", "logIndex": "0xffffe"}

    def noise_log(self, number):
        """A log of no declared event, the last of its block."""
        hashed = "0x" + hashlib.sha256(b"noise %d" % number).hexdigest()
        return {"address": "0x" + "ab" * 20, "topics": [NOISE_TOPIC], "data": "0x", "blockNumber": hex(number),
                "transactionHash": hashed, "transactionIndex": "0xffff", "logIndex": "0xfffff"}

    def busy_numbers(self, fork, low, high):
        """Numbers of the blocks in [low, high] that may have logs, on a branch."""
        found = []
        while fork:
            if high > fork.base or not fork.parent:
                start = bisect.bisect_left(fork.numbers, max(low, fork.base + 1))
                found.append(fork.numbers[start:bisect.bisect_right(fork.numbers, high)])
                high = min(high, fork.base)
            fork = fork.parent
        return [number for part in reversed(found) for number in part]

    def blocks_with(self, transaction, fork, head):
        """Numbers of the blocks of a branch, up to a head, that hold a transaction."""
        found = []
        while fork:
            found += [number for number in fork.places_of(transaction) if number <= head and (number > fork.base or not fork.parent)]
            head = min(head, fork.base)
            fork = fork.parent
        return found

    # How it moves.

    def tick(self):
        """The head was asked for: time goes on."""
        with self.lock:
            if self.polls_left > 0:
                self.polls_left -= 1
                if self.polls_left == 0:
                    self.unfork()
                elif self.view.head < self.last - 1:
                    self.show(self.view.fork, self.view.head + 1)
            elif self.forks_left > 0 and self.view.head + 2 < self.last and self.random.random() < self.fork_chance:
                self.forks_left -= 1
                depth = self.random.randint(1, min(self.fork_depth, max(1, self.view.head - self.first - 1)))
                self.fork(depth)
                self.polls_left = self.fork_polls
            elif self.view.fork is self.true:  # a fork made by hand stays until it is taken away by hand
                self.show(self.true, min(self.view.head + self.head_step, self.last))

    def show(self, fork, head):
        self.view = View(fork, head)
        if fork is self.true:
            self.final = max(self.final, head - self.finality)

    def grow(self, blocks=1):
        with self.lock:
            self.show(self.view.fork, min(self.view.head + blocks, self.last))
        return self.view.head

    def fork(self, depth, longer=1):
        """Shows another branch that leaves the shown one `depth` blocks below its head and is `longer` blocks longer."""
        with self.lock:
            parent, head = self.view
            base = head - depth
            assert base >= self.first, f"a fork of {depth} blocks at {head} begins before the chain"
            fork = Fork(len(self.forks), parent, base, self.other_logs(parent, base + 1, head + longer))
            self.forks.append(fork)
            self.depths.append(depth)
            bloom_bits([text for found in fork.logs.values() for log in found for text in (log["address"], *log["topics"])])
            self.show(fork, head + longer)
        return fork

    def unfork(self, longer=1):
        """The true branch again, `longer` blocks higher than what is shown."""
        with self.lock:
            self.polls_left = 0
            self.show(self.true, min(self.view.head + longer, self.last))

    def rival(self):
        """The branch that a slower node may still show beside the shown one: as a View, or None."""
        if self.view.fork is not self.true:
            return View(self.true, self.view.fork.base + max(1, self.view.head - self.view.fork.base - 1))
        late = self.forks[-1]
        if late.parent is self.true and late.base >= self.final:
            return View(late, min(max(late.numbers, default=late.base + 1), self.view.head - 1))
        return None

    def other_logs(self, parent, low, high):
        """Logs of a fork: some of the true ones (same transactions, other places), some changed, some gone, some new."""
        found, moved = {}, []
        near = self.busy_numbers(parent, low - 200, high + 200) or self.true.numbers
        for number in range(low, high + 1):
            source = list(parent.owner(number).logs.get(number, ()))
            if near and self.random.random() < 0.3:
                other = self.random.choice(near)
                source += [self.new_log(log) for log in parent.owner(other).logs.get(other, ())[:3]]
            kept = moved
            moved = []
            for log in source:
                fate = self.random.random()
                if fate < 0.2:
                    continue
                if fate < 0.4:
                    moved.append(copy.copy(log))
                else:
                    kept.append(self.new_log(log) if fate < 0.6 else copy.copy(log))
            for place, log in enumerate(kept):
                log.update(blockNumber=hex(number), logIndex=hex(place))
            if kept:
                found[number] = kept
        return found

    def new_log(self, log):
        """The like of a log in a transaction of its own, with another last byte when it has data."""
        made = copy.copy(log)
        made["transactionHash"] = "0x" + self.random.randbytes(32).hex()
        if len(made["data"]) > 2:
            made["data"] = made["data"][:-2] + f"{self.random.randrange(256):02x}"
        return made

    # What is true in the end.

    def truth(self, address=None, topics=None, low=None, high=None, hidden=True):
        """Every log of the true branch that a filter wants, as dicts; with those that only receipts have, or without."""
        low, high = self.first if low is None else low, self.last if high is None else high
        blocks = [self.block(self.true, number) for number in self.busy_numbers(self.true, low, high)]
        return [log for block in blocks for _, log in [*block.logs, *(block.hidden if hidden else ())] if wants(address, topics, log)]


def wants(address, topics, log):
    """Whether a filter (lower-case address list or None, list of topic lists or None) takes a log."""
    if address and log["address"] not in address:
        return False
    for place, allowed in enumerate(topics or ()):
        if place >= len(log["topics"]) or (allowed and log["topics"][place] not in allowed):
            return False
    return True
