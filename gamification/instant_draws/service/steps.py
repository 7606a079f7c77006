"""What every step of staff does: hold the draw against plays in flight, ask the transition table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.database import fetch_row
from gamification.core.errors import NotFound
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.instant_draws.errors import InstantDrawStateRefused
from gamification.instant_draws.rules import TRANSITIONS, State


class HeldDraw(NamedTuple):
    """A draw under lock: what the steps decide on."""

    id: UUID
    state: State
    odds_id: UUID | None


async def hold(draw_id: UUID) -> HeldDraw:
    """Lock a draw in the running transaction: plays in flight are waited for, and none begins. Refuses: NotFound."""
    row = await fetch_row("SELECT id, state, odds_id FROM instant_draw WHERE id = $1 FOR UPDATE", draw_id)
    if row is None:
        raise NotFound(kind="instant_draw", id=str(draw_id))
    return HeldDraw(*row)


def after(state: State, verb: str) -> State:
    """Where a verb leads. Refuses: InstantDrawStateRefused."""
    following = TRANSITIONS.get((state, verb))
    if following is None:
        raise InstantDrawStateRefused(state=state, verb=verb)
    return following


async def holding(work: Work, draw_id: UUID, step: Callable[[HeldDraw, datetime], Awaitable[None]]) -> None:
    """Take one step with the draw held, in a transaction of its own. Refuses: NotFound, and what the step refuses."""

    async def run() -> None:
        async with transaction():
            await step(await hold(draw_id), work.clock.now())

    await retrying(run)
