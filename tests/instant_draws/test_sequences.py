"""Whatever is done in whatever order: the product answers as a plain model does that counts on its fingers."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from gamification.core.chance import commitment
from gamification.core.clock import FixedClock
from gamification.core.database import execute
from gamification.core.errors import Refusal
from gamification.core.work import Work
from gamification.instant_draws import service as instant_draws
from gamification.instant_draws.rules import Odds, Reason, outcome
from tests.draws.builders import available, members_with
from tests.instant_draws.builders import STAFF, a_draw, a_prize, a_table, play, played, plays_of

STEPS = 120
ODDS = a_table(
    a_prize(200, 60_000, 2, stock=4, daily_release=2, pity_ppm=100_000),
    a_prize(40, 240_000, 3, per_member=2, pity_ppm=400_000),
    a_prize(5, 300_000, stock=25, pity_ppm=400_000),
    play_points=20, pity_after=2, budget_points=1_500, free_plays_per_day=1, plays_per_member=30,
    plays_per_member_day=9,
)  # fmt: skip


@dataclass
class Told:
    """What a member did, as the model counts it."""

    balance: int
    number: int = 0
    misses: int = 0
    by_day: Counter[date] = field(default_factory=Counter)
    free_by_day: Counter[date] = field(default_factory=Counter)
    won: Counter[int] = field(default_factory=Counter)


@dataclass
class Model:
    """A draw, told plainly: totals instead of counters, one play at a time."""

    draw_id: UUID
    odds: Odds
    first_on: date
    seeds: dict[date, bytes]
    members: dict[UUID, Told]
    given: Counter[int] = field(default_factory=Counter)
    paid: int = 0
    is_paused: bool = False

    def play(self, member_id: UUID, on: date) -> tuple[Any, ...]:
        """The place given, the reason and the balance; or the name of the refusal."""
        told, odds = self.members[member_id], self.odds
        refusal = self._refusal(told, on)
        if refusal is not None:
            return (refusal,)
        if told.free_by_day[on] < odds.free_plays_per_day:
            told.free_by_day[on] += 1
        else:
            told.balance -= odds.play_points
        told.number += 1
        told.by_day[on] += 1
        pity = odds.pity_after is not None and told.misses >= odds.pity_after
        place = outcome(self.seeds[on], self.draw_id, member_id, told.number, odds, pity=pity).place
        reason: Reason | None = None
        while (found := self._obstacle(told, place, on)) is not None:
            reason, place = reason or found, odds.line(place).fallback or 0
        points = odds.line(place).points
        told.balance += points
        told.misses = 0 if points else told.misses + 1
        told.won[place] += 1
        self.given[place] += 1
        self.paid += points
        return place, reason, told.balance

    def _refusal(self, told: Told, on: date) -> str | None:
        if self.is_paused:
            return "InstantDrawNotOpen"
        if told.number >= (self.odds.plays_per_member or 0) or told.by_day[on] >= (self.odds.plays_per_member_day or 0):
            return "PlayLimitReached"
        pays = told.free_by_day[on] >= self.odds.free_plays_per_day
        return "InsufficientPoints" if pays and told.balance < self.odds.play_points else None

    def _obstacle(self, told: Told, place: int, on: date) -> Reason | None:
        line = self.odds.line(place)
        if line.per_member is not None and told.won[place] >= line.per_member:
            return "MEMBER_LIMIT"
        if line.stock is not None and self.given[place] >= line.stock:
            return "STOCK"
        days = (on - self.first_on).days + 1
        if line.daily_release is not None and self.given[place] >= days * line.daily_release:
            return "RELEASE"
        budget = self.odds.budget_points
        return "BUDGET" if budget is not None and self.paid + line.points > budget else None


async def a_model(work: Work, dice: random.Random) -> Model:
    """A draw of ten days whose seeds are known, and three members of whom one is poor."""
    today = work.calendar.business_date(work.clock.now())
    seeds = {today + timedelta(days=ahead): dice.randbytes(32) for ahead in range(10)}
    for on, seed in seeds.items():
        await execute(
            "INSERT INTO play_seed (business_date, commitment, seed, made_at) VALUES ($1, $2, $3, $4)",
            on, commitment(seed), seed, work.clock.now(),
        )  # fmt: skip
    members = await members_with(work, [2_000, 900, 70])
    draw_id = await a_draw(work, ODDS, closes_at=work.clock.now() + timedelta(days=9))
    balances = {each: Told(points) for each, points in zip(members, (2_000, 900, 70), strict=True)}
    return Model(draw_id, ODDS, today, seeds, balances)


def shown(outcome: Any) -> tuple[Any, ...]:
    """An answer or a refusal as the model tells it."""
    if isinstance(outcome, Refusal):
        return (type(outcome).__name__,)
    return outcome.given, outcome.reason, outcome.available


@pytest.mark.parametrize("number", range(5))
async def test_every_sequence_is_answered_as_the_model_does(work: Work, clock: FixedClock, number: int) -> None:
    """Plays alone and in batches, days that pass, pauses, better odds: each answer and the end are the model's."""
    dice = random.Random(number)
    model = await a_model(work, dice)
    members = list(model.members)
    for _ in range(STEPS):
        on = work.calendar.business_date(clock.now())
        step = dice.random()
        if step < 0.70:
            member_id = dice.choice(members)
            try:
                answer: Any = await play(work, model.draw_id, member_id)
            except Refusal as refusal:
                answer = refusal
            assert shown(answer) == model.play(member_id, on)
        elif step < 0.85:
            batch = [dice.choice(members)] * dice.randint(1, 6)  # of several members nobody says who comes first
            answers = await played(work, model.draw_id, batch)
            assert [shown(each) for each in answers] == [model.play(each, on) for each in batch]
        elif step < 0.90:
            clock.advance(timedelta(hours=dice.randint(1, 15)))
        elif step < 0.95:
            await _pause_or_resume(work, model)
        else:
            await _better(work, model, dice)
    for member_id, told in model.members.items():
        assert await available(member_id) == told.balance
    rows = await plays_of(model.draw_id)
    assert Counter(row.given for row in rows) == model.given and sum(row.points for row in rows) == model.paid


async def _pause_or_resume(work: Work, model: Model) -> None:
    step = instant_draws.resume_draw if model.is_paused else instant_draws.pause_draw
    await step(work, draw_id=model.draw_id, reason="test", actor=STAFF)
    model.is_paused = not model.is_paused


async def _better(work: Work, model: Model, dice: random.Random) -> None:
    first, *others = model.odds.lines
    better = replace(first, stock=(first.stock or 0) + dice.randint(0, 2), points=first.points + dice.randint(0, 9))
    odds = replace(
        model.odds, lines=(better, *others), play_points=max(model.odds.play_points - dice.randint(0, 1), 15)
    )
    await instant_draws.publish_odds(work, odds, draw_id=model.draw_id, actor=STAFF, confirm_payout=True)
    model.odds = odds
