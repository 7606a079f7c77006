"""What tiers tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class TierRaised:
    """A member reached a higher tier."""

    name: ClassVar[str] = "tier.raised"
    member_id: UUID
    from_code: str | None
    to_code: str
