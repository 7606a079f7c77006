"""What staff write into a policy; each input mirrors the product's body, so that a problem's path fits both."""

from enum import Enum
from typing import Any

import strawberry

from gamification.adjustments import rules as adjustment_rules
from gamification.benefits import rules as benefit_rules
from gamification.checkins import rules as checkin_rules
from gamification.draws import rules as draw_rules
from gamification.earning import rules as earning_rules
from gamification.points import rules as points_rules
from gamification.tiers import rules as tier_rules
from schema.order_events import OrderEventType
from schema.programme import ClawBack, ExpiryRounding, ExpiryUnit
from schema.scalars import Fen, Points
from schema.tiers import TierDowngrade, TierMetric, TierRounding, TierWindow


def value_of(choice: Enum) -> Any:
    """What the product calls a member of an enum."""
    return choice.value


def _chosen(choice: Enum | None, usual: str) -> Any:
    """What the product calls a member of an enum, or the usual one."""
    return usual if choice is None else choice.value


@strawberry.input(description="How long points live once they are usable.")
class PointsExpiryInput:
    count: int = strawberry.field(
        description="How many units after the day on which they became usable, 1 to 3660; with dates 0 to 3660, as the"
        " least that they live."
    )
    unit: ExpiryUnit = strawberry.field(description="What is counted.")
    round_to_end_of: ExpiryRounding = strawberry.field(
        description="They stay usable to the end of this period; DAY where dates are listed."
    )
    dates: list[str] = strawberry.field(
        default_factory=list,
        description="They stay usable to the end of the first of these days from then on, each MM-DD, or DD of every"
        " month; a day that its month lacks is the month's last. At most 24.",
    )
    sliding: bool = strawberry.field(
        default=False,
        description="Whether earning or using points counts their life anew from that business day; not with dates.",
    )

    def body(self) -> points_rules.Expiry:
        """The expiry as the product knows it, unchecked."""
        unit, rounding = value_of(self.unit), value_of(self.round_to_end_of)
        return points_rules.Expiry(self.count, unit, rounding, tuple(self.dates), self.sliding)


@strawberry.input(description="How points live and die. They wait for days, for an event or for dates, or not at all.")
class PointsPolicyInput:
    expiry: PointsExpiryInput | None = strawberry.field(
        default=None, description="How long they live; null or left out for points without end."
    )
    activation_days: int = strawberry.field(
        default=0, description="Business days until they become usable, 0 to 366; 0 for at once."
    )
    claw_back: ClawBack = strawberry.field(description="How far a refund takes them back.")
    activation_event: OrderEventType | None = strawberry.field(
        default=None, description="What points of an order wait for; points of no order do not wait for it."
    )
    activation_event_days: int = strawberry.field(
        default=0, description="Business days after the event until they become usable, 0 to 366; 0 for at once."
    )
    activation_latest_days: int = strawberry.field(
        default=30,
        description="Business days after which points that wait for an event become usable although none was told, 1"
        " to 366, and not before the days after the event.",
    )
    activation_dates: list[str] = strawberry.field(
        default_factory=list,
        description="They become usable at the start of the next of these days, each MM-DD, or DD of every month; a"
        " day that its month lacks is the month's last. At most 24.",
    )
    notice_days: list[int] = strawberry.field(
        default_factory=lambda: [30, 7, 1],
        description="How many business days before their last one members are told that they end: at most 5"
        " numbers of 1 to 90, each once; empty for no notices.",
    )

    def body(self) -> points_rules.PointsPolicy:
        """The policy as the product knows it, unchecked."""
        return points_rules.PointsPolicy(
            self.expiry.body() if self.expiry else points_rules.Expiry(),
            self.activation_days,
            value_of(self.claw_back),
            value_of(self.activation_event) if self.activation_event else None,
            self.activation_event_days,
            self.activation_latest_days,
            tuple(self.activation_dates),
            tuple(self.notice_days),
        )


@strawberry.input(description="A step of the monthly ladder.")
class LadderStepInput:
    from_fen: Fen = strawberry.field(description="The month's net spend, in fen, from which it is reached; 0 or more.")
    rate_bp: int = strawberry.field(
        description="The rate of the whole month's spend in basis points, 0 to 100000; 100 = 1 %."
    )


