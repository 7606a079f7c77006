"""The ledger's rows as a decision sees them, and the loads that bring them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.draft import Argument, Load, Loaded, Price
from gamification.points.models import POINTS
from gamification.points.rules import Lot, Taken

TAKEN = "points.taken"
EXTENDED = "points.extended"
LOTS_WHEN_DUE = 64
"""How many lots are loaded at least when something is due, even for verbs that spend nothing."""

Source = tuple[str, str]
"""What an entry stands for: the kind of thing and its id; unique per account and entry kind, for ever."""


class AccountRow(NamedTuple):
    """A member's account as it was loaded."""

    member_id: UUID
    currency: str
    version: int
    seq: int
    available: int
    pending: int
    held: int
    debt: int
    accrued: int
    redeemed: int
    expired: int
    revoked: int
    next_due_at: datetime | None


class EntryRow(NamedTuple):
    """An entry as it is written; `trace` is JSON text."""

    member_id: UUID
    currency: str
    seq: int
    kind: str
    source_type: str
    source_id: str
    available_delta: int
    pending_delta: int
    held_delta: int
    debt_delta: int
    available: int
    pending: int
    held: int
    debt: int
    occurred_at: datetime
    booked_at: datetime
    business_date: date
    trace: str


@dataclass(frozen=True, slots=True)
class Posted:
    """The receipt of a posting: the entry's seq, what it moved, and the balance available after it."""

    seq: int
    points: int
    available: int


class TakenRow(NamedTuple):
    """What an entry took from a lot, with the lot as it is now and until when a child extends it (None: no child)."""

    member_id: UUID
    entry_seq: int
    points: int
    place: int
    extended_until: datetime | None
    seq: int
    line: int
    original: int
    remaining: int
    expired: int
    pending: bool
    activates_at: datetime
    expires_at: datetime | None
    order_id: UUID | None
    order_line: int | None
    root_seq: int | None
    root_line: int | None
    policy_version: int | None

    @property
    def lot(self) -> Lot:
        """The lot as decisions know it."""
        return Lot(self.member_id, *self[5:])

    @property
    def taken(self) -> Taken:
        """What was taken, without the lot."""
        return Taken(self.seq, self.line, self.points, self.place, self.extended_until)


class ExtendedRow(NamedTuple):
    """A lot that a child extends, and until when."""

    member_id: UUID
    seq: int
    line: int
    until: datetime


class HoldRow(NamedTuple):
    """A hold as it stands, what it took from which lots, and those lots as they were loaded."""

    member_id: UUID
    seq: int
    order_external_id: str
    store: str | None
    state: str
    points: int
    captured: int
    released: int
    restored: int
    held_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    succeeded_by: int | None
    takes: tuple[Taken, ...]
    lots: tuple[Lot, ...] = ()

    @property
    def active(self) -> bool:
        """Whether its points are still reserved."""
        return self.state == "ACTIVE"


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a claw-back did: points revoked in all, of which became debt, and what the policy forgave."""

    revoked: int
    debt: int
    forgiven: int


_LOT_COLUMNS = (
    "member_id, seq, line, original, remaining, expired, pending, activates_at, expires_at, "
    "order_id, order_line, root_seq, root_line, policy_version"
)
_TAKEN_COLUMNS = f"""x.member_id, x.entry_seq, x.points, x.place,
    (SELECT max(c.expires_at) FROM lot c WHERE c.member_id = x.member_id AND c.currency = x.currency
     AND c.root_seq = x.lot_seq AND c.root_line = x.lot_line), {_LOT_COLUMNS.replace("member_id, seq", "l.seq")}"""
_TAKEN_LOT = """lot l ON l.member_id = x.member_id AND l.currency = x.currency
    AND l.seq = x.lot_seq AND l.line = x.lot_line"""
_HOLD_COLUMNS = f"""h.member_id, h.seq, h.order_external_id, h.store, h.state, h.points, h.captured, h.released,
    h.restored, h.held_at, h.expires_at, h.ended_at, h.succeeded_by,
    (SELECT array_agg(ROW({_TAKEN_COLUMNS})) FROM allocation x JOIN {_TAKEN_LOT}
     WHERE x.member_id = h.member_id AND x.currency = '{POINTS}' AND x.entry_seq = h.seq)"""
HOLDS = "points.holds"
ACCOUNTS = Load(
    name="accounts",
    row=AccountRow,
    sql="""SELECT member_id, currency, version, seq, available, pending, held, debt, accrued, redeemed, expired,
                  revoked, next_due_at FROM account WHERE member_id = ANY({members})
                  AND (SELECT m.status FROM member m WHERE m.id = account.member_id) <> 'MERGED'""",
)
"""Who was merged has no accounts any more. The status is looked up one by one: joined, it may be read for everybody."""
POINTS_ACCOUNTS = replace(ACCOUNTS, sql=f"{ACCOUNTS.sql} AND currency = '{POINTS}'")
"""For verbs that have nothing to do with growth."""


def _hold_row(*columns: Any) -> HoldRow:
    *own, taken = columns
    rows = [TakenRow(*row) for row in taken or ()]
    return HoldRow._make([*own, tuple(row.taken for row in rows), tuple(row.lot for row in rows)])


HOLDS_DUE = Load(
    name="points.holds_due",
    row=_hold_row,
    sql=f"""SELECT {_HOLD_COLUMNS} FROM account a
            JOIN points_hold h ON h.member_id = a.member_id AND h.state = 'ACTIVE'
            WHERE a.member_id = ANY({{members}}) AND a.currency = '{POINTS}' AND a.next_due_at <= {{now}}""",
)
"""The active holds of the members for whom something is due: their time-out may be, and the next one must be known."""
HOLDS_ACTIVE = Load(
    name=HOLDS_DUE.name,
    row=_hold_row,
    sql=f"SELECT {_HOLD_COLUMNS} FROM points_hold h WHERE h.member_id = ANY({{members}}) AND h.state = 'ACTIVE'",
)
"""All active holds, where all lots are read: what they took lives on with the rest."""


def holds_load(where: str, arguments: Mapping[str, Argument]) -> Load:
    """The holds (`h`) that a verb asks for, in any state; the verb's book knows them by their entry."""
    sql = f"SELECT {_HOLD_COLUMNS} FROM points_hold h WHERE {where}"
    return Load(name=HOLDS, row=_hold_row, sql=sql, arguments=arguments)


