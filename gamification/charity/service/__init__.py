"""The verbs of charity, one module per concern; the only writers of the slice's tables."""

from gamification.charity.service.campaigns import (
    close_campaign,
    close_due_campaigns,
    create_campaign,
    open_campaign,
)
from gamification.charity.service.donations import Donated, DonationPreview, donate, preview_donation

__all__ = [
    "Donated",
    "DonationPreview",
    "close_campaign",
    "close_due_campaigns",
    "create_campaign",
    "donate",
    "open_campaign",
    "preview_donation",
]
