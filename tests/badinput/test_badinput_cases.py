"""One table of bad inputs, each in a file between two good ones and with good records around it in its own file."""
import gzip
import json
import random
from dataclasses import dataclass, field

import pytest
import zstandard

pytest.register_assert_rewrite("badinput")
# pylint: disable=wrong-import-position
from badinput import (CSV_HEADER, GOOD_AFTER, GOOD_BEFORE, assert_audit, assert_good_rows, assert_nothing_lost,
                      assert_rejects, assert_same, assert_trouble, csv_lines, flow_text, good, json_lines, lines, run)

INT64_MAX, UINT256_MAX = 2**63 - 1, 2**256 - 1
MANY = list(range(1000, 6000))


@dataclass
class Case:
    name: str
    bad: bytes
    ids: list = field(default_factory=list)     # of the records of the bad file that must be in the tables
    rejects: list = field(default_factory=list)  # (record number, reason, pattern)
    trouble: str = None                         # pattern of what is told about the bad file
    ext: str = "jsonl"
    plain: bool = True                          # the accepted rows are good rows, nothing else
    options: tuple = ()
    mended: bytes = None                        # the bad file put right, for troubles
    mended_ids: list = None
    mended_rejects: list = None


def around(*middle):
    """Good records 10 and 11 around lines of bytes."""
    return json_lines([10]) + b"".join(line + b"\n" for line in middle) + json_lines([11])


def json_reject(name, line, reason, pattern, **more):
    return Case(name, around(line), [10, 11], [(1, reason, pattern)], **more)


def csv_around(*middle):
    return csv_lines([10]) + b"".join(line + b"\n" for line in middle) + csv_lines([11], b"")


def csv_reject(name, line, reason, pattern, **more):
    return Case(name, csv_around(line), [10, 11], [(1, reason, pattern)], ext="csv", **more)


def noise(size):
    return random.Random(7).randbytes(size)


def gzipped(data):
    return gzip.compress(data, mtime=0)


