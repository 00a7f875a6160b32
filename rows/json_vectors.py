"""Writes json_vectors.h: records with Python's verdict on them, for decode_json_test.c.

    python3 rows/json_vectors.py > rows/json_vectors.h

Python's json module is one of two opinions; where the decoder is meant to differ, this script says
so: bytes that are not UTF-8, lone surrogates, NaN and Infinity, a byte order mark, and values that
are no object are malformed for us; duplicate keys of the record's object are refused; white space
is only what RFC 8259 says. The seed is fixed.
"""
import json
import random

COUNT = 600
MUTANTS = b'{}[]":,\\ \t\n\r\x00\x1f\x7f0123456789-+.eEtrufalsnN\x80\xc3\xa9\xed\xa0\xff/bu'


def scalar(r):
    return r.choice([
        lambda: r.randint(-10**r.randint(0, 25), 10**r.randint(0, 25)),
        lambda: r.uniform(-1, 1) * 10**r.randint(-20, 20),
        lambda: r.choice([True, False, None]),
        lambda: ''.join(r.choice('ab"\\/\n\t\u00e9\u20ac\U0001f600 \x01') for _ in range(r.randint(0, 12))),
    ])()


def value(r, depth):
    kind = r.random()
    if depth == 0 or kind < 0.6:
        return scalar(r)
    if kind < 0.8:
        return [value(r, depth - 1) for _ in range(r.randint(0, 3))]
    return {r.choice(['a', 'b', 'c\u00e9', 'd"', '']): value(r, depth - 1) for _ in range(r.randint(0, 3))}


def record(r):
    style = {'ensure_ascii': r.random() < 0.5, 'separators': r.choice([(',', ':'), (' , ', ' : '), (', ', ':\n')])}
    members = []
    for _ in range(r.randint(0, 5)):
        key = json.dumps(r.choice(['id', 'x', 'y', 'long name', '\u20ac', 'z', 'zz']), **style)
        members.append(key + style['separators'][1] + json.dumps(value(r, 3), **style))
    return ('{' + style['separators'][0].join(members) + '}').encode()


def mutate(r, data):
    data = bytearray(data)
    for _ in range(r.choice([0, 0, 1, 1, 2])):
        at = r.randint(0, len(data))
        step = r.random()
        if step < 0.4:
            data.insert(at, r.choice(MUTANTS))
        elif step < 0.6 and at < len(data):
            del data[at]
        elif step < 0.8 and at < len(data):
            data[at] = r.choice(MUTANTS)
        elif step < 0.9:
            del data[at:]
        else:
            start = r.randint(0, at)
            data[at:at] = data[start:start + r.randint(0, 8)]
    return bytes(data)


class Refused(ValueError):
    pass


def refuse(_):
    raise Refused


def has_lone_surrogate(v):
    if isinstance(v, str):
        return any(0xD800 <= ord(c) <= 0xDFFF for c in v)
    if isinstance(v, list):
        return any(has_lone_surrogate(i) for i in v)
    if isinstance(v, tuple):
        return has_lone_surrogate(v[0]) or has_lone_surrogate(v[1])
    return False


def verdict(data):
    """0 malformed, 1 good, 2 duplicate key."""
    try:
        # Objects become lists of pairs marked with a leading None, so that duplicates stay.
        v = json.loads(data.decode('utf-8'), parse_constant=refuse,
                       object_pairs_hook=lambda pairs: [None] + pairs)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return 0
    is_object = isinstance(v, list) and data.lstrip(b' \t\r\n').startswith(b'{')
    if not is_object or has_lone_surrogate(v):
        return 0
    keys = [pair[0] for pair in v[1:]]
    return 2 if len(set(keys)) < len(keys) else 1


def main():
    r = random.Random(8259)
    cases = {}
    while len(cases) < COUNT:
        data = mutate(r, record(r))
        if len(data) <= 160:
            cases[data] = verdict(data)
    print('/* Made by json_vectors.py: records in hex, and what Python says of them. */')
    print('static const struct json_vector {')
    print('    const char *hex;')
    print('    int verdict; /* 0 malformed, 1 good, 2 duplicate key */')
    print('} json_vectors[] = {')
    for data, good in cases.items():
        print('    {"%s", %d},' % (data.hex(), good))
    print('};')


main()