def taken_load(entries: Callable[[Sequence[Any]], list[tuple[UUID, int]]]) -> Load:
    """What the POINTS entries (member, seq) that a batch restores once took from which lots."""
    return Load(
        name=TAKEN,
        row=TakenRow,
        sql=f"""SELECT {_TAKEN_COLUMNS} FROM unnest({{takers}}, {{entry_seqs}}) AS wanted(member_id, entry_seq)
                JOIN allocation x ON x.member_id = wanted.member_id AND x.currency = '{POINTS}'
                 AND x.entry_seq = wanted.entry_seq
                JOIN {_TAKEN_LOT}""",
        arguments={
            "takers": ("uuid[]", lambda commands, now: [member_id for member_id, _ in entries(commands)]),
            "entry_seqs": ("bigint[]", lambda commands, now: [seq for _, seq in entries(commands)]),
        },
    )


def extended_load(members: Callable[[Sequence[Any]], list[UUID]]) -> Load:
    """Which lots have children, for members who hold and get back within one batch."""
    return Load(
        name=EXTENDED,
        row=ExtendedRow,
        sql=f"""SELECT member_id, root_seq, root_line, max(expires_at) FROM lot
                WHERE member_id = ANY({{extended_of}}) AND currency = '{POINTS}' AND root_seq IS NOT NULL
                GROUP BY member_id, root_seq, root_line""",
        arguments={"extended_of": ("uuid[]", lambda commands, now: members(commands))},
    )


@cache
def lots_load(lots_max: int) -> Load:
    """Open lots in consumption order up to a number, and all pending ones; none where they are not needed."""
    wanted = "true" if lots_max else "a.next_due_at <= {now}"
    limit = max(lots_max, LOTS_WHEN_DUE)
    return Load(
        name=f"lots_{lots_max}",
        row=Lot,
        sql=f"""SELECT l.* FROM account a CROSS JOIN LATERAL (
                  (SELECT {_LOT_COLUMNS} FROM lot WHERE member_id = a.member_id AND currency = a.currency AND open
                   ORDER BY expires_at, activates_at, seq, line LIMIT {limit})
                  UNION
                  (SELECT {_LOT_COLUMNS} FROM lot WHERE member_id = a.member_id AND currency = a.currency
                   AND open AND pending)) l
                WHERE a.member_id = ANY({{members}}) AND a.currency = '{POINTS}' AND {wanted}""",
    )


@cache
def lots_worth(lots_max: int, price: Price) -> Load:
    """The first open lots in consumption order that hold a price, up to a number; where something is due, as ever.

    Who can see that less than all was read knows it by the account: what is available and pending lies in open lots.
    """
    of_member = f"member_id = a.member_id AND currency = '{POINTS}' AND open"
    due = "a.next_due_at <= {now}"
    return Load(
        name=f"lots_{lots_max}_worth",
        row=Lot,
        sql=f"""SELECT l.* FROM account a CROSS JOIN LATERAL (
                  SELECT {_LOT_COLUMNS} FROM (
                    SELECT {_LOT_COLUMNS}, sum(CASE WHEN pending THEN 0 ELSE remaining END) OVER (
                      ORDER BY expires_at, activates_at, seq, line ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                    ) AS before
                    FROM lot WHERE {of_member} ORDER BY expires_at, activates_at, seq, line
                    LIMIT CASE WHEN {due} THEN {LOTS_WHEN_DUE} ELSE {lots_max} END) p
                  WHERE {due} OR before IS NULL OR before < {price.sql}
                  UNION ALL
                  SELECT {_LOT_COLUMNS} FROM lot WHERE {due} AND {of_member} AND pending) l
                WHERE a.member_id = ANY({{members}}) AND a.currency = '{POINTS}'""",
        arguments=price.arguments,
    )


def lots_loaded(loaded: Loaded) -> tuple[str, int, bool]:
    """The name of the load that brought lots, how many of a member at most, and whether only such as hold a price."""
    name = next(each for each in loaded.by_member if each.startswith("lots_"))
    return name, int(name.split("_")[1]), name.endswith("_worth")
