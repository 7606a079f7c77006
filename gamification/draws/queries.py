"""Reads of draws: lists, a member's tickets, winners, and how far a settlement is. Nothing here reads a secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.database import fetch
from gamification.draws.beacons import beacon_row
from gamification.draws.rules import PUBLISHED, Plan, Prize, masked
from gamification.gates.rules import Gate
from gamification.prizes.rules import PrizeKind


class DrawRow(NamedTuple):
    """A draw as everyone may see it; `terms_hash` and `commitment` are None while it is a draft.

    `wins` and `unawarded` are the drawing's; see `Draw`.
    """

    id: UUID
    state: str
    title_zh: str
    title_en: str
    ticket_points: int
    opens_at: datetime
    closes_at: datetime
    tickets_per_member: int | None
    tickets_per_member_day: int | None
    tickets_min: int
    algorithm: str
    proof_level: str
    created_at: datetime
    opened_at: datetime | None
    commitment: bytes | None
    terms_hash: bytes | None
    closed_at: datetime | None
    tickets: int | None
    drawn_at: datetime | None
    wins: int | None
    unawarded: int | None
    settled_at: datetime | None
    voided_at: datetime | None
    void_reason: str | None
    restored_at: datetime | None
    free_tickets_per_member: int
    reserves: int
    claim_seconds: int | None
    lapsed: int
    promoted: int
    tier_min: str | None
    early_tier_min: str | None
    early_seconds: int

    @property
    def gate(self) -> Gate:
        """Who may buy, and from when."""
        return Gate(tier_min=self.tier_min, early_tier_min=self.early_tier_min, early_seconds=self.early_seconds)

    @property
    def wins_standing(self) -> int | None:
        """The wins that did not lapse; None until the winners are drawn."""
        return None if self.wins is None else self.wins + self.promoted - self.lapsed

    @property
    def unawarded_in_all(self) -> int | None:
        """The prizes that nobody gets: without a ticket, or lapsed without a reserve; None until then."""
        return None if self.unawarded is None else self.unawarded + self.lapsed - self.promoted


class PrizeRow(NamedTuple):
    """A prize of a draw in its declared order."""

    draw_id: UUID
    place: int
    kind: PrizeKind
    name_zh: str
    name_en: str
    points: int
    quantity: int
    per_member: int | None

    @property
    def prize(self) -> Prize:
        """The prize as it was planned."""
        _, _, kind, name_zh, name_en, points, quantity, per_member = self
        return Prize(
            kind=kind, name_zh=name_zh, name_en=name_en, points=points, quantity=quantity, per_member=per_member
        )


class TicketRow(NamedTuple):
    """A member's ticket: its number since the closing, the win it brought, the entry that paid or restored it."""

    member_id: UUID
    id: UUID
    draw_id: UUID
    points: int
    entry_seq: int | None
    bought_at: datetime
    number: int | None
    rank: int | None
    prize_place: int | None
    prize_points: int | None
    granted_seq: int | None
    restored_seq: int | None
    claim_until: datetime | None
    is_lapsed: bool


class Winner(NamedTuple):
    """A win: the ticket's number, the prize, the winner (for staff) and the winner's masked name (for everyone).

    `buyer` is the winner's pseudonym in the published list. `promoted_rank` is the win that a lapsed one became.
    """

    draw_id: UUID
    rank: int
    number: int
    prize_place: int
    points: int
    member_id: UUID
    replaces_rank: int | None
    won_at: datetime
    claim_until: datetime | None
    is_granted: bool
    is_lapsed: bool
    promoted_rank: int | None
    buyer: str
    name: str


class DrawState(NamedTuple):
    """How far a draw is: what it owes (wins that stand, or paid tickets of a voided draw), how much of it is done."""

    id: UUID
    state: str
    owed: int
    done: int
    failing: int
    lapsed: int = 0


class Failure(NamedTuple):
    """A grant, restoration or look for a beacon's value that failed and is still owed."""

    draw_id: UUID
    what: str
    attempts: int
    error: str
    failed_at: datetime


_DRAW = ", ".join(DrawRow._fields)
_PRIZE = ", ".join(PrizeRow._fields)
_TICKET = """
SELECT t.member_id, t.id, t.draw_id, t.points, t.entry_seq, t.bought_at, n.number, w.rank, w.prize_place, w.points,
       g.entry_seq, r.entry_seq, w.claim_until, l.rank IS NOT NULL
FROM ({page}) t
LEFT JOIN ticket_number n ON n.ticket_id = t.id
LEFT JOIN draw_win w ON w.draw_id = n.draw_id AND w.number = n.number
LEFT JOIN draw_grant g ON g.draw_id = w.draw_id AND g.rank = w.rank
LEFT JOIN draw_lapse l ON l.draw_id = w.draw_id AND l.rank = w.rank
LEFT JOIN ticket_restoration r ON r.draw_id = t.draw_id AND r.ticket_id = t.id
ORDER BY t.id DESC
"""


