"""A machine over the real ledger with a model beside it: how they start, how they are compared, how they run."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context, copy_context
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any, ClassVar, TypeVar

import asyncpg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, run_state_machine_as_test
from tortoise.context import TortoiseContext

from gamification.adjustments.rules import AdjustmentsPolicy
from gamification.core.actors import SYSTEM, Actor
from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.draft import Command, Verb
from gamification.core.errors import Refusal
from gamification.core.ids import new_id
from gamification.earning.rules import EarningPolicy
from gamification.points import service
from gamification.points.book import Book
from gamification.points.hold_queries import hold_pages
from gamification.points.rules import DeductionPolicy, Expiry, PointsPolicy
from tests.adjustments.builders import hire
from tests.builders import SPEC_LADDER, TIERS, a_work, assert_invariants, balance, earn, thorough
from tests.conftest import MONDAY_MORNING
from tests.databases import Database
from tests.machines.model import NEVER, Member, Terms
from tests.machines.shop_model import Books
from tests.orders.builders import Shop

T = TypeVar("T")
NAMES = ("mei", "lan")
HOLDS_SHOWN = 1_000
TRUNCATE = """DO $do$ BEGIN
    SET LOCAL session_replication_role = replica;
    EXECUTE (SELECT 'TRUNCATE ' || string_agg(quote_ident(relname), ', ') FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'tortoise_migrations');
END $do$"""
LOOK: Verb[Any, bool] = Verb("test.look", lambda book, command: True, bool, lots_max=10_000)
"""A decision that decides nothing: its preview shows a member's whole book with everything due booked."""


class Runner:
    """Runs coroutines of a synchronous machine, all in one context that has the ORM open."""

    def __init__(self, runner: asyncio.Runner, context: Context) -> None:
        self._runner, self._context = runner, context

    def __call__(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine, context=self._context)


class Machine(RuleBasedStateMachine):
    """Two members of a shop, and a model that keeps the same books; `laned` lets single commands share flushes."""

    laned: ClassVar[bool] = False

    def __init__(self, run: Runner, database: Database) -> None:
        super().__init__()
        self.run = run
        self.database = database
        self.clock = FixedClock(MONDAY_MORNING)
        self.numbers = count()
        self.sent: list[Any] = []

    @initialize(
        days=st.sampled_from([3, None, 40]),
        wait=st.sampled_from([0, 2]),
        reach=st.sampled_from(["TO_DEBT", "TO_DEBT", "TO_ZERO", "PENDING_ONLY"]),
        endowments=st.lists(st.sampled_from([300, 1_000]), min_size=1, max_size=3),
    )
    def publish(self, days: int | None, wait: int, reach: Any, endowments: list[int]) -> None:
        points = PointsPolicy(Expiry(days, "day"), wait, claw_back=reach)
        staff = AdjustmentsPolicy(10**6, 10**6, None, 30)
        earning = EarningPolicy(100, 50, SPEC_LADDER)
        deduction = DeductionPolicy(hold_minutes=30)
        self.work = a_work(self.clock, points, earning, TIERS, deduction, staff, laned=self.laned)
        self.shop = Shop(self.work)
        self.ids = {name: self.run(self.shop.member(name)) for name in NAMES}
        self.boss: Actor = self.run(hire(self.clock, f"boss-{new_id()}", "owner"))
        self.books = Books(Terms(days, wait, reach), NAMES)
        for name in NAMES:
            for endowment in endowments:
                self.run(earn(self.work, self.ids[name], endowment))
                self.member(name).accrue(self.now, [(None, endowment)])

    @property
    def now(self) -> datetime:
        """This instant, up to which the model has caught up."""
        self.books.pass_time(self.clock.now())
        return self.clock.now()

    def member(self, name: str) -> Member:
        """The model's member, now."""
        self.books.pass_time(self.clock.now())
        return self.books.members[name]

    def outcome(self, coroutine: Coroutine[Any, Any, T]) -> T | Refusal:
        """The answer, or the refusal, of one verb."""
        try:
            return self.run(coroutine)
        except Refusal as refusal:
            return refusal

    @invariant()
    def the_books_are_those_of_the_model(self) -> None:
        """Balances, lots, holds, orders and growth; and every invariant of every slice that moves points."""
        if not hasattr(self, "books"):
            return
        for name in NAMES:
            model, read = self.member(name), self.run(balance(self.work, self.ids[name]))
            expected = (model.available, model.pending, model.held, model.debt, model.growth)
            assert (read.available, read.pending, read.held, read.debt, read.growth) == expected
            book = self.run(_book(self, name))
            assert (book.points.available, book.points.held, book.points.debt) == expected[::2][:1] + expected[2:4]
            assert _lots_of(book) == sorted((lot.points, lot.expires, lot.waiting) for lot in model.lots if lot.points)
            assert self.run(_holds(self, name)) == _holds_of(model)
        assert self.run(_lines(self)) == _lines_of(self.books)
        self.run(assert_invariants("points", "earning", "tiers", "orders", "adjustments"))

    def sweep_everything(self) -> None:
        assert self.run(service.book_due(self.work, list(self.ids.values()))) == []

    def teardown(self) -> None:
        """In the end everything is booked, and nothing is different."""
        if hasattr(self, "books"):
            self.sweep_everything()
            self.the_books_are_those_of_the_model()
            self.run(assert_invariants())
        self.run(_empty(self.database))


