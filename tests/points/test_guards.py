"""What the database itself refuses: the ledger has one writer, and its lines are for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product

import asyncpg
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch
from gamification.core.work import Work
from tests.builders import a_member, account, dump, earn, spend
from tests.databases import Database
from tests.moves import MOVE, Grow, Moved

TABLES = ("account", "entry", "lot", "allocation")
CHANGES = ("UPDATE {} SET member_id = member_id", "DELETE FROM {}", "TRUNCATE {}")


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the owner of all tables."""
    connection = await asyncpg.connect(database.url)
    yield connection
    await connection.close()


async def test_the_application_cannot_write_the_ledger_by_hand(work: Work, clock: FixedClock) -> None:
    """INSERT, UPDATE, DELETE and TRUNCATE are not granted; only `ledger_write` writes."""
    await a_member(clock, points=5)
    before = await dump()
    for table, what in product(TABLES, ("INSERT INTO {} DEFAULT VALUES", *CHANGES)):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(what.format(table))
    assert await dump() == before


async def test_lines_of_the_ledger_are_for_ever_even_for_the_owner(
    work: Work, clock: FixedClock, owner: asyncpg.Connection
) -> None:
    """Entries and allocations refuse every change by a trigger."""
    mei = await a_member(clock)
    await earn(work, mei, 5)
    await spend(work, mei, 1)
    for table, what in product(("entry", "allocation"), CHANGES):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(what.format(table))


IMPOSSIBLE = [
    ("UPDATE account SET available = -1", "account_available_not_negative"),
    ("UPDATE account SET pending = -1", "account_pending_not_negative"),
    ("UPDATE account SET held = -1", "account_held_not_negative"),
    ("UPDATE account SET debt = -1", "account_debt_not_negative"),
    ("UPDATE account SET available = 1, debt = 1", "account_in_debt_has_nothing_available"),
    ("UPDATE lot SET remaining = -1, open = false", "lot_remaining_within_original"),
    ("UPDATE lot SET open = NOT open", "lot_open_while_anything_is_left"),
    ("UPDATE lot SET original = 0, remaining = 0, open = false", "lot_original_positive"),
    ("UPDATE lot SET expires_at = activates_at", "lot_expires_after_activation"),
]


async def test_books_that_cannot_be_are_refused_even_to_the_owner(
    work: Work, clock: FixedClock, owner: asyncpg.Connection
) -> None:
    """Each constraint stands under its name."""
    mei = await a_member(clock)
    await earn(work, mei, 5)
    for change, constraint in IMPOSSIBLE:
        with pytest.raises(asyncpg.CheckViolationError) as refusal:
            await owner.execute(change)
        assert refusal.value.constraint_name == constraint


async def test_growth_never_falls_below_zero(work: Work, clock: FixedClock) -> None:
    """Taking back more growth than there is is a programmer's error: a fault, and nothing is written."""
    mei = await a_member(clock)
    await work.perform(MOVE, Grow(member_id=mei, growth=7, source="a"))
    before = await dump()
    with pytest.raises(AssertionError, match="revoked only where it was accrued"):
        await work.perform(MOVE, Grow(member_id=mei, growth=-8, source="b"))
    assert await dump() == before
    assert await work.perform(MOVE, Grow(member_id=mei, growth=-7, source="c")) == Moved(0, 7, 0, 0, 0)
    growth = await account(mei, "GROWTH")
    assert (growth["available"], growth["accrued"], growth["revoked"], growth["seq"]) == (0, 7, 7, 2)


async def test_a_member_has_both_accounts_from_the_first_instant_on(work: Work, clock: FixedClock) -> None:
    """POINTS and GROWTH, both empty, at version 0."""
    mei = await a_member(clock)
    rows = await fetch("SELECT currency, version, seq, available FROM account WHERE member_id = $1 ORDER BY 1", mei)
    assert [tuple(row) for row in rows] == [("GROWTH", 0, 0, 0), ("POINTS", 0, 0, 0)]


async def test_every_write_raises_the_members_version_by_one(work: Work, clock: FixedClock) -> None:
    """Also one that only moves growth: the POINTS account is the member's lock."""
    mei = await a_member(clock)
    await work.perform(MOVE, Grow(member_id=mei, growth=7, source="a"))
    await earn(work, mei, 1)
    points, growth = await account(mei), await account(mei, "GROWTH")
    assert (points["version"], points["seq"], growth["version"], growth["seq"]) == (2, 1, 1, 1)
