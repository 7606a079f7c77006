"""The audit lines of adjustments: to which member, which adjustment, the values before and after; never the reason."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from gamification.adjustments.rules import Balances
from gamification.core.actors import Actor
from gamification.core.audit import audit


async def note(
    actor: Actor,
    step: str,
    member_id: UUID,
    adjustment_id: UUID,
    *,
    at: datetime,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    """Write that a step was taken, in the running transaction. The subject is the member, so that one search finds all.

    The reason is in the adjustment's row, which the line names, so that erasing it there erases it.
    """
    named = {"adjustment": str(adjustment_id), **after}
    await audit(actor, f"adjustment.{step}", "member", member_id, now=at, before=_plain(before), after=_plain(named))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: asdict(value) if isinstance(value, Balances) else value for name, value in values.items()}
