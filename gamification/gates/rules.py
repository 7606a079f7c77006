"""Who may enter, and from when: pure decisions over tiers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from gamification.core.policy import Problem
from gamification.tiers.rules import TierPolicy

EARLY_SECONDS_MAX = 30 * 24 * 3600
"""A month: whatever opens earlier than that has opened, for some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Who may enter: members of `tier_min` and above (None: all), of `early_tier_min` `early_seconds` before others."""

    tier_min: str | None = None
    early_tier_min: str | None = None
    early_seconds: int = 0

    def problems(self, tiers: TierPolicy) -> Iterator[Problem]:
        """What is wrong with it under the tiers in force."""
        for field, code in (("tierMin", self.tier_min), ("earlyTierMin", self.early_tier_min)):
            if code is not None and tiers.rank(code) < 0:
                yield Problem(field, f"one of {', '.join(tier.code for tier in tiers.tiers)}")
        if not 0 <= self.early_seconds <= EARLY_SECONDS_MAX:
            yield Problem("earlySeconds", f"0 to {EARLY_SECONDS_MAX} seconds")
        elif (self.early_tier_min is None) != (self.early_seconds == 0):
            yield Problem("earlySeconds", "more than 0 with an early tier, 0 without one")

    def opens_at(self, opens_at: datetime, tier: str | None, tiers: TierPolicy) -> datetime:
        """From when a member of a tier (None: the lowest) may enter what opens for the others at an instant."""
        if self.early_tier_min is None or not reaches(tier, self.early_tier_min, tiers):
            return opens_at
        return opens_at - timedelta(seconds=self.early_seconds)

    def earliest(self, opens_at: datetime) -> datetime:
        """From when anybody at all may enter."""
        return opens_at - timedelta(seconds=self.early_seconds)


OPEN_TO_ALL = Gate()


def reaches(tier: str | None, wanted: str, tiers: TierPolicy) -> bool:
    """Whether a tier (None: the lowest) is a wanted one or higher; no tier reaches one that is no longer there."""
    needed = tiers.rank(wanted)
    return needed >= 0 and (tiers.rank(tier) if tier is not None else 0) >= needed
