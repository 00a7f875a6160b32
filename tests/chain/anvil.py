"""A real Ethereum node for tests: anvil, started on a free port, with accounts that need no signing library.

    with Anvil(find_anvil()) as chain:
        token = chain.deploy("Token", "Name", "SYM", 10**24)
        token.send("transfer(address,uint256)", chain.accounts[1], 5)
        chain.mine()                                  # nothing is in a block before
        chain.all_logs()

The same calls give the same chain, hash by hash: fixed keys, fixed timestamps, blocks only when asked for (unless
block_time says otherwise). chain.url is the endpoint for a flow.
"""
import http.client
import json
import os
import queue
import re
import subprocess
import threading
import urllib.parse
from pathlib import Path

from .abi import created_address, encode, load_contracts, split_types

ROOT = Path(__file__).resolve().parents[2]
GENESIS_TIME = 1_700_000_000
BLOCK_SECONDS = 12
CHAIN_ID = 31337
GAS_OF_TRANSACTION = 12_000_000
GAS_OF_BLOCK = 1_000_000_000
START_SECONDS_MAX = 30
ANSWER_SECONDS_MAX = 120
LOGS_BLOCKS_AT_ONCE = 1000


class NoAnvil(Exception):
    """There is no anvil here; the text says why."""


class RpcError(Exception):
    """What the node answered instead of a result."""

    def __init__(self, method, error):
        super().__init__(f"{method}: {error}")
        self.error = error


