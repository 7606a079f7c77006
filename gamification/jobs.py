"""All background work of the product: one line per slice; nothing is discovered."""

from __future__ import annotations

from gamification.adjustments import jobs as adjustments
from gamification.audits import jobs as audits
from gamification.benefits import jobs as benefits
from gamification.charity import jobs as charity
from gamification.core import upkeep
from gamification.core.jobs import gather
from gamification.draws import jobs as draws
from gamification.instant_draws import jobs as instant_draws
from gamification.members import jobs as members
from gamification.orders import jobs as orders
from gamification.points import jobs as points
from gamification.tiers import jobs as tiers
from gamification.transparency import jobs as transparency

REGISTRY = gather(
    [
        upkeep,
        members,
        points,
        tiers,
        benefits,
        adjustments,
        orders,
        charity,
        draws,
        instant_draws,
        transparency,
        audits,
    ]
)
