"""Builders and readings that the tests of draws share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tortoise.context import TortoiseContext

from gamification.core.actors import SYSTEM, Actor
from gamification.core.clock import Clock, FixedClock
from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.draft import Command, Verb
from gamification.core.ids import new_id
from gamification.core.policy import publish_policy
from gamification.core.work import Work
from gamification.draws import service as draws
from gamification.draws.invariants import INVARIANTS
from gamification.draws.rules import DrawsPolicy, Plan, Prize
from gamification.points.book import Book
from gamification.points.invariants import INVARIANTS as POINTS_INVARIANTS
from gamification.points.ledger import PointsLedger
from gamification.points.rules import Expiry, PointsPolicy
from tests.databases import Database

DAY = timedelta(days=1)
STAFF = Actor("staff", UUID(int=7), role="operator")
HOUR_SECONDS = 3600
CROWD_CONNECTIONS = 12
TABLES = (
    "ticket",
    "entry",
    "lot",
    "allocation",
    "outbox",
    "receipt",
    "draw_win",
    "draw_grant",
    "draw_beacon",
    "ticket_restoration",
    "draw_reserve",
    "draw_lapse",
)


@dataclass(frozen=True, kw_only=True)
class Give(Command):
    """Points for a test."""

    points: int
    source: UUID = field(default_factory=new_id)


@dataclass(frozen=True)
class Given:
    """The balance after a gift."""

    available: int


def _give(book: Book, command: Give) -> Given:
    posted = book.accrue(command.points, source=("test", str(command.source)), trace={"rule": "test"})
    return Given(posted.available)


GIVE = Verb("tests.give", _give, Given)


async def a_programme(clock: Clock, *, expiry: Expiry | None = None) -> Work:
    """A programme with points that live a year, and draws."""
    await publish_policy(PointsPolicy(expiry or Expiry(12, "month")), actor=SYSTEM, now=clock.now())
    await publish_policy(DrawsPolicy(), actor=SYSTEM, now=clock.now())
    work = Work(clock=clock, ledger=PointsLedger())
    await work.policies.refresh()
    return work


async def members_with(work: Work, points: Sequence[int]) -> list[UUID]:
    """Members with so many points each."""
    ids = [new_id() for _ in points]
    first = await fetch_value("SELECT count(*) FROM member")
    await execute(
        """INSERT INTO member (id, number, locale, status, joined_at, origin_channel, nickname,
                               adult_declared_at)
           SELECT m.id, (100000000000 + $3::bigint + m.place)::text, 'zh-CN', 'ACTIVE', $2, 'store', '美' || m.place, $2
           FROM unnest($1::uuid[]) WITH ORDINALITY AS m(id, place)""",
        ids, work.clock.now(), first,
    )  # fmt: skip
    gifts = [Give(member_id=each, actor=SYSTEM, points=gift) for each, gift in zip(ids, points, strict=True) if gift]
    for start in range(0, len(gifts), 1000):
        assert all(isinstance(each, Given) for each in await work.perform_all(GIVE, gifts[start : start + 1000]))
    return ids


async def a_member(work: Work, points: int = 1000) -> UUID:
    """A member with points."""
    return (await members_with(work, [points]))[0]


def a_prize(points: int = 100, quantity: int = 1, per_member: int | None = None) -> Prize:
    return Prize(name_zh="奖品", name_en="Prize", points=points, quantity=quantity, per_member=per_member)


def a_plan(clock: Clock, *prizes: Prize, **given: Any) -> Plan:
    """A draw of a day from now on, at 50 points a ticket."""
    values = {
        "title_zh": "周末抽奖", "title_en": "Weekend draw", "ticket_points": 50,
        "opens_at": clock.now(), "closes_at": clock.now() + DAY, "prizes": prizes or (a_prize(),),
    }  # fmt: skip
    return Plan(**{**values, **given})


async def an_open_draw(work: Work, *prizes: Prize, **given: Any) -> UUID:
    """A draw whose tickets sell for a day."""
    draw_id = await draws.plan_draw(work, a_plan(work.clock, *prizes, **given), actor=STAFF)
    await draws.open_draw(work, draw_id=draw_id, actor=STAFF)
    return draw_id


async def bought(work: Work, draw_id: UUID, member_ids: Sequence[UUID]) -> list[UUID]:
    """One ticket for each of these members (named twice: two); returns the tickets."""
    commands = [draws.BuyTicket(member_id=each, actor=Actor("member", each), draw_id=draw_id) for each in member_ids]
    tickets: list[UUID] = []
    for start in range(0, len(commands), 1000):
        for answer in await work.perform_all(draws.BUY_TICKET, commands[start : start + 1000]):
            assert isinstance(answer, draws.TicketBought), answer
            tickets.append(answer.ticket_id)
    return tickets


async def buy(work: Work, draw_id: UUID, member_id: UUID, key: str | None = None) -> draws.TicketBought:
    """One ticket, as the member asks for it."""
    actor = Actor("member", member_id)
    return await draws.buy_ticket(work, draw_id=draw_id, member_id=member_id, actor=actor, key=key or str(new_id()))


async def no_heartbeat() -> None:
    return None


async def settled(work: Work, draw_id: UUID, *, chunks_max: int = 40) -> None:
    """Grant what is owed and finish."""
    await draws.settle_draw(work, draw_id=draw_id, heartbeat=no_heartbeat, chunks_max=chunks_max)
    await draws.finish_settlement(work, draw_id=draw_id)


async def drawn(work: Work, draw_id: UUID, at: datetime) -> None:
    """Close the draw at its time and fix the winners; the clock must stand at `at` already."""
    assert work.clock.now() == at
    assert await draws.close_draw(work, draw_id=draw_id)
    assert await draws.draw_winners(work, draw_id=draw_id)


async def a_draw_to_claim(work: Work, clock: FixedClock, *prizes: Prize, tickets: int = 6, **given: Any) -> UUID:
    """A draw that is drawn, of so many members with a ticket each; what they win they claim within an hour."""
    draw_id = await an_open_draw(work, *prizes, **{"claim_seconds": HOUR_SECONDS, **given})
    await bought(work, draw_id, await members_with(work, [50] * tickets))
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    await draws.settle_draw(work, draw_id=draw_id, heartbeat=no_heartbeat)
    return draw_id


async def wins_of(draw_id: UUID) -> list[Any]:
    """All wins of a draw by rank, as they are written."""
    return list(await fetch("SELECT * FROM draw_win WHERE draw_id = $1 ORDER BY rank", draw_id))


async def claim(work: Work, win: Any) -> draws.PrizeClaimed:
    """A win, claimed by its winner."""
    member_id = win["member_id"]
    actor = Actor("member", member_id)
    return await draws.claim_prize(work, draw_id=win["draw_id"], rank=win["rank"], member_id=member_id, actor=actor)


async def lapse(work: Work, draw_id: UUID) -> int:
    """Let lapse what is due."""
    return await draws.lapse_prizes(work, draw_id=draw_id, heartbeat=no_heartbeat)


async def available(member_id: UUID) -> int:
    found: int = await fetch_value(
        "SELECT available FROM account WHERE member_id = $1 AND currency = 'POINTS'", member_id
    )
    return found


async def draw_row(draw_id: UUID) -> dict[str, Any]:
    row = await fetch_row("SELECT * FROM draw WHERE id = $1", draw_id)
    assert row is not None
    return dict(row)


async def rows_written() -> dict[str, int]:
    """How many rows there are, and how often accounts and the draws were written."""
    counts = {table: await fetch_value(f"SELECT count(*) FROM {table}") for table in TABLES}
    counts["versions"] = await fetch_value("SELECT coalesce(sum(version), 0)::bigint FROM account")
    counts["draws"] = await fetch_value("SELECT string_agg(id::text || state, ',' ORDER BY id) FROM draw")
    return counts


async def broken_invariants() -> list[str]:
    """The invariants of points and draws that do not hold."""
    return [name for name, sql in {**POINTS_INVARIANTS, **INVARIANTS}.items() if await fetch(sql)]


@asynccontextmanager
async def a_crowd_of_connections(database: Database) -> AsyncIterator[None]:
    """A pool in which many verbs really run side by side, and which lets them wait for a connection."""
    async with TortoiseContext() as context:
        await context.init(config=database.config(pool_max=CROWD_CONNECTIONS, acquire_timeout_seconds=60))
        yield
