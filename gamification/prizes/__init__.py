"""Prizes: what can be won, what it is worth at most, and how it reaches the winner.

| kind | what it gives |
|---|---|
| `POINTS` | points, through the ledger |
| `NONE` | nothing: the blank of a wheel |

A kind that nothing can grant yet is not there. A slice that brings one adds it to `PrizeKind` and its way of granting
to `service.GRANTERS`, and every draw can promise it.

Invariants:

1  no prize is worth more than the law allows
"""
