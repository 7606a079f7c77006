"""Intake: record orders and refunds, alone or by the thousand.

Lock order: members' directory lines when unknown members are created (their own transaction), then the members' POINTS
accounts in id order, then the directories of external ids.
"""

from gamification.orders.errors import OrderConflict
from gamification.orders.service.commands import OrderRecorded, RefundRecorded
from gamification.orders.service.deducting import (
    DeductionCancelled,
    QuotedLine,
    cancel_deduction,
    preview_cancellation,
    quote_deduction,
)
from gamification.orders.service.events import (
    EventRecorded,
    NewOrderEvent,
    apply_crossed,
    preview_event,
    record_event,
    record_events,
)
from gamification.orders.service.intake import Cart, place_waiting, preview, preview_cart, record, record_one
from gamification.orders.service.requests import NewLine, NewOrder, NewRefund

__all__ = [
    "Cart",
    "DeductionCancelled",
    "EventRecorded",
    "NewLine",
    "NewOrder",
    "NewOrderEvent",
    "NewRefund",
    "OrderConflict",
    "OrderRecorded",
    "QuotedLine",
    "RefundRecorded",
    "apply_crossed",
    "cancel_deduction",
    "place_waiting",
    "preview",
    "preview_cancellation",
    "preview_cart",
    "preview_event",
    "quote_deduction",
    "record",
    "record_event",
    "record_events",
    "record_one",
]
