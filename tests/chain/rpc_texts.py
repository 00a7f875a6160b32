"""Error answers in the words of real providers, filled in for the request at hand.

Each kind has several; a node uses the one its fault names, or any. {low} {high} are the asked range in hex, {span} its
blocks, {cap} the limit, {cap_comma} the same with thousands apart, {to} the hex end of a range that would do, and
{low_decimal} {to_decimal} the same in decimal.
"""
import json
from pathlib import Path

# name: (HTTP status, code, message)
SPAN = {
    "alchemy": (200, -32600, "You can make eth_getLogs requests with up to a {cap} block range. "
                             "Based on your parameters, this block range should work: [{low}, {to}]"),
    "quicknode": (413, -32614, "eth_getLogs is limited to a {cap_comma} range"),
    "ankr": (200, -32600, "block range is too wide; maximum [from, to] blocks distance: {cap}"),
    "1rpc": (200, -32000, "eth_getLogs is limited to a {cap} blocks range"),
    "infura": (200, -32602, "range {span} exceeds limit of {cap}"),
    "chainstack": (200, -32602, "Block range limit exceeded."),
    "avalanche": (200, -32000, "requested too many blocks from {low_decimal} to {high_decimal}, maximum is set to {cap}"),
    "sei": (200, -32000, "block range too large ({span}), maximum allowed is {cap} blocks"),
    "unheard-of": (200, -32099, "the moon is not in the right phase"),
}
RESULTS = {
    "infura": (200, -32005, "query returned more than {cap} results. Try with this block range [{low}, {to}]."),
    "alchemy": (200, -32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on "
                             "the response size, or you can request any block range with a cap of 10K logs in the response. "
                             "Based on your parameters and the response size limit, this block range should work: [{low}, {to}]"),
    "reth": (200, -32602, "query exceeds max results {cap}, retry with the range {low_decimal}-{to_decimal}"),
    "arbitrum": (200, -32000, "logs matched by query exceeds limit of {cap}"),
    "plain": (200, -32005, "query returned more than {cap} results"),
    "unheard-of": (200, -32603, "too much for today"),
}
SIZE = {
    "geth": (200, -32003, "response too large"),
    "zksync": (200, -32008, "Response is too big"),
    "proxy": (413, -32000, "Response size is larger than {cap} bytes."),
}
RATE = {
    "alchemy": (429, 429, "Your app has exceeded its compute units per second capacity. If you have retries enabled, "
                          "you can safely ignore this message."),
    "infura": (429, -32005, "project ID request rate exceeded"),
    "quicknode": (429, -32007, "15/second request limit reached - reduce calls per second or upgrade your account at quicknode.com"),
}
PASSING = {
    "internal": (200, -32603, "Internal error"),
    "header": (200, -32000, "header not found"),
    "timeout": (200, -32000, "context deadline exceeded"),
    "upstream": (503, -32603, "no available upstreams"),
    "unheard-of": (200, 7777, "something nobody has heard of"),
}
HTML = ["<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
        "<!DOCTYPE html><html lang=en><title>Just a moment...</title><body>Checking your browser</body></html>"]


def corpus(classes):
    """(HTTP status, code, message) of recorded provider errors of some classes; none when the data is not there."""
    place = Path(__file__).resolve().parents[3] / "shared" / "data" / "rpc-errors" / "errors.jsonl"
    if not place.is_file():
        return []
    entries = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines()]
    return [(entry["http"] or 200, entry["code"], entry["message"]) for entry in entries
            if entry["expect"]["class"] in classes and isinstance(entry["message"], str) and isinstance(entry["code"], int)]
