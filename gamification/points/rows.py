"""The ledger's rows as a decision sees them, and the loads that bring them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.draft import Load
from gamification.points.models import POINTS
from gamification.points.rules import Lot

TAKEN = "points.taken"
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
    extended_until: datetime | None
    seq: int
    line: int
    original: int
    remaining: int
    held: int
    expired: int
    pending: bool
    activates_at: datetime
    expires_at: datetime | None
    order_id: UUID | None
    order_line: int | None
    root_seq: int | None
    root_line: int | None

    @property
    def lot(self) -> Lot:
        """The lot as decisions know it."""
        return Lot(self.member_id, *self[4:])


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a claw-back did: points revoked in all, of which became debt, and what the policy forgave."""

    revoked: int
    debt: int
    forgiven: int


_LOT_COLUMNS = (
    "member_id, seq, line, original, remaining, held, expired, pending, activates_at, expires_at, "
    "order_id, order_line, root_seq, root_line"
)
ACCOUNTS = Load(
    name="accounts",
    row=AccountRow,
    sql="""SELECT member_id, currency, version, seq, available, pending, held, debt, accrued, redeemed, expired,
                  revoked, next_due_at FROM account WHERE member_id = ANY({members})
                  AND NOT EXISTS (SELECT FROM member m WHERE m.id = account.member_id AND m.status = 'MERGED')""",
)


def taken_load(entries: Callable[[Sequence[Any]], list[tuple[UUID, int]]]) -> Load:
    """What the POINTS entries (member, seq) that a batch restores once took from which lots."""
    return Load(
        name=TAKEN,
        row=TakenRow,
        sql=f"""SELECT x.member_id, x.entry_seq, x.points,
                       (SELECT max(c.expires_at) FROM lot c WHERE c.member_id = x.member_id
                        AND c.currency = x.currency AND c.root_seq = x.lot_seq AND c.root_line = x.lot_line),
                       {_LOT_COLUMNS.replace("member_id, seq", "l.seq")}
                FROM unnest({{takers}}, {{entry_seqs}}) AS wanted(member_id, entry_seq)
                JOIN allocation x ON x.member_id = wanted.member_id AND x.currency = '{POINTS}'
                 AND x.entry_seq = wanted.entry_seq
                JOIN lot l ON l.member_id = x.member_id AND l.currency = x.currency
                 AND l.seq = x.lot_seq AND l.line = x.lot_line""",
        arguments={
            "takers": ("uuid[]", lambda commands, now: [member_id for member_id, _ in entries(commands)]),
            "entry_seqs": ("bigint[]", lambda commands, now: [seq for _, seq in entries(commands)]),
        },
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
