"""Provable chance: a seed is committed before it is used and revealed afterwards; anyone can recompute what it gave.

Commitment: SHA-256 of the 32-byte seed. Outcomes: HMAC-SHA256 (RFC 2104, FIPS 180-4) under the seed over a text that
names what is decided, so that no outcome depends on the order in which outcomes are asked for. Golden values are pinned
in `tests/draws/test_chance`: a change of a single bit is a new algorithm with a new name.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from itertools import count

SEED_BYTES = 32
BELOW_MAX = 1 << 63
_RANGE = 1 << 64


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
    return sorted(range(1, last + 1), key=lambda number: (place(seed, scope, number), number))


def below(seed: bytes, message: str, bound: int) -> int:
    """A number from 0 up to but not including `bound`, every one as likely: rejection sampling, no modulo bias.

    Draws HMAC(seed, `message|0`), `message|1`, … and takes the first whose leading 64 bits, read as a big-endian
    number, lie below the greatest multiple of `bound`.
    """
    assert 1 <= bound <= BELOW_MAX, "a bound lies between 1 and 2^63"
    fair = _RANGE - _RANGE % bound
    drawn = (int.from_bytes(place(seed, message, attempt)[:8]) for attempt in count())
    return next(value for value in drawn if value < fair) % bound
