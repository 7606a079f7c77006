"""Published policies as staff read them: versions that never change, each with what it says."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import strawberry
from strawberry import relay

from gamification.adjustments import rules as adjustment_rules
from gamification.benefits import rules as benefit_rules
from gamification.checkins import rules as checkin_rules
from gamification.core import policy as core
from gamification.core import publications
from gamification.draws import rules as draw_rules
from gamification.earning import rulebook
from gamification.earning import rules as earning_rules
from gamification.points import rules as points_rules
from gamification.tiers import rules as tier_rules
from schema.earning_rules import RuleDefinition
from schema.nodes import number_of
from schema.permissions import Allow
from schema.permissions import Staff as IsStaff
from schema.programme import CheckInPolicy, DeductionPolicy, EarningPolicy, PointsPolicy
from schema.scalars import Points
from schema.sessions import admits
from schema.tiers import TierDowngrade, TierMetric, TierRounding, TierWindow

READERS = Allow(IsStaff("owner", "operator", "auditor"))


@strawberry.enum(description="What a policy is about.")
class PolicyKind(Enum):
    POINTS = strawberry.enum_value("points", description="How points live and die.")
    DEDUCTION = strawberry.enum_value("deduction", description="How points pay for orders.")
    EARNING = strawberry.enum_value("earning", description="What spending earns.")
    TIERS = strawberry.enum_value("tiers", description="Which tiers there are.")
    CHECK_INS = strawberry.enum_value("checkins", description="What checking in pays.")
    DRAWS = strawberry.enum_value("draws", description="What tickets of draws cost.")
    RULES = strawberry.enum_value("rules", description="Which earning rules pay; see publishEarningRule.")
    BENEFITS = strawberry.enum_value("benefits", description="What each tier gives.")
    ADJUSTMENTS = strawberry.enum_value("adjustments", description="How far staff adjust alone.")


@strawberry.type(description="A tier as a policy defines it.")
class TierDefinition:
    code: str = strawberry.field(description="Stable, for programs.")
    name_zh: str = strawberry.field(description="The name in Chinese.")
    name_en: str = strawberry.field(description="The name in English.")
    threshold: Points = strawberry.field(description="The value of the metric from which it is reached.")
    retention: Points | None = strawberry.field(description="The value that keeps it; null for the threshold.")
    purchase_sku: str | None = strawberry.field(description="The SKU that buys it; null where it cannot be bought.")
    purchase_months: int = strawberry.field(description="For how many months a piece.")


@strawberry.type(description="Which tiers there are, what they are measured by, and when they end.")
class TierPolicy:
    tiers: list[TierDefinition] = strawberry.field(description="The tiers, the lowest first.")
    metric: TierMetric = strawberry.field(description="What they are measured by.")
    window: TierWindow = strawberry.field(description="Over which time.")
    window_months: int = strawberry.field(description="Months of ROLLING_MONTHS.")
    validity_months: int | None = strawberry.field(description="Months for which a tier holds; null for ever.")
    validity_rounds_to: TierRounding = strawberry.field(description="It holds to the end of this period.")
    downgrade: TierDowngrade = strawberry.field(description="Where who falls short goes when it ends.")
    grace_days: int = strawberry.field(description="Days to make up what is missing.")
    refund_days: int = strawberry.field(description="Days after an upgrade in which a refund is judged anew.")

    @classmethod
    def of(cls, body: tier_rules.TierPolicy) -> "TierPolicy":
        return cls(
            tiers=[
                TierDefinition(
                    code=tier.code,
                    name_zh=tier.name_zh,
                    name_en=tier.name_en,
                    threshold=Points(tier.threshold),
                    retention=None if tier.retention is None else Points(tier.retention),
                    purchase_sku=tier.purchase_sku,
                    purchase_months=tier.purchase_months,
                )
                for tier in body.tiers
            ],
            metric=TierMetric(body.metric),
            window=TierWindow(body.window),
            window_months=body.window_months,
            validity_months=body.validity_months,
            validity_rounds_to=TierRounding(body.validity_rounds_to),
            downgrade=TierDowngrade(body.downgrade),
            grace_days=body.grace_days,
            refund_days=body.refund_days,
        )


@strawberry.type(description="What holds for draws whose plan does not say otherwise.")
class DrawsPolicy:
    ticket_points: Points = strawberry.field(description="What a ticket costs, in points.")
    prize_points_max: Points | None = strawberry.field(
        description="What all prizes of a draw may come to, in points; null for any."
    )

    @classmethod
    def of(cls, body: draw_rules.DrawsPolicy) -> "DrawsPolicy":
        most = body.prize_points_max
        return cls(ticket_points=Points(body.ticket_points), prize_points_max=None if most is None else Points(most))


@strawberry.type(description="How far staff adjust points, growth and debt alone.")
class AdjustmentsPolicy:
    approval_above_points: Points = strawberry.field(
        description="One adjustment of more than this needs a second person; 0 for every one."
    )
    points_max: Points = strawberry.field(description="The most that one adjustment moves, whoever approves.")
    points_per_staff_day_max: Points | None = strawberry.field(
        description="What one member of staff moves alone in a business day, up and down added up; null for any."
    )
    proposal_days: int = strawberry.field(
        description="A proposal lapses at the end of the business day so many days after its own."
    )

    @classmethod
    def of(cls, body: adjustment_rules.AdjustmentsPolicy) -> "AdjustmentsPolicy":
        most = body.points_per_staff_day_max
        return cls(
            approval_above_points=Points(body.approval_above_points),
            points_max=Points(body.points_max),
            points_per_staff_day_max=None if most is None else Points(most),
            proposal_days=body.proposal_days,
        )


@strawberry.type(description="The earning rules that pay, all together.")
class RulesPolicy:
    rules: list[RuleDefinition] = strawberry.field(description="The rules by code.")

    @classmethod
    def of(cls, body: rulebook.RulesPolicy) -> "RulesPolicy":
        return cls(rules=[RuleDefinition.of(rule) for rule in body.rules])


@strawberry.type(description="What one tier gives.")
class TierBenefits:
    tier_code: str = strawberry.field(description="The tier's code.")
    multiplier_bp: int = strawberry.field(description="What orders earn, in basis points: 15000 is 1.5 times.")
    discount_bp: int = strawberry.field(description="What is taken off, in basis points: 500 is 5 %.")
    discount_uses_per_month: int | None = strawberry.field(description="How often; null for any number.")
    free_deliveries_per_month: int | None = strawberry.field(description="How often; null for any number, 0 for none.")
    birthday_points: Points = strawberry.field(description="The gift for a birthday, once a year.")
    entry_points: Points = strawberry.field(description="The gift for entering the tier, once for ever.")
    early_access_minutes: int = strawberry.field(description="How long before others its members may enter.")
    priority_service: bool = strawberry.field(description="Whether its members are served first.")


@strawberry.type(description="What each tier gives; a tier that is not named gives nothing.")
class BenefitsPolicy:
    tiers: list[TierBenefits] = strawberry.field(description="The tiers that give something.")

    @classmethod
    def of(cls, body: benefit_rules.BenefitsPolicy) -> "BenefitsPolicy":
        return cls(
            tiers=[
                TierBenefits(
                    tier_code=tier.tier_code,
                    multiplier_bp=tier.multiplier_bp,
                    discount_bp=tier.discount_bp,
                    discount_uses_per_month=tier.discount_uses_per_month,
                    free_deliveries_per_month=tier.free_deliveries_per_month,
                    birthday_points=Points(tier.birthday_points),
                    entry_points=Points(tier.entry_points),
                    early_access_minutes=tier.early_access_minutes,
                    priority_service=tier.priority_service,
                )
                for tier in body.tiers
            ]
        )


PolicyBody = Annotated[
    PointsPolicy
    | DeductionPolicy
    | EarningPolicy
    | RulesPolicy
    | BenefitsPolicy
    | TierPolicy
    | CheckInPolicy
    | DrawsPolicy
    | AdjustmentsPolicy,
    strawberry.union("PolicyBody", description="What a policy says; its type depends on the kind."),
]


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of policy: the product's body and how it is shown."""

    body: type[core.Policy]
    show: Callable[[Any], Any]


