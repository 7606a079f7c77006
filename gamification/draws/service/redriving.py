"""Staff let a draw that still owes something try again."""

from __future__ import annotations

from uuid import UUID

from gamification.core import outbox
from gamification.core.actors import Actor
from gamification.core.audit import audit
from gamification.core.database import fetch_value
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.draws.errors import DrawStateRefused
from gamification.draws.service.steps import hold

JOB_THAT_OWES = {"CLOSED": "draws.draw", "DRAWN": "draws.settle", "SETTLING": "draws.settle", "VOIDED": "draws.restore"}
_IS_CLAIMED = "SELECT claim_seconds IS NOT NULL FROM draw WHERE id = $1"


async def redrive_draw(work: Work, *, draw_id: UUID, actor: Actor) -> None:
    """Staff let the job that still owes something of this draw run again.

    Refuses: NotFound, DrawStateRefused where nothing can be owed. Locks: the draw.
    """

    async def run() -> None:
        now = work.clock.now()
        async with transaction():
            draw = await hold(draw_id)
            job = JOB_THAT_OWES.get(draw.state)
            if job is None:
                raise DrawStateRefused(state=draw.state, verb="redrive")
            if draw.state == "SETTLING" and await fetch_value(_IS_CLAIMED, draw_id):
                job = "draws.lapse"
            await outbox.schedule(job, {"draw_id": draw_id}, run_at=now)
            await audit(actor, "draw.redriven", "draw", draw_id, now=now)

    await retrying(run)
