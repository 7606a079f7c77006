"""How points wait and end, beyond a plain number of days: dates of the calendar, events of an order."""

from enum import Enum

import strawberry

from gamification.points import rules


@strawberry.enum(description="What happened to an order after it was paid.")
class OrderEventType(Enum):
    RECEIVED = strawberry.enum_value("RECEIVED", description="The customer has received it.")
    REFUND_WINDOW_CLOSED = strawberry.enum_value(
        "REFUND_WINDOW_CLOSED", description="It can no longer be returned for a refund."
    )


@strawberry.type(description="A day of the year, or of every month. A month that has no such day stands with its last.")
class CalendarDay:
    day: int = strawberry.field(description="The day of the month; 31 of every month is each month's last day.")
    month: int | None = strawberry.field(description="The month, 1 to 12; null for every month.")

    @classmethod
    def of(cls, listed: tuple[rules.CalendarDay, ...]) -> list["CalendarDay"]:
        """Days as they are listed."""
        return [cls(day=each.day, month=each.month) for each in listed]


@strawberry.type(description="Points of an order that wait for what happens to it.")
class EventActivation:
    event: OrderEventType = strawberry.field(description="What they wait for.")
    days: int = strawberry.field(description="Business days after the event until they become usable; 0 for at once.")
    latest_days: int = strawberry.field(
        description="Business days after which they become usable although no event was told."
    )

    @classmethod
    def of(cls, body: rules.EventActivation) -> "EventActivation":
        return cls(event=OrderEventType(body.event), days=body.days, latest_days=body.latest_days)
