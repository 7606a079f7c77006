"""Points begin and end as a plain model counts it, whatever policies are published and whatever members do.

`EXAMPLES_TIMES=50` makes the run fifty times as long.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

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
from gamification.core.encoding import encode
from gamification.core.ids import new_id
from gamification.core.policy import Policies
from gamification.core.work import Work
from gamification.orders.service import record_event
from gamification.points import service
from gamification.points.ahead_queries import points_ahead
from gamification.points.errors import InsufficientPoints
from gamification.points.ledger import PointsLedger
from gamification.points.rules import ActivationEvent, Expiry, PointsPolicy
from tests.builders import EARNING, TIERS, assert_invariants, balance, thorough
from tests.conftest import MONDAY_MORNING
from tests.databases import Database
from tests.machines.lifetimes_model import Member, Mode, Order
from tests.machines.model import NEVER, SHANGHAI
from tests.machines.running import Runner
from tests.moves import MOVE, Earn, GiveBack, Moved, Spend
from tests.orders.builders import TILL, Shop

EVENTS: tuple[ActivationEvent, ...] = ("RECEIVED", "REFUND_WINDOW_CLOSED")
LIVES: list[dict[str, Any]] = [
    {},
    {"life": 1},
    {"life": 12},
    {"life": 0, "ends_on": (5, 20)},
    {"life": 9, "ends_on": (31,)},
    {"life": 4, "sliding": True},
    {"life": 12, "sliding": True},
    {"life": 2, "to_month_end": True, "sliding": True},
]
WAITS: list[dict[str, Any]] = [
    {},
    {},
    {"wait": 2},
    {"begins_on": (4, 12, 30)},
    {"event": "RECEIVED", "latest": 6},
    {"event": "RECEIVED", "after_event": 3, "latest": 9},
    {"event": "REFUND_WINDOW_CLOSED", "latest": 40},
]
MODES = st.builds(lambda life, wait: Mode(**life, **wait), st.sampled_from(LIVES), st.sampled_from(WAITS))


def policy_of(mode: Mode) -> PointsPolicy:
    """The mode as staff publish it."""
    days = tuple(f"{day:02d}" for day in mode.ends_on)
    rounding: Any = "month" if mode.to_month_end else "day"
    return PointsPolicy(
        Expiry(mode.life, "day", rounding, days, mode.sliding),
        mode.wait,
        activation_event=cast(ActivationEvent | None, mode.event),
        activation_event_days=mode.after_event,
        activation_latest_days=mode.latest or 30,
        activation_dates=tuple(f"{day:02d}" for day in mode.begins_on),
    )


class LifetimesMachine(RuleBasedStateMachine):
    """A member earns, buys, returns, spends, cancels and waits, shops tell of orders, and staff publish policies."""

    names = Bundle("names")
    takings = Bundle("takings")

    def __init__(self, run: Runner) -> None:
        super().__init__()
        self.run = run
        self.clock = FixedClock(MONDAY_MORNING)
        self.numbers = iter(range(10**6))
        self.published: list[tuple[Any, ...]] = []
        self.ends: dict[Any, Any] = {}
        self.an_event_came = False

    @initialize(mode=MODES)
    def begin(self, mode: Mode) -> None:
        self.work = Work(clock=self.clock, ledger=PointsLedger())
        self.member = Member()
        self.publish(mode)
        self.shop = Shop(self.work)
        self.mei = self.run(self.shop.member())

    @rule(mode=MODES)
    def publish(self, mode: Mode) -> None:
        """A policy from now on: what exists stays as it is."""
        since = self.clock.now() if self.published else None
        self.mode = mode
        self.published.append((len(self.published) + 1, since, encode(policy_of(mode))))
        rows = [(number, "points", number, since, body) for number, since, body in self.published]
        rows += [(len(rows) + 1, "earning", 1, None, encode(EARNING)), (len(rows) + 2, "tiers", 1, None, encode(TIERS))]
        self.work.policies = Policies()
        self.work.policies._add(rows)

    def now(self) -> datetime:
        """The instant, to which the model has caught up."""
        self.member.pass_time(self.clock.now())
        return self.clock.now()

    @rule(points=st.integers(1, 400))
    def earn(self, points: int) -> None:
        self.run(self.work.perform(MOVE, Earn(member_id=self.mei, points=points, source=f"{new_id()}")))
        self.member.accrue(self.now(), self.mode, points)

    @rule(target=takings, points=st.integers(1, 300))
    def spend(self, points: int) -> Any:
        (outcome,) = self.run(
            self.work.perform_all(MOVE, [Spend(member_id=self.mei, points=points, source=f"{new_id()}")])
        )
        if not self.member.take(self.now(), points):
            assert isinstance(outcome, InsufficientPoints) and outcome.available == self.member.available
            return multiple()
        assert isinstance(outcome, Moved)
        return outcome.seq, len(self.member.takings) - 1

    @rule(taking=takings)
    def cancel(self, taking: tuple[int, int]) -> None:
        seq, place = taking
        if self.member.takings[place]:
            self.run(self.work.perform(MOVE, GiveBack(member_id=self.mei, seq=seq, source=f"{seq}", by_member=True)))
            self.member.give_back(self.now(), place)
            self.member.takings[place] = []

    @rule(target=names)
    def name_an_order(self) -> str:
        return f"{next(self.numbers)}"

    @rule(name=names, fen=st.integers(50, 30_000))
    def buy(self, name: str, fen: int) -> None:
        if name not in self.member.orders:
            self.run(self.shop.sent(self.shop.order(name, fen)))
            self.an_event_came = name in self.member.told
            self.member.buy(self.now(), self.mode, name, fen)

    @rule(name=names, event=st.sampled_from(EVENTS), hours=st.sampled_from([0, 1, 30, 24 * 5]))
    def happen(self, name: str, event: ActivationEvent, hours: int) -> None:
        """Before its order or after it, told at once or late, once or again."""
        occurred = self.clock.now() - timedelta(hours=hours)
        answer = self.run(
            record_event(
                self.work, order_external_id=self.shop.named(name), type=event, occurred_at=occurred, actor=TILL
            )
        )
        known = event in self.member.told.get(name, {})
        assert (answer.already_recorded, answer.waits) == (known, name not in self.member.orders)
        self.an_event_came = True
        self.member.tell(self.now(), name, event, occurred)

    @rule(name=names, whole=st.booleans())
    def refund(self, name: str, whole: bool) -> None:
        order = self.member.orders.get(name)
        if order is not None and (fen := _returned(order, whole)):
            self.run(self.shop.sent(self.shop.refund(f"r{next(self.numbers)}", name, None, (0, fen))))
            self.now()
            self.member.refund(name, fen)

    @rule(hours=st.sampled_from([7, 24, 60, 100, 24 * 9]))
    def wait(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))

    @rule()
    def sweep(self) -> None:
        assert self.run(service.book_due(self.work, [self.mei])) == []

    @invariant()
    def points_begin_and_end_as_the_model_says(self) -> None:
        if not hasattr(self, "mei"):
            return
        self.now()
        read = self.run(balance(self.work, self.mei))
        member = self.member
        assert (read.available, read.pending, read.debt) == (member.available, member.pending, member.debt)
        assert self.ahead("EXPIRING") == _summed([(lot.ends, lot.points) for lot in member.lots])
        assert self.ahead("ACTIVATING") == _summed([(lot.begins, lot.points) for lot in member.lots if lot.waiting])
        self.run(assert_invariants("points", "orders"))

    @invariant()
    def only_an_event_ends_a_lot_sooner(self) -> None:
        """No policy, no time and no other activity ever shortens a lot that exists."""
        if not hasattr(self, "mei"):
            return
        rows = self.run(fetch("SELECT seq, line, expires_at FROM lot WHERE member_id = $1", self.mei))
        ends = {(row["seq"], row["line"]): row["expires_at"] or NEVER for row in rows}
        sooner = [key for key, end in self.ends.items() if ends[key] < end]
        assert sooner == [] or self.an_event_came
        self.ends, self.an_event_came = ends, False

    def ahead(self, what: Any) -> dict[datetime, int]:
        """What the member is shown, by instant."""
        found = self.run(
            points_ahead(
                [self.mei], self.clock.now(), self.work.policies, self.work.calendar,
                what=what, after=None, limit=1_000,
            )
        )  # fmt: skip
        return {each.at: each.points for each in found.get(self.mei, [])}

    def teardown(self) -> None:
        """In the end, with everything booked, the lots are the model's, one by one."""
        if hasattr(self, "mei"):
            self.sweep()
            self.now()
            assert self.run(_lots(self.mei)) == [
                (lot.points, lot.ends.astimezone(SHANGHAI)) for lot in self.member.lots if lot.points
            ]
            self.run(assert_invariants())


