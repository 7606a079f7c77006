"""Reads of members and access."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from gamification.core.database import fetch
from gamification.members.models import Integration, Member, Staff
from gamification.members.phones import PhoneVault, SealedPhone
from gamification.members.references import Reference
from gamification.members.rules import mask_phone

PAGE_MAX = 100
REFERENCES_MAX = 100


class MemberLine(NamedTuple):
    """A member as it is shown: the columns of the model, without the model."""

    id: UUID
    number: str
    nickname: str | None
    locale: str
    status: str
    birthday_month: int | None
    birthday_day: int | None
    joined_at: datetime
    claimed_at: datetime | None
    origin_channel: str
    origin_store: str | None
    merged_into_id: UUID | None
    adult_declared_at: datetime | None

    @property
    def claimed(self) -> bool:
        """Whether a person has proved to be this member; an imported one waits to be claimed."""
        return self.claimed_at is not None


_LINE_COLUMNS = ", ".join(MemberLine._fields)


async def members_by_ids(ids: Sequence[UUID]) -> list[MemberLine | None]:
    """Members in the order of their ids; None for who does not exist."""
    rows = await fetch(f"SELECT {_LINE_COLUMNS} FROM member WHERE id = ANY($1)", list(ids))
    found = {row[0]: MemberLine._make(row) for row in rows}
    return [found.get(each) for each in ids]


async def members_by_numbers(numbers: Sequence[str]) -> dict[str, Member]:
    """Members by their numbers; those that do not exist are absent."""
    return {member.number: member for member in await Member.filter(number__in=list(numbers))}


async def staff_by_ids(ids: Sequence[UUID]) -> list[Staff | None]:
    """Staff in the order of their ids, disabled ones too; None for what does not exist."""
    found = {staff.id: staff for staff in await Staff.filter(id__in=list(ids))}
    return [found.get(each) for each in ids]


async def integrations_by_ids(ids: Sequence[UUID]) -> list[Integration | None]:
    """Integrations in the order of their ids, disabled ones too; None for what does not exist."""
    found = {integration.id: integration for integration in await Integration.filter(id__in=list(ids))}
    return [found.get(each) for each in ids]


async def staff_by_login(login: str) -> Staff | None:
    """The account with that login, disabled or not."""
    return await Staff.get_or_none(login=login)


async def integration_by_name(name: str) -> Integration | None:
    """The integration with that name, disabled or not."""
    return await Integration.get_or_none(name=name)


async def phones_by_members(ids: Sequence[UUID], vault: PhoneVault) -> dict[UUID, str]:
    """Phone numbers in clear (E.164) by member; members without one are absent. The caller masks them."""
    rows = await fetch(
        "SELECT member_id, key_id, sealed FROM member_phone WHERE member_id = ANY($1::uuid[])", list(ids)
    )
    return {row["member_id"]: vault.open(row["member_id"], SealedPhone(row["key_id"], row["sealed"])) for row in rows}


@dataclass(frozen=True, slots=True)
class MaskedPhones:
    """A batch read of phone numbers as their owners may see them, under one vault; None for who has none."""

    vault: PhoneVault

    async def __call__(self, ids: Sequence[UUID]) -> list[str | None]:
        phones = await phones_by_members(ids, self.vault)
        return [mask_phone(phones[each]) if each in phones else None for each in ids]


async def references_by_members(ids: Sequence[UUID]) -> list[list[Reference]]:
    """What members are known by at the till and by card, in the order of their ids; sorted by namespace and value.

    At most `REFERENCES_MAX` of each.
    """
    rows = await fetch(
        f"""SELECT member.id AS member_id, known.* FROM unnest($1::uuid[]) AS member (id) CROSS JOIN LATERAL (
                SELECT namespace, value FROM member_reference
                 WHERE member_id = member.id AND namespace IN ('external', 'card')
                 ORDER BY namespace, value LIMIT {REFERENCES_MAX}) AS known
             ORDER BY namespace, value""",
        list(ids),
    )
    found: dict[UUID, list[Reference]] = {}
    for row in rows:
        found.setdefault(row["member_id"], []).append(Reference(row["namespace"], row["value"]))
    return [found.get(each, []) for each in ids]


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """Which members staff look for; what is absent does not narrow. A phone tail comes as its blind index."""

    number: str | None = None
    reference: Reference | None = None
    tail_index: str | None = None
    status: str | None = None


async def members_page(wanted: MemberFilter, *, after: UUID | None, limit: int) -> list[MemberLine]:
    """Up to `limit` members, the latest first, that come after an id in this order."""
    clauses, arguments = _narrowed(wanted)
    if after is not None:
        arguments.append(after)
        clauses.append(f"m.id < ${len(arguments)}")
    where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
    arguments.append(min(limit, PAGE_MAX + 1))
    limited = f"{where} ORDER BY m.id DESC LIMIT ${len(arguments)}"
    rows = await fetch(f"SELECT {_LINE_COLUMNS} FROM member m {limited}", *arguments)
    return [MemberLine._make(row) for row in rows]


def _narrowed(wanted: MemberFilter) -> tuple[list[str], list[Any]]:
    clauses: list[str] = []
    arguments: list[Any] = []

    def add(clause: str, *values: object) -> None:
        places = [f"${len(arguments) + index + 1}" for index in range(len(values))]
        clauses.append(clause.format(*places))
        arguments.extend(values)

    if wanted.number is not None:
        add("m.number = {}", wanted.number)
    if wanted.status is not None:
        add("m.status = {}", wanted.status)
    if wanted.reference is not None:
        add("m.id = (SELECT member_id FROM member_reference WHERE namespace = {} AND value = {})", *wanted.reference)
    if wanted.tail_index is not None:
        add("m.id IN (SELECT member_id FROM member_phone WHERE tail_index = {})", wanted.tail_index)
    return clauses, arguments


@dataclass(frozen=True, slots=True)
class SessionState:
    """What authentication asks of a session: its holder, and whether holder and session are good."""

    member_id: UUID | None
    staff_id: UUID | None
    role: str | None
    stores: frozenset[str]
    expires_at: datetime
    is_live: bool


async def session_states(session_ids: Sequence[UUID]) -> dict[UUID, SessionState]:
    """The states of sessions by id, as far as they exist."""
    rows = await fetch(
        """SELECT s.id, s.member_id, s.staff_id, w.role, w.stores, s.expires_at,
                  s.revoked_at IS NULL AND coalesce(m.status = 'ACTIVE', w.disabled_at IS NULL) AS is_live
           FROM session s LEFT JOIN member m ON m.id = s.member_id LEFT JOIN staff w ON w.id = s.staff_id
           WHERE s.id = ANY($1)""",
        list(session_ids),
    )
    return {row["id"]: _session_state(row) for row in rows}


def _session_state(row: Record) -> SessionState:
    stores = frozenset(row["stores"] or ())
    return SessionState(row["member_id"], row["staff_id"], row["role"], stores, row["expires_at"], row["is_live"])


@dataclass(frozen=True, slots=True)
class SecretState:
    """What authentication asks of an integration's secret; `expires_at` None means that it does not end."""

    integration_id: UUID
    hash: bytes
    scopes: frozenset[str]
    expires_at: datetime | None


async def secret_states(secret_ids: Sequence[UUID]) -> dict[UUID, SecretState]:
    """The states of integrations' secrets by id, but for those that are gone or whose integration is."""
    rows = await fetch(
        """SELECT s.id, s.integration_id, s.hash, i.scopes, s.expires_at
           FROM integration_secret s JOIN integration i ON i.id = s.integration_id
           WHERE s.id = ANY($1) AND i.disabled_at IS NULL""",
        list(secret_ids),
    )
    return {
        row["id"]: SecretState(row["integration_id"], row["hash"], frozenset(row["scopes"]), row["expires_at"])
        for row in rows
    }
