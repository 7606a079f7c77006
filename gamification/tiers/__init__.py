"""Tiers: where a member stands, measured by growth, raised in the transaction that earned it.

A tier set is policy: tiers with rising thresholds, the lowest at 0. A member without a standing is in the lowest tier.
Skipping tiers is allowed. A refund lowers growth but takes no tier away here.

Invariants:

1  a standing is never below the tier that the member's growth reaches
2  every change of a standing has a row in `tier_change`, gap-free per member
"""
