"""A JSON-RPC node over a made-up chain (fakechain.py) that answers right, until it is told to misbehave.

    node = HostileNode(chain, seed=3, missing_logs=0.05, span_cap=100).start()
    ... node.url ...; node.counters["missing_logs"]; node.faults["missing_logs"] = 0; node.stop()

FAULTS lists what it can do. A fault that is a share (0 to 1) happens that often, and never always: a client that asks again
gets done. budget={"cut": 3} ends one after so many times. Everything that happened is counted under its name, and every
method asked under its own ("eth_getLogs"). Several nodes may show one chain.

From another process: POST /admin {"set": {...}, "budget": {...}, "fork": depth, "unfork": true, "grow": n} answers the counters.
"""
import collections
import json
import random
import socket
import socketserver
import threading
import time
import zlib

from . import rpc_texts
from .fakechain import NOISE_TOPIC, compact, wants

SHARE_MAX = 0.9
BODY_MAX = 32 << 20
SLOW_PIECES = 8

# name: (off, what it does). Those that are 0.0 when off are shares.
FAULTS = {
    "batch_cap": (0, "a batch of more calls than this is refused whole"),
    "batch_missing": (0.0, "an answer is missing from a batch"),
    "batch_refused": (False, "no batch at all is taken"),
    "batch_shuffled": (0.0, "a batch's answers come in another order (which is allowed)"),
    "bytes_cap": (0, "answers of eth_getLogs of more bytes are refused"),
    "bytes_text": ("geth", "in whose words"),
    "chain_id": (0, "eth_chainId says this instead"),
    "cut": (0.0, "the connection ends in the middle of the body"),
    "conflicting_logs": (0.0, "a log is there twice, with other data"),
    "corpus_errors": (0.0, "eth_getLogs fails with a recorded text of a provider (classes in corpus_classes)"),
    "corpus_classes": (("retryable", "head_behind", "rate_limit"), "which"),
    "duplicate_logs": (0.0, "a log is there twice"),
    "empty_head": (0.0, "blocks near the head have no logs yet; head_blocks says how near"),
    "error_text": (0.0, "\"error\" is a text instead of an object"),
    "foreign_logs": (0.0, "logs come from a fork that is not the shown one"),
    "gzip": (0.0, "the body is compressed if the client takes that (allowed)"),
    "head_back": (0.0, "this request is served by a node that is lag_max blocks behind at most"),
    "head_blocks": (4, "what is near the head"),
    "html": (0.0, "a proxy's page instead of JSON, with status 502, 503 or 200"),
    "lag": (0, "always so many blocks behind the chain's head"),
    "lag_max": (8, "how far behind head_back is"),
    "lag_errors": (False, "ranges beyond the head are an error (else what there is is given, as if it were all)"),
    "missing_blocks": (0.0, "all logs of a block are missing from eth_getLogs, though in the receipts (a bloom tells)"),
    "missing_logs": (0.0, "a log is missing from eth_getLogs, though in the receipts (only these tell)"),
    "no_answer": (0.0, "the connection ends before an answer"),
    "no_finalized": (False, "the tags finalized and safe are not known"),
    "no_receipts": (False, "eth_getBlockReceipts is not known"),
    "no_tx_receipts": (False, "eth_getTransactionReceipt is not known"),
    "null_block": (0.0, "a known block is null"),
    "null_logs": (0.0, "eth_getLogs answers null"),
    "other_branch": (0.0, "this request is served by a node that still has, or already has, another branch"),
    "outside_logs": (0.0, "a log from outside the asked range comes along"),
    "passing_error": (0.0, "a call fails for now, in passing_text's words"),
    "passing_text": ("", "which; any when empty"),
    "pruned": (0, "blocks below this number have no logs and no receipts any more"),
    "rate_429": (0.0, "HTTP 429 for the whole request"),
    "rate_item": (0.0, "a call of a batch, or a single one, has error 429 inside HTTP 200"),
    "rate_text": ("alchemy", "in whose words"),
    "receipts_late": (0.0, "blocks near the head have no receipts yet: null, or an empty list"),
    "removed_logs": (0.0, "a log of an orphaned block comes along, marked removed"),
    "results_cap": (0, "more logs than this are refused"),
    "results_text": ("plain", "in whose words"),
    "retry_after": ("", "what Retry-After says with a 429"),
    "shuffled_logs": (0.0, "logs come in any order"),
    "slow": (0.0, "the body comes in pieces, over slow_seconds"),
    "slow_seconds": (0.2, "how slow"),
    "span_cap": (0, "a range of more blocks than this is refused"),
    "span_text": ("alchemy", "in whose words"),
    "stall": (0.0, "nothing for stall_seconds, then the answer"),
    "stall_seconds": (0.5, "how long"),
    "suggest": ("right", "a range that would do: right, same (as asked), reversed, or later (does not begin where asked)"),
    "truncated": (0.0, "the JSON ends too early"),
}
Seen = collections.namedtuple("Seen", "fork head final")  # one request's view: what was final must not move while it is answered
METHODS = ("eth_chainId", "net_version", "web3_clientVersion", "eth_syncing", "eth_blockNumber", "eth_getBlockByNumber",
           "eth_getBlockByHash", "eth_getLogs", "eth_getBlockReceipts", "eth_getTransactionReceipt")


