"""What the ledger tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PointsExpiring:
    """Points of a member were seen to end after the business day `expires_on`.

    The notice was due `days` before that day; after an outage fewer are left. Written down as an expiry notice.
    """

    name: ClassVar[str] = "points.expiring"
    member_id: UUID
    expires_on: date
    days: int
    points: int
