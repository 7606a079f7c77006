"""Charity: members give points, the brand pledges money to a named charity, and a certificate says so.

A donation is a number of units; a campaign says what a unit costs in points and what it is worth in fen. Spending the
points, pledging the units and issuing the certificate are one write, final for the member. The gift is the brand's own;
the certificate is a proof, not a tax receipt.

Campaign states:

| state  | by                                   | donations                         |
|--------|--------------------------------------|-----------------------------------|
| DRAFT  | `create_campaign`                    | none; members do not see it       |
| OPEN   | `open_campaign`                      | from `opens_at` to `closes_at`    |
| CLOSED | `close_campaign`, or the job at its time | none, for ever                |

Opening and closing take effect at their instants, in reads and in the write's guard; the job books what the clock has
already decided. The terms (rates, goal, limits, window, beneficiary) are fixed once a campaign has left DRAFT.

The goal belongs to nobody: the write takes units from it by a conditional UPDATE after the accounts (`PLEDGE`). Where
that fails, the decision is made again on fresh figures and refuses with them.

A certificate holds a snapshot of what was given that never changes. The name stands beside it in a column that erasure
may empty, and only its salted hash is permanent. Whoever holds the verification code can ask for the certificate.

Invariants:

1  a campaign's pledged units = Σ units of its donations, and pass the goal only if that was declared
2  a donation took exactly its points, in one entry, at the campaign's rates
3  each donation has exactly one certificate, which says the same
"""
