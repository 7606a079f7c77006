"""Identifiers: UUID version 7 (RFC 9562 §5.7), which grow with time and so keep indexes compact."""

from __future__ import annotations

import os
import time
from uuid import UUID

_VARIANT = 0b10 << 62
_VERSION = 7 << 76
_STEP_BITS = 42
_last = 0


def new_id() -> UUID:
    """A fresh identifier: 48 bits of milliseconds, then 74 random bits; strictly growing within a process.

    Within a millisecond the random part goes up by a random step, as RFC 9562 §6.2 method 2 describes. The time in it
    orders; it is never read back.
    """
    global _last
    milliseconds = time.time_ns() // 1_000_000
    if milliseconds <= _last >> 74:
        value = _last + 1 + (int.from_bytes(os.urandom(6)) >> (48 - _STEP_BITS))
    else:
        value = milliseconds << 74 | int.from_bytes(os.urandom(10)) >> 6
    _last = value
    milliseconds, random = value >> 74, value & ((1 << 74) - 1)
    return UUID(int=milliseconds << 80 | _VERSION | (random >> 62) << 64 | _VARIANT | random & ((1 << 62) - 1))
