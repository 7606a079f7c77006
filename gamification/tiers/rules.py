"""Which tiers there are, and what a tier set asks of a member; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from gamification.core.policy import Problem

Metric = Literal["GROWTH", "NET_SPEND", "ORDERS"]
WindowKind = Literal["LIFETIME", "CALENDAR_YEAR", "ROLLING_MONTHS", "SINCE_TIER_START"]
Downgrade = Literal["NONE", "ONE_LEVEL", "TO_QUALIFIED"]
Rounding = Literal["DAY", "MONTH", "YEAR"]

TIERS_MAX = 20
NAME_LENGTH_MAX = 40
SKU_LENGTH_MAX = 100
MONTHS_MAX = 120
GRACE_DAYS_MAX = 366
REFUND_DAYS_MAX = 366
NOTICE_DAYS = (30, 7)
"""Days before a tier ends on which a member who falls short is told."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier: its code, its names, and the value of the metric from which it is reached.

    `retention` is what keeps it (None: the threshold). Who buys `purchase_sku` has it for `purchase_months`.
    """

    code: str
    name_zh: str
    name_en: str
    threshold: int
    retention: int | None = None
    purchase_sku: str | None = None
    purchase_months: int = 12

    @property
    def keeps_from(self) -> int:
        """The value that keeps it at the end of its validity."""
        return self.threshold if self.retention is None else self.retention


def is_name(text: str) -> bool:
    """Whether members can be shown this as the name of a tier."""
    return text == text.strip() and 0 < len(text) <= NAME_LENGTH_MAX and text.isprintable()


@dataclass(frozen=True, slots=True)
class TierPolicy:
    """A tier set, lowest first; the lowest starts at 0.

    `metric` is counted over `window`: growth, net spend in fen, or orders that were not sent back whole. A tier holds
    for `validity_months` (None: for ever), to the end of a month or year by `validity_rounds_to`; then `downgrade` says
    where to whom falls short goes, after `grace_days`. A refund within `refund_days` of an upgrade is judged as if what
    was refunded had never been paid (0: a refund takes no tier away).
    """

    kind: ClassVar[str] = "tiers"
    tiers: tuple[Tier, ...]
    metric: Metric = "GROWTH"
    window: WindowKind = "LIFETIME"
    window_months: int = 12
    validity_months: int | None = None
    validity_rounds_to: Rounding = "DAY"
    downgrade: Downgrade = "NONE"
    grace_days: int = 0
    refund_days: int = 0

    @property
    def rests_on_growth_alone(self) -> bool:
        """Whether the growth account says all that is asked: nothing has to be looked up by day."""
        return (
            self.metric == "GROWTH" and self.window == "LIFETIME" and not self.validity_months and not self.refund_days
        )

    def problems(self) -> Sequence[Problem]:
        if not 1 <= len(self.tiers) <= TIERS_MAX:
            return [Problem("tiers", f"1 to {TIERS_MAX} tiers")]
        return [*_threshold_problems(self.tiers), *_tier_problems(self.tiers), *_term_problems(self)]

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


def _threshold_problems(tiers: Sequence[Tier]) -> Iterator[Problem]:
    if tiers[0].threshold != 0:
        yield Problem("tiers.0.threshold", "the lowest tier starts at 0")
    for index, (tier, following) in enumerate(pairwise(tiers)):
        if following.threshold <= tier.threshold:
            yield Problem(f"tiers.{index + 1}.threshold", "thresholds rise from tier to tier")
    codes = [tier.code for tier in tiers]
    for index, code in enumerate(codes):
        if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,19}", code) or codes.index(code) != index:
            yield Problem(f"tiers.{index}.code", "1 to 20 capitals, digits or _, each code once")


def _tier_problems(tiers: Sequence[Tier]) -> Iterator[Problem]:
    skus = [tier.purchase_sku for tier in tiers]
    for index, tier in enumerate(tiers):
        for name in ("name_zh", "name_en"):
            if not is_name(getattr(tier, name)):
                yield Problem(f"tiers.{index}.{name}", f"1 to {NAME_LENGTH_MAX} characters that can be shown")
        if tier.retention is not None and not 0 <= tier.retention <= tier.threshold:
            yield Problem(f"tiers.{index}.retention", "0 to the threshold")
        sku = tier.purchase_sku
        if sku is not None and (
            not 1 <= len(sku) <= SKU_LENGTH_MAX or not sku.isprintable() or skus.index(sku) != index
        ):
            yield Problem(f"tiers.{index}.purchase_sku", f"1 to {SKU_LENGTH_MAX} printable characters, each SKU once")
        if sku is not None and index == 0:
            yield Problem("tiers.0.purchase_sku", "everybody is in the lowest tier")
        if not 1 <= tier.purchase_months <= MONTHS_MAX:
            yield Problem(f"tiers.{index}.purchase_months", f"1 to {MONTHS_MAX} months")


def _term_problems(policy: TierPolicy) -> Iterator[Problem]:
    if not 1 <= policy.window_months <= MONTHS_MAX:
        yield Problem("window_months", f"1 to {MONTHS_MAX} months")
    if policy.validity_months is not None and not 1 <= policy.validity_months <= MONTHS_MAX:
        yield Problem("validity_months", f"1 to {MONTHS_MAX} months")
    if policy.validity_months is None and (policy.downgrade != "NONE" or policy.grace_days):
        yield Problem("downgrade", "only where tiers end: name their validity")
    if not 0 <= policy.grace_days <= GRACE_DAYS_MAX:
        yield Problem("grace_days", f"0 to {GRACE_DAYS_MAX} days")
    if not 0 <= policy.refund_days <= REFUND_DAYS_MAX:
        yield Problem("refund_days", f"0 to {REFUND_DAYS_MAX} days")