def find_anvil(fetch=True):
    """The path of anvil, fetched when it is not there yet; NoAnvil tells why there is none."""
    done = subprocess.run([ROOT / "tools" / "anvil", *([] if fetch else ["--if-there"])], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoAnvil(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "tools/anvil found none")
    return done.stdout.strip()


class Rpc:
    """JSON-RPC over one kept connection. For one thread."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.path = parts.path or "/"
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=ANSWER_SECONDS_MAX)
        self.asked = 0

    def post(self, content):
        """The answer to a JSON value, as JSON."""
        self.connection.request("POST", self.path, json.dumps(content), {"Content-Type": "application/json"})
        return json.loads(self.connection.getresponse().read())

    def call(self, method, *params):
        self.asked += 1
        answer = self.post({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": list(params)})
        if "error" in answer:
            raise RpcError(method, answer["error"])
        return answer["result"]

    def batch(self, calls):
        """The results of [(method, param, ...), ...], in that order."""
        answers = self.post([{"jsonrpc": "2.0", "id": place, "method": call[0], "params": list(call[1:])}
                             for place, call in enumerate(calls)])
        results = {}
        for answer in answers:
            if "error" in answer:
                raise RpcError(calls[answer["id"]][0], answer["error"])
            results[answer["id"]] = answer["result"]
        return [results[place] for place in range(len(calls))]

    def close(self):
        self.connection.close()


class Contract:
    """A contract on a chain: send() puts a call into the next block, call() asks without one."""

    def __init__(self, chain, name, address):
        self.chain, self.name, self.address = chain, name, address
        self.made = chain.contracts[name]
        self.events = self.made["events"]

    def data(self, function, *values):
        return "0x" + self.made["functions"][function] + encode(split_types(function), values).hex()

    def send(self, function, *values, sender=0, fails=False, ether=0):
        """Queues the call for the next block. The block is refused by mine() if it succeeds though it `fails`, or the reverse."""
        return self.chain.send(self.address, self.data(function, *values), sender=sender, fails=fails, ether=ether,
                               what=f"{self.name}.{function} by {sender}")

    def call(self, function, *values):
        """The result's bytes."""
        asked = {"to": self.address, "data": self.data(function, *values)}
        return bytes.fromhex(self.chain.rpc.call("eth_call", asked, "latest")[2:])

    def number(self, function, *values):
        return int.from_bytes(self.call(function, *values)[:32], "big")

    def at(self, function, *values, kind):
        """The contract, of the named kind, whose address the call gives."""
        return Contract(self.chain, kind, "0x" + self.call(function, *values)[12:32].hex())


class Anvil:
    """A running node. Use as a context, or close() it."""

    def __init__(self, program, *, chain_id=CHAIN_ID, accounts=40, block_time=None, slots_in_an_epoch=32, more=()):
        self.contracts = load_contracts()
        # The node ends when whoever started it does, however that may be.
        command = ["setpriv", "--pdeathsig", "TERM", program, "--port", "0", "--chain-id", str(chain_id), "--accounts", str(accounts), "--balance", "1000000",
                   "--timestamp", str(GENESIS_TIME), "--gas-limit", str(GAS_OF_BLOCK), "--order", "fifo", "--base-fee", "0",
                   "--gas-price", "0", "--slots-in-an-epoch", str(slots_in_an_epoch), "--code-size-limit", "100000", *more]
        command += ["--block-time", str(block_time)] if block_time else ["--no-mining"]
        env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        # pylint: disable=consider-using-with # it lives until close()
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.url = "http://" + self._listening()
        self.rpc = Rpc(self.url)
        self.accounts = self.rpc.call("eth_accounts")
        self.nonces = dict.fromkeys(self.accounts, 0)
        self.expected = []  # (transaction hash, fails, what it is) of the block to come
        if not block_time:
            self.rpc.call("anvil_setBlockTimestampInterval", BLOCK_SECONDS)

    def _listening(self):
        """host:port, as anvil prints it when it is ready. A thread keeps reading, or a full pipe would stop the node."""
        found = queue.Queue()

        def read():
            for line in self.process.stdout:
                match = re.search(r"Listening on (\S+)", line)
                if match:
                    found.put(match.group(1))
            found.put(None)

        threading.Thread(target=read, daemon=True).start()
        try:
            place = found.get(timeout=START_SECONDS_MAX)
        except queue.Empty:
            place = None
        if not place:
            self.process.kill()
            raise NoAnvil(f"anvil did not start within {START_SECONDS_MAX} s")
        return place

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.rpc.close()
        self.process.terminate()
        self.process.wait(timeout=START_SECONDS_MAX)

    def account(self, sender):
        return self.accounts[sender] if isinstance(sender, int) else sender

    def transaction(self, to, data, *, sender=0, ether=0):
        """A transaction as JSON, with the sender's next number, which it uses up."""
        account = self.account(sender)
        made = {"from": account, "data": data, "gas": hex(GAS_OF_TRANSACTION), "gasPrice": "0x0",
                "nonce": hex(self.nonces[account]), **({"to": to} if to else {}), **({"value": hex(ether)} if ether else {})}
        self.nonces[account] += 1
        return made

    def send(self, to, data, *, sender=0, fails=False, ether=0, what="a transaction"):
        """Queues a transaction for the next block; its hash."""
        hashed = self.rpc.call("eth_sendTransaction", self.transaction(to, data, sender=sender, ether=ether))
        self.expected.append((hashed, fails, what))
        return hashed

    def deploy(self, name, *values, sender=0):
        """Queues a contract for the next block; it may be sent to at once."""
        made = self.contracts[name]
        account = self.account(sender)
        address = created_address(account, self.nonces[account])
        self.send(None, made["bytecode"] + encode(made["constructor"], values).hex(), sender=sender, what=f"the making of {name}")
        return Contract(self, name, address)

    def mine(self, blocks=1):
        """Mines; what was queued is in the first of the blocks, and did what was expected of it."""
        self.rpc.call("evm_mine")
        if blocks > 1:
            self.rpc.call("anvil_mine", hex(blocks - 1), hex(BLOCK_SECONDS))
        expected, self.expected = self.expected, []
        if expected:
            receipts = self.rpc.batch([("eth_getTransactionReceipt", hashed) for hashed, _, _ in expected])
            for (hashed, fails, what), receipt in zip(expected, receipts):
                assert receipt, f"{what}: transaction {hashed} is in no block"
                assert (receipt["status"] == "0x0") == fails, f"{what}: status {receipt['status']}, gas {int(receipt['gasUsed'], 16)}"
        return self.head()

    def head(self):
        return int(self.rpc.call("eth_blockNumber"), 16)

    def reorg(self, depth, make=None):
        """Replaces the last `depth` blocks by as many others. make() gives the transactions that go in, each with the
        place of its block from 0: [(chain.transaction(...), 0), ...]; it is called when accounts count from the ancestor on."""
        self.count_again(hex(self.head() - depth))
        self.rpc.call("anvil_reorg", depth, [list(pair) for pair in (make() if make else [])])
        self.count_again()

    def snapshot(self):
        return self.rpc.call("evm_snapshot")

    def revert(self, snapshot):
        """Back to a snapshot: the blocks after it are gone, and others may follow (a reorg that first shortens the chain)."""
        assert self.rpc.call("evm_revert", snapshot), f"no snapshot {snapshot}"
        self.count_again()

    def count_again(self, block="latest"):
        """Asks the node for every account's next transaction number after a block."""
        counts = self.rpc.batch([("eth_getTransactionCount", account, block) for account in self.accounts])
        self.nonces = {account: int(count, 16) for account, count in zip(self.accounts, counts)}
        self.expected = []

    def blocks(self, first=0, last=None):
        """The blocks as the node gives them, hashes of transactions only."""
        last = self.head() if last is None else last
        found = []
        for start in range(first, last + 1, 100):
            found += self.rpc.batch([("eth_getBlockByNumber", hex(n), False) for n in range(start, min(start + 99, last) + 1)])
        return found

    def all_logs(self, first=0, last=None, **wanted):
        """Every log (of wanted address, topics) in the node's own words: the truth that tests compare with."""
        last = self.head() if last is None else last
        found = []
        for start in range(first, last + 1, LOGS_BLOCKS_AT_ONCE):
            end = min(start + LOGS_BLOCKS_AT_ONCE - 1, last)
            found += self.rpc.call("eth_getLogs", {"fromBlock": hex(start), "toBlock": hex(end), **wanted})
        return found
