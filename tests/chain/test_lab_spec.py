"""Our own node against the request and answer pairs of the Ethereum JSON-RPC specification's test suite.

The pairs belong to others and are not part of the repository: the tests look for them in $PLUMB_DATA, or in the folder
shared/data beside the checkout, and skip when they are not there.
"""
import json
import os
from pathlib import Path

import pytest

from .anvil import ROOT, Rpc
from .fakechain import Chain
from .hostile import HostileNode

FOLDER = Path(os.environ.get("PLUMB_DATA", ROOT.parent / "shared" / "data")) / "rpc-fixtures" / "execution-apis"
ASKED = ("eth_chainId", "eth_blockNumber", "eth_getLogs", "eth_getBlockReceipts", "eth_getBlockByNumber", "eth_getBlockByHash")

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded answers at {FOLDER} (PLUMB_DATA names another place)")


def pairs(method):
    """(name, request, answer) of each recorded exchange of a method."""
    for path in sorted((FOLDER / method).glob("*.io")):
        lines = path.read_text(encoding="utf-8").splitlines()
        yield (path.name, *(json.loads(next(line for line in lines if line.startswith(mark))[3:]) for mark in (">>", "<<")))


@pytest.fixture(scope="module")
def node():
    """A node that knows of the chain what its answers tell."""
    logs, headers, receipts = {}, {}, {}
    for method in ("eth_getBlockByNumber", "eth_getBlockByHash"):
        for _, _, answer in pairs(method):
            if answer.get("result"):
                headers[int(answer["result"]["number"], 16)] = answer["result"]
    for _, _, answer in pairs("eth_getBlockReceipts"):
        for receipt in answer.get("result") or []:
            receipts.setdefault(int(receipt["blockNumber"], 16), {})[receipt["transactionHash"]] = receipt
    for _, _, answer in pairs("eth_getLogs"):
        for log in answer.get("result") or []:
            logs[log["blockNumber"], int(log["logIndex"], 16)] = log
    # Of some blocks only the logs are known: their transactions are those of the logs.
    for (number, _), log in sorted(logs.items()):
        of = receipts.setdefault(int(number, 16), {})
        receipt = of.setdefault(log["transactionHash"], {"transactionHash": log["transactionHash"], "logs": []})
        if not any(known["logIndex"] == log["logIndex"] for known in receipt["logs"]):
            receipt["logs"].append(log)
    known = [log for of in receipts.values() for receipt in of.values() for log in receipt["logs"]]
    head = int(next(pairs("eth_blockNumber"))[2]["result"], 16)
    final = next(answer["result"]["number"] for name, _, answer in pairs("eth_getBlockByNumber") if name == "get-finalized.io")
    chain = Chain(known, finality=head - int(final, 16), chain_id=int(next(pairs("eth_chainId"))[2]["result"], 16), first=0, last=head)
    for number in set(headers) | set(receipts):
        found = list(receipts.get(number, {}).values())
        header = headers.get(number) or {"number": hex(number), "hash": found[0]["logs"][0]["blockHash"], "logsBloom": "0x"}
        chain.true.recorded[number] = ({name: value for name, value in header.items() if name != "transactions"}, found)
        chain.recorded_hashes[header["hash"]] = number
    with HostileNode(chain, lag_errors=True) as made:
        yield made


def exchanges():
    return [(method, name, request, answer) for method in ASKED for name, request, answer in pairs(method)] if FOLDER.is_dir() else []


@pytest.mark.parametrize("exchange", exchanges(), ids=lambda exchange: "/".join(exchange[:2]))
def test_our_node_answers_as_the_specification_says(node, exchange):
    method, name, request, answer = exchange
    rpc = Rpc(node.url)
    said = rpc.post(request)
    rpc.close()
    if "error" in answer:
        assert said["error"] == answer["error"]
    elif method.startswith("eth_getBlockBy") and answer["result"]:
        # Transactions are not what our node is about.
        assert {**said["result"], "transactions": 0} == {**answer["result"], "transactions": 0}
    else:
        assert said == answer, name