def zipped(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


LONG = b"".join(json.dumps({"id": i, "v": f"{random.Random(i).random()}"}).encode() + b"\n" for i in MANY)


def truncated(name, pack, keep):
    """Compressed data that ends too early: what of it can be read is read."""
    whole = pack(LONG)
    return Case(name, whole[:keep(len(whole))], None, plain=False, mended=whole, mended_ids=MANY,
                trouble=r"(gzip|zstd) data ends early after \d+ bytes; the records before that were read\. Put the whole "
                        r"file in its place to read the rest")


def damaged(name, pack, at, width=1):
    """Compressed data with wrong bytes: what stands before the damage may be wrong already, so nothing is taken."""
    whole = pack(LONG)
    where = at(len(whole))
    bad = whole[:where] + bytes(byte ^ 0x10 for byte in whole[where:where + width]) + whole[where + width:]
    return Case(name, bad, [], mended=whole, mended_ids=MANY,
                trouble=r"(gzip|zstd) data is damaged near byte \d+ \(.+\); nothing is taken from a damaged file.* Put "
                        r"the whole file in its place, or set verify: false")


NESTED = b"[" * 100_000
BINARY = noise(20_000).replace(b"\n", b"\0")
WIDE = json.dumps({**good(12), **{f"field {i}": i for i in range(50_000)}}).encode()
LONG_NAME = json.dumps({**good(12), "x" * 1_000_000: 1}).encode()
FAR = 10**400

CASES = [
    # JSON that is none
    json_reject("broken json", b'{"id": 12, "v": "never clo', "malformed", r"not JSON: .* at byte 26"),
    json_reject("a cut record", b'{"id": 12, "v":', "malformed", r"not JSON: .*ends where a value should be, at byte"),
    json_reject("two values", b'{"id": 12} {"id": 13}', "malformed", r"not JSON: .* at byte 11"),
    json_reject("no object", b"[1, 2]", "malformed", r"not (JSON|an object)|object"),
    json_reject("only text", b"hello", "malformed", r"not JSON: .* at byte 0"),
    json_reject("single quotes", b"{'id': 12}", "malformed", r"not JSON: .* at byte 1"),
    json_reject("a trailing comma", b'{"id": 12,}', "malformed", r"not JSON: .* at byte 10"),
    json_reject("a binary line", BINARY, "malformed", r"not JSON: .* at byte \d+"),
    json_reject("nested very deep", b'{"id": 12, "doc": ' + NESTED + b"]" * len(NESTED) + b"}", "malformed",
                r"not JSON: .*(nested|deep).* at byte"),
    json_reject("nested very deep, undeclared", b'{"id": 12, "other": ' + NESTED + b"]" * len(NESTED) + b"}",
                "malformed", r"not JSON: .*(nested|deep).* at byte"),
    json_reject("nested and never closed", NESTED, "malformed", r"not JSON: .* at byte"),
    # characters
    json_reject("invalid utf-8", b'{"id": 12, "v": "\xff\xfe"}', "malformed", r"UTF-8.* at byte 17"),
    json_reject("cut utf-8", b'{"id": 12, "v": "\xe2\x82"}', "malformed", r"UTF-8.* at byte 17"),
    json_reject("a surrogate in utf-8", b'{"id": 12, "v": "\xed\xa0\x80"}', "malformed", r"UTF-8.* at byte 17"),
    json_reject("a lone escaped surrogate", b'{"id": 12, "v": "\\ud800"}', "malformed", r"surrogate|escape"),
    json_reject("a raw NUL", b'{"id": 12, "v": "a\0b"}', "malformed", r"not JSON: .* at byte 18"),
    json_reject("a NUL between values", b'{"id": 12,\0"v": "a"}', "malformed", r"not JSON: .* at byte 10"),
    json_reject("only NULs", b"\0" * 100, "malformed", r"not JSON: .* at byte 0"),
    json_reject("an escaped NUL", b'{"id": 12, "v": "a\\u0000b"}', "type", r"column 'v' \(/v\): .*NUL"),
    # keys and values
    json_reject("a key twice", b'{"id": 12, "id": 13}', "duplicate_key", r"'?/?id'?"),
    json_reject("an undeclared key twice is no harm", b'{"id": null, "x": 1, "x": 2}', "missing|duplicate_key", ""),
    json_reject("text for a number", b'{"id": "12"}', "type", r"column 'id' \(/id\): \"12\" .*int64"),
    json_reject("a fraction for an integer", b'{"id": 12.5}', "type", r"column 'id' \(/id\): 12\.5 .*int64"),
    json_reject("a list for a number", b'{"id": [12]}', "type", r"column 'id' \(/id\): .*int64"),
    json_reject("an object for a text", b'{"id": 12, "v": {"a": 1}}', "type", r"column 'v' \(/v\): .*text"),
    json_reject("true for a number", b'{"id": true}', "type", r"column 'id' \(/id\): true .*int64"),
    json_reject("no id", b'{"v": "x"}', "missing", r"column 'id' \(/id\): required, but absent"),
    json_reject("null for an id", b'{"id": null}', "missing", r"column 'id' \(/id\): required, but null"),
    json_reject("beyond int64", b'{"id": %d}' % (INT64_MAX + 1), "range", r"column 'id' \(/id\): 9223372036854775808 "),
    json_reject("below int64", b'{"id": %d}' % (-INT64_MAX - 2), "range", r"column 'id' \(/id\): -9223372036854775809 "),
    json_reject("far beyond int64", b'{"id": %d}' % FAR, "range", r"column 'id' \(/id\): 1000"),
    json_reject("beyond uint256", b'{"id": 12, "big": %d}' % (UINT256_MAX + 1), "range",
                r"column 'big' \(/big\): 11579208923731619542357098500868790785326998466564"),
    json_reject("beyond uint256 in a text", b'{"id": 12, "big": "%d"}' % (UINT256_MAX + 1), "range", r"column 'big'"),
    json_reject("far beyond uint256", b'{"id": 12, "big": %d}' % FAR, "range", r"column 'big'"),
    json_reject("an exponent nobody can hold", b'{"id": 1e999999999}', "range|type", r"column 'id'"),
    Case("the largest numbers there are", around(b'{"id": %d, "n": %d, "big": %d}' % (
        INT64_MAX, -INT64_MAX - 1, UINT256_MAX)), [10, INT64_MAX, 11], plain=False),
    # shapes of files
    Case("an empty file", b"", []),
    Case("a file of empty lines", b"\n\r\n\n", []),
    Case("a byte order mark", b"\xef\xbb\xbf" + json_lines([10, 11]), [10, 11]),
    Case("a byte order mark and nothing", b"\xef\xbb\xbf", []),
    Case("a byte order mark inside", json_lines([10]) + b"\xef\xbb\xbf" + json_lines([11]), [10],
         [(1, "malformed", r"not JSON: .* at byte 0")]),
    Case("CR LF", json_lines([10, 11]).replace(b"\n", b"\r\n"), [10, 11]),
    Case("only CR", json_lines([10, 11]).replace(b"\n", b"\r"), [], [(0, "malformed", r"not JSON: ")]),
    Case("no newline at the end", json_lines([10, 11])[:-1], [10, 11]),
    Case("UTF-16", '{"id": 10}\n'.encode("utf-16"), [],
         [(0, "malformed", r"not JSON: "), (1, "malformed", r"not JSON: ")]),
    Case("binary", noise(200_000), [], "each line", plain=False),
    Case("very many fields", around(WIDE), [10, 12, 11]),
    Case("a very long field name", around(LONG_NAME), [10, 12, 11]),
    Case("a record over the limit", around(b'{"id": 12, "v": "' + b"x" * 5000 + b'"}'), [10, 11],
         [(1, "too_large", r"longer than the source's record limit; offset=\d+ length=5019")],
         options=("record_bytes_max: 4KiB",)),
    # compressed
    truncated("truncated gzip", gzipped, lambda size: size * 2 // 3),
    truncated("gzip without the end of its checksum", gzipped, lambda size: size - 1),
    truncated("truncated zstd", zipped, lambda size: size * 9 // 10),
    truncated("zstd without the end of its checksum", zipped, lambda size: size - 1),
    damaged("gzip damaged in the middle", gzipped, lambda size: size // 2),
    damaged("gzip damaged widely", gzipped, lambda size: size // 2, 400),
    damaged("gzip with a wrong checksum", gzipped, lambda size: size - 7),
    damaged("gzip with a wrong length", gzipped, lambda size: size - 1),
    damaged("zstd damaged in the middle", zipped, lambda size: size // 2),
    damaged("zstd with a wrong checksum", zipped, lambda size: size - 1),
    Case("gzip cut in its header", gzipped(json_lines([10, 11]))[:5], [],
         trouble=r"gzip data ends early after \d+ bytes; .*Put the whole file in its place",
         mended=gzipped(json_lines([10, 11])), mended_ids=[10, 11]),
    Case("gzip with other bytes behind it", gzipped(json_lines([10, 11])) + b"tail", [],
         trouble=r"gzip data is damaged near byte \d+ \(other bytes follow the end\)",
         mended=gzipped(json_lines([10, 11])) + gzipped(json_lines([12])), mended_ids=[10, 11, 12]),
    Case("plain text where gzip is declared", json_lines([10, 11]), [], ext="jsonl", options=("compression: gzip",),
         trouble=r"gzip data is damaged near byte 0 \(no gzip header\)", mended=gzipped(json_lines([10, 11])),
         mended_ids=[10, 11]),
    # CSV
    Case("only a header", CSV_HEADER, [], ext="csv"),
    Case("only a header, without newline", CSV_HEADER[:-1], [], ext="csv"),
    Case("an empty CSV file", b"", [], ext="csv"),
    Case("a byte order mark before the header", b"\xef\xbb\xbf" + csv_lines([10, 11]), [10, 11], ext="csv"),
    Case("CSV with CR LF", csv_lines([10, 11]).replace(b"\n", b"\r\n"), [10, 11], ext="csv"),
    csv_reject("too few cells", b"12,x", "malformed", r"the record has 2 cells, the header has 5"),
    csv_reject("too many cells", b"12,x,,,,,", "malformed", r"the record has 7 cells, the header has 5"),
    csv_reject("text for a number in CSV", b"twelve,x,,,", "type", r"column 'id' \(id\): \"twelve\" .*int64"),
    csv_reject("beyond int64 in CSV", b"%d,x,,," % 10**30, "range", r"column 'id' \(id\): \"1000"),
    csv_reject("beyond uint256 in CSV", b"12,x,,%d," % (UINT256_MAX + 1), "range", r"column 'big' \(big\): "),
    csv_reject("an empty id", b",x,,,", "missing", r"column 'id' \(id\): required, but null"),
    csv_reject("invalid utf-8 in CSV", b"12,\xff\xfe,,,", "malformed", r"not UTF-8"),
    csv_reject("NUL in CSV", b"12,a\0b,,,", "type", r"column 'v' \(v\): .*NUL"),
    csv_reject("text behind a quote", b'12,"x"y,,,', "malformed", r"text behind a closing quote, at byte 6"),
    csv_reject("a quote inside a cell", b'12,x"y,,,', "malformed", r"a quote in a cell that is not quoted, at byte 4"),
    csv_reject("broken JSON in a cell", b'12,x,,,{', "type|malformed", r"column 'doc'"),
    Case("a quote that is never closed", csv_around(b'12,"never closed,,,') + csv_lines(MANY, b""), [10, 11, *MANY],
         [(1, "malformed", r'no record could be cut out here: 12,"never closed,,,')], ext="csv"),
    Case("a quote never closed in the last line", csv_lines([10, 11]) + b'12,"never closed', [10, 11],
         [(2, "malformed", r'no record could be cut out here: 12,"never closed')], ext="csv"),
    Case("a quote never closed in the header", b'id,"v,n\n' + csv_lines([10], b""), [], ext="csv",
         trouble=r"a quote in the CSV header is never closed; correct line 1 or the quote option",
         mended=csv_lines([10]), mended_ids=[10]),
    Case("a header with a name twice", csv_lines([10, 11], b"id,v,id,big,doc\n"), [], ext="csv",
         rejects=[(i, "malformed", r"header record is not usable: two cells have the same name: 'id'") for i in (0, 1)]),
    Case("a header without a required column", csv_lines([10, 11], b"key,v,n,big,doc\n"), [], ext="csv",
         rejects=[(i, "missing", r"column 'id' \(id\): required, but absent") for i in (0, 1)]),
    Case("no header at all", csv_lines([10, 11], b""), [], ext="csv",
         rejects=[(0, "malformed|missing", r"the header|required")]),
    Case("a header that is not UTF-8", csv_lines([10], b"id,v,n,big,\xff\n"), [], ext="csv",
         trouble=r"the CSV header is not UTF-8 text; is this a CSV file\? If it is, convert it to UTF-8",
         mended=csv_lines([10]), mended_ids=[10]),
    Case("columns in another order, and one more", b"doc,more,v,big,id,n\n,m,good 10,,10,\n,m,good 11,,11,\n", [10, 11],
         ext="csv"),
    Case("very many columns", b"id,v," + b",".join(b"c%d" % i for i in range(5000)) + b"\n10,good 10" + b"," * 5000 +
         b"\n", [], ext="csv", rejects=[(0, "malformed", r"header record is not usable: more than 4096 cells, at: 'c40")]),
    Case("a very long column name", b"id,v," + b"x" * 60_000 + b"\n10,good 10,\n", [10], ext="csv"),
    Case("a header longer than any", b"id,v," + b"x" * 70_000 + b"\n10,good 10,\n", [], ext="csv",
         trouble=r"the CSV header is longer than 65536 bytes; is this a CSV file with a header line\?",
         mended=csv_lines([10]), mended_ids=[10]),
    Case("binary as CSV", noise(50_000).replace(b"\n", b"x"), [], ext="csv", trouble=r"CSV header",
         mended=csv_lines([10]), mended_ids=[10]),
]


def expected_rejects(case):
    if case.rejects == "each line":
        records = [line for line in case.bad.split(b"\n") if line.rstrip(b"\r") or line not in (b"", b"\r")]
        return [(i, "malformed", r"not JSON: ") for i in range(len(records))]
    return case.rejects


def settle_reasons(outcome, rejects):
    """A reason written a|b is whichever of them was given."""
    given = {r.record: r.reason for r in outcome.rejects}
    return [(n, given.get(n) if given.get(n) in reason.split("|") else reason, p) for n, reason, p in rejects]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_bad_input(plumb, make_flow, case):
    bad = f"data/2-bad.{case.ext}"
    flow = make_flow({"flow.yaml": flow_text(case.ext, case.options)})
    data = flow / "data"
    data.mkdir()
    pack = gzipped if "compression: gzip" in case.options else bytes
    (data / f"1-before.{case.ext}").write_bytes(pack(lines(GOOD_BEFORE, case.ext)))
    (flow / bad).write_bytes(case.bad)
    (data / f"3-after.{case.ext}").write_bytes(pack(lines(GOOD_AFTER, case.ext)))

    first = run(plumb, flow)
    inside = case.ids
    if inside is None:
        inside = [i for i, _ in first.log if i in MANY]
        assert inside == MANY[:len(inside)] and len(inside) > len(MANY) // 3
    rejects = settle_reasons(first, expected_rejects(case))
    assert_nothing_lost(first, GOOD_BEFORE + inside + GOOD_AFTER)
    assert_good_rows(first, GOOD_BEFORE + GOOD_AFTER + (inside if case.plain else []))
    assert_rejects(first, bad, rejects)
    assert_trouble(first, bad if case.trouble else None, case.trouble)
    assert_audit(first)
    assert_same(run(plumb, flow), first)

    if case.mended is not None:
        (flow / bad).write_bytes(case.mended)
    else:  # what was rejected comes again, corrected, in a file of its own
        (data / f"4-corrected.{case.ext}").write_bytes(pack(lines([70, 71], case.ext)))
    mended = run(plumb, flow)
    mended_ids = case.mended_ids if case.mended is not None else inside + [70, 71]
    assert_nothing_lost(mended, GOOD_BEFORE + mended_ids + GOOD_AFTER)
    assert_trouble(mended, None, None)
    assert_audit(mended)
    assert mended.rejects == first.rejects
    assert_same(run(plumb, flow), mended)
