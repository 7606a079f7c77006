"""Intake as verbs: orders and refunds of one member decided in their order on the member's book."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gamification.core.draft import Verb
from gamification.orders.service.commands import Intake, OrderRecorded, RecordOrder, RefundRecorded
from gamification.orders.service.loads import (
    EXTENDED,
    HOLDS,
    MONTHS,
    ORDER_EVENTS,
    ORDERED,
    ORDERS,
    OWNERS,
    REFUNDS,
    RULES,
    SEEN_HOLDS,
    STANDING_HOLDS,
    WAITING,
)
from gamification.orders.service.ordering import record_order
from gamification.orders.service.refunding import record_refund
from gamification.points.book import Book
from gamification.tiers.service import TIER_LOADS


def decide_intake(book: Book, command: Intake) -> OrderRecorded | RefundRecorded:
    """Record an order or place a refund. Refuses: see `record_order` and `record_refund`."""
    if isinstance(command, RecordOrder):
        return record_order(book, command)
    return record_refund(book, command.refund, waited_since=command.waited_since)


INTAKE: Verb[Any, Any] = Verb(
    "orders.intake",
    decide_intake,
    object,
    loads=(ORDERS, OWNERS, REFUNDS, WAITING, MONTHS, *TIER_LOADS, HOLDS, STANDING_HOLDS, ORDER_EVENTS, ORDERED, *RULES),
)
"""Orders and refunds in one verb, so that a batch keeps each member's events in their order."""
INTAKE_WITH_LOTS: Verb[Any, Any] = replace(INTAKE, loads=(*INTAKE.loads, EXTENDED), lots_max=512)
"""The same with the members' lots, which a claw-back and a deduction need."""
INTAKE_PREVIEW: Verb[Any, Any] = replace(
    INTAKE_WITH_LOTS, loads=(*(each for each in INTAKE_WITH_LOTS.loads if each is not STANDING_HOLDS), SEEN_HOLDS)
)
"""The same for previews, for which a hold that has timed out stands no more, booked or not."""