async def draws_page(
    after: tuple[datetime, UUID] | None, limit: int, states: Sequence[str] = PUBLISHED
) -> list[DrawRow]:
    """Draws in some states (all but drafts), the one that closes last first, behind a (closes_at, id)."""
    rows = await fetch(
        f"""SELECT {_DRAW} FROM draw WHERE state = ANY($1) AND ($2::timestamptz IS NULL OR (closes_at, id) < ($2, $3))
            ORDER BY closes_at DESC, id DESC LIMIT $4""",
        list(states), *(after or (None, None)), limit,
    )  # fmt: skip
    return [DrawRow(*row) for row in rows]


async def draws_by_ids(ids: Sequence[UUID], states: Sequence[str] = PUBLISHED) -> Mapping[UUID, DrawRow]:
    """Draws by id, in some states (all but drafts); those that are not there are absent."""
    rows = await fetch(f"SELECT {_DRAW} FROM draw WHERE id = ANY($1) AND state = ANY($2)", list(ids), list(states))
    return {row["id"]: DrawRow(*row) for row in rows}


async def prizes_by_draw_ids(ids: Sequence[UUID]) -> Mapping[UUID, list[PrizeRow]]:
    """The prizes of each draw in their declared order."""
    rows = await fetch(f"SELECT {_PRIZE} FROM draw_prize WHERE draw_id = ANY($1) ORDER BY draw_id, place", list(ids))
    found: dict[UUID, list[PrizeRow]] = {each: [] for each in ids}
    for row in rows:
        found[row["draw_id"]].append(PrizeRow(*row))
    return found


async def plan_of(draw_id: UUID) -> Plan:
    """A draw as it was planned; the caller knows that it is there."""
    (row,) = await fetch(f"SELECT {_DRAW} FROM draw WHERE id = $1", draw_id)
    draw = DrawRow(*row)
    prizes = (await prizes_by_draw_ids([draw_id]))[draw_id]
    declared = await beacon_row(draw_id)
    assert declared is not None, "the draw is there"
    return Plan(
        title_zh=draw.title_zh,
        title_en=draw.title_en,
        ticket_points=draw.ticket_points,
        opens_at=draw.opens_at,
        closes_at=draw.closes_at,
        tickets_per_member=draw.tickets_per_member,
        tickets_per_member_day=draw.tickets_per_member_day,
        tickets_min=draw.tickets_min,
        free_tickets_per_member=draw.free_tickets_per_member,
        reserves=draw.reserves,
        claim_seconds=draw.claim_seconds,
        gate=draw.gate,
        beacon=declared.beacon,
        prizes=tuple(row.prize for row in prizes),
    )


async def tickets_page(member_id: UUID, after: UUID | None, limit: int, draw_id: UUID | None = None) -> list[TicketRow]:
    """A member's tickets, of one draw or of all, newest first, behind a ticket id."""
    page = """SELECT * FROM ticket WHERE member_id = $1 AND ($2::uuid IS NULL OR id < $2)
              AND ($4::uuid IS NULL OR draw_id = $4) ORDER BY id DESC LIMIT $3"""
    rows = await fetch(_TICKET.format(page=page), member_id, after, limit, draw_id)
    return [TicketRow(*row) for row in rows]


async def tickets_by_ids(member_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, TicketRow]:
    """Tickets by id, if they are this member's; others are absent."""
    page = "SELECT * FROM ticket WHERE member_id = $1 AND id = ANY($2)"
    rows = await fetch(_TICKET.format(page=page), member_id, list(ids))
    return {row["id"]: TicketRow(*row) for row in rows}


