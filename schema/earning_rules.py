"""Earning rules as GraphQL shows them to members and staff: what they ask, what they pay, and what they did."""

from datetime import date
from enum import Enum
from typing import Annotated, Any

import strawberry

from gamification.earning import conditions, rulebook
from gamification.earning.service import Verdict
from schema.points import Currency
from schema.scalars import Fen, Points


@strawberry.enum(description="What an earning rule pays for.")
class RuleTrigger(Enum):
    ORDER_PAID = strawberry.enum_value("ORDER_PAID", description="An order that was paid.")
    CHECK_IN = strawberry.enum_value("CHECK_IN", description="A check-in.")
    REVIEW = strawberry.enum_value("REVIEW", description="A review that was written.")
    SHARE = strawberry.enum_value("SHARE", description="Something that was shared.")
    PROFILE_COMPLETED = strawberry.enum_value("PROFILE_COMPLETED", description="A profile that was filled in.")
    CUSTOM = strawberry.enum_value("CUSTOM", description="An event of the brand's own, by its name.")


@strawberry.enum(description="What a cap is counted over, on the programme's calendar.")
class RulePeriod(Enum):
    DAY = strawberry.enum_value("DAY", description="A business day.")
    WEEK = strawberry.enum_value("WEEK", description="A week, from Monday.")
    MONTH = strawberry.enum_value("MONTH", description="A month.")
    LIFETIME = strawberry.enum_value("LIFETIME", description="For ever.")


@strawberry.enum(description="A yearly occasion.")
class RuleOccasion(Enum):
    DAY = strawberry.enum_value("DAY", description="The day itself; 29 February is the 28th in other years.")
    MONTH = strawberry.enum_value("MONTH", description="The month that it lies in.")


@strawberry.enum(description="Why a rule paid nothing.")
class RuleRefusal(Enum):
    OUTSIDE_WINDOW = strawberry.enum_value("OUTSIDE_WINDOW", description="It does not pay at that time.")
    OTHER_TIER = strawberry.enum_value("OTHER_TIER", description="It is for other tiers.")
    CONDITION_FALSE = strawberry.enum_value("CONDITION_FALSE", description="Its condition does not hold.")
    NOTHING_TO_EARN = strawberry.enum_value("NOTHING_TO_EARN", description="It would come to nothing.")
    COOLING_DOWN = strawberry.enum_value("COOLING_DOWN", description="The last time is too near.")
    CAP_REACHED = strawberry.enum_value("CAP_REACHED", description="The member has had all of it; `by` is the period.")
    BUDGET_SPENT = strawberry.enum_value("BUDGET_SPENT", description="Its budget is spent.")
    OUTRANKED = strawberry.enum_value("OUTRANKED", description="A better one of its group paid; `by` is its code.")


@strawberry.type(description="What an earning rule did with an activity, or would do.")
class RuleVerdict:
    code: str = strawberry.field(description="The rule's code.")
    name_zh: str = strawberry.field(description="Its name in Chinese.")
    name_en: str = strawberry.field(description="Its name in English.")
    currency: Currency = strawberry.field(description="What it pays.")
    points: Points = strawberry.field(description="What it paid; 0 where it was refused.")
    capped_from: Points | None = strawberry.field(description="What it would have paid; null where nothing was cut.")
    reason: RuleRefusal | None = strawberry.field(description="Why it paid nothing; null where it paid.")
    by: str | None = strawberry.field(
        description="What cut or refused it: DAY, WEEK, MONTH, LIFETIME or BUDGET, or the code of a better rule."
    )

    @classmethod
    def of(cls, verdict: Verdict) -> "RuleVerdict":
        capped = verdict.capped_from
        return cls(
            code=verdict.code,
            name_zh=verdict.name_zh,
            name_en=verdict.name_en,
            currency=Currency(verdict.currency),
            points=Points(verdict.points),
            capped_from=None if capped is None else Points(capped),
            reason=RuleRefusal(verdict.reason) if verdict.reason else None,
            by=verdict.by,
        )


@strawberry.type(description="A node of a rule's condition; exactly one field is not null.")
class RuleCondition:
    all: list["RuleCondition"] | None = strawberry.field(description="Every one of these holds.")
    any: list["RuleCondition"] | None = strawberry.field(description="At least one of these holds.")
    none: list["RuleCondition"] | None = strawberry.field(description="None of these holds.")
    amount_at_least_fen: Fen | None = strawberry.field(description="The cash that earns comes to this or more.")
    quantity_at_least: int | None = strawberry.field(description="The order has so many pieces or more.")
    sku_in: list[str] | None = strawberry.field(description="A line is one of these stock keeping units.")
    category_in: list[str] | None = strawberry.field(description="A line is of one of these categories.")
    channel_in: list[str] | None = strawberry.field(description="The order was placed in one of these channels.")
    store_in: list[str] | None = strawberry.field(description="The order was placed in one of these stores.")
    tier_in: list[str] | None = strawberry.field(description="The member is in one of these tiers.")
    first_order: bool | None = strawberry.field(description="It is the member's first order to arrive, or is not.")
    joined_within_days: int | None = strawberry.field(description="The member joined at most so many days ago.")
    birthday: RuleOccasion | None = strawberry.field(description="It is the member's birthday, or its month.")
    anniversary: RuleOccasion | None = strawberry.field(description="It is a year or more since the member joined.")

    @classmethod
    def of(cls, node: conditions.Condition) -> "RuleCondition":
        values: dict[str, Any] = dict.fromkeys(conditions.NAMES)
        (name,) = node.given
        value = getattr(node, name)
        if name in conditions.BRANCHES:
            value = [cls.of(each) for each in value]
        elif name in ("birthday", "anniversary"):
            value = RuleOccasion(value)
        elif isinstance(value, tuple):
            value = list(value)
        return cls(**{**values, name: value})


