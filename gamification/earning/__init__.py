"""Earning: what an order is worth in points and growth, by rate and by the monthly ladder.

Three things come of the cash paid on eligible lines, each an entry of its own that can be explained alone:

- base points, `floor(fen × rate)`, split over the lines so that each line's lot follows its own refunds;
- growth, the same way, for the tiers;
- ladder points: a month's net spend is worth `T(net) = floor(net × rate(net))`, the whole of it at the highest step
  reached, and an order posts `T(after) − T(before)`. The policy of a month is the one in force at its start.

Invariants:

1  the parts of an order's lines sum to the order's points and growth
2  ladder points of a month posted so far = T(net of the month)
"""
