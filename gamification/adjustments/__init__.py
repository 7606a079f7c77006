"""Adjustments: staff correct a member's points or growth by hand, or waive debt, with a reason and within limits.

A change is signed and never zero: points up (a lot like any accrual's, which repays debt first), points down (never
more than is available, soonest expiry first), growth up (the tier rises at once) or down (never below zero, and no tier
is taken away), debt waived (never more than is owed). It says its figure once and for all: what was proposed is what
is posted, or nothing.

Who may do how much alone is policy (`AdjustmentsPolicy`): a change above `approval_above_points`, or one that takes
what a member of staff moved alone this business day above `points_per_staff_day_max`, is only proposed, and waits for
a second person. That is another owner or operator, and not the same one under another login, as their phone would
tell. Nobody adjusts the account that the own phone is bound to.

| state     | what it means                                          | leads to                              |
|-----------|--------------------------------------------------------|---------------------------------------|
| PROPOSED  | waits for a second person; nothing has moved           | POSTED, REJECTED, WITHDRAWN, LAPSED   |
| POSTED    | its entry stands; at once, where nobody else is needed |                                       |
| REJECTED  | the second person said no, and why                     |                                       |
| WITHDRAWN | the proposer took it back                              |                                       |
| LAPSED    | nobody decided in time                                 |                                       |

Approving decides anew, on the balances and the policy of that moment; what is refused then leaves the proposal as it
was. A proposal lapses by its instant, in reads and decisions; a job books that.

The reason is free text about a person. It stands in the adjustment's own row, where it can be erased, and nowhere else:
not in the entry's trace, not in the log, not in the audit trail, which name the adjustment instead. Every step writes
its audit line in its own transaction, with the balances before and after it.

A blocked member's books may still be corrected. An erased member's may not; one that became another is not found.

Invariants (`invariants.py`):

1  a posted adjustment has exactly one entry of its kind, account and points, and every such entry its adjustment
2  what is not posted has moved nothing
3  nobody decided about an own proposal, other than to withdraw it
4  the balances that a posted adjustment says it left are those of its entry

Lock order: the member of staff (whose day's allowance is counted) or the adjustment, then the member's POINTS account.
"""
