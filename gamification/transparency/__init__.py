"""Transparency: every entry of the ledger stands in one append-only Merkle log whose heads are signed and kept outside.

What it is for: whoever may write to the database could change the past. They cannot change it so that a checkpoint
which somebody else holds still fits. A member fetches a proof that an entry stands in the log, anyone checks that a
later checkpoint extends an earlier one, and `python -m app verify-ledger` recomputes all of it. The formats are fixed
in docs/transparency.md and pinned by tests.

- A **leaf** is one line of ASCII (`rules.leaf_text`): the account's pseudonym, seq, kind, deltas, balances after,
  instants, and a digest of the trace under a salt. The salt is derived from the account's `secret`; an erasure drops
  the secret, so that no digest can be tried out any more. Nothing else in a leaf is personal.
- The **tree** hashes as RFC 9162 §2.1. Stored are the leaves' hashes and, on every fourth level, the roots of complete
  subtrees; whatever a proof needs is folded from at most eight of them, in one statement.
- The **builder** runs twice a minute and only reads the ledger. It takes entries by closed windows of transactions
  (`from ≤ xid < pg_snapshot_xmin`): whatever lies below that horizon is committed or gone, so nothing is overtaken.
  Of each account that a window touches it takes all that has no leaf yet, in the order of seq: seq 7 is only ever
  written by somebody who has seen seq 6 committed, even where the transaction of 7 began first and its number is lower.
- The **cursor** is a hint. Transaction numbers mean nothing in another cluster, so after a restore into one (another
  `system_identifier`) the builder walks through all accounts once, then follows windows again.
- A **checkpoint** is signed whenever a run has caught up with the horizon that it began with and no entry has waited
  for minutes, never for a tree that does not extend the last one, neither in the database nor in the copy outside.

Invariants (`invariants.py` runs them as SQL; `audit.py` recomputes hashes and signatures as well):

T1  leaves stand at 0, 1, 2 … without gaps
T2  each leaf is of an entry, and each account of an entry that is logged has its pseudonym
T3  the entries of an account stand in the log in the order of their seq, from 1 without gaps
T4  each complete subtree on a kept level has its node, and no other node exists
T5  no checkpoint is of more leaves than there are

Locks: one advisory lock per chunk, so that one builder writes at a time; no row of the ledger.
"""
