"""Reads of beacons: what a draw declares and waits for, and the value once it is known. Read-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from gamification.beacons.rules import (
    NO_BEACON,
    PATIENCE,
    PAUSE_MAX,
    Beacon,
    DrandBeacon,
    FigureBeacon,
    Kind,
    beacon_of,
)
from gamification.core.database import fetch, fetch_row

LOOK = "beacon"
"""How a look that found nothing is noted among the failures of a draw."""


class BeaconRow(NamedTuple):
    """A draw's beacon: what is declared, what the closing fixed, and the value with who said it."""

    draw_id: UUID
    state: str
    terms: str | None
    kind: Kind
    proof_level: str
    name_zh: str | None
    name_en: str | None
    declared_source: str | None
    beacon_round: int | None
    due_at: datetime | None
    value: str | None
    signature: bytes | None
    source: str | None
    known_at: datetime | None

    @property
    def beacon(self) -> Beacon:
        """As the published terms say it, and for a draft as it is planned."""
        if self.terms is not None:
            return beacon_of(orjson.loads(self.terms))
        if self.kind == "DRAND":
            return DrandBeacon()
        if self.kind == "FIGURE":
            assert self.name_zh and self.name_en and self.declared_source and self.due_at, "a figure is declared whole"
            return FigureBeacon(self.name_zh, self.name_en, self.declared_source, self.due_at)
        return NO_BEACON


_SELECT = """SELECT d.id, d.state, d.terms, d.beacon_kind, d.proof_level, d.beacon_name_zh, d.beacon_name_en,
    d.beacon_source, d.beacon_round, d.beacon_due_at, b.value, b.signature, b.source, b.known_at
    FROM draw d LEFT JOIN draw_beacon b ON b.draw_id = d.id"""


async def beacons_by_draw_ids(ids: Sequence[UUID]) -> Mapping[UUID, BeaconRow]:
    """The beacon of each draw, drafts included; whoever asks has been shown the draw."""
    rows = await fetch(f"{_SELECT} WHERE d.id = ANY($1)", list(ids))
    return {row["id"]: BeaconRow(*row) for row in rows}


async def beacon_row(draw_id: UUID) -> BeaconRow | None:
    """The beacon of a draw."""
    row = await fetch_row(f"{_SELECT} WHERE d.id = $1", draw_id)
    return BeaconRow(*row) if row else None


async def draws_awaiting_a_beacon(now: datetime, limit: int) -> list[UUID]:
    """Closed draws whose value is due and not known, and for which nobody has looked of late; longest first.

    A figure is looked for once it is due, and again when it is too late; looking does not make it come.
    """
    rows = await fetch(
        """SELECT d.id FROM draw d LEFT JOIN draw_beacon b ON b.draw_id = d.id
           LEFT JOIN draw_failure f ON f.draw_id = d.id AND f.what = $4
           WHERE d.state = 'CLOSED' AND d.beacon_kind <> 'NONE' AND d.beacon_due_at <= $1 AND b.draw_id IS NULL
             AND (f.failed_at IS NULL OR CASE d.beacon_kind WHEN 'FIGURE' THEN d.beacon_due_at <= $1 - $5::interval
                                                            ELSE f.failed_at <= $1 - $3::interval END)
           ORDER BY d.beacon_due_at LIMIT $2""",
        now, limit, PAUSE_MAX, LOOK, PATIENCE,
    )  # fmt: skip
    return [row["id"] for row in rows]
