"""The programme's terms as anybody may read them: how points live, what spending and checking in earn, the tiers."""

from enum import Enum
from typing import TypeVar

import strawberry

from gamification.checkins import rules as checkin_rules
from gamification.core.calendar import month_of
from gamification.core.policy import Policy
from gamification.earning import rules as earning_rules
from gamification.points import rules as points_rules
from gamification.tiers import rules as tier_rules
from schema.context import Context, Info
from schema.order_events import OrderEventType
from schema.scalars import Fen, Points
from schema.tiers import Tier, tier_of

P = TypeVar("P", bound=Policy)


@strawberry.enum(description="What the length of points' life is counted in.")
class ExpiryUnit(Enum):
    DAY = strawberry.enum_value("day", description="Business days.")
    MONTH = strawberry.enum_value("month", description="Calendar months.")
    YEAR = strawberry.enum_value("year", description="Calendar years.")


@strawberry.enum(description="The period at whose end points expire.")
class ExpiryRounding(Enum):
    DAY = strawberry.enum_value("day", description="The day itself: not rounded.")
    MONTH = strawberry.enum_value("month", description="The month in which they would expire.")
    QUARTER = strawberry.enum_value("quarter", description="The quarter of the year in which they would expire.")
    YEAR = strawberry.enum_value("year", description="The year in which they would expire.")


@strawberry.enum(description="How far points of refunded purchases are taken back.")
class ClawBack(Enum):
    PENDING_ONLY = strawberry.enum_value("PENDING_ONLY", description="Only while they are pending.")
    TO_ZERO = strawberry.enum_value("TO_ZERO", description="As far as the balance goes.")
    TO_DEBT = strawberry.enum_value("TO_DEBT", description="All; what the balance lacks becomes debt.")


@strawberry.type(description="How long points live once they are usable.")
class PointsExpiry:
    count: int = strawberry.field(description="How many units after the day on which they became usable.")
    unit: ExpiryUnit = strawberry.field(description="What is counted.")
    round_to_end_of: ExpiryRounding = strawberry.field(description="They stay usable to the end of this period.")
    dates: list[str] = strawberry.field(
        description="They stay usable to the end of the first of these days from then on, each MM-DD, or DD of every"
        " month; empty for none."
    )
    sliding: bool = strawberry.field(
        description="Whether earning or using points counts their life anew from that business day."
    )


@strawberry.type(description="How points live and die.")
class PointsPolicy:
    expiry: PointsExpiry | None = strawberry.field(description="How long they live; null for points without end.")
    activation_days: int = strawberry.field(description="Business days until they become usable; 0 for at once.")
    claw_back: ClawBack = strawberry.field(description="How far a refund takes them back.")
    activation_event: OrderEventType | None = strawberry.field(
        description="What points of an order wait for; null where they wait for no event."
    )
    activation_event_days: int = strawberry.field(
        description="Business days after the event until they become usable; 0 for at once."
    )
    activation_latest_days: int = strawberry.field(
        description="Business days after which points that wait for an event become usable although none was told."
    )
    activation_dates: list[str] = strawberry.field(
        description="They become usable at the start of the next of these days, each MM-DD, or DD of every month;"
        " empty for none."
    )
    notice_days: list[int] = strawberry.field(
        description="How many business days before their last one members are told that they end."
    )

    @classmethod
    def of(cls, body: points_rules.PointsPolicy) -> "PointsPolicy":
        expiry = body.expiry
        return cls(
            expiry=None
            if expiry.count is None and not expiry.dates
            else PointsExpiry(
                count=expiry.count or 0,
                unit=ExpiryUnit(expiry.unit),
                round_to_end_of=ExpiryRounding(expiry.round_to_end_of),
                dates=list(expiry.dates),
                sliding=expiry.sliding,
            ),
            activation_days=body.activation_days,
            claw_back=ClawBack(body.claw_back),
            activation_event=OrderEventType(body.activation_event) if body.activation_event else None,
            activation_event_days=body.activation_event_days,
            activation_latest_days=body.activation_latest_days,
            activation_dates=list(body.activation_dates),
            notice_days=list(body.notice_days),
        )


