"""Publishing over GraphQL: a good input of every kind, what it is stored as, how it is shown."""

from __future__ import annotations

from typing import Any

from tests.staff.rooms import Office

PUBLISHED = """__typename ... on PolicyPublished { kind version effectiveFrom hash isPreview }
    ... on Refusal { code message } ... on PolicyInvalid { kind path reason problems }
    ... on PolicyInThePast { kind earliest }"""


def mutation(field: str, input_type: str) -> str:
    return f"""mutation ($input: {input_type}!, $from: DateTime, $preview: Boolean! = false) {{
        {field}(input: $input, effectiveFrom: $from, preview: $preview) {{ {PUBLISHED} }} }}"""


PUBLISH = {
    "POINTS": mutation("publishPointsPolicy", "PointsPolicyInput"),
    "EARNING": mutation("publishEarningPolicy", "EarningPolicyInput"),
    "TIERS": mutation("publishTierPolicy", "TierPolicyInput"),
    "CHECK_INS": mutation("publishCheckInPolicy", "CheckInPolicyInput"),
    "DRAWS": mutation("publishDrawsPolicy", "DrawsPolicyInput"),
    "BENEFITS": mutation("publishBenefitsPolicy", "BenefitsPolicyInput"),
    "ADJUSTMENTS": mutation("publishAdjustmentsPolicy", "AdjustmentsPolicyInput"),
}
TIERS = [
    {
        "code": "BASIC",
        "nameZh": "普通会员",
        "nameEn": "Basic",
        "threshold": 0,
        "retention": None,
        "purchaseSku": None,
        "purchaseMonths": 12,
    },
    {
        "code": "SILVER",
        "nameZh": "银卡会员",
        "nameEn": "Silver",
        "threshold": 1000,
        "retention": 800,
        "purchaseSku": "silver-card",
        "purchaseMonths": 3,
    },
]
TERMS = {
    "metric": "NET_SPEND",
    "window": "ROLLING_MONTHS",
    "windowMonths": 6,
    "validityMonths": 12,
    "validityRoundsTo": "YEAR",
    "downgrade": "TO_QUALIFIED",
    "graceDays": 14,
    "refundDays": 30,
}
LADDER = [{"fromFen": 10000, "rateBp": 100}, {"fromFen": 30000, "rateBp": 150}, {"fromFen": 50000, "rateBp": 200}]
EXPIRY = {"count": 12, "unit": "MONTH", "roundToEndOf": "QUARTER", "dates": [], "sliding": True}
NO_MODES = {
    "activationEvent": None,
    "activationEventDays": 0,
    "activationLatestDays": 30,
    "activationDates": [],
    "noticeDays": [30, 7, 1],
}
"""What a points policy has that names none of them."""
GOLD = {
    "tierCode": "GOLD",
    "multiplierBp": 15_000,
    "discountBp": 500,
    "discountUsesPerMonth": 4,
    "freeDeliveriesPerMonth": None,
    "birthdayPoints": 200,
    "entryPoints": 0,
    "earlyAccessMinutes": 60,
    "priorityService": True,
}
GOOD: dict[str, dict[str, Any]] = {
    "BENEFITS": {"tiers": [GOLD]},
    "POINTS": {
        "expiry": EXPIRY,
        "activationDays": 0,
        "clawBack": "TO_ZERO",
        "activationEvent": "RECEIVED",
        "activationEventDays": 7,
        "activationLatestDays": 21,
        "activationDates": [],
        "noticeDays": [14, 3],
    },
    "EARNING": {"pointsRateBp": 100, "growthRateBp": 50, "ladder": LADDER},
    "TIERS": {"tiers": TIERS, **TERMS},
    "CHECK_INS": {"dailyPoints": [5, 0, 20]},
    "DRAWS": {"ticketPoints": 30, "prizePointsMax": 90_000},
    "ADJUSTMENTS": {
        "approvalAbovePoints": 500,
        "pointsMax": 20_000,
        "pointsPerStaffDayMax": None,
        "proposalDays": 5,
    },
}
STORED = {
    "BENEFITS": {
        "tiers": [
            {
                "tier_code": "GOLD",
                "multiplier_bp": 15_000,
                "discount_bp": 500,
                "discount_uses_per_month": 4,
                "free_deliveries_per_month": None,
                "birthday_points": 200,
                "entry_points": 0,
                "early_access_minutes": 60,
                "priority_service": True,
            }
        ]
    },
    "POINTS": {
        "activation_dates": [],
        "activation_days": 0,
        "activation_event": "RECEIVED",
        "activation_event_days": 7,
        "activation_latest_days": 21,
        "claw_back": "TO_ZERO",
        "expiry": {"count": 12, "dates": [], "round_to_end_of": "quarter", "sliding": True, "unit": "month"},
        "notice_days": [14, 3],
    },
    "EARNING": {
        "growth_rate_bp": 50,
        "ladder": [
            {"from_fen": 10000, "rate_bp": 100},
            {"from_fen": 30000, "rate_bp": 150},
            {"from_fen": 50000, "rate_bp": 200},
        ],
        "points_rate_bp": 100,
    },
    "TIERS": {
        "tiers": [
            {
                "code": "BASIC",
                "name_en": "Basic",
                "name_zh": "普通会员",
                "threshold": 0,
                "retention": None,
                "purchase_sku": None,
                "purchase_months": 12,
            },
            {
                "code": "SILVER",
                "name_en": "Silver",
                "name_zh": "银卡会员",
                "threshold": 1000,
                "retention": 800,
                "purchase_sku": "silver-card",
                "purchase_months": 3,
            },
        ],
        "metric": "NET_SPEND",
        "window": "ROLLING_MONTHS",
        "window_months": 6,
        "validity_months": 12,
        "validity_rounds_to": "YEAR",
        "downgrade": "TO_QUALIFIED",
        "grace_days": 14,
        "refund_days": 30,
    },
    "CHECK_INS": {"daily_points": [5, 0, 20]},
    "DRAWS": {"ticket_points": 30, "prize_points_max": 90_000},
    "ADJUSTMENTS": {
        "approval_above_points": 500,
        "points_max": 20_000,
        "points_per_staff_day_max": None,
        "proposal_days": 5,
    },
}
REWARDS = [{"cycleDay": 1, "points": 5}, {"cycleDay": 2, "points": 0}, {"cycleDay": 3, "points": 20}]
SHOWN = {**GOOD, "CHECK_INS": {"cycleDays": 3, "rewards": REWARDS}}
POINTS_TERMS = """expiry { count unit roundToEndOf dates sliding } activationDays clawBack
    activationEvent activationEventDays activationLatestDays activationDates noticeDays"""
