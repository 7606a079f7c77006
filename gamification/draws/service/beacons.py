"""The value of a draw's beacon is looked for, or entered by staff, once it is due; without it the draw is voided.

Lock order: the draw. Whoever keeps a value schedules the drawing in the same transaction.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from gamification.beacons.errors import BeaconAlreadyKnown, BeaconNotAFigure
from gamification.beacons.rules import (
    Beacon,
    DrandBeacon,
    FigureBeacon,
    Round,
    check_in_time,
    checked_figure,
    given_up_at,
    next_look_at,
)
from gamification.beacons.service import RoundMissing, find_round
from gamification.core import outbox
from gamification.core.actors import Actor
from gamification.core.audit import audit
from gamification.core.database import execute
from gamification.core.transactions import retrying, transaction
from gamification.core.work import Work
from gamification.draws.beacons import LOOK, BeaconRow, beacon_row
from gamification.draws.service.chunks import note_failures
from gamification.draws.service.steps import after, hold
from gamification.draws.service.voiding import void_for_want_of_beacon


class FigureMissing(Exception):
    """Nobody has entered the figure that the terms declare."""


async def declare_beacon(draw_id: UUID, beacon: Beacon) -> None:
    """Write the beacon of a draft, in the planning's transaction."""
    figure = beacon if isinstance(beacon, FigureBeacon) else None
    declared = (figure.name_zh, figure.name_en, figure.source, figure.due_at) if figure else (None,) * 4
    await execute(
        """UPDATE draw SET beacon_kind = $2, proof_level = $3, beacon_name_zh = $4, beacon_name_en = $5,
                  beacon_source = $6, beacon_due_at = $7 WHERE id = $1""",
        draw_id, beacon.kind, beacon.proof_level, *declared,
    )  # fmt: skip


async def schedule_look(draw_id: UUID, at: datetime) -> None:
    """Let the drawing of a draw look for its value at an instant, in the running transaction; once per instant."""
    key = f"draws.draw:{draw_id}:{at.isoformat()}"
    await outbox.schedule("draws.draw", {"draw_id": draw_id}, run_at=at, key=key)


async def look_for_beacon(work: Work, *, draw_id: UUID) -> datetime | None:
    """Look for the value that a closed draw waits for; returns when to look again, None when there is nothing to find.

    A value that is found is kept and the drawing scheduled; one that is absent too long voids the draw. Safe to run
    twice and at once: the first value that is kept is the value. Locks: the draw.
    """
    row = await beacon_row(draw_id)
    if row is None or row.state != "CLOSED" or row.due_at is None or row.value is not None:
        return None
    if work.clock.now() < row.due_at:
        return row.due_at
    try:
        found = await _found(row)
    except (RoundMissing, FigureMissing) as missing:
        return await _still_missing(work, row, row.due_at, missing)
    await _keep(work, draw_id, found)
    return None


async def _found(row: BeaconRow) -> Round:
    beacon = row.beacon
    if isinstance(beacon, DrandBeacon):
        assert row.beacon_round is not None, "a closing fixes the round"
        return await find_round(beacon.chain, row.beacon_round)
    raise FigureMissing("nobody has entered the figure")


async def _keep(work: Work, draw_id: UUID, found: Round) -> None:
    async def run() -> None:
        now = work.clock.now()
        async with transaction():
            if (await hold(draw_id)).state == "CLOSED":
                await _write(draw_id, found.value, found.source, now, found)

    await retrying(run)


async def _write(draw_id: UUID, value: str, source: str, now: datetime, found: Round | None = None) -> None:
    """Keep a value, if none is kept yet, and let the winners be drawn; in the running transaction, under the lock."""
    written = await execute(
        """INSERT INTO draw_beacon (draw_id, value, beacon_round, signature, source, known_at)
           VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (draw_id) DO NOTHING""",
        draw_id, value, found.number if found else None, found.signature if found else None, source, now,
    )  # fmt: skip
    if written:
        key = f"draws.draw:{draw_id}:known"
        await outbox.schedule("draws.draw", {"draw_id": draw_id}, run_at=now, key=key)


async def _still_missing(work: Work, row: BeaconRow, due_at: datetime, missing: Exception) -> datetime | None:
    now = work.clock.now()
    if now >= given_up_at(due_at):
        await _give_up(work, row.draw_id)
        return None
    await note_failures(row.draw_id, [(LOOK, missing)], now)
    return next_look_at(row.kind, due_at, now)


async def _give_up(work: Work, draw_id: UUID) -> None:
    """Void a draw for want of its value, unless that has come in the meantime."""

    async def run() -> None:
        async with transaction():
            draw, row = await hold(draw_id), await beacon_row(draw_id)
            if draw.state == "CLOSED" and row is not None and row.value is None:
                await void_for_want_of_beacon(work, draw_id, work.clock.now())

    await retrying(run)


async def enter_beacon_figure(work: Work, *, draw_id: UUID, value: str, actor: Actor) -> None:
    """Staff enter the figure that a draw's terms declare, as it was published; the same value again changes nothing.

    Refuses: NotFound, InvalidInput, BeaconNotAFigure, BeaconAlreadyKnown (another value), DrawStateRefused,
    BeaconNotDue, BeaconOverdue. Locks: the draw.
    """
    text = checked_figure(value)

    async def run() -> None:
        now = work.clock.now()
        async with transaction():
            draw, row = await hold(draw_id), await beacon_row(draw_id)
            assert row is not None, "a draw under lock is there"
            if row.kind != "FIGURE":
                raise BeaconNotAFigure(kind=row.kind)
            if row.value is not None and row.value != text:
                raise BeaconAlreadyKnown(value=row.value)
            if row.value is None:
                after(draw.state, "enter_figure")
                await _enter(row, text, now, actor)

    await retrying(run)


async def _enter(row: BeaconRow, text: str, now: datetime, actor: Actor) -> None:
    assert row.due_at is not None and row.declared_source is not None, "a figure is declared whole"
    check_in_time(row.due_at, now)
    await _write(row.draw_id, text, row.declared_source, now)
    facts = {"value": text, "source": row.declared_source}
    await audit(actor, "draw.beacon_entered", "draw", row.draw_id, now=now, after=facts)
