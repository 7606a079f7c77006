"""Provable chance: a seed is committed before it is used and revealed afterwards; anyone can recompute what it gave.

Commitment: SHA-256 of the 32-byte seed. Outcomes: HMAC-SHA256 (RFC 2104, FIPS 180-4) under the seed over a text that
names what is decided, so that no outcome depends on the order in which outcomes are asked for. Golden values are pinned
in `tests/draws/test_chance`: a change of a single bit is a new algorithm with a new name.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from itertools import count

SEED_BYTES = 32
BELOW_MAX = 1 << 63
_RANGE = 1 << 64
PLACE_BYTES = 32
HELD_MIN = 1000
"""Places held beside a quarter more than expected: chance makes the share of a few numbers vary."""


def new_seed() -> bytes:
    """32 bytes from the operating system's generator."""
    return secrets.token_bytes(SEED_BYTES)


def commitment(seed: bytes) -> bytes:
    """What is published before the seed is used: its SHA-256."""
    assert len(seed) == SEED_BYTES, "a seed has 32 bytes"
    return hashlib.sha256(seed).digest()


def place(seed: bytes, scope: str, number: int) -> bytes:
    """Where a numbered thing stands in the order that a seed gives: HMAC(seed, `scope|number`), lowest first."""
    return hmac.digest(seed, f"{scope}|{number}".encode(), "sha256")


def shuffled(seed: bytes, scope: str, last: int) -> list[int]:
    """The numbers 1 to `last` in the order of their places; two equal places would go by number."""
    return list(in_order(seed, scope, last, expected=last))


def in_order(seed: bytes, scope: str, last: int, *, expected: int) -> Iterator[int]:
    """`shuffled`, one by one, for whoever will take about `expected` of them: so many are held, not all.

    Places are as good as evenly spread, so those below a share of the range are about that share of the numbers. Who
    takes more than were held has all places worked out again, and four times as many held.
    """
    low, share = bytes(PLACE_BYTES), expected * 5 // 4 + HELD_MIN
    while True:
        high = (share << 8 * PLACE_BYTES) // last if share < last else None
        bound = high.to_bytes(PLACE_BYTES) if high is not None else None
        held = [
            (each, number)
            for number, each in enumerate(_places(seed, scope, last), 1)
            if low <= each and (bound is None or each < bound)
        ]
        held.sort()
        yield from (number for _, number in held)
        if bound is None:
            return
        low, share = bound, share * 4


def _places(seed: bytes, scope: str, last: int) -> Iterator[bytes]:
    """`place` of 1 to `last` in half the time: HMAC as RFC 2104 writes it, with what is common hashed once."""
    key = seed.ljust(hashlib.sha256().block_size, b"\0")
    inside = hashlib.sha256(bytes(each ^ 0x36 for each in key) + f"{scope}|".encode())
    outside = hashlib.sha256(bytes(each ^ 0x5C for each in key))
    for number in range(1, last + 1):
        inner, outer = inside.copy(), outside.copy()
        inner.update(b"%d" % number)
        outer.update(inner.digest())
        yield outer.digest()


def below(seed: bytes, message: str, bound: int) -> int:
    """A number from 0 up to but not including `bound`, every one as likely: rejection sampling, no modulo bias.

    Draws HMAC(seed, `message|0`), `message|1`, … and takes the first whose leading 64 bits, read as a big-endian
    number, lie below the greatest multiple of `bound`.
    """
    assert 1 <= bound <= BELOW_MAX, "a bound lies between 1 and 2^63"
    fair = _RANGE - _RANGE % bound
    drawn = (int.from_bytes(place(seed, message, attempt)[:8]) for attempt in count())
    return next(value for value in drawn if value < fair) % bound
