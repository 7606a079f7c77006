"""Scheduled draws live as a plain model says, whatever members, staff, time and jobs do, in whatever order.

`EXAMPLES_TIMES=50` makes the run fifty times as long.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.errors import InvalidInput, NotFound, Refusal
from gamification.core.ids import new_id
from gamification.draws import queries, service
from gamification.draws.errors import ClaimLapsed, DrawNotOpen, DrawStateRefused, TicketLimitReached
from gamification.points.errors import InsufficientPoints
from tests.builders import thorough
from tests.conftest import MONDAY_MORNING
from tests.databases import Database
from tests.draws.builders import (
    STAFF,
    a_plan,
    a_prize,
    a_programme,
    available,
    broken_invariants,
    members_with,
    no_heartbeat,
)
from tests.machines.draws_model import Draw, Terms, Win
from tests.machines.running import Runner, _empty, _open

NAMES = ("mei", "lan", "hua")
PRIZES = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 3), st.sampled_from([None, 1, 2])), min_size=1, max_size=2
)
CLAIMS = st.sampled_from([None, timedelta(hours=1), timedelta(hours=1), timedelta(hours=5)])


class DrawsMachine(RuleBasedStateMachine):
    """Three members, staff who plan, open and call off, jobs that come when they like, and a clock."""

    keys = Bundle("keys")

    def __init__(self, run: Runner, database: Database) -> None:
        super().__init__()
        self.run = run
        self.database = database
        self.clock = FixedClock(MONDAY_MORNING)
        self.draws: dict[UUID, Draw] = {}
        self.points: dict[str, int] = {}

    @initialize(points=st.lists(st.sampled_from([40, 200, 1_000]), min_size=3, max_size=3))
    def begin(self, points: list[int]) -> None:
        self.work = self.run(a_programme(self.clock))
        self.ids = dict(zip(NAMES, self.run(members_with(self.work, points)), strict=True))
        self.points = dict(zip(NAMES, points, strict=True))

    def outcome(self, coroutine: Any) -> Any:
        try:
            return self.run(coroutine)
        except Refusal as refusal:
            return refusal

    @rule(
        target=keys,
        prizes=PRIZES,
        hours=st.sampled_from([1, 6]),
        most=st.sampled_from([None, None, 4]),
        least=st.sampled_from([0, 1, 1, 3]),
        free=st.sampled_from([0, 0, 1, 2]),
        reserves=st.sampled_from([0, 1, 5]),
        claim=CLAIMS,
    )
    def plan(self, prizes: Any, hours: int, claim: Any, **limits: Any) -> UUID:
        closes = self.clock.now() + timedelta(hours=hours)
        terms = Terms(
            tuple(prizes), closes, 20, limits["most"], limits["least"], limits["free"], limits["reserves"], claim
        )
        plan = a_plan(
            self.clock, *(a_prize(*each) for each in prizes), closes_at=closes, ticket_points=20,
            tickets_per_member=terms.most, tickets_min=terms.least, free_tickets_per_member=terms.free,
            reserves=terms.reserves, claim_seconds=int(claim.total_seconds()) if claim else None,
        )  # fmt: skip
        draw_id: UUID = self.run(service.plan_draw(self.work, plan, actor=STAFF))
        self.draws[draw_id] = Draw(str(draw_id), terms)
        return draw_id

    @rule(key=keys)
    def open(self, key: UUID) -> None:
        draw = self.draws[key]
        outcome = self.outcome(service.open_draw(self.work, draw_id=key, actor=STAFF))
        if draw.state == "OPEN":
            assert outcome is None
        elif draw.state == "DRAFT" and draw.terms.closes <= self.clock.now():
            assert isinstance(outcome, InvalidInput)
        elif draw.leads("open"):
            assert outcome is None
            draw.opened = True
        else:
            assert isinstance(outcome, DrawStateRefused) and outcome.state == draw.state

    @rule(key=keys)
    def void(self, key: UUID) -> None:
        draw = self.draws[key]
        outcome = self.outcome(service.void_draw(self.work, draw_id=key, reason="rain", actor=STAFF))
        if draw.state == "VOIDED" or draw.leads("void"):
            assert outcome is None
        else:
            assert isinstance(outcome, DrawStateRefused) and outcome.state == draw.state

    @rule(key=keys, name=st.sampled_from(NAMES), times=st.integers(1, 3))
    def buy(self, key: UUID, name: str, times: int) -> None:
        for _ in range(times):
            self.buy_one(key, name)

    def buy_one(self, key: UUID, name: str) -> None:
        draw, member_id = self.draws[key], self.ids[name]
        actor = Actor("member", member_id)
        outcome = self.outcome(
            service.buy_ticket(self.work, draw_id=key, member_id=member_id, actor=actor, key=str(new_id()))
        )
        price = draw.price(name)
        if not draw.opened:
            assert isinstance(outcome, NotFound)
        elif draw.state != "OPEN" or draw.terms.closes <= self.clock.now():
            assert isinstance(outcome, DrawNotOpen) and outcome.state == draw.state
        elif draw.terms.most is not None and draw.held(name) >= draw.terms.most:
            assert isinstance(outcome, TicketLimitReached)
        elif price > self.points[name]:
            assert isinstance(outcome, InsufficientPoints) and outcome.available == self.points[name]
        else:
            self.points[name] -= price
            assert (outcome.points, outcome.available) == (price, self.points[name])
            draw.tickets.append((str(outcome.ticket_id), name, price))

    @rule(key=keys)
    def close(self, key: UUID) -> None:
        closed = self.run(service.close_draw(self.work, draw_id=key))
        assert closed == self.draws[key].close(self.clock.now())

    @rule(key=keys)
    def draw(self, key: UUID) -> None:
        seed = self.run(fetch_value("SELECT seed FROM draw_secret WHERE draw_id = $1", key)) or b""
        drawn = self.run(service.draw_winners(self.work, draw_id=key))
        assert drawn == self.draws[key].draw(self.clock.now(), seed)

    @rule(key=keys)
    def settle(self, key: UUID) -> None:
        granted = self.draws[key].settle()
        for win in granted:
            self.points[win.member] += win.points
        run = self.run(service.settle_draw(self.work, draw_id=key, heartbeat=no_heartbeat))
        assert run == service.WorkedOff(len(granted), 0, reached_end=True)
        self.run(service.finish_settlement(self.work, draw_id=key))

    @rule(key=keys, at=st.integers(0, 9), name=st.sampled_from(NAMES), own=st.sampled_from([True, True, True, False]))
    def claim(self, key: UUID, at: int, name: str, own: bool) -> None:
        draw = self.draws[key]
        win = draw.wins[at % len(draw.wins)] if draw.wins else None
        claimant = win.member if win and own else name
        member_id, rank = self.ids[claimant], win.rank if win else 1
        outcome = self.outcome(
            service.claim_prize(
                self.work, draw_id=key, rank=rank, member_id=member_id, actor=Actor("member", member_id)
            )
        )
        self.expect_claim(draw, win if win and win.member == claimant else None, outcome)

    def expect_claim(self, draw: Draw, win: Win | None, outcome: Any) -> None:
        if win is None:
            assert isinstance(outcome, NotFound)
        elif win.fate == "GRANTED":
            assert (outcome.rank, outcome.points) == (win.rank, win.points)
        elif win.until is None:
            assert isinstance(outcome, DrawStateRefused) and outcome.verb == "claim"
        elif win.until <= self.clock.now():
            assert isinstance(outcome, ClaimLapsed) and outcome.claim_until == win.until
        else:
            win.fate = "GRANTED"
            self.points[win.member] += win.points
            assert (outcome.points, outcome.available) == (win.points, self.points[win.member])

    @rule(key=keys)
    def lapse(self, key: UUID) -> None:
        lapsed = self.run(service.lapse_prizes(self.work, draw_id=key, heartbeat=no_heartbeat))
        assert lapsed == self.draws[key].lapse(self.clock.now())

    @rule(key=keys)
    def restore(self, key: UUID) -> None:
        draw = self.draws[key]
        run = self.run(service.restore_tickets(self.work, draw_id=key, heartbeat=no_heartbeat))
        owed = [ticket for ticket in draw.tickets if ticket[2]] if draw.state == "VOIDED" and not draw.returned else []
        assert run == service.WorkedOff(len(owed), 0, reached_end=True)
        for _, name, price in owed:
            self.points[name] += price
        draw.returned = draw.returned or draw.state == "VOIDED"
        self.run(service.finish_restoration(self.work, draw_id=key))

    @rule(key=keys)
    def come_to_the_winners(self, key: UUID) -> None:
        """What the jobs do at the closing time; otherwise few draws would be drawn in so few steps."""
        draw = self.draws[key]
        if draw.state == "DRAFT" and draw.terms.closes > self.clock.now():
            self.open(key)
            for name in NAMES:
                self.buy(key, name, 2)
        if draw.state == "OPEN" and self.clock.now() < draw.terms.closes:
            self.clock.set(draw.terms.closes)
        for step in (self.close, self.draw):
            step(key)

    @rule(hours=st.sampled_from([1, 2, 5]))
    def wait(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))

    @invariant()
    def draws_are_those_of_the_model(self) -> None:
        """Points, states, tickets, wins and their fates; and every invariant of the ledger and of draws."""
        if not self.points:
            return
        assert {name: self.run(available(self.ids[name])) for name in NAMES} == self.points
        states = self.run(queries.draw_states(list(self.draws)))
        for key, draw in self.draws.items():
            assert states[key].state == draw.state
            assert self.run(_wins(key, {each: name for name, each in self.ids.items()})) == _wins_of(draw)
        assert self.run(broken_invariants()) == []

    def teardown(self) -> None:
        """Points were issued for prizes that the model says were granted, and for nothing else."""
        issued = self.run(fetch_value("SELECT sum(available_delta)::bigint FROM entry WHERE source_type = 'draw_win'"))
        granted = [win.points for draw in self.draws.values() for win in draw.wins if win.fate == "GRANTED"]
        assert (issued or 0) == sum(granted)
        self.run(_empty(self.database))


async def _wins(draw_id: UUID, names: dict[UUID, str]) -> list[Any]:
    rows = await fetch(
        """SELECT w.rank, w.number, w.member_id, w.prize_place, w.claim_until, w.replaces_rank,
                  CASE WHEN g.rank IS NOT NULL THEN 'GRANTED' WHEN l.rank IS NOT NULL THEN 'LAPSED' ELSE 'OPEN' END
           FROM draw_win w LEFT JOIN draw_grant g USING (draw_id, rank) LEFT JOIN draw_lapse l USING (draw_id, rank)
           WHERE w.draw_id = $1 ORDER BY w.rank""",
        draw_id,
    )
    return [(rank, number, names[member], *rest) for rank, number, member, *rest in rows]


def _wins_of(draw: Draw) -> list[Any]:
    return [(win.rank, win.number, win.member, win.prize, win.until, win.replaces, win.fate) for win in draw.wins]


def test_draws_live_as_a_plain_model_says(database: Database) -> None:
    """Planned, opened, bought, closed, drawn, settled, claimed, lapsed, called off and given back in any order: states
    follow the transition table, winners the seed, reserves their line, and points what is granted."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        run = Runner(runner, copy_context())
        context = run(_open(database))
        try:
            machine: Any = partial(DrawsMachine, run, database)
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=thorough(8),
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            run(context.__aexit__(None, None, None))
