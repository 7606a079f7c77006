"""Intake: record orders and refunds, alone or by the thousand.

Lock order: members' directory lines when unknown members are created (their own transaction), then the members' POINTS
accounts in id order, then the directories of external ids.
"""

from gamification.orders.errors import OrderConflict
from gamification.orders.service.commands import OrderRecorded, RefundRecorded
from gamification.orders.service.intake import place_waiting, record, record_one
from gamification.orders.service.requests import NewLine, NewOrder, NewRefund

__all__ = [
    "NewLine",
    "NewOrder",
    "NewRefund",
    "OrderConflict",
    "OrderRecorded",
    "RefundRecorded",
    "place_waiting",
    "record",
    "record_one",
]
