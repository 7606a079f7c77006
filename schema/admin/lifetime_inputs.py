"""How points wait and end, as staff write it into the points policy."""

from collections.abc import Sequence
from typing import cast

import strawberry

from gamification.points import rules
from schema.lifetimes import OrderEventType


@strawberry.input(
    description="A day of the year, or of every month. A month that has no such day stands with its last: 31 of every"
    " month is each month's last day, and 29 February is 28 February in common years."
)
class CalendarDayInput:
    day: int = strawberry.field(description="The day of the month, 1 to 31; one that the month has in some year.")
    month: int | None = strawberry.field(default=None, description="The month, 1 to 12; left out for every month.")


@strawberry.input(description="Let points of an order wait for what happens to it. Points of no order do not wait.")
class EventActivationInput:
    event: OrderEventType = strawberry.field(description="What they wait for.")
    latest_days: int = strawberry.field(
        description="Business days after which they become usable although no event was told, 1 to 366."
    )
    days: int = strawberry.field(
        default=0, description="Business days after the event until they become usable, fewer than the latest days."
    )

    def body(self) -> rules.EventActivation:
        """It as the product knows it, unchecked."""
        event = cast(rules.OrderEventType, self.event.value)
        return rules.EventActivation(event, latest_days=self.latest_days, days=self.days)


def listed(days: Sequence[CalendarDayInput]) -> tuple[rules.CalendarDay, ...]:
    """Days as the product knows them, unchecked."""
    return tuple(rules.CalendarDay(each.day, each.month) for each in days)