async def _empty(database: Database) -> None:
    """Let the next example find nothing: what each step reads does not grow with the examples."""
    connection = await asyncpg.connect(database.url)
    await connection.execute(TRUNCATE)
    await connection.close()


async def _book(machine: Machine, name: str) -> Book:
    preview = await machine.work.preview(LOOK, Command(member_id=machine.ids[name], actor=SYSTEM))
    book: Book = preview.draft
    return book


def _lots_of(book: Book) -> list[tuple[int, datetime, bool]]:
    return sorted((lot.remaining, lot.expires_at or NEVER, lot.pending) for lot in book.lots())


HoldFigures = list[tuple[str, str, int, int, int, int]]


async def _holds(machine: Machine, name: str) -> HoldFigures:
    member_id = machine.ids[name]
    pages = await hold_pages([member_id], machine.clock.now(), active=False, before_seq=None, limit=HOLDS_SHOWN)
    prefix = machine.shop.named("")
    return [
        (hold.order_external_id.removeprefix(prefix), hold.state, hold.points, hold.captured, hold.released,
         hold.restored)
        for hold in reversed(pages.get(member_id, []))
    ]  # fmt: skip


def _holds_of(model: Member) -> HoldFigures:
    return [(hold.order, hold.state, hold.points, hold.captured, hold.released, hold.restored) for hold in model.holds]


async def hold_seqs(machine: Machine, name: str) -> list[int]:
    """The entries of a member's holds, in the order in which the model has them."""
    rows = await fetch("SELECT seq FROM points_hold WHERE member_id = $1 ORDER BY seq", machine.ids[name])
    return [row["seq"] for row in rows]


async def _lines(machine: Machine) -> list[tuple[Any, ...]]:
    rows = await fetch(
        """SELECT replace(o.external_id, $2, ''), l.line, l.paid_fen, l.deduction_points, l.points_earned,
                  l.refunded_fen, l.refunded_quantity, l.points_revoked, l.growth_revoked, l.restored_points
           FROM sales_order o JOIN order_line l ON l.member_id = o.member_id AND l.order_id = o.id
           WHERE o.member_id = ANY($1)""",
        list(machine.ids.values()),
        machine.shop.named(""),
    )
    return sorted(tuple(row) for row in rows)


def _lines_of(books: Books) -> list[tuple[Any, ...]]:
    return sorted(
        (order.name, place, line.fen, line.pays, line.earned, line.back_fen, line.back_pieces, line.revoked,
         line.growth_revoked, line.restored)
        for order in books.orders.values()
        for place, line in enumerate(order.lines)
    )  # fmt: skip


async def _open(database: Database) -> TortoiseContext:
    context = await TortoiseContext().__aenter__()
    await context.init(config=database.config())
    return context


def run_machine(machine: Any, database: Database, *, examples: int, steps: int) -> None:
    """Run a machine over a database; `machine` is made with a `Runner`."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        run = Runner(runner, copy_context())
        context = run(_open(database))
        try:
            made: Any = partial(machine, run, database)
            run_state_machine_as_test(
                made,
                settings=settings(
                    max_examples=thorough(examples),
                    stateful_step_count=steps,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            run(context.__aexit__(None, None, None))
