"""ABI data against published vectors: what the decoder makes of the bytes is what the vectors say was encoded.

The vectors are those of ethers.js (512 random types and values) and of the Ethereum tests; a few written by hand are
always run.
"""
import gzip
import json
import subprocess

import pytest

from evm_helper import data, program

INT64 = range(-2**63, 2**63)


def decode(cases):
    """[(types, hex)] to what the decoder says: values, or the text of an error."""
    text = "".join(f"{types} {encoded.removeprefix('0x')}\n" for types, encoded in cases)
    done = subprocess.run([program("evm_abi_json")], input=text.encode(), capture_output=True, check=True, timeout=120)
    lines = done.stdout.decode().split("\n")[:-1]
    assert len(lines) == len(cases)
    return [line if line.startswith("error: ") else json.loads(line) for line in lines]


def vectors(name):
    path = data("abi", name)
    return json.loads(gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes())


def integer(value):
    """As it is printed: a number when it fits int64, else a string."""
    return value if value in INT64 else str(value)


def split(types):
    """The parts of 'a,(b,c)[],d' between outermost commas."""
    parts, depth = [""], 0
    for letter in types:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def expected(kind, value):
    """A value of an ethers vector in the decoder's words."""
    if kind.endswith("]"):
        inner = kind[:kind.rindex("[")]
        return [expected(inner, item) for item in value]
    if kind.startswith("("):
        return [expected(part, item) for part, item in zip(split(kind[1:-1]), value, strict=True)]
    if "int" in kind:
        return integer(int(str(value), 0))
    if kind == "address" or kind.startswith("bytes"):
        return value.lower()
    return value


def test_every_vector_of_ethers_decodes_to_its_value():
    cases = vectors("ethers_abi.json.gz")
    assert len(cases) == 512
    decoded = decode([(f"({case['type']})", case["encoded"]) for case in cases])
    wrong = [case["name"] for case, got in zip(cases, decoded) if got != [expected(case["type"], case["value"])]]
    assert not wrong


def test_vectors_cut_anywhere_are_errors_or_padding():
    """Without its last word, data of a static type or of text ends too early; nothing else may come out."""
    cases = vectors("ethers_abi.json.gz")
    cut = [(f"({case['type']})", case["encoded"][:-64]) for case in cases]
    for case, got in zip(cases, decode(cut)):
        assert str(got).startswith("error: the "), case["name"]


def test_the_ethereum_basic_vectors_decode_to_their_arguments():
    cases = vectors("ethereum_basic_abi_tests.json")
    decoded = decode([(f"({','.join(case['types'])})", case["result"]) for case in cases.values()])
    for (name, case), got in zip(cases.items(), decoded):
        want = [("0x" + arg.encode().hex() if kind.startswith("bytes") else arg)
                for kind, arg in zip(case["types"], case["args"])]
        assert got == want, name


def test_every_hash_of_the_vectors_is_ours():
    cases = vectors("ethers_hashes.json.gz")
    decoded = decode([("keccak256", case["data"]) for case in cases])
    assert decoded == [case["keccak256"] for case in cases]


def word(value):
    return f"{value % 2**256:064x}"


@pytest.mark.parametrize("types, words, value", [
    ("(uint256,bool)", [5, 1], [5, True]),
    ("(int8)", [-1], [-1]),
    ("(uint256)", [2**63 - 1], [2**63 - 1]),
    ("(uint256)", [2**63], [str(2**63)]),
    ("(int256)", [-2**63], [-2**63]),
    ("(int256)", [-2**63 - 1], [str(-2**63 - 1)]),
    ("(uint8[])", [32, 0], [[]]),
    ("((uint8\ta,bool\tb))", [1, 0], [{"a": 1, "b": False}]),
    ("(bool)", [2], "error: the word at byte 0 is no bool: neither 0 nor 1"),
    ("(uint8[])", [32, 2**255], "error: the length at byte 32 is more than the 64 bytes of data hold"),
    ("(uint8[])", [2**64 + 32, 0], "error: the offset at byte 0 points behind the 64 bytes of data"),
])
def test_values_written_by_hand(types, words, value):
    assert decode([(types, "".join(map(word, words)))]) == [value]
