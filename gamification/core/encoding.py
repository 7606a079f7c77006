"""JSON as this product writes it: orjson, and the driver's own UUID type as text."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson


def encode(value: Any) -> str:
    """A value (plain values, dataclasses, UUIDs, instants, days) as JSON text."""
    return orjson.dumps(value, default=_plain).decode()


def encode_sorted(value: Any) -> bytes:
    """The same with sorted keys, for what is hashed or compared."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"not a plain value: {type(value).__name__}")
