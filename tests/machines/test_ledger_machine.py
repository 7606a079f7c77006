"""Members live through anything in any order, and after every step the books are those of a plain model.

`EXAMPLES_TIMES=50` makes the run fifty times as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context, copy_context
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from tortoise.context import TortoiseContext

from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.ids import new_id
from gamification.earning.rules import EarningPolicy
from gamification.points import service
from gamification.points.errors import InsufficientPoints
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import SPEC_LADDER, TIERS, a_work, assert_invariants, balance, thorough
from tests.conftest import MONDAY_MORNING
from tests.databases import Database
from tests.machines.model import NEVER, SHANGHAI, Member
from tests.moves import MOVE, Earn, GiveBack, Moved, Spend
from tests.orders.builders import Shop, figures

T = TypeVar("T")
NAMES = ("mei", "lan")
MONTHS = ("2026-03", "2026-02")


class Runner:
    """Runs coroutines of a synchronous machine, all in one context that has the ORM open."""

    def __init__(self, runner: asyncio.Runner, context: Context) -> None:
        self._runner, self._context = runner, context

    def __call__(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine, context=self._context)


class LedgerMachine(RuleBasedStateMachine):
    """Two members earn, buy, return, spend, get back, and wait; a model keeps the same books."""

    orders = Bundle("orders")
    takings = Bundle("takings")

    def __init__(self, run: Runner) -> None:
        super().__init__()
        self.run = run
        self.clock = FixedClock(MONDAY_MORNING)
        self.numbers = iter(range(10**6))
        self.sent: list[Any] = []

    @initialize(days=st.sampled_from([3, None, 40]), wait=st.sampled_from([0, 2]))
    def publish(self, days: int | None, wait: int) -> None:
        earning = EarningPolicy(100, 50, SPEC_LADDER)
        self.work = a_work(self.clock, PointsPolicy(Expiry(days, "day"), wait), earning, TIERS)
        self.shop = Shop(self.work)
        self.members = {name: Member(days, wait) for name in NAMES}
        self.ids = {name: self.run(self.shop.member(name)) for name in NAMES}

    def member(self, name: str) -> Member:
        """The model's member, now."""
        model = self.members[name]
        model.pass_time(self.clock.now())
        return model

    @rule(name=st.sampled_from(NAMES), points=st.integers(1, 400))
    def earn(self, name: str, points: int) -> None:
        command = Earn(member_id=self.ids[name], points=points, source=f"{new_id()}")
        self.run(self.work.perform(MOVE, command))
        self.member(name).accrue(self.clock.now(), [(None, points)])

    @rule(target=takings, name=st.sampled_from(NAMES), points=st.integers(1, 300))
    def spend(self, name: str, points: int) -> Any:
        command = Spend(member_id=self.ids[name], points=points, source=f"{new_id()}")
        model = self.member(name)
        (outcome,) = self.run(self.work.perform_all(MOVE, [command]))
        if not model.take(points):
            assert isinstance(outcome, InsufficientPoints)
            assert (outcome.available, outcome.debt) == (model.available, model.debt)
            assert outcome.missing == points - model.available + model.debt
            return multiple()
        assert isinstance(outcome, Moved)
        return name, outcome.seq, len(model.takings) - 1

    @rule(taking=takings, by_member=st.booleans())
    def give_back(self, taking: tuple[str, int, int], by_member: bool) -> None:
        name, seq, place = taking
        model = self.member(name)
        if model.takings[place]:
            command = GiveBack(member_id=self.ids[name], seq=seq, source=f"{seq}", by_member=by_member)
            self.run(self.work.perform(MOVE, command))
            model.give_back(self.clock.now(), place, by_member)
            model.takings[place] = []

    @rule(
        target=orders,
        name=st.sampled_from(NAMES),
        month=st.sampled_from(MONTHS),
        fen=st.lists(st.integers(1, 30_000), min_size=1, max_size=3),
    )
    def buy(self, name: str, month: str, fen: list[int]) -> tuple[str, str]:
        order = f"{next(self.numbers)}"
        request = self.shop.order(order, *fen, paid=f"{month[5:]}-02", member=name)
        self.sent.append(request)
        self.run(self.shop.sent(request))
        self.member(name).buy(self.clock.now(), order, month, fen)
        return name, order

    @rule(order=orders, data=st.data())
    def refund(self, order: tuple[str, str], data: st.DataObject) -> None:
        name, external_id = order
        model = self.member(name)
        lines = model.orders[external_id][1]
        left = {number: line.fen - line.back_fen for number, line in enumerate(lines)}
        parts = {
            number: data.draw(st.just(fen // 2) | st.just(fen) | st.integers(0, fen)) for number, fen in left.items()
        }
        parts = {number: fen for number, fen in parts.items() if fen}
        if parts:
            request = self.shop.refund(f"r{next(self.numbers)}", external_id, None, *parts.items())
            self.sent.append(request)
            (answer,) = figures(self.run(self.shop.sent(request)))
            assert answer[:2] == ("PLACED", sum(parts.values()))
            model.refund(external_id, parts)

    @rule(name=st.sampled_from(NAMES), month=st.sampled_from(MONTHS), fen=st.integers(1, 20_000), data=st.data())
    def buy_and_return_the_other_way_round(self, name: str, month: str, fen: int, data: st.DataObject) -> None:
        order, back = f"{next(self.numbers)}", data.draw(st.integers(1, fen))
        requests: list[Any] = [
            self.shop.refund(f"r{order}", order, None, (0, back)),
            self.shop.order(order, fen, paid=f"{month[5:]}-03", member=name),
        ]
        self.sent.extend(requests)
        if data.draw(st.booleans()):
            self.run(self.shop.sent(*requests))
        else:
            for request in requests:
                self.run(self.shop.sent(request))
        model = self.member(name)
        model.buy(self.clock.now(), order, month, [fen])
        model.refund(order, {0: back})

    @rule(target=orders, name=st.sampled_from(NAMES), fen=st.integers(5_000, 30_000), hours=st.sampled_from([100, 60]))
    def buy_and_return_half_of_it_later(self, name: str, fen: int, hours: int) -> tuple[str, str]:
        order = f"{next(self.numbers)}"
        self.run(self.shop.sent(self.shop.order(order, fen, member=name)))
        self.member(name).buy(self.clock.now(), order, MONTHS[0], [fen])
        self.clock.advance(timedelta(hours=hours))
        self.run(self.shop.sent(self.shop.refund(f"r{order}", order, fen // 2)))
        self.member(name).refund(order, {0: fen // 2})
        return name, order

    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        if self.sent:
            repeated = data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=3))
            assert all(answer.already_recorded for answer in self.run(self.shop.sent(*repeated)))

    @rule(hours=st.sampled_from([100, 60, 24, 7, 24 * 40]))
    def wait(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))

    @rule()
    def sweep(self) -> None:
        assert self.run(service.book_due(self.work, list(self.ids.values()))) == []

    @invariant()
    def the_books_are_those_of_the_model(self) -> None:
        for name in getattr(self, "members", {}):
            model = self.member(name)
            now = self.run(balance(self.work, self.ids[name]))
            assert (now.available, now.pending, now.debt, now.growth) == (
                model.available, model.pending, model.debt, model.growth,
            )  # fmt: skip
        self.run(assert_invariants("points", "earning", "tiers", "orders"))

    def teardown(self) -> None:
        """In the end, with everything booked, the lots are the model's, one by one."""
        if hasattr(self, "members"):
            self.sweep()
            for name in NAMES:
                lots = [(lot.points, lot.expires) for lot in self.member(name).lots if lot.points]
                assert sorted(self.run(_lots(self.ids[name]))) == sorted(lots)
            self.run(assert_invariants())


async def _lots(member_id: Any) -> list[tuple[int, datetime]]:
    rows = await fetch("SELECT remaining, expires_at FROM lot WHERE member_id = $1 AND open", member_id)
    return [(row["remaining"], row["expires_at"].astimezone(SHANGHAI) if row["expires_at"] else NEVER) for row in rows]


async def _open(database: Database) -> TortoiseContext:
    context = await TortoiseContext().__aenter__()
    await context.init(config=database.config())
    return context


def test_the_ledger_keeps_the_books_of_a_plain_model(database: Database) -> None:
    """Whatever two members do and in whatever order: balances, debts, growth and lots are the model's, and all
    invariants of all slices hold after each step."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        run = Runner(runner, copy_context())
        context = run(_open(database))
        try:
            machine: Any = partial(LedgerMachine, run)
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=thorough(10),
                    stateful_step_count=40,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            run(context.__aexit__(None, None, None))
