"""What staff write into an earning rule; each input mirrors the product's body, so that a problem's path fits both."""

from datetime import date
from typing import Any

import strawberry

from gamification.earning import conditions, rulebook
from schema.admin.policy_inputs import value_of
from schema.earning_rules import RuleOccasion, RulePeriod, RuleTrigger
from schema.points import Currency
from schema.scalars import Fen, Points


@strawberry.input(one_of=True, description="A node of a condition: exactly one of these.")
class RuleConditionInput:
    all: strawberry.Maybe[list["RuleConditionInput"]] = strawberry.field(description="Every one of these holds.")
    any: strawberry.Maybe[list["RuleConditionInput"]] = strawberry.field(description="At least one of these holds.")
    none: strawberry.Maybe[list["RuleConditionInput"]] = strawberry.field(description="None of these holds.")
    amount_at_least_fen: strawberry.Maybe[Fen] = strawberry.field(
        description="The cash that earns comes to this or more."
    )
    quantity_at_least: strawberry.Maybe[int] = strawberry.field(description="The order has so many pieces or more.")
    sku_in: strawberry.Maybe[list[str]] = strawberry.field(description="A line is one of these: 1 to 200.")
    category_in: strawberry.Maybe[list[str]] = strawberry.field(description="A line is of one of these: 1 to 200.")
    channel_in: strawberry.Maybe[list[str]] = strawberry.field(description="Placed in one of these channels.")
    store_in: strawberry.Maybe[list[str]] = strawberry.field(description="Placed in one of these stores.")
    tier_in: strawberry.Maybe[list[str]] = strawberry.field(description="The member is in one of these tiers.")
    first_order: strawberry.Maybe[bool] = strawberry.field(
        description="Whether it has to be the member's first order to arrive, or may not be."
    )
    joined_within_days: strawberry.Maybe[int] = strawberry.field(
        description="The member joined at most so many days ago, 1 to 3660."
    )
    birthday: strawberry.Maybe[RuleOccasion] = strawberry.field(description="The member's birthday, or its month.")
    anniversary: strawberry.Maybe[RuleOccasion] = strawberry.field(
        description="The day on which the member joined, or its month, in later years."
    )

    def body(self) -> conditions.Condition:
        """The condition as the product knows it, unchecked."""
        (name,) = [each for each in conditions.NAMES if getattr(self, each) is not None]
        return conditions.Condition(**{name: _plain(name, getattr(self, name).value)})


def _plain(name: str, value: Any) -> Any:
    if name in conditions.BRANCHES:
        return tuple(each.body() for each in value)
    if name in ("birthday", "anniversary"):
        return value.value
    return tuple(value) if isinstance(value, list) else value


@strawberry.input(description="Points for every whole amount.")
class RulePerAmountInput:
    points: Points = strawberry.field(description="So many points, 1 to 1000000 …")
    fen: Fen = strawberry.field(description="… for every whole one of this amount of cash.")


@strawberry.input(description="A step of a ladder over an order's amount.")
class RuleAmountStepInput:
    from_fen: Fen = strawberry.field(description="From this amount of cash on …")
    points: Points = strawberry.field(description="… so many points; each step starts later and pays more.")


@strawberry.input(description="A bonus on the lines that are listed: points for each piece, or a rate of their cash.")
class RuleLineBonusInput:
    sku_in: list[str] = strawberry.field(default_factory=list, description="The stock keeping units.")
    category_in: list[str] = strawberry.field(default_factory=list, description="The categories.")
    points_per_piece: Points | None = strawberry.field(default=None, description="For each piece.")
    rate_bp: int | None = strawberry.field(default=None, description="Of their cash, in basis points.")


