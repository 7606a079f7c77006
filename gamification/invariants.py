"""What must hold for the books of the whole product: the invariants of every slice, one explicit line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gamification.adjustments.invariants import INVARIANTS as ADJUSTMENTS
from gamification.benefits.invariants import INVARIANTS as BENEFITS
from gamification.charity.invariants import INVARIANTS as CHARITY
from gamification.checkins.invariants import INVARIANTS as CHECKINS
from gamification.core.database import fetch
from gamification.draws.invariants import INVARIANTS as DRAWS
from gamification.earning.invariants import INVARIANTS as EARNING
from gamification.instant_draws.invariants import INVARIANTS as INSTANT_DRAWS
from gamification.interactions.invariants import INVARIANTS as INTERACTIONS
from gamification.members.invariants import INVARIANTS as MEMBERS
from gamification.orders.invariants import INVARIANTS as ORDERS
from gamification.points.invariants import INVARIANTS as POINTS
from gamification.tiers.invariants import INVARIANTS as TIERS
from gamification.transparency.invariants import INVARIANTS as TRANSPARENCY

SLICES: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("members", MEMBERS),
    ("points", POINTS),
    ("earning", EARNING),
    ("tiers", TIERS),
    ("benefits", BENEFITS),
    ("adjustments", ADJUSTMENTS),
    ("orders", ORDERS),
    ("checkins", CHECKINS),
    ("interactions", INTERACTIONS),
    ("draws", DRAWS),
    ("instant_draws", INSTANT_DRAWS),
    ("charity", CHARITY),
    ("transparency", TRANSPARENCY),
)

INVARIANTS: Mapping[str, str] = {f"{place}: {name}": sql for place, own in SLICES for name, sql in own.items()}
"""Statements by name; each returns no rows while it holds, else rows that break it."""

ROWS_MAX = 20
"""How many offending rows of one invariant are shown."""


async def broken() -> dict[str, list[tuple[Any, ...]]]:
    """The invariants that do not hold, each with up to `ROWS_MAX` offending rows; empty when the books agree.

    Reads only, one statement and snapshot per invariant.
    """
    found = {name: await fetch(f"SELECT * FROM ({sql}) AS broken LIMIT {ROWS_MAX}") for name, sql in INVARIANTS.items()}
    return {name: [tuple(row) for row in rows] for name, rows in found.items() if rows}
