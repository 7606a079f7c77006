"""Load → decide → write: what happens when others were faster, and when something scarce has gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import asyncpg
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch
from gamification.core.draft import Command, Guard, Load, Verb
from gamification.core.errors import Refusal
from gamification.core.ids import new_id
from gamification.core.work import ATTEMPTS, Work
from gamification.points.errors import InsufficientPoints
from tests.builders import (
    FOR_EVER,
    a_member,
    a_work,
    assert_invariants,
    balance,
    booked,
    entries,
    some_members,
    spend,
)
from tests.databases import Database
from tests.moves import MOVE, Earn, Moved, Overtaken, Spend


@pytest.fixture
async def work(database: Database, clock: FixedClock) -> AsyncIterator[Work]:
    """The surroundings of verbs under a policy of points that never expire; the books agree in the end."""
    yield a_work(clock, FOR_EVER)
    await assert_invariants()


async def test_a_member_who_was_overtaken_is_decided_again_while_the_others_are_written(
    work: Work, clock: FixedClock
) -> None:
    """Of three members the one whose version moved is written in a second try, on the new balance."""
    mei, lan, hua = await some_members(clock, 3, points=100)
    late = Overtaken(work, meanwhile=lambda: spend(work, lan, 90))
    outcomes = await late.perform_all(MOVE, [Spend(member_id=each, points=10, source="x") for each in (mei, lan, hua)])
    assert outcomes == [Moved(2, 10, 90, 0, 0), Moved(3, 10, 0, 0, 0), Moved(2, 10, 90, 0, 0)]
    assert late.written == [2, 1]


async def test_who_is_overtaken_again_and_again_waits_for_the_lock_in_the_end(work: Work, clock: FixedClock) -> None:
    """After four stale tries the account is locked first, and the fifth try cannot be stale."""
    mei = await a_member(clock, points=100)
    late = Overtaken(work, meanwhile=lambda: spend(work, mei, 1), times=ATTEMPTS)
    assert await late.perform(MOVE, Spend(member_id=mei, points=10, source="x")) == Moved(6, 10, 86, 0, 0)
    assert late.written == [0, 0, 0, 0, 1]


async def test_a_refusal_is_decided_on_the_state_that_was_there_in_the_end(work: Work, clock: FixedClock) -> None:
    """Somebody else's spending in between turns an answer into a refusal with the new figure."""
    mei = await a_member(clock, points=100)
    late = Overtaken(work, meanwhile=lambda: spend(work, mei, 95))
    with pytest.raises(InsufficientPoints) as refusal:
        await late.perform(MOVE, Spend(member_id=mei, points=10, source="x"))
    assert (refusal.value.required, refusal.value.available, refusal.value.missing) == (10, 5, 5)
    assert await booked(mei) == (5, 0, 0)


STOCK = Load("test.stock", lambda *row: row, "SELECT id, amount FROM stock", shared=True)
TAKE_ONE = Guard(
    "stock_left",
    "UPDATE stock s SET amount = s.amount - c.amount FROM {claims} c WHERE s.id = c.key AND s.amount >= c.amount "
    "RETURNING s.id",
)


@dataclass(kw_only=True, eq=False)
class TestStockGone(Refusal):
    """Nothing is left."""

    __test__: ClassVar[bool] = False
    left: int
    messages = {"zh-CN": "无货:{left}", "en": "{left} left."}


@dataclass(frozen=True, kw_only=True)
class Grab(Command):
    stock: UUID
    source: str


def _grab(book: Any, command: Grab) -> Moved:
    left = book.shared(STOCK.name, command.stock)[1]
    if not left:
        raise TestStockGone(left=left)
    book.claim(TAKE_ONE, command.stock)
    return Moved(book.accrue(1, source=("test", command.source), trace={}).seq, 1, left, 0, 0)


GRAB = Verb("test.grab", _grab, Moved, loads=(STOCK,))


async def a_stock(database: Database, amount: int) -> UUID:
    owner = await asyncpg.connect(database.url)
    await owner.execute("CREATE TABLE stock (id uuid PRIMARY KEY, amount int NOT NULL)")
    await owner.execute("GRANT SELECT, UPDATE ON stock TO jifen_app")
    stock = new_id()
    await owner.execute("INSERT INTO stock VALUES ($1, $2)", stock, amount)
    await owner.close()
    return stock


async def _left(stock: UUID) -> int:
    rows = await fetch("SELECT amount FROM stock WHERE id = $1", stock)
    return int(rows[0]["amount"])


async def test_a_claim_on_what_went_in_between_is_decided_again(
    work: Work, clock: FixedClock, database: Database
) -> None:
    """The last piece went to somebody else between load and write: the retry refuses, and nothing was granted."""
    mei, stock = await a_member(clock), await a_stock(database, 1)
    late = Overtaken(work, meanwhile=lambda: execute("UPDATE stock SET amount = 0"))
    from_sale = Grab(member_id=mei, stock=stock, source="x", actor=Earn(member_id=mei, points=1, source="").actor)
    with pytest.raises(TestStockGone) as refusal:
        await late.perform(GRAB, from_sale)
    assert refusal.value.left == 0
    assert (await entries(mei), await _left(stock)) == ([], 0)


async def test_a_batch_that_claims_more_than_there_is_serves_as_many_as_there_are(
    work: Work, clock: FixedClock, database: Database
) -> None:
    """Five members want three pieces at once: three get one, two are refused, none is left and none is missing."""
    members, stock = await some_members(clock, 5), await a_stock(database, 3)
    actor = Earn(member_id=members[0], points=1, source="").actor
    outcomes = await work.perform_all(
        GRAB, [Grab(member_id=each, stock=stock, source="x", actor=actor) for each in members]
    )
    assert sorted(type(each).__name__ for each in outcomes) == ["Moved"] * 3 + ["TestStockGone"] * 2
    assert await _left(stock) == 0
    assert sum([(await balance(work, each)).available for each in members]) == 3