async def held_by_draw_ids(member_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """How many tickets of each draw a member holds."""
    rows = await fetch(
        "SELECT draw_id, count(*) FROM ticket WHERE member_id = $1 AND draw_id = ANY($2) GROUP BY draw_id",
        member_id, list(ids),
    )  # fmt: skip
    return dict.fromkeys(ids, 0) | {row["draw_id"]: row["count"] for row in rows}


async def winner_pages(ids: Sequence[UUID], after_rank: int | None, limit: int) -> Mapping[UUID, list[Winner]]:
    """A page of the wins of each draw by rank, behind a rank, winners' names masked; one statement."""
    rows = await fetch(
        """SELECT w.draw_id, w.rank, w.number, w.prize_place, w.points, w.member_id, w.replaces_rank, w.won_at,
                  w.claim_until, g.rank IS NOT NULL, l.rank IS NOT NULL, l.promoted_rank, n.buyer, m.nickname
           FROM unnest($1::uuid[]) AS d(id) CROSS JOIN LATERAL (
               SELECT * FROM draw_win WHERE draw_id = d.id AND rank > $2 ORDER BY rank LIMIT $3) w
           JOIN ticket_number n ON n.draw_id = w.draw_id AND n.number = w.number
           LEFT JOIN draw_grant g ON g.draw_id = w.draw_id AND g.rank = w.rank
           LEFT JOIN draw_lapse l ON l.draw_id = w.draw_id AND l.rank = w.rank
           LEFT JOIN member m ON m.id = w.member_id ORDER BY w.draw_id, w.rank""",
        list(ids), after_rank or 0, limit,
    )  # fmt: skip
    found: dict[UUID, list[Winner]] = {each: [] for each in ids}
    for *facts, nickname in rows:
        found[facts[0]].append(Winner._make([*facts, masked(nickname)]))
    return found


async def draw_states(ids: Sequence[UUID]) -> Mapping[UUID, DrawState]:
    """How far each draw is: what a live feed asks again and again; one statement."""
    rows = await fetch(
        f"""SELECT d.id, d.state, CASE WHEN d.state = 'VOIDED' THEN (SELECT count(*) FROM ticket
                                                                   WHERE draw_id = d.id AND points > 0)
                                  ELSE coalesce(d.wins, 0) + d.promoted - d.lapsed END,
                  CASE WHEN d.state = 'VOIDED' THEN (SELECT count(*) FROM ticket_restoration WHERE draw_id = d.id)
                       WHEN d.state = 'SETTLED' THEN d.wins + d.promoted - d.lapsed
                       ELSE (SELECT count(*) FROM draw_grant WHERE draw_id = d.id) END,
                  (SELECT count(*) FROM draw_failure f WHERE f.draw_id = d.id AND {STILL_OWED}), d.lapsed
           FROM draw d WHERE d.id = ANY($1)""",
        list(ids),
    )
    return {row["id"]: DrawState(*row) for row in rows}


STILL_OWED = """NOT EXISTS (SELECT FROM draw_grant g WHERE g.draw_id = f.draw_id AND 'win:' || g.rank = f.what)
    AND NOT EXISTS (SELECT FROM ticket_restoration r
                    WHERE r.draw_id = f.draw_id AND 'ticket:' || r.ticket_id = f.what)
    AND (f.what <> 'beacon' OR EXISTS (SELECT FROM draw c WHERE c.id = f.draw_id AND c.state = 'CLOSED'
                    AND NOT EXISTS (SELECT FROM draw_beacon b WHERE b.draw_id = c.id)))"""
"""That what failed, a row `f` of `draw_failure`, has not been done since."""


async def failure_pages(ids: Sequence[UUID], after: str | None, limit: int) -> Mapping[UUID, list[Failure]]:
    """A page of what failed and is still owed by each draw, for staff; one statement."""
    rows = await fetch(
        f"""SELECT p.* FROM unnest($1::uuid[]) AS d(id) CROSS JOIN LATERAL (
                SELECT f.draw_id, f.what, f.attempts, f.error, f.failed_at FROM draw_failure f
                WHERE f.draw_id = d.id AND ($2::text IS NULL OR f.what > $2) AND {STILL_OWED}
                ORDER BY f.what LIMIT $3) p ORDER BY p.draw_id, p.what""",
        list(ids), after, limit,
    )  # fmt: skip
    found: dict[UUID, list[Failure]] = {each: [] for each in ids}
    for row in rows:
        found[row["draw_id"]].append(Failure(*row))
    return found


async def draws_due_to_close(now: datetime, limit: int) -> list[UUID]:
    """Open draws whose closing time has passed, longest first."""
    rows = await fetch(
        "SELECT id FROM draw WHERE state = 'OPEN' AND closes_at <= $1 ORDER BY closes_at LIMIT $2", now, limit
    )
    return [row["id"] for row in rows]


async def draws_due_to_lapse(now: datetime, limit: int) -> list[UUID]:
    """Draws with a prize that nobody claimed in time, and those in which none is open any more, by id."""
    rows = await fetch(
        """SELECT id FROM draw d WHERE state IN ('DRAWN', 'SETTLING') AND claim_seconds IS NOT NULL
             AND (EXISTS (SELECT FROM unclaimed_wins(d.id, $1, 0, 1))
                  OR NOT EXISTS (SELECT FROM unclaimed_wins(d.id, 'infinity', 0, 1)))
           ORDER BY id LIMIT $2""",
        now, limit,
    )  # fmt: skip
    return [row["id"] for row in rows]
