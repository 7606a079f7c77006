"""Staff plan an instant draw, publish it, and put better odds in force while it is live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.audit import audit
from gamification.core.database import execute, execute_many, fetch_value
from gamification.core.errors import InvalidInput
from gamification.core.ids import new_id
from gamification.core.policy import Problem
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.gates.rules import OPEN_TO_ALL
from gamification.instant_draws.bettering import worse
from gamification.instant_draws.errors import OddsWorsened, PayoutUnconfirmed
from gamification.instant_draws.figures import decimal_points, payout_percent
from gamification.instant_draws.queries import plan_of
from gamification.instant_draws.rules import (
    BUDGET_PLACE,
    SHARDS,
    WHOLE_PPM,
    Odds,
    Plan,
    dearest,
    payout_micropoints,
    payout_ppm,
)
from gamification.instant_draws.service.seeds import make_seeds
from gamification.instant_draws.service.steps import HeldDraw, after, holding
from gamification.instant_draws.terms import terms_of
from gamification.prizes.service import check_value
from gamification.tiers.rules import TierPolicy


async def plan_draw(work: Work, plan: Plan, *, actor: Actor, draw_id: UUID | None = None) -> UUID:
    """Write a draft with its first odds, which nobody but staff sees; returns its id. The same id is the same draft.

    Refuses: InvalidInput, PrizeTooValuable, PolicyMissing (a gate without tiers). Locks: nothing.
    """
    problem = plan.problem() or next(await _gate_problems(work, plan), None)
    if problem is not None:
        raise InvalidInput(field=problem.path, reason=problem.reason)
    _check_value(plan.odds)
    planned_id, now = draw_id or new_id(), work.clock.now()

    async def run() -> None:
        async with transaction():
            written = await execute(
                """INSERT INTO instant_draw (id, state, title_zh, title_en, opens_at, closes_at, tier_min,
                       early_tier_min, early_seconds, created_at)
                   VALUES ($1, 'DRAFT', $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING""",
                planned_id, plan.title_zh, plan.title_en, plan.opens_at, plan.closes_at, plan.gate.tier_min,
                plan.gate.early_tier_min, plan.gate.early_seconds, now,
            )  # fmt: skip
            if written:
                await _write_odds(planned_id, 1, plan.odds, now)
                after_it = {"title": plan.title_en, "payout_ppm": payout_ppm(plan.odds)}
                await audit(actor, "instant_draw.planned", "instant_draw", planned_id, now=now, after=after_it)

    await retrying(run)
    return planned_id


async def _gate_problems(work: Work, plan: Plan) -> Iterator[Problem]:
    if plan.gate == OPEN_TO_ALL:
        return iter(())
    await work.policies.refresh()
    return plan.gate.problems(work.policies.at(TierPolicy, work.clock.now()).body)


def _check_value(odds: Odds) -> None:
    place = dearest(odds.lines)
    check_value(place, odds.line(place).kind, odds.line(place).points)


async def _write_odds(draw_id: UUID, version: int, odds: Odds, now: datetime) -> UUID:
    odds_id = new_id()
    await execute(
        """INSERT INTO odds_version (id, draw_id, version, play_points, free_plays_per_day, plays_per_member,
               plays_per_member_day, budget_points, pity_after, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
        odds_id, draw_id, version, odds.play_points, odds.free_plays_per_day, odds.plays_per_member,
        odds.plays_per_member_day, odds.budget_points, odds.pity_after, now,
    )  # fmt: skip
    await execute_many(
        """INSERT INTO odds_line (odds_id, place, kind, name_zh, name_en, points, odds_ppm, pity_ppm, stock, per_member,
               daily_release, fallback) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)""",
        [
            (odds_id, place, line.kind, line.name_zh, line.name_en, line.points, line.odds_ppm, line.pity_ppm,
             line.stock, line.per_member, line.daily_release, line.fallback)
            for place, line in enumerate(odds.lines, 1)
        ],
    )  # fmt: skip
    return odds_id


async def publish_draw(work: Work, *, draw_id: UUID, actor: Actor, confirm_payout: bool = False) -> None:
    """Publish a draw: freeze its terms, commit seeds days ahead; it is played from `opens_at`. Again changes nothing.

    Plays that bring more points than they cost have to be confirmed. Refuses: NotFound, InstantDrawStateRefused,
    InvalidInput (it would have closed already), PayoutUnconfirmed. Locks: the draw.
    """
    await make_seeds(work)

    async def publish(draw: HeldDraw, now: datetime) -> None:
        if draw.state in ("OPEN", "PAUSED"):
            return
        after(draw.state, "publish")
        plan = await plan_of(draw_id)
        if plan.closes_at <= now:
            raise InvalidInput(field="closesAt", reason="later than now")
        _check_payout(plan.odds, confirmed=confirm_payout)
        odds_id = await fetch_value("SELECT id FROM odds_version WHERE draw_id = $1 AND version = 1", draw_id)
        await _publish_odds(work, draw_id, odds_id, 1, plan, now)
        await execute(
            "UPDATE instant_draw SET state = 'OPEN', published_at = $2, odds_id = $3 WHERE id = $1",
            draw_id, now, odds_id,
        )  # fmt: skip
        after_it = {"payout_ppm": payout_ppm(plan.odds), "confirmed": confirm_payout}
        await audit(actor, "instant_draw.published", "instant_draw", draw_id, now=now, after=after_it)

    await holding(work, draw_id, publish)


async def publish_odds(work: Work, odds: Odds, *, draw_id: UUID, actor: Actor, confirm_payout: bool = False) -> None:
    """Put new odds of a live draw in force, as its next version; the same odds again change nothing.

    They may only be better for members (`bettering.py`). Refuses: NotFound, InstantDrawStateRefused, InvalidInput,
    PrizeTooValuable, OddsWorsened, PayoutUnconfirmed. Locks: the draw, then its counters.
    """
    problem = next(odds.problems(), None)
    if problem is not None:
        raise InvalidInput(field=problem.path, reason=problem.reason)
    _check_value(odds)

    async def publish(draw: HeldDraw, now: datetime) -> None:
        after(draw.state, "publish_odds")
        assert draw.odds_id is not None, "a live draw has odds in force"
        plan, version = await plan_of(draw_id), await _latest_version(draw_id)
        if plan.odds == odds:
            return
        found = worse(plan.odds, odds)
        if found is not None:
            raise OddsWorsened(figure=found.figure, was=found.was, becomes=found.becomes)
        _check_payout(odds, confirmed=confirm_payout)
        odds_id = await _write_odds(draw_id, version + 1, odds, now)
        await _publish_odds(work, draw_id, odds_id, version + 1, replace(plan, odds=odds), now)
        await execute("UPDATE instant_draw SET odds_id = $2 WHERE id = $1", draw_id, odds_id)
        after_it = {"version": version + 1, "payout_ppm": payout_ppm(odds), "confirmed": confirm_payout}
        await audit(actor, "instant_draw.odds_published", "instant_draw", draw_id, now=now, after=after_it)

    await holding(work, draw_id, publish)


async def _latest_version(draw_id: UUID) -> int:
    found: int = await fetch_value("SELECT max(version) FROM odds_version WHERE draw_id = $1", draw_id)
    return found


def _check_payout(odds: Odds, *, confirmed: bool) -> None:
    micropoints = payout_micropoints(odds)
    if micropoints > odds.play_points * WHOLE_PPM and not confirmed:
        raise PayoutUnconfirmed(
            play_points=odds.play_points, expected=decimal_points(micropoints),
            payout_percent=payout_percent(odds),
        )  # fmt: skip


async def _publish_odds(work: Work, draw_id: UUID, odds_id: UUID, version: int, plan: Plan, now: datetime) -> None:
    """Freeze a version's terms, and let the counters of stock and budget know its figures."""
    await execute(
        """UPDATE odds_version SET published_at = $2, terms = $3, terms_hash = sha256(convert_to($3, 'UTF8'))
           WHERE id = $1""",
        odds_id, now, terms_of(draw_id, version, plan, work.calendar),
    )  # fmt: skip
    first_on = work.calendar.business_date(plan.opens_at)
    scarce = [(place, line.stock, line.daily_release) for place, line in enumerate(plan.odds.lines, 1)]
    scarce.append((BUDGET_PLACE, plan.odds.budget_points, None))
    await execute_many(
        "UPDATE instant_stock SET stock = $3, daily_release = $4 WHERE draw_id = $1 AND place = $2",
        [(draw_id, place, stock, daily_release) for place, stock, daily_release in scarce],
    )
    await execute_many(
        """INSERT INTO instant_stock (id, draw_id, place, shard, stock, daily_release, first_on)
           VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (draw_id, place, shard) DO NOTHING""",
        [
            (new_id(), draw_id, place, shard, stock, daily_release, first_on)
            for place, stock, daily_release in scarce
            if stock is not None
            for shard in range(SHARDS)
        ],
    )
