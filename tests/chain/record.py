"""The cassette: the whole market as a real node recorded it, for tests that need no node.

    cd tests && python3 -m chain.record          # records it again, after a change of the market or its contracts

fixtures/market.json.gz holds {"chain_id", "blocks", "receipts" (a list for each block), "story" (what play() told)}.
"""
import gzip
import json
from pathlib import Path

from .anvil import Anvil, find_anvil
from .fakechain import Chain, compact
from .market import play

PLACE = Path(__file__).parent / "fixtures" / "market.json.gz"


def everything(chain):
    """(blocks, receipts of each) of a real node."""
    blocks = chain.blocks()
    receipts = []
    for start in range(0, len(blocks), 50):
        receipts += chain.rpc.batch([("eth_getBlockReceipts", block["number"]) for block in blocks[start:start + 50]])
    return blocks, receipts


def copy_of(chain):
    """What a real node has, as a Chain to compare with."""
    return Chain.recorded(*everything(chain), chain_id=int(chain.rpc.call("eth_chainId"), 16))


def record(chain, story):
    """The cassette's bytes; the same for the same chain."""
    blocks, receipts = everything(chain)
    chain_id = int(chain.rpc.call("eth_chainId"), 16)
    return gzip.compress(compact({"chain_id": chain_id, "blocks": blocks, "receipts": receipts, "story": story}).encode(), mtime=0)


def play_and_record():
    with Anvil(find_anvil()) as chain:
        return record(chain, play(chain, settle=False))


def load():
    return json.loads(gzip.decompress(PLACE.read_bytes()))


def load_chain(**options):
    """The recorded chain as a Chain for hostile nodes, and the story."""
    kept = load()
    return Chain.recorded(kept["blocks"], kept["receipts"], chain_id=kept["chain_id"], **options), kept["story"]


if __name__ == "__main__":
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_bytes(play_and_record())
    print(f"{PLACE.name}: {PLACE.stat().st_size} bytes")