@strawberry.type(description="Points for every whole amount.")
class RulePerAmount:
    points: Points = strawberry.field(description="So many points …")
    fen: Fen = strawberry.field(description="… for every whole one of this amount of cash.")


@strawberry.type(description="A step of a ladder over an order's amount.")
class RuleAmountStep:
    from_fen: Fen = strawberry.field(description="From this amount of cash on …")
    points: Points = strawberry.field(description="… so many points.")


@strawberry.type(description="A bonus on the lines that are listed.")
class RuleLineBonus:
    sku_in: list[str] = strawberry.field(description="The stock keeping units.")
    category_in: list[str] = strawberry.field(description="The categories.")
    points_per_piece: Points | None = strawberry.field(description="For each piece; null where it is by rate.")
    rate_bp: int | None = strawberry.field(description="Of their cash, in basis points; null where it is by piece.")


@strawberry.type(description="What a rule pays; exactly one field is not null.")
class RuleEffect:
    fixed_points: Points | None = strawberry.field(description="So many.")
    per_amount: RulePerAmount | None = strawberry.field(description="So many for every whole amount.")
    multiplier_bp: int | None = strawberry.field(description="A multiple, in basis points: 20000 is double.")
    steps: list[RuleAmountStep] | None = strawberry.field(
        description="By the order's amount: the highest step reached."
    )
    line_bonus: RuleLineBonus | None = strawberry.field(description="On the lines that are listed.")

    @classmethod
    def of(cls, effect: rulebook.Effect) -> "RuleEffect":
        per, bonus = effect.per_amount, effect.line_bonus
        return cls(
            fixed_points=None if effect.fixed_points is None else Points(effect.fixed_points),
            per_amount=RulePerAmount(points=Points(per.points), fen=Fen(per.fen)) if per else None,
            multiplier_bp=effect.multiplier_bp,
            steps=None
            if effect.steps is None
            else [RuleAmountStep(from_fen=Fen(step.from_fen), points=Points(step.points)) for step in effect.steps],
            line_bonus=RuleLineBonus(
                sku_in=list(bonus.sku_in),
                category_in=list(bonus.category_in),
                points_per_piece=None if bonus.points_per_piece is None else Points(bonus.points_per_piece),
                rate_bp=bonus.rate_bp,
            )
            if bonus
            else None,
        )


@strawberry.type(description="When a rule pays.")
class RuleWindow:
    starts_on: date | None = strawberry.field(description="The first business day; null for since ever.")
    ends_on: date | None = strawberry.field(description="The last business day; null for no end.")
    weekdays: list[int] = strawberry.field(description="1 Monday to 7 Sunday; empty for every day.")
    days_of_month: list[int] = strawberry.field(description="1 to 31, such as member days; empty for every day.")
    from_hour: int = strawberry.field(description="From this hour of the programme's clock on.")
    until_hour: int = strawberry.field(description="Up to this hour, which is not in it; 24 for midnight.")


@strawberry.type(description="The most that one member gets by a rule.")
class RuleCap:
    period: RulePeriod = strawberry.field(description="Over which time.")
    points: Points | None = strawberry.field(description="So many points; null for any.")
    times: int | None = strawberry.field(description="So many times; null for any.")


@strawberry.type(description="What an earning rule says.")
class RuleDefinition:
    code: str = strawberry.field(description="Stable, for programs.")
    name_zh: str = strawberry.field(description="The name in Chinese.")
    name_en: str = strawberry.field(description="The name in English.")
    trigger: RuleTrigger = strawberry.field(description="What it pays for.")
    event: str | None = strawberry.field(description="The custom event's name.")
    currency: Currency = strawberry.field(description="What it pays.")
    effect: RuleEffect = strawberry.field(description="How much it pays.")
    condition: RuleCondition | None = strawberry.field(description="What it asks; null for nothing.")
    window: RuleWindow = strawberry.field(description="When it pays.")
    tiers: list[str] = strawberry.field(description="The codes of the tiers that it is for; empty for all.")
    group: str | None = strawberry.field(description="Of its group only the best pays; null where it always pays.")
    priority: int = strawberry.field(description="Of equals in a group, the highest pays.")
    caps: list[RuleCap] = strawberry.field(description="The most that one member gets.")
    cooldown_hours: int = strawberry.field(description="Hours between two times; 0 for none.")
    budget_points: Points | None = strawberry.field(description="The most that all members get; null for any.")

    @classmethod
    def of(cls, rule: rulebook.Rule) -> "RuleDefinition":
        window = rule.window
        return cls(
            code=rule.code,
            name_zh=rule.name_zh,
            name_en=rule.name_en,
            trigger=RuleTrigger(rule.trigger),
            event=rule.event,
            currency=Currency(rule.currency),
            effect=RuleEffect.of(rule.effect),
            condition=RuleCondition.of(rule.condition) if rule.condition else None,
            window=RuleWindow(
                starts_on=window.starts_on,
                ends_on=window.ends_on,
                weekdays=list(window.weekdays),
                days_of_month=list(window.days_of_month),
                from_hour=window.from_hour,
                until_hour=window.until_hour,
            ),
            tiers=list(rule.tiers),
            group=rule.group,
            priority=rule.priority,
            caps=[
                RuleCap(
                    period=RulePeriod(cap.period),
                    points=None if cap.points is None else Points(cap.points),
                    times=cap.times,
                )
                for cap in rule.caps
            ],
            cooldown_hours=rule.cooldown_hours,
            budget_points=None if rule.budget_points is None else Points(rule.budget_points),
        )


Code = Annotated[str, strawberry.argument(description="The rule's code.")]
