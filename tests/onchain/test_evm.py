"""The shipped flow, word for word, over a node: what it makes of a chain with forks is what the files make of the true logs."""
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from chain.fakechain import Chain
from chain.hostile import HostileNode
from chain.keccak import keccak_many
from conftest import rows_of
from laws.lawlib import content, queues

sys.path.insert(0, str(Path(__file__).parent))
import onchainlib  # noqa: E402 (its folder is not on the path before)
from test_laws import EVENTS, Onchain, parts  # noqa: E402

SECONDS_MAX = 60
# name: signature, cells of a row that are indexed, those that are not
SHAPES = {
    "Transfer": ("Transfer(address,address,uint256)", "ab", ["n0"]),
    "PairCreated": ("PairCreated(address,address,address,uint256)", "ab", ["c", "count"]),
    "Sync": ("Sync(uint112,uint112)", "", ["n0", "n1"]),
    "Swap": ("Swap(address,uint256,uint256,uint256,uint256,address)", "ab", ["n0", "n1", "n2", "n3"]),
    "Mint": ("Mint(address,uint256,uint256)", "a", ["n0", "n1"]),
    "Burn": ("Burn(address,uint256,uint256,address)", "ab", ["n0", "n1"]),
}
TOPICS = {name: "0x" + hashed.hex() for name, hashed in
          zip(SHAPES, keccak_many([shape[0].encode() for shape in SHAPES.values()]))}


def word(value):
    return f"{int(value, 16) if isinstance(value, str) else value:064x}"


def as_logs(rows):
    """Rows of onchainlib as eth_getLogs gives them; every log is a transaction of its own."""
    logs = []
    for row in rows:
        _, indexed, plain = SHAPES[row["event"]]
        cells = dict(row, count=1)
        logs.append({"address": row["address"], "topics": [TOPICS[row["event"]], *("0x" + word(cells[name]) for name in indexed)],
                     "data": "0x" + "".join(word(cells[name]) for name in plain),
                     "blockNumber": hex(row["block_number"]), "logIndex": hex(row["log_index"]), "transactionIndex": hex(row["log_index"]),
                     "transactionHash": f"0x{row['block_number']:032x}{row['log_index']:032x}"})
    return logs


def tables(store):
    return [rows_of(store, f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in ("transfers", "syncs", "pair_created")]


@pytest.mark.parametrize("seed,faults", [(1, {}), (2, {"cut": 0.03, "duplicate_logs": 0.05}), (2, {"missing_blocks": 0.05}),
                                         (3, {"missing_blocks": 0.3})])
def test_over_a_node_with_forks_it_ends_as_over_the_files(plumb, tmp_path, seed, faults):
    rows = onchainlib.launches(random.Random(seed + 20), blocks=250)
    straight = Onchain(plumb, tmp_path / "straight", parts(tmp_path / "logs", rows, 1))
    straight.ok()
    last = rows[-1]["block_number"] + 70
    times = [(number, onchainlib.START + number * onchainlib.BLOCK_SECONDS) for number in (0, last + 100)]
    chain = Chain(as_logs(rows), first=0, last=last, head=40, head_step=12, times=times, seed=seed, forks_max=12, fork_depth=25)
    place = tmp_path / "flow"
    shutil.copytree(onchainlib.SHIPPED, place, ignore=shutil.ignore_patterns("demo", "*.db*"))
    with HostileNode(chain, seed=seed, **faults) as node:
        env = {"RPC_URL": node.url}
        process = plumb.start("run", place, env=env, cwd=place)
        store, deadline = place / "onchain.db", time.monotonic() + SECONDS_MAX
        wanted = tables(straight.store)
        try:
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
                if chain.view == (chain.true, chain.last) and store.exists() and \
                        rows_of(store, "SELECT max(high) FROM _plumb_coverage") == [(chain.last,)] and tables(store) == wanted:
                    break
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=SECONDS_MAX)
        finally:
            process.kill()
    assert process.returncode == 0 and time.monotonic() < deadline, said.decode()[-3000:]
    assert len(chain.depths) > 3, "no forks"
    through_files = content(straight)
    straight.store = store
    through_node = content(straight)
    assert set(EVENTS) < set(through_files)
    assert {name: through_node[name] for name in through_files if name != "blocks"} == \
        {name: through_files[name] for name in through_files if name != "blocks"}
    assert not queues(straight)
    plumb.ok("audit", place, env=env, cwd=place)
