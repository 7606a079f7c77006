"""Verbs of the ledger that stand alone; the other slices accrue and take through a `Book`.

Lock order: the member's POINTS account, nothing after it.
"""

from gamification.points.service.booking import book_due, has_history, sweep_due
from gamification.points.service.holds import (
    HoldAnswer,
    HoldPoints,
    capture_hold,
    hold_points,
    preview_capture,
    preview_hold,
    preview_release,
    release_hold,
)
from gamification.points.service.notices import finish_day, tell_of_expiry

__all__ = [
    "HoldAnswer",
    "HoldPoints",
    "book_due",
    "capture_hold",
    "finish_day",
    "has_history",
    "hold_points",
    "preview_capture",
    "preview_hold",
    "preview_release",
    "release_hold",
    "sweep_due",
    "tell_of_expiry",
]