@strawberry.type(description="How points pay for orders; 1 point is 1 fen.")
class DeductionPolicy:
    step_points: Points = strawberry.field(description="Points are used in steps of so many.")
    share_max_bp: int = strawberry.field(
        description="The part of what an order's lines cost that points may pay, in basis points (10000 = all)."
    )
    quote_minutes: int = strawberry.field(description="For how many minutes a quote stands.")
    hold_minutes: int = strawberry.field(description="After how many minutes a hold ends by itself, usually.")

    @classmethod
    def of(cls, body: points_rules.DeductionPolicy) -> "DeductionPolicy":
        return cls(
            step_points=Points(body.step_points),
            share_max_bp=body.share_max_bp,
            quote_minutes=body.quote_minutes,
            hold_minutes=body.hold_minutes,
        )


@strawberry.type(description="A step of the monthly ladder.")
class LadderStep:
    from_fen: Fen = strawberry.field(description="The month's net spend, in fen, from which the step is reached.")
    rate_bp: int = strawberry.field(description="The rate of the whole month's spend, in basis points (100 = 1 %).")


@strawberry.type(description="What spending earns. Rates are in basis points of the fen paid: 100 = 1 point per yuan.")
class EarningPolicy:
    points_rate_bp: int = strawberry.field(description="Points for every order, in basis points.")
    growth_rate_bp: int = strawberry.field(description="Growth for every order, in basis points.")
    ladder: list[LadderStep] = strawberry.field(
        description="What a whole month's spend earns, the lowest step first; empty where there is no ladder."
    )

    @classmethod
    def of(
        cls, body: earning_rules.EarningPolicy, ladder: tuple[earning_rules.LadderStep, ...] | None = None
    ) -> "EarningPolicy":
        """The rates of a policy with its ladder, or with another one that is pinned."""
        steps = body.ladder if ladder is None else ladder
        return cls(
            points_rate_bp=body.points_rate_bp,
            growth_rate_bp=body.growth_rate_bp,
            ladder=[LadderStep(from_fen=Fen(step.from_fen), rate_bp=step.rate_bp) for step in steps],
        )


@strawberry.type(description="What a day of the check-in cycle pays.")
class CycleDayReward:
    cycle_day: int = strawberry.field(description="The day of the cycle, from 1.")
    points: Points = strawberry.field(description="The points it pays.")


@strawberry.type(description="What checking in pays. The cycle begins again after its last day.")
class CheckInPolicy:
    cycle_days: int = strawberry.field(description="How many days the cycle has.")
    rewards: list[CycleDayReward] = strawberry.field(description="What each day of the cycle pays, the first first.")

    @classmethod
    def of(cls, body: checkin_rules.CheckInPolicy) -> "CheckInPolicy":
        return cls(
            cycle_days=body.cycle_days,
            rewards=[
                CycleDayReward(cycle_day=day, points=Points(each))
                for day, each in enumerate(body.daily_points, start=1)
            ],
        )


def in_force(policy: type[P], context: Context) -> P | None:
    """The policy in force now, or None while none is published: the first of a kind holds since ever."""
    policies = context.work.policies
    return policies.at(policy, context.now).body if policies.latest(policy) else None


@strawberry.type(description="The terms of the programme at this moment. What is not published yet is null.")
class Programme:
    @strawberry.field(description="How points live and die.")
    def points(self, info: Info) -> PointsPolicy | None:
        body = in_force(points_rules.PointsPolicy, info.context)
        return PointsPolicy.of(body) if body else None

    @strawberry.field(description="How points pay for orders.")
    def deduction(self, info: Info) -> DeductionPolicy | None:
        body = in_force(points_rules.DeductionPolicy, info.context)
        return DeductionPolicy.of(body) if body else None

    @strawberry.field(description="What spending earns; the ladder is the one that this month began with.")
    def earning(self, info: Info) -> EarningPolicy | None:
        body = in_force(earning_rules.EarningPolicy, info.context)
        if body is None:
            return None
        work, now = info.context.work, info.context.now
        month_start = work.calendar.starts_at(month_of(work.calendar.business_date(now)))
        return EarningPolicy.of(body, work.policies.at(earning_rules.EarningPolicy, month_start).body.ladder)

    @strawberry.field(description="The tiers, the lowest first, named in the caller's language.")
    def tiers(self, info: Info) -> list[Tier] | None:
        body = in_force(tier_rules.TierPolicy, info.context)
        return [tier_of(each, info.context.locale) for each in body.tiers] if body else None

    @strawberry.field(description="What checking in pays.")
    def check_ins(self, info: Info) -> CheckInPolicy | None:
        body = in_force(checkin_rules.CheckInPolicy, info.context)
        return CheckInPolicy.of(body) if body else None


@strawberry.type
class ProgrammeQuery:
    @strawberry.field(description="The terms of the programme; anybody may read them.")
    def programme(self) -> Programme:
        return Programme()