FORMS: Mapping[PolicyKind, Form] = {
    PolicyKind.POINTS: Form(points_rules.PointsPolicy, PointsPolicy.of),
    PolicyKind.DEDUCTION: Form(points_rules.DeductionPolicy, DeductionPolicy.of),
    PolicyKind.EARNING: Form(earning_rules.EarningPolicy, EarningPolicy.of),
    PolicyKind.RULES: Form(rulebook.RulesPolicy, RulesPolicy.of),
    PolicyKind.TIERS: Form(tier_rules.TierPolicy, TierPolicy.of),
    PolicyKind.BENEFITS: Form(benefit_rules.BenefitsPolicy, BenefitsPolicy.of),
    PolicyKind.CHECK_INS: Form(checkin_rules.CheckInPolicy, CheckInPolicy.of),
    PolicyKind.DRAWS: Form(draw_rules.DrawsPolicy, DrawsPolicy.of),
    PolicyKind.ADJUSTMENTS: Form(adjustment_rules.AdjustmentsPolicy, AdjustmentsPolicy.of),
}
KINDS = [form.body.kind for form in FORMS.values()]


@strawberry.type(description="A published version of a policy; it never changes.")
class PolicyVersion(relay.Node):
    id: relay.NodeID[int]
    kind: PolicyKind = strawberry.field(description="What it is about.")
    version: int = strawberry.field(description="Its number among its kind: 1, 2, 3 … without gaps.")
    effective_from: datetime | None = strawberry.field(
        description="When it takes effect, until the next one does; null for the first, which holds since ever."
    )
    published_at: datetime = strawberry.field(description="When it was published.")
    published_by: str = strawberry.field(description="Who published it, such as staff:0198….")
    hash: str = strawberry.field(description="SHA-256 of the body as stored, 64 hexadecimal digits.")
    stored: strawberry.Private[str]

    @classmethod
    def of(cls, row: publications.PolicyLine) -> "PolicyVersion":
        return cls(
            id=row.revision,
            kind=PolicyKind(row.kind),
            version=row.version,
            effective_from=row.effective_from,
            published_at=row.published_at,
            published_by=row.published_by,
            hash=row.hash.hex(),
            stored=row.body,
        )

    @strawberry.field(description="What it says.")
    def body(self) -> PolicyBody:
        form = FORMS[self.kind]
        body: PolicyBody = form.show(core.adapter(form.body).validate_json(self.stored))
        return body

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        numbers = [number_of(each) for each in node_ids]
        if not admits(READERS, info):
            return [None for _ in numbers]
        found = [await info.context.load(publications.policies_by_revisions, each) for each in numbers]
        return [cls.of(row) if row is not None and row.kind in KINDS else None for row in found]