class Refused(Exception):
    """An error answer: HTTP status (200: said inside), code, message."""

    def __init__(self, code, message, status=200):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class HostileNode:
    """A node on a port of its own. Faults may be changed while it runs."""

    def __init__(self, chain, *, seed=1, budget=None, **faults):
        unknown = set(faults) - set(FAULTS)
        assert not unknown, f"no such fault: {sorted(unknown)}"
        self.chain, self.budget = chain, dict(budget or {})
        self.faults = {name: off for name, (off, _) in FAULTS.items()}
        self.faults.update(faults)
        self.counters = collections.Counter()
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.server = self.thread = self.url = None

    # Its life.

    def start(self):
        self.server = Server(self)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self if self.server else self.start()

    def __exit__(self, *_):
        self.stop()

    def happens(self, name):
        """Whether a fault happens now; counted."""
        share = float(self.faults[name])
        if not share or self.budget.get(name) == 0:
            return False
        with self.lock:
            if self.random.random() >= (share if name in self.budget else min(share, SHARE_MAX)):
                return False
            if name in self.budget:
                self.budget[name] -= 1
            self.counters[name] += 1
        return True

    def pick(self, values):
        with self.lock:
            return self.random.choice(list(values))

    def view(self):
        """What this request sees of the chain: a lagging node behind the load balancer answers all of it."""
        with self.chain.lock:
            (fork, head), final = self.chain.view, self.chain.final
        behind = self.faults["lag"]
        if self.happens("head_back"):
            behind += self.pick(range(1, self.faults["lag_max"] + 1))
        other = self.chain.rival()
        if other and self.happens("other_branch"):
            fork, head = other
        return Seen(fork, max(head - behind, self.chain.first), final)

    # Calls.

    def answer(self, call, view):
        """(text of a JSON-RPC answer, the HTTP status it wants)"""
        number = compact(call.get("id"))
        method = call.get("method")
        self.counters[method] += 1
        try:
            if self.happens("rate_item"):
                raise Refused(*self.said(rpc_texts.RATE, self.faults["rate_text"])[:2])
            if self.happens("passing_error"):
                raise Refused(*self.said(rpc_texts.PASSING, self.faults["passing_text"]))
            lacks = {"eth_getBlockReceipts": "no_receipts", "eth_getTransactionReceipt": "no_tx_receipts"}.get(method)
            if method not in METHODS or (lacks and self.faults[lacks]):
                raise Refused(-32601, f"the method {method} does not exist/is not available")
            text = getattr(self, "do_" + method)(call.get("params") or [], view)
            return f'{{"jsonrpc":"2.0","id":{number},"result":{text}}}', 200
        except Refused as refused:
            error = compact({"code": refused.code, "message": refused.message})
            if self.happens("error_text"):
                error = compact(refused.message)
            return f'{{"jsonrpc":"2.0","id":{number},"error":{error}}}', refused.status

    def said(self, texts, name, **values):
        """(code, message, status) of a named text, or any."""
        status, code, message = texts[name or self.pick(sorted(texts))]
        return code, message.format(**values) if values else message, status

    def do_eth_chainId(self, _params, _view):
        if self.faults["chain_id"]:
            self.counters["chain_id"] += 1
        return compact(hex(self.faults["chain_id"] or self.chain.chain_id))

    def do_net_version(self, _params, _view):
        return compact(str(self.faults["chain_id"] or self.chain.chain_id))

    def do_web3_clientVersion(self, _params, _view):
        return '"hostile/v1"'

    def do_eth_syncing(self, _params, _view):
        return "false"

    def do_eth_blockNumber(self, _params, view):
        self.chain.tick()
        return compact(hex(view.head))

    def number_of(self, tag, view):
        """The block number a tag means."""
        if tag in ("finalized", "safe") and self.faults["no_finalized"]:
            self.counters["no_finalized"] += 1
            raise Refused(-32602, f"invalid argument 0: hex string without 0x prefix: {tag}")
        if tag in ("latest", "pending", "safe", None):
            return view.head
        if tag == "finalized":
            return min(view.final, view.head)
        if tag == "earliest":
            return self.chain.first
        try:
            return int(tag, 16)
        except (TypeError, ValueError):
            raise Refused(-32602, f"invalid argument 0: no block number: {tag}") from None

    def do_eth_getBlockByNumber(self, params, view):
        if params[0] == "latest":
            self.chain.tick()
        number = self.number_of(params[0], view)
        if not self.chain.first <= number <= view.head or self.happens("null_block"):
            return "null"
        return self.chain.text_at(view.fork, number, bool(params[1:] and params[1]))

    def do_eth_getBlockByHash(self, params, view):
        place = self.chain.locate(params[0])
        # A node keeps blocks of forks it has seen, but knows none above its head.
        if not place or not self.chain.first <= place[1] <= view.head or self.happens("null_block"):
            return "null"
        return self.chain.text_at(*place, bool(params[1:] and params[1]))

    def do_eth_getBlockReceipts(self, params, view):
        what = params[0]
        if isinstance(what, dict):
            what = what.get("blockHash") or what.get("blockNumber")
        if isinstance(what, str) and len(what) == 66:
            place = self.chain.locate(what)
        else:
            place = view.fork, self.number_of(what, view)
        if not place or not self.chain.first <= place[1] <= view.head:
            return "null"
        if place[1] > view.head - self.faults["head_blocks"] and self.happens("receipts_late"):
            return self.pick(["null", "[]"])
        if place[1] < self.faults["pruned"]:
            self.counters["pruned"] += 1
            return self.pick(["null", "[]"])
        return compact(self.chain.block(*place).receipts())

    def do_eth_getTransactionReceipt(self, params, view):
        for number in self.chain.blocks_with(params[0], view.fork, view.head):
            if number < self.faults["pruned"]:
                self.counters["pruned"] += 1
                return "null"
            for receipt in self.chain.block(view.fork, number).receipts():
                if receipt["transactionHash"] == params[0]:
                    near = number > view.head - self.faults["head_blocks"]
                    return "null" if near and self.happens("receipts_late") else compact(receipt)
        return "null"

    # Logs.

    def do_eth_getLogs(self, params, view):
        asked = params[0]
        if self.happens("corpus_errors"):
            texts = rpc_texts.corpus(self.faults["corpus_classes"]) or list(rpc_texts.PASSING.values())
            status, code, message = self.pick(texts)
            raise Refused(code, message, status)
        low, high, fork = self.range_of(asked, view)
        if self.happens("null_logs"):
            return "null"
        addresses = asked.get("address")
        addresses = [addresses] if isinstance(addresses, str) else addresses
        addresses = {a.lower() for a in addresses} if addresses else None
        topics = [None if t is None else {t.lower()} if isinstance(t, str) else {one.lower() for one in t}
                  for t in asked.get("topics") or []]
        found = self.matching(fork, low, high, view, addresses, topics)
        cap = self.faults["results_cap"]
        if cap and len(found) > cap:
            self.counters["results_cap"] += 1
            raise self.refuse("RESULTS", self.faults["results_text"], cap, low, high, self.fitting(found, cap, low))
        found = self.spoil(found, low, high, view)
        text = "[" + ",".join(one for one, _ in found) + "]"
        cap = self.faults["bytes_cap"]
        if cap and len(text) > cap and high > low:
            self.counters["bytes_cap"] += 1
            raise self.refuse("SIZE", self.faults["bytes_text"], cap, low, high, (low + high) // 2)
        return text

    def range_of(self, asked, view):
        """(low, high, fork) of a filter; refused as geth does."""
        if "blockHash" in asked:
            if "fromBlock" in asked or "toBlock" in asked:
                raise Refused(-32602, "invalid argument 0: cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
            place = self.chain.locate(asked["blockHash"])
            if not place or place[1] > view.head:
                raise Refused(-32000, "unknown block")
            return place[1], place[1], place[0]
        low, high = self.number_of(asked.get("fromBlock"), view), self.number_of(asked.get("toBlock"), view)
        if low > high:
            raise Refused(-32602, "invalid block range params")
        cap = self.faults["span_cap"]
        if cap and high - low + 1 > cap:
            self.counters["span_cap"] += 1
            raise self.refuse("SPAN", self.faults["span_text"], cap, low, high, low + cap - 1)
        if high > view.head:
            self.counters["beyond_head"] += 1
            if self.faults["lag_errors"]:
                raise Refused(-32602, "block range extends beyond current head block")
        return low, min(high, view.head), view.fork

    def refuse(self, kind, name, cap, low, high, fits):
        """A refusal in a provider's words, with a suggestion as `suggest` says."""
        start, end = low, max(fits, low)
        if self.faults["suggest"] == "same":
            end = high
        elif self.faults["suggest"] == "reversed":
            start, end = high, low
        elif self.faults["suggest"] == "later":
            start, end = low + 1, high
        if self.faults["suggest"] != "right":
            self.counters["suggest"] += 1
        return Refused(*self.said(getattr(rpc_texts, kind), name, low=hex(start), high=hex(high), to=hex(end), span=high - low + 1,
                                  cap=cap, cap_comma=f"{cap:,}", low_decimal=start, high_decimal=high, to_decimal=end))

    def fitting(self, found, cap, low):
        """The last block up to which at most `cap` logs were found."""
        return max(int(found[cap][1]["blockNumber"], 16) - 1, low)

    def matching(self, fork, low, high, view, addresses, topics):
        found = []
        near = view.head - self.faults["head_blocks"]
        for number in self.chain.busy_numbers(fork, low, high):
            here = [pair for pair in self.chain.block(fork, number).logs if wants(addresses, topics, pair[1])]
            if not here:
                continue
            if number < self.faults["pruned"]:
                self.counters["pruned"] += 1
            elif number <= near or not self.happens("empty_head"):
                found += here
        return found

    def spoil(self, found, low, high, view):
        """What eth_getLogs gets wrong. Shares are of answers; one log of the answer, or a few, are hit."""
        if found and self.happens("missing_blocks"):
            number = self.pick(found)[1]["blockNumber"]
            found = [pair for pair in found if pair[1]["blockNumber"] != number]
        if found and self.happens("missing_logs"):
            gone = {self.pick(range(len(found))) for _ in range(max(1, len(found) // 50))}
            found = [pair for place, pair in enumerate(found) if place not in gone]
        if found and self.happens("duplicate_logs"):
            place = self.pick(range(len(found)))
            found = [*found[:place], found[place], *found[place:]]
        if found and self.happens("conflicting_logs"):
            place = self.pick(range(len(found)))
            found = [*found[:place], changed(found[place][1], data="0x" + "99" * 32), *found[place:]]
        if found and self.happens("removed_logs"):
            orphan = changed(self.pick(found)[1], removed=True, blockHash="0x" + "0f" * 32, transactionHash="0x" + "0e" * 32)
            found = [*found, orphan]
        if found and self.happens("foreign_logs"):
            number = self.pick(found)[1]["blockNumber"]
            found = [changed(log, blockHash="0x" + "f0" * 28 + f"{int(number, 16):08x}") if log["blockNumber"] == number else (text, log)
                     for text, log in found]
        outside = [number for number in (low - 1, high + 1) if self.chain.first <= number <= view.head and not low <= number <= high]
        if found and outside and self.happens("outside_logs"):
            number = self.pick(outside)
            found = [*found, changed(found[-1][1], blockNumber=hex(number), blockHash=self.chain.hash_at(view.fork, number))]
        if len(found) > 1 and self.happens("shuffled_logs"):
            found = list(found)
            with self.lock:
                self.random.shuffle(found)
        return found

    # Requests.

    def respond(self, body):
        """(HTTP status, body bytes) of a request's body, before the wire has its way with it."""
        try:
            asked = json.loads(body)
        except ValueError:
            return 400, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}'
        view = self.view()
        if not isinstance(asked, list):
            text, status = self.answer(asked, view)
            return status, text.encode()
        self.counters["batches"] += 1
        cap = self.faults["batch_cap"]
        if self.faults["batch_refused"] or (cap and len(asked) > cap):
            self.counters["batch_refused" if self.faults["batch_refused"] else "batch_cap"] += 1
            message = "batch requests are not supported" if self.faults["batch_refused"] else f"batch too large: maximum is {cap}"
            return 200, compact({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": message}}).encode()
        answers = [self.answer(call, view)[0] for call in asked]
        if len(answers) > 1 and self.happens("batch_missing"):
            answers.pop(self.pick(range(len(answers))))
        if len(answers) > 1 and self.happens("batch_shuffled"):
            with self.lock:
                self.random.shuffle(answers)
        return 200, ("[" + ",".join(answers) + "]").encode()

    def admin(self, body):
        """Changes what the body says; answers the counters and what the chain shows."""
        asked = json.loads(body or b"{}")
        assert set(asked.get("set", {})) <= set(FAULTS), asked
        self.faults.update(asked.get("set", {}))
        self.budget.update(asked.get("budget", {}))
        if asked.get("fork"):
            self.chain.fork(asked["fork"])
        if asked.get("unfork"):
            self.chain.unfork()
        if asked.get("grow"):
            self.chain.grow(asked["grow"])
        return compact({"counters": self.counters, "head": self.chain.view.head, "last": self.chain.last,
                        "fork": self.chain.view.fork.number, "forks": self.chain.depths}).encode()


def changed(log, **fields):
    """A log with other fields, as (text, log)."""
    made = {**log, **fields}
    return compact(made), made


def noise_topic():
    """The topic of logs that no flow declares (Chain's noise)."""
    return NOISE_TOPIC


class Server(socketserver.ThreadingTCPServer):
    """HTTP/1.1 with kept connections, a thread each."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, node):
        self.node = node
        super().__init__(("127.0.0.1", 0), Connection)

    def handle_error(self, request, client_address):
        """A client that went away is no error of ours; anything else is, and is shown."""
        import sys  # pylint: disable=import-outside-toplevel
        if not isinstance(sys.exc_info()[1], OSError):
            self.node.counters["crashed"] += 1
            super().handle_error(request, client_address)


class Connection(socketserver.StreamRequestHandler):
    """One client's connection."""

    disable_nagle_algorithm = True
    rbufsize = 1 << 16

    def handle(self):
        while True:
            line = self.rfile.readline(1 << 16)
            if not line:
                return
            headers = {}
            while (header := self.rfile.readline(1 << 16)) not in (b"\r\n", b"\n", b""):
                name, _, value = header.decode("latin-1").partition(":")
                headers[name.strip().lower()] = value.strip()
            length = int(headers.get("content-length", "0"))
            if length > BODY_MAX:
                self.send(413, b"too large")
                return
            body = self.rfile.read(length)
            if not self.serve(line.split(b" ")[1], headers, body) or headers.get("connection", "").lower() == "close":
                return

    def serve(self, path, headers, body):
        """Answers a request; false when the connection is to end."""
        node = self.server.node
        node.counters["requests"] += 1
        if path == b"/admin":
            return self.send(200, node.admin(body))
        if node.happens("no_answer"):
            return False
        if node.happens("rate_429"):
            _, message, status = node.said(rpc_texts.RATE, node.faults["rate_text"])
            more = {"Retry-After": node.faults["retry_after"]} if node.faults["retry_after"] else {}
            return self.send(status, compact({"jsonrpc": "2.0", "error": {"code": 429, "message": message}}).encode(), more)
        if node.happens("html"):
            return self.send(node.pick([200, 502, 503]), node.pick(rpc_texts.HTML).encode(), {"Content-Type": "text/html"})
        status, answer = node.respond(body)
        if len(answer) > 2 and node.happens("truncated"):
            answer = answer[:node.pick(range(1, len(answer) - 1))]
        more = {}
        if "gzip" in headers.get("accept-encoding", "") and node.happens("gzip"):
            packer = zlib.compressobj(wbits=31)
            answer, more = packer.compress(answer) + packer.flush(), {"Content-Encoding": "gzip"}
        if node.happens("stall"):
            time.sleep(node.faults["stall_seconds"])
        return self.send(status, answer, more, spoilt=True)

    def send(self, status, body, more=None, spoilt=False):
        headers = {"Content-Type": "application/json", "Content-Length": len(body), **(more or {})}
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        whole = head.encode() + body
        node = self.server.node
        if spoilt and node.happens("cut"):
            self.connection.sendall(whole[:len(head) + len(body) // 2])
            self.connection.shutdown(socket.SHUT_RDWR)
            return False
        if spoilt and node.happens("slow"):
            piece = len(whole) // SLOW_PIECES + 1
            for start in range(0, len(whole), piece):
                self.connection.sendall(whole[start:start + piece])
                time.sleep(node.faults["slow_seconds"] / SLOW_PIECES)
            return True
        self.connection.sendall(whole)
        return True
