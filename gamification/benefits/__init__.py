"""Benefits: what a tier gives, as typed terms with usage.

| benefit | how it is given | its limit |
|---|---|---|
| points multiplier | with each order, as a bonus of its own beside the rules', up to five times in all | – |
| discount, free delivery | the till asks under an external id, a reversal gives it back | uses a month |
| birthday gift | a job, on the day, by the tier of that moment | once a year |
| entry gift | a job that hears of the raise | once per member and tier, whatever is lost and regained |
| early access, priority service | shown, and asked by whatever has an opening or a queue | – |

Invariants:

1  a gift is given once under its key (`birthday:2027`, `entry:GOLD`), and its entry is what the gift says
2  the uses of a month that were not reversed never pass what the tier allowed when they were made
"""
