"""Instant draws: a wheel that is played for points, its odds published to the millionth, its outcome provable.

| state | what it means | leads to |
|---|---|---|
| DRAFT | being planned; nobody but staff sees it | OPEN, ENDED (both by staff) |
| OPEN | published; it is played from `opens_at` until just before `closes_at` | PAUSED (staff), ENDED (staff, time) |
| PAUSED | nobody plays | OPEN (staff), ENDED (staff, time) |
| ENDED | over for good | |

**Odds** are a table of lines in a declared order: a prize or a miss (NONE), its parts per million, its pity odds, its
stock, limit per member, daily release, and the *fallback* that is given where it cannot be. A version of the odds also
fixes price, free plays, limits and budget. It is published as one canonical text (`terms.py`) with its hash and never
changes. While a draw is live a new version may only be better for members (`bettering.py`).

**Chance** (algorithm `jifen-play-1`, proof level OPERATOR): each business day has one 32-byte seed for all instant
draws. Its SHA-256 is committed days ahead; it is revealed by time, `REVEAL_DELAY` after the day has ended. The roll of
a play is `chance.below(seed, "draw|member|number", 1_000_000)`, where number counts the member's plays of this draw
from 1; the prize is the first whose cumulated odds exceed the roll. After `pity_after` misses in a row (plays that gave
a NONE, whatever chance had said) the pity odds decide, until a play wins.

**What is given.** Chance never looks at the stock. A prize that cannot be given (STOCK: all is given; RELEASE: all that
is released so far is; MEMBER_LIMIT; BUDGET: less is left than it takes) is replaced by its declared fallback, followed
along to what can be; the play names both places and the reason. Stock is kept in `SHARDS` counters a prize, whose
capacities are shares of what is released by the business day, a pure function of the date. The write itself guards
them, last, so that nothing is ever given twice; a prize is out of stock only when every counter is. The budget is
counted in points in the same way, at place 0.

A play is one command of the write path: price entry, prize entry, counters, play. A preview is the same decision up to
the price, and asks chance nothing.

Invariants (`invariants.py`):

I1  every play has its price entry or was free, at the price of its odds; every price entry has its play
I2  points granted by a draw equal what the given prizes of its plays say, each once
I3  a member's plays of a draw are numbered from 1 without gaps
I4  no stock is exceeded, and the counters of a prize add up to its plays
I5  the budget is not exceeded, and its counters add up to the points given
I6  nobody plays, or is given a prize, more often than allowed
I7  the nominal prize is the one that the roll stands for
I8  what is given instead is a declared fallback
I9  misses in a row are counted, and bring the pity odds when they are enough
I10 every play has the committed seed of its day, made before it
I11 the odds of a published draw add up to exactly a million

Lock order: the account, then the draw (shared by plays, exclusive for staff), then the counters by id.
"""
