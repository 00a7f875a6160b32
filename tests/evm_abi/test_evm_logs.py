"""Real logs through the decoder, against the rows that others made of the same logs."""
import csv
import gzip
import json
import subprocess
from datetime import datetime, timezone

from evm_helper import data, program

TRANSFER = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
TRANSFERS = ["erc20=event Transfer(address indexed from, address indexed to, uint256 value)",
             "erc721=event Transfer(address indexed from, address indexed to, uint256 indexed value)",
             "old=event Transfer(address from, address to, uint256 value)"]


def decode(events, records):
    """Rows and rejects, in the order of their records."""
    text = "".join(json.dumps(record) + "\n" for record in records)
    done = subprocess.run([program("evm_decode_log"), "1", *events], input=text.encode(), capture_output=True,
                          check=True, timeout=120)
    found = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
    assert sorted(item["_record"] for item in found) == list(range(len(records)))
    return sorted(found, key=lambda item: item["_record"])


def block(number, block_hash=None, time="0x0", **more):
    return {"block": {"number": hex(number), "hash": block_hash or f"0x{number:064x}", "parentHash": "0x" + "00" * 32,
                      "timestamp": time, "logs": 0, **more}}


def with_blocks(logs):
    """Each block's record before its logs."""
    last = None
    for log in logs:
        if log["blockNumber"] != last:
            last = log["blockNumber"]
            yield block(int(last, 16), log.get("blockHash"))
        yield log


def test_real_uniswap_logs_become_the_rows_that_others_made_of_them():
    folder = data("uniswapv2-2021q4")
    with gzip.open(folder / "rawlogs_sample.jsonl.gz", "rt") as file:
        logs = sorted((json.loads(line) for line in file), key=lambda log: int(log["blockNumber"], 16))
    with gzip.open(folder / "events.csv.gz", "rt", newline="") as file:
        events = {(int(row["block"]), int(row["log_index"])): row for row in csv.DictReader(file)}
    rows = decode([*TRANSFERS, "Sync=Sync(uint112 reserve0, uint112 reserve1)"], list(with_blocks(logs)))
    rows = [row for row in rows if row.get("_stream") != "blocks"]
    assert len(rows) == len(logs) == 21561
    for row, log in zip(rows, logs):
        event = events[row["block_number"], row["log_index"]]
        assert row["address"] == event["pool"] and row["tx_index"] == int(event["tx_index"])
        assert row["tx_hash"] == log["transactionHash"]
        if event["event"] == "Sync":
            got = ("Sync", row["reserve0"], row["reserve1"], "")
        else:
            got = ("erc20", row["from"], row["to"], row["value"])
        assert got == (row["_stream"], event["arg0"], event["arg1"], event["arg2"])


def etl_log(log):
    """A log as the node said it, from a log in the words of ethereum-etl."""
    return {"address": log["address"], "topics": log["topics"], "data": log["data"],
            "blockNumber": hex(log["block_number"]), "blockHash": log["block_hash"],
            "transactionHash": log["transaction_hash"], "transactionIndex": hex(log["transaction_index"]),
            "logIndex": hex(log["log_index"])}


def lines(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line.strip()]


def test_transfers_of_whole_blocks_are_those_of_ethereum_etl():
    """It takes any log of that topic0 with four words in topics and data together; so do our three variants."""
    folder = data("rpc-fixtures", "ethereum-etl", "test_stream", "blocks_17173049_17173050")
    logs = [etl_log(log) for log in lines(folder / "expected_logs.json")
            if log["topics"][:1] == [f"0x{TRANSFER}"]]
    expected = lines(folder / "expected_token_transfers.json")
    assert len(expected) > 100
    rows = decode(TRANSFERS, list(with_blocks(logs)))
    got = [(row["block_number"], row["block_hash"], row["tx_hash"], row["log_index"], row["address"], row["from"],
            row["to"], int(row["value"])) for row in rows if row.get("_stream", "blocks") != "blocks"]
    assert got == [(row["block_number"], row["block_hash"], row["transaction_hash"], row["log_index"],
                    row["token_address"], row["from_address"], row["to_address"], int(row["value"]))
                   for row in expected]


def test_blocks_are_those_of_ethereum_etl():
    folder = data("rpc-fixtures", "ethereum-etl", "test_stream", "blocks_17173049_17173050")
    headers = lines(folder / "expected_blocks.json")
    records = [block(header["number"], header["hash"], hex(header["timestamp"]), parentHash=header["parent_hash"],
                     miner=header["miner"], gasUsed=hex(header["gas_used"]), gasLimit=hex(header["gas_limit"]),
                     baseFeePerGas=hex(header["base_fee_per_gas"]), transactionCount=header["transaction_count"])
               for header in headers]
    rows = decode([], records)
    assert len(rows) == 2
    for row, header in zip(rows, headers):
        time = datetime.fromisoformat(row["block_time"].replace("Z", "+00:00"))
        assert time == datetime.fromtimestamp(header["timestamp"], timezone.utc)
        assert (row["block_number"], row["block_hash"], row["parent_hash"], row["miner"], row["gas_used"],
                row["gas_limit"], row["base_fee"], row["tx_count"]) == (
            header["number"], header["hash"], header["parent_hash"], header["miner"], header["gas_used"],
            header["gas_limit"], str(header["base_fee_per_gas"]), header["transaction_count"])


def test_an_unindexed_transfer_of_2016_needs_its_variant():
    log = {"address": "0x" + "11" * 20, "topics": [f"0x{TRANSFER}"], "data": "0x" + "".join(
        f"{value:064x}" for value in (10, 11, 12)), "blockNumber": "0x1", "transactionHash": "0x" + "22" * 32,
        "transactionIndex": "0x0", "logIndex": "0x0"}
    rows = decode(TRANSFERS, [block(1), log])
    assert rows[1]["_stream"] == "old" and (int(rows[1]["from"], 16), rows[1]["value"]) == (10, "12")
    rows = decode(TRANSFERS[:2], [block(1), log])
    assert rows[1]["_reject"] == "type" and "a log with 1 topics and 96 bytes of data fits no event" in rows[1]["message"]