@strawberry.input(one_of=True, description="What a rule pays: exactly one; other than fixed points only of orders.")
class RuleEffectInput:
    fixed_points: strawberry.Maybe[Points] = strawberry.field(description="So many, 1 to 1000000.")
    per_amount: strawberry.Maybe[RulePerAmountInput] = strawberry.field(description="So many for every whole amount.")
    multiplier_bp: strawberry.Maybe[int] = strawberry.field(
        description="A multiple of what the cash earns, in basis points: 20000 is double, 50000 the most."
    )
    steps: strawberry.Maybe[list[RuleAmountStepInput]] = strawberry.field(
        description="By the order's amount: the highest step reached. 1 to 20."
    )
    line_bonus: strawberry.Maybe[RuleLineBonusInput] = strawberry.field(description="On the lines that are listed.")

    def body(self) -> rulebook.Effect:
        """The effect as the product knows it, unchecked."""
        if self.fixed_points is not None:
            return rulebook.Effect(fixed_points=int(self.fixed_points.value))
        if self.per_amount is not None:
            per = self.per_amount.value
            return rulebook.Effect(per_amount=rulebook.PerAmount(int(per.points), int(per.fen)))
        if self.multiplier_bp is not None:
            return rulebook.Effect(multiplier_bp=self.multiplier_bp.value)
        if self.steps is not None:
            steps = tuple(rulebook.AmountStep(int(each.from_fen), int(each.points)) for each in self.steps.value)
            return rulebook.Effect(steps=steps)
        assert self.line_bonus is not None, "exactly one is given"
        bonus = self.line_bonus.value
        return rulebook.Effect(
            line_bonus=rulebook.LineBonus(
                tuple(bonus.sku_in), tuple(bonus.category_in), bonus.points_per_piece, bonus.rate_bp
            )
        )


@strawberry.input(description="When a rule pays; what is left out does not narrow.")
class RuleWindowInput:
    starts_on: date | None = strawberry.field(default=None, description="The first business day.")
    ends_on: date | None = strawberry.field(default=None, description="The last business day.")
    weekdays: list[int] = strawberry.field(default_factory=list, description="1 Monday to 7 Sunday.")
    days_of_month: list[int] = strawberry.field(default_factory=list, description="1 to 31, such as member days.")
    from_hour: int = strawberry.field(default=0, description="From this hour of the programme's clock on, 0 to 23.")
    until_hour: int = strawberry.field(default=24, description="Up to this hour, 1 to 24.")


@strawberry.input(description="The most that one member gets by a rule over a time: points, times, or both.")
class RuleCapInput:
    period: RulePeriod = strawberry.field(description="Over which time; each once.")
    points: Points | None = strawberry.field(default=None, description="So many points.")
    times: int | None = strawberry.field(default=None, description="So many times.")


@strawberry.input(description="An earning rule.")
class EarningRuleInput:
    code: str = strawberry.field(description="Stable: 1 to 40 capitals, digits or _, a capital first.")
    name_zh: str = strawberry.field(description="The name in Chinese, 1 to 40 characters.")
    name_en: str = strawberry.field(description="The name in English, 1 to 40 characters.")
    trigger: RuleTrigger = strawberry.field(description="What it pays for.")
    effect: RuleEffectInput = strawberry.field(description="How much it pays.")
    event: str | None = strawberry.field(default=None, description="The custom event's name, such as `quiz.passed`.")
    currency: Currency | None = strawberry.field(default=None, description="What it pays; POINTS when left out.")
    condition: RuleConditionInput | None = strawberry.field(
        default=None, description="What it asks: at most 50 conditions, 5 deep."
    )
    window: RuleWindowInput | None = strawberry.field(default=None, description="When it pays; always if left out.")
    tiers: list[str] = strawberry.field(default_factory=list, description="The codes of the tiers that it is for.")
    group: str | None = strawberry.field(default=None, description="Of its group only the best pays.")
    priority: int = strawberry.field(default=0, description="Of equals in a group the highest pays, 0 to 1000.")
    caps: list[RuleCapInput] = strawberry.field(default_factory=list, description="The most that one member gets.")
    cooldown_hours: int = strawberry.field(default=0, description="Hours between two times, 0 to 8784.")
    budget_points: Points | None = strawberry.field(default=None, description="The most that all members get.")

    def body(self) -> rulebook.Rule:
        """The rule as the product knows it, unchecked."""
        window = self.window or RuleWindowInput()
        return rulebook.Rule(
            code=self.code,
            name_zh=self.name_zh,
            name_en=self.name_en,
            trigger=value_of(self.trigger),
            effect=self.effect.body(),
            event=self.event,
            currency=value_of(self.currency) if self.currency else "POINTS",
            condition=self.condition.body() if self.condition else None,
            window=rulebook.Window(
                window.starts_on,
                window.ends_on,
                tuple(window.weekdays),
                tuple(window.days_of_month),
                window.from_hour,
                window.until_hour,
            ),
            tiers=tuple(self.tiers),
            group=self.group,
            priority=self.priority,
            caps=tuple(
                rulebook.Cap(value_of(cap.period), None if cap.points is None else int(cap.points), cap.times)
                for cap in self.caps
            ),
            cooldown_hours=self.cooldown_hours,
            budget_points=None if self.budget_points is None else int(self.budget_points),
        )
