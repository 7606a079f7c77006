"""What tiers tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TierRaised:
    """A member reached a higher tier."""

    name: ClassVar[str] = "tier.raised"
    member_id: UUID
    from_code: str | None
    to_code: str


@dataclass(frozen=True, slots=True)
class TierLowered:
    """A member's tier ended, was refunded or taken away: a lower one is theirs now."""

    name: ClassVar[str] = "tier.lowered"
    member_id: UUID
    from_code: str
    to_code: str
    cause: str


@dataclass(frozen=True, slots=True)
class TierEnding:
    """A member's tier ends after `valid_until`, in `days` days, unless `missing` of the metric come in until then."""

    name: ClassVar[str] = "tier.ending"
    member_id: UUID
    code: str
    valid_until: date
    missing: int
    days: int
