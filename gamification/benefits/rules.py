"""What a tier gives, and what of it is left; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, Literal

from gamification.core.policy import Problem

Usable = Literal["DISCOUNT", "FREE_DELIVERY"]

BASIS = 10_000
MULTIPLIER_MAX_BP = 50_000
DISCOUNT_MAX_BP = 10_000
USES_MAX = 10_000
GIFT_MAX = 1_000_000
EARLY_MINUTES_MAX = 43_200
TIERS_MAX = 20
CATCH_UP_DAYS = 31
"""A birthday gift that a worker missed is given so many days late at most."""


@dataclass(frozen=True, slots=True)
class TierBenefits:
    """What one tier gives. A multiplier of 10,000 bp, 0 uses, points or minutes mean that it gives none of that.

    `discount_bp` is what is taken off (500: 5 %); uses of None are without limit.
    """

    tier_code: str
    multiplier_bp: int = BASIS
    discount_bp: int = 0
    discount_uses_per_month: int | None = None
    free_deliveries_per_month: int | None = 0
    birthday_points: int = 0
    entry_points: int = 0
    early_access_minutes: int = 0
    priority_service: bool = False

    def allowed(self, benefit: Usable) -> int | None:
        """How often a month a benefit may be used; None without limit, 0 where the tier does not give it."""
        if benefit == "FREE_DELIVERY":
            return self.free_deliveries_per_month
        return self.discount_uses_per_month if self.discount_bp else 0

    def problems(self) -> Iterator[Problem]:
        """What is wrong with it, by field."""
        bounds = (
            ("multiplier_bp", BASIS, MULTIPLIER_MAX_BP, "basis points"),
            ("discount_bp", 0, DISCOUNT_MAX_BP, "basis points"),
            ("birthday_points", 0, GIFT_MAX, "points"),
            ("entry_points", 0, GIFT_MAX, "points"),
            ("early_access_minutes", 0, EARLY_MINUTES_MAX, "minutes"),
        )
        for name, least, most, unit in bounds:
            if not least <= getattr(self, name) <= most:
                yield Problem(name, f"{least} to {most} {unit}")
        for name in ("discount_uses_per_month", "free_deliveries_per_month"):
            uses = getattr(self, name)
            if uses is not None and not 0 <= uses <= USES_MAX:
                yield Problem(name, f"0 to {USES_MAX} uses, or null for any number")


NOTHING = TierBenefits("")


@dataclass(frozen=True, slots=True)
class BenefitsPolicy:
    """What each tier gives; a tier that is not named gives nothing."""

    kind: ClassVar[str] = "benefits"
    tiers: tuple[TierBenefits, ...] = ()

    def problems(self) -> Sequence[Problem]:
        found = []
        if len(self.tiers) > TIERS_MAX:
            found.append(Problem("tiers", f"at most {TIERS_MAX} tiers"))
        codes = [tier.tier_code for tier in self.tiers]
        for index, tier in enumerate(self.tiers):
            if not 1 <= len(tier.tier_code) <= 20 or codes.index(tier.tier_code) != index:
                found.append(Problem(f"tiers.{index}.tier_code", "the code of a tier, each once"))
            found += [Problem(f"tiers.{index}.{each.path}", each.reason) for each in tier.problems()]
        return found

    def of(self, tier_code: str) -> TierBenefits:
        """What a tier gives."""
        return next((tier for tier in self.tiers if tier.tier_code == tier_code), NOTHING)


def discount_of(amount_fen: int, discount_bp: int) -> int:
    """What a discount takes off an amount in fen; one floor."""
    return amount_fen * discount_bp // BASIS


def birthdays_on(on: date) -> list[tuple[int, int]]:
    """The birthdays (month, day) that are kept on a day: the 29th of February on the 28th in years that lack it."""
    kept = [(on.month, on.day)]
    if kept == [(2, 28)] and (on + timedelta(days=1)).month == 3:
        kept.append((2, 29))
    return kept
