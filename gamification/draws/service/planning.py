"""Staff plan a draw and publish it."""

from __future__ import annotations

from uuid import UUID

from gamification.beacons.rules import NO_BEACON
from gamification.core import outbox
from gamification.core.actors import Actor
from gamification.core.audit import audit
from gamification.core.chance import commitment, new_seed
from gamification.core.database import execute, execute_many, fetch
from gamification.core.errors import InvalidInput
from gamification.core.ids import new_id
from gamification.core.policy import P
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.draws.errors import PrizePointsTooMany
from gamification.draws.events import DrawOpened
from gamification.draws.queries import plan_of
from gamification.draws.rules import (
    ALGORITHM,
    DrawsPolicy,
    Plan,
    Prize,
    dearest,
    terms_of,
)
from gamification.draws.service.beacons import declare_beacon
from gamification.draws.service.steps import after, hold, tell
from gamification.gates.rules import OPEN_TO_ALL
from gamification.prizes.service import check_value
from gamification.tiers.rules import TierPolicy


async def default_ticket_points(work: Work) -> int:
    """The price of a ticket where a plan does not say, in points. Refuses: PolicyMissing."""
    await work.policies.refresh()
    return work.policies.at(DrawsPolicy, work.clock.now()).body.ticket_points


async def plan_draw(work: Work, plan: Plan, *, actor: Actor, draw_id: UUID | None = None) -> UUID:
    """Write a draft, which nobody but staff sees; returns its id. The same id again is the same draft.

    Refuses: InvalidInput, PrizeTooValuable, PrizePointsTooMany. Locks: nothing.
    """
    _check(plan)
    await _check_against_policies(work, plan)
    planned_id, now = draw_id or new_id(), work.clock.now()
    async with transaction():
        written = await execute(
            """INSERT INTO draw (id, state, title_zh, title_en, ticket_points, opens_at, closes_at, tickets_per_member,
                   tickets_per_member_day, tickets_min, algorithm, proof_level, created_at, free_tickets_per_member,
                   reserves, claim_seconds, tier_min, early_tier_min, early_seconds)
               VALUES ($1, 'DRAFT', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
               ON CONFLICT (id) DO NOTHING""",
            planned_id, plan.title_zh, plan.title_en, plan.ticket_points, plan.opens_at, plan.closes_at,
            plan.tickets_per_member, plan.tickets_per_member_day, plan.tickets_min, ALGORITHM, NO_BEACON.proof_level,
            now,
            plan.free_tickets_per_member, plan.reserves, plan.claim_seconds, plan.gate.tier_min,
            plan.gate.early_tier_min, plan.gate.early_seconds,
        )  # fmt: skip
        if written:
            await execute_many(
                """INSERT INTO draw_prize (draw_id, place, kind, name_zh, name_en, points, quantity, per_member)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
                [_prize_row(planned_id, place, prize) for place, prize in enumerate(plan.prizes, 1)],
            )
            if plan.beacon != NO_BEACON:
                await declare_beacon(planned_id, plan.beacon)
            await audit(actor, "draw.planned", "draw", planned_id, now=now, after={"title": plan.title_en})
    return planned_id


def _check(plan: Plan) -> None:
    problem = plan.problem()
    if problem is not None:
        raise InvalidInput(field=problem.path, reason=problem.reason)
    prize = dearest(plan.prizes)
    check_value(plan.prizes.index(prize) + 1, prize.kind, prize.points)


async def _check_against_policies(work: Work, plan: Plan) -> None:
    """What the programme says now: how much the prizes may come to, and which tiers there are."""
    await work.policies.refresh()
    draws, tiers = _in_force(work, DrawsPolicy), _in_force(work, TierPolicy)
    limit = draws.prize_points_max if draws is not None else None
    if limit is not None and plan.prize_points > limit:
        raise PrizePointsTooMany(prize_points=plan.prize_points, limit_points=limit)
    if plan.gate != OPEN_TO_ALL:
        if tiers is None:
            raise InvalidInput(field="tierMin", reason="there are no tiers")
        for problem in plan.gate.problems(tiers):
            raise InvalidInput(field=problem.path, reason=problem.reason)


def _in_force(work: Work, kind: type[P]) -> P | None:
    """The policy in force now; None where there is none yet."""
    now = work.clock.now()
    begun = [each for each in work.policies.all(kind) if each.effective_from is None or each.effective_from <= now]
    return begun[-1].body if begun else None


def _prize_row(draw_id: UUID, place: int, prize: Prize) -> tuple[object, ...]:
    return draw_id, place, prize.kind, prize.name_zh, prize.name_en, prize.points, prize.quantity, prize.per_member


async def open_draw(work: Work, *, draw_id: UUID, actor: Actor) -> None:
    """Publish a draw: draw and commit its seed, freeze its terms, let it close by itself at its time.

    Tickets sell from `opens_at`, or from now when that has passed. An open draw stays as it is. Refuses: NotFound,
    DrawStateRefused, InvalidInput (it would have closed already). Locks: the draw.
    """

    async def run() -> None:
        async with transaction():
            draw = await hold(draw_id)
            if draw.state != "OPEN":
                after(draw.state, "open")
                await _publish(work, draw_id, actor)

    await retrying(run)


async def _publish(work: Work, draw_id: UUID, actor: Actor) -> None:
    now, seed, salt = work.clock.now(), new_seed(), new_seed()
    plan = await plan_of(draw_id)
    if plan.closes_at <= now:
        raise InvalidInput(field="closesAt", reason="later than now")
    await execute("INSERT INTO draw_secret (draw_id, seed, salt) VALUES ($1, $2, $3)", draw_id, seed, salt)
    await fetch(
        """UPDATE draw SET state = 'OPEN', opened_at = $2, commitment = $3, terms = $4,
                  terms_hash = sha256(convert_to($4, 'UTF8')), algorithm = $5 WHERE id = $1""",
        draw_id, now, commitment(seed), terms_of(draw_id, plan, commitment(seed)), ALGORITHM,
    )  # fmt: skip
    key = f"draws.close:{draw_id}"
    await outbox.schedule("draws.close", {"draw_id": draw_id}, run_at=plan.closes_at, key=key)
    await audit(actor, "draw.opened", "draw", draw_id, now=now)
    await tell(work, DrawOpened(draw_id), now)