def _returned(order: Order, whole: bool) -> int:
    left = order.paid - order.back
    return left if whole else left // 2


def _summed(parts: list[tuple[datetime, int]]) -> dict[datetime, int]:
    sums: dict[datetime, int] = {}
    for at, points in parts:
        if points and at != NEVER:
            sums[at] = sums.get(at, 0) + points
    return sums


async def _lots(member_id: Any) -> list[tuple[int, datetime]]:
    rows = await fetch(
        "SELECT remaining, expires_at FROM lot WHERE member_id = $1 AND open ORDER BY seq, line", member_id
    )
    return [(row["remaining"], row["expires_at"].astimezone(SHANGHAI) if row["expires_at"] else NEVER) for row in rows]


async def _open(database: Database) -> TortoiseContext:
    context = await TortoiseContext().__aenter__()
    await context.init(config=database.config())
    return context


def test_points_begin_and_end_as_a_plain_model_counts_it(database: Database) -> None:
    """In every mode, across policies, events before and after their order, refunds and cancellations: balances, what
    lies ahead and in the end each lot are the model's, and nothing but an event ends a lot sooner."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        run = Runner(runner, copy_context())
        context = run(_open(database))
        try:
            machine: Any = partial(LifetimesMachine, run)
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=thorough(12),
                    stateful_step_count=40,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            run(context.__aexit__(None, None, None))