@strawberry.input(description="What spending earns. Rates are in basis points of the fen paid: 100 = 1 point per yuan.")
class EarningPolicyInput:
    points_rate_bp: int = strawberry.field(description="Points for every order, 0 to 100000 basis points.")
    growth_rate_bp: int = strawberry.field(description="Growth for every order, 0 to 100000 basis points.")
    ladder: list[LadderStepInput] = strawberry.field(
        description="What a whole month's spend earns: at most 20 steps, each starting later and paying more than the"
        " one before; empty for no ladder."
    )

    def body(self) -> earning_rules.EarningPolicy:
        """The policy as the product knows it, unchecked."""
        steps = tuple(earning_rules.LadderStep(step.from_fen, step.rate_bp) for step in self.ladder)
        return earning_rules.EarningPolicy(self.points_rate_bp, self.growth_rate_bp, steps)


@strawberry.input(description="How points pay for orders; 1 point is 1 fen.")
class DeductionPolicyInput:
    step_points: Points = strawberry.field(description="Points are used in steps of so many, 1 to 1000000.")
    share_max_bp: int = strawberry.field(
        description="The part of what an order's lines cost that points may pay, 0 to 10000 basis points."
    )
    quote_minutes: int = strawberry.field(description="For how long a quote stands, 1 to 60 minutes.")
    hold_minutes: int = strawberry.field(
        description="After how long a hold ends by itself where the till names no time, 1 to 10080 minutes."
    )

    def body(self) -> points_rules.DeductionPolicy:
        """The policy as the product knows it, unchecked."""
        return points_rules.DeductionPolicy(
            int(self.step_points), self.share_max_bp, self.quote_minutes, self.hold_minutes
        )


@strawberry.input(description="A tier of a set.")
class TierInput:
    code: str = strawberry.field(description="Stable, for programs: 1 to 20 capitals, digits or _, each code once.")
    name_zh: str = strawberry.field(description="The name in Chinese, 1 to 40 characters.")
    name_en: str = strawberry.field(description="The name in English, 1 to 40 characters.")
    threshold: Points = strawberry.field(
        description="The value of the metric from which it is reached; 0 for the lowest."
    )
    retention: Points | None = strawberry.field(
        default=None, description="The value that keeps it when it ends, 0 to the threshold; null for the threshold."
    )
    purchase_sku: str | None = strawberry.field(
        default=None, description="Who pays an order line of this SKU has the tier; null where it cannot be bought."
    )
    purchase_months: int = strawberry.field(default=12, description="For so many months a piece, 1 to 120.")


@strawberry.input(description="Which tiers there are, what they are measured by, and when they end.")
class TierPolicyInput:
    tiers: list[TierInput] = strawberry.field(description="1 to 20 tiers, the lowest first, with rising thresholds.")
    metric: TierMetric | None = strawberry.field(
        default=None, description="What they are measured by; GROWTH when left out."
    )
    window: TierWindow | None = strawberry.field(default=None, description="Over which time; LIFETIME when left out.")
    window_months: int = strawberry.field(default=12, description="Months of ROLLING_MONTHS, 1 to 120.")
    validity_months: int | None = strawberry.field(
        default=None, description="Months for which a tier holds, 1 to 120; null for ever."
    )
    validity_rounds_to: TierRounding | None = strawberry.field(
        default=None, description="It holds to the end of this period; DAY when left out."
    )
    downgrade: TierDowngrade | None = strawberry.field(
        default=None, description="Where who falls short goes when it ends; NONE when left out."
    )
    grace_days: int = strawberry.field(default=0, description="Days to make up what is missing, 0 to 366.")
    refund_days: int = strawberry.field(
        default=0,
        description="A refund within so many days of an upgrade is judged as if what went back had never been paid, 0"
        " to 366; 0 where a refund takes no tier away.",
    )

    def body(self) -> tier_rules.TierPolicy:
        """The policy as the product knows it, unchecked."""
        tiers = tuple(
            tier_rules.Tier(
                tier.code, tier.name_zh, tier.name_en, int(tier.threshold),
                None if tier.retention is None else int(tier.retention), tier.purchase_sku, tier.purchase_months,
            )
            for tier in self.tiers
        )  # fmt: skip
        return tier_rules.TierPolicy(
            tiers, _chosen(self.metric, "GROWTH"), _chosen(self.window, "LIFETIME"), self.window_months,
            self.validity_months, _chosen(self.validity_rounds_to, "DAY"), _chosen(self.downgrade, "NONE"),
            self.grace_days, self.refund_days,
        )  # fmt: skip


