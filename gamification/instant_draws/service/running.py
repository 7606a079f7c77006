"""Staff pause, resume and end an instant draw; the clock ends it as well."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.audit import audit, check_reason
from gamification.core.database import execute
from gamification.core.work import Work
from gamification.instant_draws.rules import State
from gamification.instant_draws.service.steps import HeldDraw, after, holding

DONE = {"pause": "paused", "resume": "resumed", "end": "ended"}


async def pause_draw(work: Work, *, draw_id: UUID, reason: str, actor: Actor) -> None:
    """Let nobody play until it is resumed; plays in flight are waited for. Again changes nothing.

    Refuses: NotFound, InstantDrawStateRefused, InvalidInput. Locks: the draw.
    """
    await _move(work, draw_id, "pause", "PAUSED", reason, actor)


async def resume_draw(work: Work, *, draw_id: UUID, reason: str, actor: Actor) -> None:
    """Let a paused draw be played again. Again changes nothing.

    Refuses: NotFound, InstantDrawStateRefused, InvalidInput. Locks: the draw.
    """
    await _move(work, draw_id, "resume", "OPEN", reason, actor)


async def end_draw(work: Work, *, draw_id: UUID, reason: str, actor: Actor) -> None:
    """End a draw before its time, for good; a draft is thrown away. Again changes nothing.

    Refuses: NotFound, InvalidInput. Locks: the draw.
    """
    await _move(work, draw_id, "end", "ENDED", reason, actor)


async def _move(work: Work, draw_id: UUID, verb: str, to: State, reason: str, actor: Actor) -> None:
    text = check_reason(reason)

    async def step(draw: HeldDraw, now: datetime) -> None:
        if draw.state == to:
            return
        after(draw.state, verb)
        ended_at = now if to == "ENDED" else None
        await execute("UPDATE instant_draw SET state = $2, ended_at = $3 WHERE id = $1", draw_id, to, ended_at)
        await audit(
            actor, f"instant_draw.{DONE[verb]}", "instant_draw", draw_id, now=now,
            before={"state": draw.state}, after={"state": to}, reason=text,
        )  # fmt: skip

    await holding(work, draw_id, step)


async def end_due_draw(work: Work, *, draw_id: UUID) -> None:
    """Note that a draw's time is over; before it, or again, nothing changes. Locks: the draw."""

    async def step(draw: HeldDraw, now: datetime) -> None:
        if draw.state in ("OPEN", "PAUSED"):
            await execute(
                """UPDATE instant_draw SET state = 'ENDED', ended_at = closes_at
                   WHERE id = $1 AND closes_at <= $2""",
                draw_id, now,
            )  # fmt: skip

    await holding(work, draw_id, step)