BODY = f"""__typename ... on PointsPolicy {{ {POINTS_TERMS} }}
    ... on EarningPolicy {{ pointsRateBp growthRateBp ladder {{ fromFen rateBp }} }}
    ... on TierPolicy {{ tiers {{ code nameZh nameEn threshold retention purchaseSku purchaseMonths }} metric window
      windowMonths validityMonths validityRoundsTo downgrade graceDays refundDays }}
    ... on BenefitsPolicy {{ tiers {{ tierCode multiplierBp discountBp discountUsesPerMonth freeDeliveriesPerMonth
      birthdayPoints entryPoints earlyAccessMinutes priorityService }} }}
    ... on CheckInPolicy {{ cycleDays rewards {{ cycleDay points }} }}
    ... on DrawsPolicy {{ ticketPoints prizePointsMax }}
    ... on AdjustmentsPolicy {{ approvalAbovePoints pointsMax pointsPerStaffDayMax proposalDays }}"""
VERSION = f"id kind version effectiveFrom publishedAt publishedBy hash body {{ {BODY} }}"
POLICIES = f"""query ($kind: PolicyKind, $first: Int! = 20, $after: String) {{
    policies(kind: $kind, first: $first, after: $after) {{
        edges {{ cursor node {{ {VERSION} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
IN_FORCE = "query ($kind: PolicyKind!, $at: DateTime) { policyInForce(kind: $kind, at: $at) { version } }"
TUESDAY = "2026-03-03T00:00:00+08:00"
BODY_TYPES = {
    "BENEFITS": "BenefitsPolicy",
    "POINTS": "PointsPolicy",
    "EARNING": "EarningPolicy",
    "TIERS": "TierPolicy",
    "CHECK_INS": "CheckInPolicy",
    "DRAWS": "DrawsPolicy",
    "ADJUSTMENTS": "AdjustmentsPolicy",
}


async def publish(office: Office, kind: str, input: dict[str, Any] | None = None, **given: Any) -> Any:
    """The answer of a publication; `at` is when it takes effect."""
    variables = {"input": input or GOOD[kind], **given}
    if "at" in variables:
        variables["from"] = variables.pop("at")
    (answer,) = (await office.ask(PUBLISH[kind], **variables)).values()
    return answer