@strawberry.input(description="What one tier gives; what is left out it does not give.")
class TierBenefitsInput:
    tier_code: str = strawberry.field(description="The tier's code, each once.")
    multiplier_bp: int = strawberry.field(
        default=10_000, description="What its members' orders earn, in basis points: 10000 to 50000."
    )
    discount_bp: int = strawberry.field(default=0, description="What is taken off, in basis points: 0 to 10000.")
    discount_uses_per_month: int | None = strawberry.field(
        default=None, description="How often a month, 0 to 10000; null for any number."
    )
    free_deliveries_per_month: int | None = strawberry.field(
        default=0, description="How often a month, 0 to 10000; null for any number."
    )
    birthday_points: Points = strawberry.field(
        default=Points(0), description="The gift for a birthday, once a year: 0 to 1000000."
    )
    entry_points: Points = strawberry.field(
        default=Points(0), description="The gift for entering the tier, once for ever: 0 to 1000000."
    )
    early_access_minutes: int = strawberry.field(
        default=0, description="How long before others its members may enter: 0 to 43200."
    )
    priority_service: bool = strawberry.field(default=False, description="Whether its members are served first.")


@strawberry.input(description="What each tier gives; a tier that is not named gives nothing.")
class BenefitsPolicyInput:
    tiers: list[TierBenefitsInput] = strawberry.field(description="At most 20 tiers.")

    def body(self) -> benefit_rules.BenefitsPolicy:
        """The policy as the product knows it, unchecked."""
        return benefit_rules.BenefitsPolicy(
            tuple(
                benefit_rules.TierBenefits(
                    tier.tier_code, tier.multiplier_bp, tier.discount_bp, tier.discount_uses_per_month,
                    tier.free_deliveries_per_month, int(tier.birthday_points), int(tier.entry_points),
                    tier.early_access_minutes, tier.priority_service,
                )
                for tier in self.tiers
            )
        )  # fmt: skip


@strawberry.input(description="What checking in pays.")
class CheckInPolicyInput:
    daily_points: list[Points] = strawberry.field(
        description="Points by day of the cycle, 0 to 100000 each; the cycle is as long as the list, 1 to 31 days."
    )

    def body(self) -> checkin_rules.CheckInPolicy:
        """The policy as the product knows it, unchecked."""
        return checkin_rules.CheckInPolicy(tuple(self.daily_points))


@strawberry.input(description="What holds for draws whose plan does not say otherwise.")
class DrawsPolicyInput:
    ticket_points: Points = strawberry.field(description="What a ticket costs, in points; at least 1.")
    prize_points_max: Points | None = strawberry.field(
        default=None, description="What all prizes of a draw may come to, in points; null for any."
    )

    def body(self) -> draw_rules.DrawsPolicy:
        """The policy as the product knows it, unchecked."""
        return draw_rules.DrawsPolicy(self.ticket_points, self.prize_points_max)


@strawberry.input(description="How far staff adjust points, growth and debt alone.")
class AdjustmentsPolicyInput:
    approval_above_points: Points = strawberry.field(
        description="One adjustment of more than this needs a second person; 0 for every one."
    )
    points_max: Points = strawberry.field(
        description="The most that one adjustment moves, whoever approves; at least 1."
    )
    points_per_staff_day_max: Points | None = strawberry.field(
        default=None,
        description="What one member of staff moves alone in a business day, up and down added up; null for any.",
    )
    proposal_days: int = strawberry.field(
        description="A proposal lapses at the end of the business day so many days after its own, 1 to 90."
    )

    def body(self) -> adjustment_rules.AdjustmentsPolicy:
        """The policy as the product knows it, unchecked."""
        return adjustment_rules.AdjustmentsPolicy(
            self.approval_above_points, self.points_max, self.points_per_staff_day_max, self.proposal_days
        )
