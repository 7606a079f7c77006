"""Programmes that a new brand can start with: complete, and every figure of them is meant.

None pays for sharing: WeChat's platform rules forbid to reward it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from gamification.adjustments.rules import AdjustmentsPolicy
from gamification.benefits.rules import BenefitsPolicy, TierBenefits
from gamification.checkins.rules import CheckInPolicy
from gamification.draws.rules import DrawsPolicy
from gamification.earning.conditions import Condition
from gamification.earning.rulebook import Cap, Effect, LineBonus, Rule, RulesPolicy, Window
from gamification.earning.rules import EarningPolicy, LadderStep
from gamification.points.rules import DeductionPolicy, Expiry, PointsPolicy
from gamification.programmes.files import Programme
from gamification.tiers.rules import Tier, TierPolicy

PresetName = Literal["CONSERVATIVE_RETAIL", "COFFEE_SHOP", "BEAUTY"]

_PROFILE = Rule(
    "PROFILE", "完善资料", "Complete profile", "PROFILE_COMPLETED", Effect(fixed_points=50),
    caps=(Cap("LIFETIME", times=1),),
)  # fmt: skip
_BIRTHDAY_MONTH = Rule(
    "BIRTHDAY_MONTH", "生日月双倍", "Double in the birthday month", "ORDER_PAID", Effect(multiplier_bp=20_000),
    condition=Condition(birthday="MONTH"), group="birthday", caps=(Cap("MONTH", points=10_000),),
)  # fmt: skip

_CONSERVATIVE_RETAIL = Programme.of(
    PointsPolicy(
        expiry=Expiry(12, "month", "month"), activation_event="REFUND_WINDOW_CLOSED", activation_latest_days=15
    ),
    DeductionPolicy(step_points=100, share_max_bp=2_000),
    EarningPolicy(
        points_rate_bp=0, growth_rate_bp=100,
        ladder=(LadderStep(10_000, 50), LadderStep(30_000, 100), LadderStep(100_000, 150)),
    ),
    TierPolicy(
        (
            Tier("BASIC", "普通会员", "Basic", 0),
            Tier("SILVER", "银卡会员", "Silver", 300_000, retention=200_000),
            Tier("GOLD", "金卡会员", "Gold", 1_000_000, retention=800_000),
        ),
        metric="NET_SPEND", window="ROLLING_MONTHS", window_months=12, validity_months=12, validity_rounds_to="MONTH",
        downgrade="ONE_LEVEL", grace_days=30, refund_days=30,
    ),
    BenefitsPolicy(
        (
            TierBenefits("SILVER", birthday_points=100),
            TierBenefits("GOLD", free_deliveries_per_month=2, birthday_points=200, priority_service=True),
        )
    ),
    RulesPolicy(
        (
            Rule(
                "FIRST_ORDER", "首单有礼", "First order", "ORDER_PAID", Effect(fixed_points=100),
                condition=Condition(all=(Condition(first_order=True), Condition(amount_at_least_fen=10_000))),
                caps=(Cap("LIFETIME", times=1),),
            ),
            _PROFILE,
        )
    ),
    CheckInPolicy(daily_points=(1, 1, 1, 1, 1, 1, 4)),
    DrawsPolicy(ticket_points=50, prize_points_max=100_000),
    AdjustmentsPolicy(approval_above_points=500, points_max=50_000, points_per_staff_day_max=2_000, proposal_days=7),
)  # fmt: skip

_COFFEE_SHOP = Programme.of(
    PointsPolicy(expiry=Expiry(6, "month", "month", sliding=True)),
    DeductionPolicy(step_points=100, share_max_bp=10_000),
    EarningPolicy(points_rate_bp=300, growth_rate_bp=100),
    TierPolicy(
        (
            Tier("GUEST", "过客", "Guest", 0),
            Tier("REGULAR", "常客", "Regular", 10),
            Tier("ROASTER", "烘焙师", "Roaster", 40, retention=30),
        ),
        metric="ORDERS", window="ROLLING_MONTHS", window_months=3, validity_months=3, downgrade="TO_QUALIFIED",
        grace_days=7,
    ),
    BenefitsPolicy(
        (
            TierBenefits("REGULAR", multiplier_bp=12_000, birthday_points=300),
            TierBenefits(
                "ROASTER", multiplier_bp=15_000, discount_bp=1_000, discount_uses_per_month=8,
                birthday_points=600, entry_points=200, early_access_minutes=60,
            ),
        )
    ),
    RulesPolicy(
        (
            Rule(
                "BEANS", "咖啡豆加倍", "Beans pay more", "ORDER_PAID",
                Effect(line_bonus=LineBonus(category_in=("beans",), rate_bp=200)), caps=(Cap("MONTH", points=5_000),),
            ),
            Rule(
                "EARLY_BIRD", "早鸟", "Early bird", "ORDER_PAID", Effect(fixed_points=20),
                condition=Condition(amount_at_least_fen=1_500), window=Window(weekdays=(1, 2, 3, 4, 5), until_hour=10),
                caps=(Cap("DAY", times=1),),
            ),
            Rule(
                "MEMBERS_DAY", "会员日双倍", "Double on members' day", "ORDER_PAID", Effect(multiplier_bp=20_000),
                window=Window(days_of_month=(8, 18, 28)), group="days", caps=(Cap("DAY", points=500),),
            ),
            _BIRTHDAY_MONTH,
            _PROFILE,
        )
    ),
    CheckInPolicy(daily_points=(2, 2, 4, 2, 2, 4, 10)),
    DrawsPolicy(ticket_points=30, prize_points_max=50_000),
    AdjustmentsPolicy(approval_above_points=500, points_max=20_000, points_per_staff_day_max=2_000, proposal_days=3),
)  # fmt: skip

_BEAUTY = Programme.of(
    PointsPolicy(
        expiry=Expiry(12, "month", "year"), activation_event="RECEIVED", activation_event_days=7,
        activation_latest_days=30,
    ),
    DeductionPolicy(step_points=100, share_max_bp=5_000),
    EarningPolicy(
        points_rate_bp=50, growth_rate_bp=100,
        ladder=(LadderStep(10_000, 100), LadderStep(30_000, 150), LadderStep(50_000, 200)),
    ),
    TierPolicy(
        (
            Tier("BLOOM", "花蕾", "Bloom", 0),
            Tier("ROSE", "玫瑰", "Rose", 1_000, retention=800),
            Tier("PEONY", "牡丹", "Peony", 5_000, retention=4_000),
            Tier("ORCHID", "兰花", "Orchid", 20_000, retention=15_000, purchase_sku="orchid-card", purchase_months=12),
        ),
        metric="GROWTH", window="ROLLING_MONTHS", window_months=12, validity_months=12, validity_rounds_to="YEAR",
        downgrade="ONE_LEVEL", grace_days=30, refund_days=30,
    ),
    BenefitsPolicy(
        (
            TierBenefits("ROSE", multiplier_bp=11_000, birthday_points=500, entry_points=100),
            TierBenefits(
                "PEONY", multiplier_bp=12_500, discount_bp=300, discount_uses_per_month=2, free_deliveries_per_month=2,
                birthday_points=1_000, entry_points=300, early_access_minutes=120,
            ),
            TierBenefits(
                "ORCHID", multiplier_bp=15_000, discount_bp=500, discount_uses_per_month=4,
                free_deliveries_per_month=None, birthday_points=2_000, entry_points=1_000, early_access_minutes=720,
                priority_service=True,
            ),
        )
    ),
    RulesPolicy(
        (
            _BIRTHDAY_MONTH,
            Rule(
                "FIRST_ORDER", "首单有礼", "First order", "ORDER_PAID", Effect(fixed_points=300),
                condition=Condition(first_order=True), caps=(Cap("LIFETIME", times=1),),
            ),
            Rule(
                "NEW_MEMBER", "新会员加倍", "New members earn more", "ORDER_PAID", Effect(multiplier_bp=15_000),
                condition=Condition(joined_within_days=30), group="welcome", caps=(Cap("MONTH", points=3_000),),
            ),
            _PROFILE,
            Rule(
                "REVIEW", "评价有礼", "Review", "REVIEW", Effect(fixed_points=30),
                caps=(Cap("DAY", times=3), Cap("MONTH", points=600)),
            ),
            Rule(
                "SKINCARE", "护肤成长加倍", "Skincare grows faster", "ORDER_PAID",
                Effect(line_bonus=LineBonus(category_in=("skincare",), rate_bp=50)), currency="GROWTH",
            ),
        )
    ),
    CheckInPolicy(daily_points=(5, 5, 10, 5, 5, 10, 20)),
    DrawsPolicy(ticket_points=50, prize_points_max=200_000),
    AdjustmentsPolicy(approval_above_points=1_000, points_max=100_000, points_per_staff_day_max=5_000, proposal_days=7),
)  # fmt: skip

PRESETS: Mapping[PresetName, Programme] = {
    "CONSERVATIVE_RETAIL": _CONSERVATIVE_RETAIL,
    "COFFEE_SHOP": _COFFEE_SHOP,
    "BEAUTY": _BEAUTY,
}
"""Conservative retail gives little, late, and lets points pay for a fifth of an order at most; the coffee shop gives at
once for many small orders; beauty lives on tiers and repeat purchases."""
