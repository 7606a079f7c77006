"""What every feature stands on: load → decide → write, receipts, policy versions, the outbox, time and identity.

1. A change and everything that follows from it commit together: the outbox row is written in the same transaction.
2. An outbox row is done exactly once or is a dead letter that staff see; PostgreSQL remembers, Redis only rings.
3. A receipt answers a repeated request; the same key with another input is refused.
4. Receipts aside, what was published or recorded (policy versions, the audit trail) is never changed.
"""
