"""Whether all contenders say the same: answers in one notation, compared before anything is timed."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

from tests.bench.operations import Operation

LEFT_OUT = frozenset({"endCursor"})
OF_THE_MOMENT = frozenset({"available", "ticket", "ticketId"})
"""What differs between two writes that are equally right."""


def said(body: bytes, operation: Operation) -> Any:
    """An answer's data in one notation. Raises ValueError for an answer with errors."""
    answer = json.loads(body)
    if "errors" in answer:
        raise ValueError(body.decode()[:2_000])
    return _plain(answer["data"], LEFT_OUT | (OF_THE_MOMENT if operation.writes else frozenset()))


def cursor_of(body: bytes) -> str | None:
    """Where the staff's list goes on."""
    info = json.loads(body)["data"]["members"]["pageInfo"]
    return info["endCursor"] if info["hasNextPage"] else None


def _plain(value: Any, left_out: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_plain(each, left_out) for each in value]
    if not isinstance(value, dict):
        return _plain_leaf(value)
    if set(value) == {"result"}:  # PostGraphile's payload around what a function returns
        return _plain(value["result"], left_out)
    return {
        name: key_of(each) if name == "id" else _plain(each, left_out)
        for name, each in value.items()
        if name not in left_out
    }


def _plain_leaf(value: Any) -> Any:
    """Big numbers as numbers though some write them as text, instants in UTC to the millisecond."""
    if not isinstance(value, str):
        return value
    if value.removeprefix("-").isdecimal():
        return int(value)
    if len(value) > 10 and value[4:5] == "-" and value[10] in "T ":
        at = datetime.fromisoformat(value).astimezone(UTC)
        return at.replace(microsecond=at.microsecond // 1000 * 1000).isoformat()
    return value


def key_of(id: str) -> str:
    """The key inside a global id, Relay's (`Type:a.b`) or PostGraphile's (`["Type","a","b"]`)."""
    text = b64decode(id).decode()
    return ".".join(map(str, json.loads(text)[1:])) if text.startswith("[") else text.partition(":")[2]


def difference(one: Any, other: Any, path: str = "data") -> str | None:
    """Where two answers differ first; None while they agree."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return next((found for name in one if (found := difference(one[name], other[name], f"{path}.{name}"))), None)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return next((found for place, pair in pairs if (found := difference(*pair, f"{path}.{place}"))), None)
    return None if one == other else f"{path}: {one!r} and {other!r}"
