"""Chains to try things on by hand; tools/node calls this. Each prints its endpoint first and runs until it is interrupted.

    tools/node empty                                          a real node where nothing happens until it is told to
    tools/node market [--pace SECONDS] [--spam LOGS]          a real node with the market played on it
    tools/node full [--blocks N] [--logs PER_BLOCK]           a real node with very many transfers, to measure with
    tools/node hostile [FILE] [FAULT=VALUE ...] [CHAIN=VALUE ...]
                                                              our own node over logs (JSON lines as eth_getLogs gives them,
                                                              .gz or not; the recorded market when no file is named)

FAULT is a name of FAULTS in tests/chain/hostile.py, CHAIN an option of Chain in tests/chain/fakechain.py.
"""
import gzip
import inspect
import json
import pathlib
import signal
import sys
import time

from .anvil import Anvil, NoAnvil, find_anvil
from .fakechain import Chain
from .hostile import FAULTS, HostileNode
from .market import play
from .record import load_chain

SHOWN_EVERY_SECONDS = 5


def read_logs(path):
    """The logs of a file of JSON lines."""
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def option(arguments, name, default):
    """The value of --name VALUE, taken out of the arguments."""
    if name not in arguments:
        return default
    place = arguments.index(name)
    value = type(default)(arguments[place + 1])
    del arguments[place:place + 2]
    return value


def hostile(arguments):
    settings = dict(word.split("=", 1) for word in arguments if "=" in word)
    files = [word for word in arguments if "=" not in word]
    # Of the recorded market, these are what they are; chain_id is a fault then: what the node says of itself.
    known = set(inspect.signature(Chain).parameters) - {"logs", "times"} - (set() if files else {"chain_id", "first", "last"})
    values = {name: text if isinstance(FAULTS.get(name, (0,))[0], str) or name == "bloom" else json.loads(text)
              for name, text in settings.items()}
    unknown = set(settings) - set(FAULTS) - known
    if unknown:
        sys.exit(f"node: no fault and no option of a chain: {', '.join(sorted(unknown))}")
    seed = {"seed": values.pop("seed")} if "seed" in values else {}
    of_chain = {name: value for name, value in values.items() if name in known} | seed
    of_node = {name: value for name, value in values.items() if name not in known} | seed
    if files:
        logs = read_logs(files[0])
        of_chain.setdefault("first", max(min((int(log["blockNumber"], 16) for log in logs), default=0) - 1, 0))
    chain = Chain(logs, **of_chain) if files else load_chain(**of_chain)[0]
    with HostileNode(chain, **of_node) as node:
        print(node.url, flush=True)
        print(f"chain {chain.chain_id}, blocks {chain.first} to {chain.last}, {len(chain.truth())} logs", flush=True)
        shown = None
        while True:
            time.sleep(SHOWN_EVERY_SECONDS)
            if shown != dict(node.counters):
                shown = dict(node.counters)
                print(f"head {chain.view.head}, fork {chain.view.fork.number}: {json.dumps(shown)}", flush=True)


def market(arguments):
    pace, spam = option(arguments, "--pace", 0.0), option(arguments, "--spam", 0)
    with Anvil(find_anvil()) as chain:
        print(chain.url, flush=True)
        print(json.dumps(play(chain, seconds_per_block=pace, spam=spam)), flush=True)
        signal.pause()


def full(arguments):
    blocks, logs = option(arguments, "--blocks", 2000), option(arguments, "--logs", 100)
    with Anvil(find_anvil(), more=("--transaction-block-keeper", str(blocks + 10))) as chain:
        spammer = chain.deploy("Spammer")
        chain.mine()
        for seed in range(blocks):
            spammer.send("spam(uint256,uint256)", logs, seed)
            chain.mine()
        print(chain.url, flush=True)
        signal.pause()


def empty(_arguments):
    with Anvil(find_anvil()) as chain:
        print(chain.url, flush=True)
        signal.pause()


def main():
    commands = {"empty": empty, "full": full, "market": market, "hostile": hostile}
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        sys.exit(__doc__.strip())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        commands[sys.argv[1]](sys.argv[2:])
    except NoAnvil as why:
        sys.exit(f"node: {why}")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
