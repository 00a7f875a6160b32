"""Just enough of the Solidity ABI to call the demo's contracts: arguments in, one word or a string out.

Addresses are text ("0x…", 20 bytes), bytes are bytes, strings are str or bytes (contracts take any bytes), arrays are lists.
"""
import hashlib
import json
from pathlib import Path

from .keccak import keccak

DEMO = Path(__file__).resolve().parents[2] / "flows" / "onchain" / "demo"


def load_contracts():
    """{name: {constructor, functions, events, bytecode}} as flows/onchain/demo/build left it."""
    return json.loads((DEMO / "contracts.json").read_text(encoding="utf-8"))["contracts"]


def sources_hash():
    """What contracts.json says its sources were, computed from the sources as they are."""
    summed = hashlib.sha256()
    for path in sorted((DEMO / "contracts").glob("*.sol")):
        summed.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return summed.hexdigest()


def address_of(value):
    """The bytes of an address given as text, or of something that has one (a contract)."""
    text = getattr(value, "address", value)
    raw = bytes.fromhex(text[2:])
    assert len(raw) == 20, f"{text} is no address"
    return raw


def split_types(text):
    """The types of 'f(a,b[2],c)' or '(a,b)'."""
    inner = text[text.index("(") + 1:text.rindex(")")]
    return inner.split(",") if inner else []


def _array(kind):
    """(element type, count or None) of an array type; None when it is none."""
    if not kind.endswith("]"):
        return None
    element, _, count = kind[:-1].rpartition("[")
    return element, int(count) if count else None


def _is_dynamic(kind):
    array = _array(kind)
    if array:
        return array[1] is None or _is_dynamic(array[0])
    return kind in ("string", "bytes")


def _encode_one(kind, value):
    array = _array(kind)
    if array:
        element, count = array
        assert count is None or count == len(value), f"{kind} given {len(value)} elements"
        head = b"" if count is not None else len(value).to_bytes(32, "big")
        return head + encode([element] * len(value), value)
    if kind in ("string", "bytes"):
        raw = value.encode() if isinstance(value, str) else value
        return len(raw).to_bytes(32, "big") + raw + bytes(-len(raw) % 32)
    if kind == "address":
        return bytes(12) + address_of(value)
    if kind.startswith("bytes"):
        assert len(value) == int(kind[5:]), f"{kind} given {len(value)} bytes"
        return value + bytes(32 - len(value))
    assert kind == "bool" or kind.startswith(("uint", "int")), f"no encoding for {kind}"
    return (int(value) % (1 << 256)).to_bytes(32, "big")


def encode(kinds, values):
    """The arguments of a call, without selector."""
    assert len(kinds) == len(values), f"{len(values)} arguments for {kinds}"
    parts = [(_is_dynamic(kind), _encode_one(kind, value)) for kind, value in zip(kinds, values)]
    head_size = sum(32 if dynamic else len(part) for dynamic, part in parts)
    head, tail = b"", b""
    for dynamic, part in parts:
        if dynamic:
            head += (head_size + len(tail)).to_bytes(32, "big")
            tail += part
        else:
            head += part
    return head + tail


def created_address(sender, nonce):
    """The address of the contract that an account makes with its transaction number `nonce`."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    number = number if len(number) == 1 and number[0] < 0x80 else bytes([0x80 + len(number)]) + number
    body = b"\x94" + address_of(sender) + number
    return "0x" + keccak(bytes([0xC0 + len(body)]) + body)[12:].hex()
