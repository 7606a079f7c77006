"""Tiers: where a member stands, by growth, spend or orders; raised at once, judged when they end, bought, pinned.

A tier set is policy: tiers with rising thresholds, the lowest at 0, a metric over a window, and what happens at the end
of a tier's validity. A member without a standing is in the lowest tier. Skipping tiers is allowed.

| what happens | when | history |
|---|---|---|
| raised | in the transaction that earned it | UPGRADE |
| kept for another term | the day after `valid_until`, by what had occurred up to it | RETENTION |
| spared | the same, where it falls short and the set has days of grace | GRACE |
| lowered | the same without grace, or the day after the grace | DOWNGRADE |
| as if it had never been paid | a refund within `refund_days` of the upgrade | REFUND |
| bought, pinned, unpinned, ended | an order line of the SKU, staff, their last day | PURCHASE, PIN, UNPIN, END |

The tier that a member has is the highest of what was earned and what was bought; a pin overrides. Publication of a set
demotes nobody at once: a tier that had no end gets a term of its own.

Invariants:

1  where growth alone decides, a standing is never below the tier that the member's growth reached
2  every change of a standing has a row in `tier_change`, gap-free per member, and the last one says where it stands
"""
