"""Orders: what tills and shops send, and what comes back.

`record` takes orders and refunds in any order and any number of times. An order is known by its external id; the same
order again changes nothing and says so, another order under the same id is refused. A refund is known by its external
id within its order (or alone, when it names none).

| a refund that … | becomes |
|---|---|
| names an order that is here | PLACED on the lines it names, or spread over what is left of them |
| names an order that has not arrived | WAITING, and is placed with the order, in the order's transaction or by a job |
| names none | matched to the member's orders paid no later than it, newest first, then file order |
| finds only part of its amount | PARTLY_PLACED; the rest is kept and reported |
| finds nothing | UNPLACED; kept and reported |

Invariants:

1  no line is refunded beyond what was paid for it
2  points and growth revoked of a line never exceed what it earned
3  a fully refunded line has nothing earned left
4  the parts of a refund sum to its placed amount
"""
