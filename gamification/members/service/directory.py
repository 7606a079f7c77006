"""The directory: resolve what people are known by, create who is not known yet, attach what is learnt later."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from gamification.core.database import fetch, fetch_value
from gamification.core.errors import DEFAULT_LOCALE, InvalidInput
from gamification.core.ids import new_id
from gamification.core.transactions import transaction
from gamification.members.references import MemberNumber, Origin, Reference
from gamification.members.rules import NAMESPACES, REFERENCE_LENGTH_MAX, member_number

NUMBER_TRIES = 5

_RESOLVE = """
SELECT r.namespace, r.value, r.member_id
FROM unnest($1::text[], $2::text[]) AS known(namespace, value)
JOIN member_reference r USING (namespace, value)
"""

_CREATE = """
WITH wanted AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[]) AS w(namespace, value, member_id, number)
), won AS (
    INSERT INTO member_reference (namespace, value, member_id, created_at)
    SELECT namespace, value, member_id, $5 FROM wanted ORDER BY namespace, value
    ON CONFLICT DO NOTHING
    RETURNING namespace, value, member_id
), made AS (
    INSERT INTO member (id, number, locale, status, joined_at, claimed_at, origin_channel, origin_store)
    SELECT member_id, number, $6, 'ACTIVE', $5, $7, $8, $9 FROM won JOIN wanted USING (namespace, value, member_id)
)
SELECT namespace, value, member_id FROM won
"""


async def ensure_members(
    references: Collection[Reference],
    *,
    origin: Origin,
    now: datetime,
    claimed_at: datetime | None = None,
    locale: str = DEFAULT_LOCALE,
) -> dict[Reference, UUID]:
    """Who stands behind each reference; whoever is not known is created, unclaimed unless `claimed_at` says otherwise.

    Set-based: one statement when all are known, four when some are not, for thousands at a time, in one transaction.
    Refuses: InvalidInput. Locks: directory lines in the order (namespace, value), so that two imports of the same
    people wait for one another and create each person once.
    """
    _check(references)
    found = await _resolve(references)
    missing = sorted(set(references) - found.keys())
    if not missing:
        return found
    async with transaction():
        found |= await _create(missing, origin, now, claimed_at, locale)
        lost = [each for each in missing if each not in found]
        return found | await _resolve(lost) if lost else found


async def known_members(names: Collection[Reference | MemberNumber]) -> dict[Reference | MemberNumber, UUID]:
    """Who stands behind each reference or member number; whoever is not known is left out. Two statements at most."""
    references = [each for each in names if isinstance(each, Reference)]
    numbers = [each.number for each in names if isinstance(each, MemberNumber)]
    found: dict[Reference | MemberNumber, UUID] = {}
    if references:
        found.update((await _resolve(references)).items())
    if numbers:
        rows = await fetch("SELECT id, number FROM member WHERE number = ANY($1::text[])", numbers)
        found.update({MemberNumber(row["number"]): row["id"] for row in rows})
    return found


async def attach(reference: Reference, member_id: UUID, now: datetime) -> UUID:
    """Give a reference to a member unless somebody has it; returns whose it is. Waits for whoever is writing it."""
    _check([reference])
    inserted = await fetch_value(
        "INSERT INTO member_reference (namespace, value, member_id, created_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING RETURNING member_id",
        *reference,
        member_id,
        now,
    )
    holder: UUID = inserted or (await _resolve([reference]))[reference]
    return holder


def _check(references: Collection[Reference]) -> None:
    for namespace, value in references:
        if namespace not in NAMESPACES:
            raise InvalidInput(field="reference.namespace", reason=f"one of {', '.join(NAMESPACES)}")
        if not 0 < len(value) <= REFERENCE_LENGTH_MAX or "\x00" in value:
            raise InvalidInput(field="reference.value", reason=f"1 to {REFERENCE_LENGTH_MAX} characters")


async def _resolve(references: Collection[Reference]) -> dict[Reference, UUID]:
    rows = await fetch(_RESOLVE, [each.namespace for each in references], [each.value for each in references])
    return {Reference(row["namespace"], row["value"]): row["member_id"] for row in rows}


async def _create(
    references: Sequence[Reference], origin: Origin, now: datetime, claimed_at: datetime | None, locale: str
) -> dict[Reference, UUID]:
    """Insert lines and members in one statement; a number that another took meanwhile is drawn again."""
    names, values = [each.namespace for each in references], [each.value for each in references]
    ids = [new_id() for _ in references]
    for tries_left in reversed(range(NUMBER_TRIES)):
        numbers = await free_numbers(len(references))
        try:
            async with transaction():
                rows = await fetch(
                    _CREATE, names, values, ids, numbers, now, locale, claimed_at, origin.channel, origin.store
                )
            return {Reference(row["namespace"], row["value"]): row["member_id"] for row in rows}
        except asyncpg.UniqueViolationError as taken:
            if taken.constraint_name != "member_number_unique" or not tries_left:
                raise
    raise AssertionError("the last try either returns or raises")


async def free_numbers(count: int) -> list[str]:
    """That many different member numbers that nobody has at this moment."""
    numbers: set[str] = set()
    while len(numbers) < count:
        drawn = {member_number(secrets.randbits(64)) for _ in range(count - len(numbers))}
        taken = await fetch("SELECT number FROM member WHERE number = ANY($1::text[])", list(drawn))
        numbers |= drawn - {row["number"] for row in taken}
    return list(numbers)
