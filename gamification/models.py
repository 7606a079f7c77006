"""Every module that declares tables, one line per slice; nothing is discovered."""

MODEL_MODULES = [
    "gamification.core.models",
    "gamification.members.models",
    "gamification.points.models",
    "gamification.tiers.models",
    "gamification.benefits.models",
    "gamification.adjustments.models",
    "gamification.earning.models",
    "gamification.orders.models",
    "gamification.checkins.models",
    "gamification.interactions.models",
    "gamification.draws.models",
    "gamification.instant_draws.models",
    "gamification.charity.models",
    "gamification.transparency.models",
    "gamification.audits.models",
]
