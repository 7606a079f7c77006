"""Benefits at work: multipliers for earning, gifts given once, uses counted.

Lock order: the member's POINTS account, nothing after it.
"""

from gamification.benefits.service.giving import give_birthday_gifts, give_entry_gift
from gamification.benefits.service.multiplying import benefits_of, has_multipliers, post_multiplied
from gamification.benefits.service.using import (
    BenefitUsed,
    UseReversed,
    preview_use,
    reverse_use,
    use_benefit,
)

__all__ = [
    "BenefitUsed",
    "UseReversed",
    "benefits_of",
    "give_birthday_gifts",
    "give_entry_gift",
    "has_multipliers",
    "post_multiplied",
    "preview_use",
    "reverse_use",
    "use_benefit",
]
