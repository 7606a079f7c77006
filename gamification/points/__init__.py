"""Points: accounts, entries, lots and allocations; the one ledger of the programme.

A member has one account per currency. POINTS are spendable and live in lots, one per accrual and order line, each with
its own expiry; GROWTH is what tiers are measured by and is never spent, so it has no lots. Every change is an `Entry`
with the four deltas and the four balances after; an `Allocation` says which entry took what from which lot.

Invariants (`invariants.py` runs them as SQL; every stateful test and a nightly job do):

I1  for each lot: Σ allocations + remaining = original
I2  available = Σ remaining of the lots that are active and not expired (as booked); held = Σ of the active holds
I3  available > 0 ⇒ debt = 0
I4  each bucket of an account = Σ of its deltas
I5  entries of an account are gap-free by seq
I6  nothing is negative

A hold reserves points for an order. It is a take that is not confirmed yet: its entry takes from lots as a redemption
does, and what it took stands in the `held` bucket until it ends.

| state of a hold | by | what becomes of its points |
|---|---|---|
| ACTIVE | `hold` | held; nobody else can use them, no claw-back takes them |
| CAPTURED | `capture` | a redemption, as far as captured; the rest is released |
| RELEASED | `release_hold` | back in the lots they came from, last taken first; what has ended meanwhile expires |
| TIMED_OUT | the clock | the same, at the instant of its end |

Effective by time, booked by job: a lot activates and expires, and a hold times out, at its instant.
`Account.next_due_at` is a lower bound of the next such instant; a reader past it computes the balance with the same
rules as the writer (`Book.book_due`), a writer books what is due before it decides, and a sweeper books the rest.

The member's POINTS account is the member's lock: every write compares and raises its `version`.

Consumption takes the soonest expiry first (no expiry last), then the earliest activation, then the oldest lot. Whatever
becomes available repays debt first, within the same entry.
"""
