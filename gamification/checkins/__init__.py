"""Check-ins: once per business day, points at once, more along a streak.

A streak is a run of consecutive business days that ends today or yesterday: a pure function of the dates
(`rules.streak`). Each row carries the first day of its run as a cache, so that a member with thousands of rows is
decided from the newest row alone. The day of the cycle follows from the streak, the reward from the day of the cycle
under the policy of that day; of all this a row keeps only what was paid.

A member's day never runs backwards: where the programme's day start moves, or a clock is set back, the newest check-in
counts as today's until the calendar has passed it.

Invariants:

1  one row per (member, business date)
2  a row that paid points has exactly one entry, of those points, at the seq that it names
3  the cached first day of a run is the one that the dates give
"""
