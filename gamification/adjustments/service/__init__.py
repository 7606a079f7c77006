"""The verbs of adjustments, one module per concern; the only writers of the slice's table."""

from gamification.adjustments.service.deciding import approve, lapse_due, preview_approval, reject, withdraw
from gamification.adjustments.service.making import (
    Adjusted,
    AdjustmentPreview,
    adjust,
    preview_adjustment,
    preview_waiver,
    waive_debt,
)

__all__ = [
    "Adjusted",
    "AdjustmentPreview",
    "adjust",
    "approve",
    "lapse_due",
    "preview_adjustment",
    "preview_approval",
    "preview_waiver",
    "reject",
    "waive_debt",
    "withdraw",
]
