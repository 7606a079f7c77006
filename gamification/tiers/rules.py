"""Which tier a growth value reaches; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gamification.core.policy import Problem

TIERS_MAX = 20
NAME_LENGTH_MAX = 40


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier: its code, its names, and the growth value from which it is reached."""

    code: str
    name_zh: str
    name_en: str
    threshold: int


def is_name(text: str) -> bool:
    """Whether members can be shown this as the name of a tier."""
    return text == text.strip() and 0 < len(text) <= NAME_LENGTH_MAX and text.isprintable()


@dataclass(frozen=True, slots=True)
class TierPolicy:
    """A tier set, lowest first; the lowest starts at 0."""

    kind: ClassVar[str] = "tiers"
    tiers: tuple[Tier, ...]

    def problems(self) -> Sequence[Problem]:
        if not 1 <= len(self.tiers) <= TIERS_MAX:
            return [Problem("tiers", f"1 to {TIERS_MAX} tiers")]
        found = []
        if self.tiers[0].threshold != 0:
            found.append(Problem("tiers.0.threshold", "the lowest tier starts at 0"))
        for index, (tier, following) in enumerate(zip(self.tiers, self.tiers[1:], strict=False)):
            if following.threshold <= tier.threshold:
                found.append(Problem(f"tiers.{index + 1}.threshold", "thresholds rise from tier to tier"))
        codes = [tier.code for tier in self.tiers]
        for index, code in enumerate(codes):
            if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,19}", code) or codes.index(code) != index:
                found.append(Problem(f"tiers.{index}.code", "1 to 20 capitals, digits or _, each code once"))
        return found + [
            Problem(f"tiers.{index}.{name}", f"1 to {NAME_LENGTH_MAX} characters that can be shown")
            for index, tier in enumerate(self.tiers)
            for name in ("name_zh", "name_en")
            if not is_name(getattr(tier, name))
        ]

    def reached(self, growth: int) -> Tier:
        """The highest tier whose threshold a growth value reaches."""
        return max((tier for tier in self.tiers if tier.threshold <= growth), key=lambda tier: tier.threshold)

    def rank(self, code: str) -> int:
        """A tier's place from the bottom; −1 for a code of an older set that is no longer there."""
        return next((index for index, tier in enumerate(self.tiers) if tier.code == code), -1)

    def after(self, code: str) -> Tier | None:
        """The next higher tier, or None at the top."""
        index = self.rank(code) + 1
        return self.tiers[index] if index < len(self.tiers) else None
