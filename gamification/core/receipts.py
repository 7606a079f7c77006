"""Idempotency receipts: the answer to a request is stored under (actor, operation, key) and replayed.

A result or a business refusal is kept; refusals about rate, access or shape and faults are not. The same key with
another input is refused (`IdempotencyConflict`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter

from gamification.core.draft import Command, Load
from gamification.core.encoding import encode, encode_sorted
from gamification.core.errors import IdempotencyConflict, InvalidInput, Refusal, restore_refusal

KEY_LENGTH_MAX = 64


class ReceiptRow(NamedTuple):
    """A stored answer, under `actor|key` of the operation at hand."""

    place: str
    fingerprint: bytes
    refusal: bool
    answer: str


@cache
def receipts_of(operation: str) -> Load:
    """The receipts under the keys of a batch."""
    return Load(
        name="receipts",
        row=ReceiptRow,
        sql=f"""SELECT r.actor || '|' || r.key, r.fingerprint, r.refusal, r.answer FROM receipt r
                WHERE r.operation = '{operation}'
                  AND (r.actor, r.key) IN (SELECT * FROM unnest({{actors}}, {{keys}}))""",
        arguments={
            "actors": ("text[]", lambda commands, now: [each.actor.key for each in commands if each.key]),
            "keys": ("text[]", lambda commands, now: [each.key for each in commands if each.key]),
        },
        shared=True,
    )


def check_key(key: str) -> None:
    """An idempotency key has 1 to 64 characters. Refuses: InvalidInput."""
    if not 1 <= len(key) <= KEY_LENGTH_MAX:
        raise InvalidInput(field="idempotencyKey", reason=f"1 to {KEY_LENGTH_MAX} characters")


def fingerprint(command: Command) -> bytes:
    """SHA-256 over the input of a request: what makes a retry the same request."""
    values = {
        each.name: getattr(command, each.name)
        for each in fields(command)
        if each.name not in ("key", "actor") and each.metadata.get("fingerprint", True)
    }
    return hashlib.sha256(encode_sorted(values)).digest()


def encode_answer(answer: Any) -> tuple[bool, str]:
    """An answer as it is stored: whether it is a refusal, and its JSON."""
    if isinstance(answer, Refusal):
        return True, encode({"code": answer.code, "fields": answer.fields()})
    assert is_dataclass(answer) and not isinstance(answer, type)
    return False, encode(answer)


@cache
def _decoder(answer: type) -> Callable[[str], Any]:
    return TypeAdapter(answer).validate_json


def replay(row: ReceiptRow, command: Command, answer: type) -> Any:
    """The stored answer to a repeated request. Refuses: IdempotencyConflict, and whatever was refused before.

    An answer that has a field `is_replay` says that it is one: what it tells of may have changed since. A field that
    came later has a default, for the answers that were stored without it.
    """
    if bytes(row.fingerprint) != fingerprint(command):
        raise IdempotencyConflict(key=command.key or "")
    if row.refusal:
        stored = orjson.loads(row.answer)
        raise restore_refusal(stored["code"], stored["fields"])
    stored = _decoder(answer)(row.answer)
    return replace(stored, is_replay=True) if hasattr(stored, "is_replay") else stored
