"""Keccak-256 as Ethereum uses it (the Keccak submission to SHA-3: padding 0x01), in plain Python.

Many short messages are hashed at once: each of the 25 words of the state is one big integer that holds that word of every
message side by side, so that one operation works on all of them. A block's bloom filter needs thousands of such hashes.
"""
RATE = 136
LANES = 25


def _round_constants():
    """The linear feedback shift register of the specification, section 1.2."""
    constants, register = [], 1
    for _ in range(24):
        value = 0
        for bit in range(7):
            if register & 1:
                value |= 1 << ((1 << bit) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(value)
    return constants


def _rotations():
    """(rotation, place it moves to) of each lane x + 5y, along the path of the specification's rho and pi."""
    turns = {0: (0, 0)}
    x, y = 1, 0
    for step in range(24):
        turns[x + 5 * y] = ((step + 1) * (step + 2) // 2 % 64, y + 5 * ((2 * x + 3 * y) % 5))
        x, y = y, (2 * x + 3 * y) % 5
    return [turns[lane] for lane in range(LANES)]


CONSTANTS = _round_constants()
ROTATIONS = _rotations()


def _permute(state, count):
    ones = int.from_bytes(b"\x01" + b"\0" * 7, "little")
    each = int.from_bytes((b"\x01" + b"\0" * 7) * count, "little") if count > 1 else ones
    full = each * 0xFFFFFFFFFFFFFFFF
    low = [each * ((1 << n) - 1) for n in range(64)]  # the n low bits of every word

    def turn(value, n):
        if n == 0:
            return value
        return ((value & low[64 - n]) << n) | ((value >> (64 - n)) & low[n])

    for constant in CONSTANTS:
        sums = [state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20] for x in range(5)]
        mixed = [sums[(x + 4) % 5] ^ turn(sums[(x + 1) % 5], 1) for x in range(5)]
        moved = [0] * LANES
        for lane, (rotation, place) in enumerate(ROTATIONS):
            moved[place] = turn(state[lane] ^ mixed[lane % 5], rotation)
        for row in range(0, LANES, 5):
            a, b, c, d, e = moved[row:row + 5]
            state[row:row + 5] = (a ^ ((b ^ full) & c), b ^ ((c ^ full) & d), c ^ ((d ^ full) & e),
                                  d ^ ((e ^ full) & a), e ^ ((a ^ full) & b))
        state[0] ^= each * constant
    return state


def keccak_many(messages):
    """The hashes of messages that are all shorter than 136 bytes."""
    count = len(messages)
    if not count:
        return []
    padded = []
    for message in messages:
        assert len(message) < RATE, "keccak_many is for messages of one block"
        block = bytearray(message) + b"\x01" + bytes(RATE - 1 - len(message))
        block[-1] |= 0x80
        padded.append(bytes(block))
    lanes = [int.from_bytes(b"".join(block[8 * lane:8 * lane + 8] for block in padded), "little") for lane in range(RATE // 8)]
    state = _permute(lanes + [0] * (LANES - len(lanes)), count)
    words = [state[lane].to_bytes(8 * count, "little") for lane in range(4)]
    return [b"".join(word[8 * i:8 * i + 8] for word in words) for i in range(count)]


def keccak(message):
    """The hash of one message of any length."""
    block = bytearray(message) + b"\x01" + bytes(-(len(message) + 1) % RATE)
    block[-1] |= 0x80
    state = [0] * LANES
    for start in range(0, len(block), RATE):
        for lane in range(RATE // 8):
            state[lane] ^= int.from_bytes(block[start + 8 * lane:start + 8 * lane + 8], "little")
        _permute(state, 1)
    return b"".join(state[lane].to_bytes(8, "little") for lane in range(4))
