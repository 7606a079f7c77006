"""What a draw shows to everybody: its terms, prizes, winners and progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import strawberry

from gamification.draws import queries, rules
from gamification.draws.claim_queries import ReserveRow, reserve_pages
from schema.context import Info
from schema.draw_beacons import DrawBeacon, beacons_of_draws
from schema.draw_proofs import DrawDisclosure, DrawProofLevel, DrawVerification, proofs_of_draws
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.scalars import Fen, Points

DRAWS = Keyset("draws", Key("closes_at", datetime), Key("id", UUID))
WINNERS = Keyset("drawWinners", Key("rank", int))
RESERVES = Keyset("drawReserves", Key("place", int))
DrawId = Annotated[strawberry.ID, strawberry.argument(description="The global id of the draw.")]


@strawberry.enum(description="How far a draw is.")
class DrawState(Enum):
    DRAFT = strawberry.enum_value("DRAFT", description="Being planned; only staff see it.")
    OPEN = strawberry.enum_value("OPEN", description="Published; tickets sell in their time.")
    CLOSED = strawberry.enum_value("CLOSED", description="Tickets are numbered; none is sold any more.")
    DRAWN = strawberry.enum_value("DRAWN", description="The seed is revealed, the winners are fixed.")
    SETTLING = strawberry.enum_value("SETTLING", description="Prizes are being granted.")
    SETTLED = strawberry.enum_value("SETTLED", description="Every prize won is granted.")
    VOIDED = strawberry.enum_value("VOIDED", description="Called off; the price of every ticket goes back.")


@strawberry.enum(description="Why a draw was called off.")
class DrawVoidReason(Enum):
    TOO_FEW_TICKETS = strawberry.enum_value("TOO_FEW_TICKETS", description="Fewer than its minimum were sold.")
    BY_STAFF = strawberry.enum_value("BY_STAFF", description="Staff called it off.")
    BEACON_MISSING = strawberry.enum_value(
        "BEACON_MISSING",
        description="The value of its beacon was absent for 24 hours, or was due before the tickets were frozen.",
    )


@strawberry.enum(description="What a prize is.")
class PrizeKind(Enum):
    POINTS = strawberry.enum_value("POINTS", description="Points.")
    NONE = strawberry.enum_value("NONE", description="Nothing: the blank of a wheel.")


@strawberry.enum(description="How far a prize that was won is.")
class DrawWinState(Enum):
    OWED = strawberry.enum_value("OWED", description="It will be granted by itself.")
    TO_CLAIM = strawberry.enum_value("TO_CLAIM", description="It waits to be claimed by its winner.")
    GRANTED = strawberry.enum_value("GRANTED", description="It is granted.")
    LAPSED = strawberry.enum_value("LAPSED", description="Nobody claimed it in time.")


@strawberry.type(description="A prize of a draw.")
class DrawPrize:
    place: int = strawberry.field(description="Its place in the declared order, from 1.")
    kind: PrizeKind = strawberry.field(description="What it is.")
    name: str = strawberry.field(description="In the caller's language.")
    points: Points = strawberry.field(description="The points that it brings.")
    value_fen: Fen = strawberry.field(description="What one of them is worth.")
    quantity: int = strawberry.field(description="How many are drawn.")
    per_member: int | None = strawberry.field(description="How many one member may win; null for any number.")

    @classmethod
    def of(cls, row: queries.PrizeRow, info: Info) -> "DrawPrize":
        return cls(
            place=row.place,
            kind=PrizeKind(row.kind),
            name=row.name_en if info.context.locale == "en" else row.name_zh,
            points=Points(row.points),
            value_fen=Fen(row.prize.value_fen),
            quantity=row.quantity,
            per_member=row.per_member,
        )


@strawberry.type(description="A prize won.")
class DrawWinner:
    rank: int = strawberry.field(description="Its place among the wins, from 1.")
    number: int = strawberry.field(description="The number of the ticket.")
    prize_place: int = strawberry.field(description="The prize's place in the declared order.")
    prize_points: Points = strawberry.field(description="The points that it brings.")
    name: str = strawberry.field(description="Who won: the first character of the nickname.")
    buyer: str = strawberry.field(description="Who won: the pseudonym in the published list of tickets.")
    state: DrawWinState = strawberry.field(description="How far it is.")
    won_at: datetime = strawberry.field(description="When it was won, or a reserve was promoted to it.")
    claim_until: datetime | None = strawberry.field(
        description="The instant at which it lapses when nobody has claimed it; null where prizes are not claimed."
    )
    replaces_rank: int | None = strawberry.field(
        description="The rank of the win that lapsed, so that this ticket in line got its prize."
    )

    @classmethod
    def of(cls, row: queries.Winner, now: datetime) -> "DrawWinner":
        return cls(
            rank=row.rank,
            number=row.number,
            prize_place=row.prize_place,
            prize_points=Points(row.points),
            name=row.name,
            buyer=row.buyer,
            state=state_of_win(row, now),
            won_at=row.won_at,
            claim_until=row.claim_until,
            replaces_rank=row.replaces_rank,
        )


def state_of_win(row: queries.Winner, now: datetime) -> DrawWinState:
    """How far a win is at an instant."""
    found = rules.win_state(row.claim_until, now, is_granted=row.is_granted, is_lapsed=row.is_lapsed)
    return DrawWinState(found)


@strawberry.type(description="A ticket in line for a prize that nobody claims.")
class DrawReserve:
    place: int = strawberry.field(description="Its place in line, from 1.")
    number: int = strawberry.field(description="The number of the ticket.")
    rank: int | None = strawberry.field(description="The rank of the win that it was promoted to, if it was.")

    @classmethod
    def of(cls, row: ReserveRow) -> "DrawReserve":
        return cls(place=row.place, number=row.number, rank=row.rank)


@dataclass(frozen=True)
class ReservePages:
    """One page of the reserves of many draws, for the loader."""

    behind: int | None
    limit: int

    async def __call__(self, ids: list[UUID]) -> Sequence[list[ReserveRow]]:
        found = await reserve_pages(ids, self.behind, self.limit)
        return [found[each] for each in ids]


@strawberry.type(description="How far a draw is with what it owes: prizes, or the price of tickets when it was voided.")
class DrawProgress:
    state: DrawState = strawberry.field(description="How far the draw is.")
    owed: int = strawberry.field(description="Prizes won, or tickets to be given back.")
    done: int = strawberry.field(description="How many of them are granted or given back.")

    @classmethod
    def of(cls, row: queries.DrawState) -> "DrawProgress":
        return cls(state=DrawState(row.state), owed=row.owed, done=row.done)


@dataclass(frozen=True)
class WinnerPages:
    """One page of the winners of many draws, for the loader."""

    behind: int | None
    limit: int

    async def __call__(self, ids: list[UUID]) -> Sequence[list[queries.Winner]]:
        found = await queries.winner_pages(ids, self.behind, self.limit)
        return [found[each] for each in ids]


async def prizes_of_draws(ids: list[UUID]) -> Sequence[list[queries.PrizeRow]]:
    """Prizes of many draws, for the loader."""
    found = await queries.prizes_by_draw_ids(ids)
    return [found[each] for each in ids]


async def states_of_draws(ids: list[UUID]) -> Sequence[queries.DrawState]:
    """How far many draws are, for the loader."""
    found = await queries.draw_states(ids)
    return [found[each] for each in ids]


@strawberry.type
class DrawFacts:
    """The fields of a draw that both schemas show."""

    state: DrawState = strawberry.field(description="How far it is.")
    title: str = strawberry.field(description="In the caller's language.")
    ticket_points: Points = strawberry.field(description="What a ticket costs.")
    opens_at: datetime = strawberry.field(description="From when tickets sell.")
    closes_at: datetime = strawberry.field(description="The instant at which no ticket is sold any more.")
    is_on_sale: bool = strawberry.field(description="Whether tickets sell at this moment, to everybody.")
    tickets_per_member: int | None = strawberry.field(description="Tickets a member may buy in all; null for any.")
    tickets_per_member_day: int | None = strawberry.field(description="Tickets a member may buy a day; null for any.")
    tickets_min: int = strawberry.field(description="With fewer tickets it is voided, and all points go back.")
    proof_level: DrawProofLevel = strawberry.field(description="How much of its chance can be proved.")
    commitment: str | None = strawberry.field(description="SHA-256 of the seed, in hexadecimal; null for a draft.")
    terms_hash: str | None = strawberry.field(description="SHA-256 of the terms, in hexadecimal; null for a draft.")
    tickets: int | None = strawberry.field(description="Tickets sold; null until closing.")
    wins: int | None = strawberry.field(
        description="Prizes won, without those that lapsed; null until the winners are drawn."
    )
    unawarded: int | None = strawberry.field(
        description="Prizes that nobody gets: there was no ticket for them, or no reserve when they lapsed; null until"
        " then."
    )
    lapsed: int = strawberry.field(description="Prizes that nobody claimed in time.")
    promoted: int = strawberry.field(description="How many of those went to a ticket in line.")
    free_tickets_per_member: int = strawberry.field(description="A member's first tickets that cost nothing.")
    tier_min: str | None = strawberry.field(description="The code of the lowest tier that may buy; null for all.")
    early_tier_min: str | None = strawberry.field(description="The code of the lowest tier that may buy earlier.")
    early_seconds: int = strawberry.field(description="How many seconds before opensAt such a tier may buy.")
    reserves: int = strawberry.field(description="How many tickets stand in line for prizes that nobody claims.")
    claim_seconds: int | None = strawberry.field(
        description="In how many seconds a prize has to be claimed; null where prizes are granted without."
    )
    closed_at: datetime | None = strawberry.field(description="When the tickets were numbered.")
    drawn_at: datetime | None = strawberry.field(description="When the seed was revealed and the winners were fixed.")
    settled_at: datetime | None = strawberry.field(description="When the last prize was granted.")
    voided_at: datetime | None = strawberry.field(description="When it was called off.")
    void_reason: DrawVoidReason | None = strawberry.field(description="Why it was called off.")
    restored_at: datetime | None = strawberry.field(description="When the last ticket's price had gone back.")

    @strawberry.field(description="What can be won, in the declared order.")
    async def prizes(self: Any, info: Info) -> list[DrawPrize]:
        return [DrawPrize.of(row, info) for row in await info.context.load(prizes_of_draws, self.id)]

    @strawberry.field(description="What was won, by rank; empty until the winners are drawn.")
    async def winners(
        self: Any, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[DrawWinner]:
        page = WINNERS.page(first, after)
        behind: Any = page.after[0] if page.after else None
        rows = await info.context.load(WinnerPages(behind, page.limit), self.id)
        return page.connection(rows, lambda row: DrawWinner.of(row, info.context.now))

    @strawberry.field(description="The tickets in line for prizes that nobody claims, by place; empty until then.")
    async def reserve_tickets(
        self: Any, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[DrawReserve]:
        page = RESERVES.page(first, after)
        behind: Any = page.after[0] if page.after else None
        return page.connection(await info.context.load(ReservePages(behind, page.limit), self.id), DrawReserve.of)

    @strawberry.field(description="How far it is with what it owes.")
    async def progress(self: Any, info: Info) -> DrawProgress:
        return DrawProgress.of(await info.context.load(states_of_draws, self.id))

    @strawberry.field(description="What the public has to be told of it, in the caller's language; null for a draft.")
    async def disclosure(self: Any, info: Info) -> DrawDisclosure | None:
        row = await info.context.load(proofs_of_draws, self.id)
        return DrawDisclosure.of(row, info) if row else None

    @strawberry.field(description="The value that nobody in the house controls, and that is mixed into the seed.")
    async def beacon(self: Any, info: Info) -> DrawBeacon:
        return DrawBeacon.of(await info.context.load(beacons_of_draws, self.id), info.context.locale)

    @strawberry.field(description="What it takes to recompute it; null for a draft.")
    async def verification(self: Any, info: Info) -> DrawVerification | None:
        row = await info.context.load(proofs_of_draws, self.id)
        return DrawVerification.of(row) if row else None

    @strawberry.field(
        description="Where the whole of it can be downloaded as one document for the stand-alone verifiers, from the "
        "same host; null until the winners are drawn."
    )
    def export_url(self: Any) -> str | None:
        return f"/draws/{self.id}/export.json" if self.drawn_at else None


def facts_of(row: queries.DrawRow, info: Info) -> dict[str, Any]:
    """The values of `DrawFacts` for a row."""
    return {
        "id": row.id,
        "state": DrawState(row.state),
        "title": row.title_en if info.context.locale == "en" else row.title_zh,
        "ticket_points": Points(row.ticket_points),
        "opens_at": row.opens_at,
        "closes_at": row.closes_at,
        "is_on_sale": rules.is_on_sale(row.state, row.opens_at, row.closes_at, info.context.now),
        "tickets_per_member": row.tickets_per_member,
        "tickets_per_member_day": row.tickets_per_member_day,
        "tickets_min": row.tickets_min,
        "proof_level": DrawProofLevel(row.proof_level),
        "commitment": row.commitment.hex() if row.commitment else None,
        "terms_hash": row.terms_hash.hex() if row.terms_hash else None,
        "tickets": row.tickets,
        "wins": row.wins_standing,
        "unawarded": row.unawarded_in_all,
        "lapsed": row.lapsed,
        "promoted": row.promoted,
        "free_tickets_per_member": row.free_tickets_per_member,
        "tier_min": row.tier_min,
        "early_tier_min": row.early_tier_min,
        "early_seconds": row.early_seconds,
        "reserves": row.reserves,
        "claim_seconds": row.claim_seconds,
        "closed_at": row.closed_at,
        "drawn_at": row.drawn_at,
        "settled_at": row.settled_at,
        "voided_at": row.voided_at,
        "void_reason": DrawVoidReason(row.void_reason) if row.void_reason else None,
        "restored_at": row.restored_at,
    }
