"""Audits: every night the books are asked whether they agree, and what was found is kept.

A run asks every invariant of every slice (`gamification/invariants.py`), each in a statement and snapshot of its own
with a time-out that fits a large database, and writes down for each whether it holds, how many rows break it, and the
first of those rows. Drift is an alert, never a silent repair: this slice writes its own two tables and nothing else.

| a run is … | when |
|---|---|
| begun | the night's tick came; one run a business day |
| finished | every invariant was asked; the run counts those that are broken and those that gave no answer |

A run that was cut off is continued where it stood, by the next delivery of its tick: what was asked is not asked again.
An invariant gives no answer when its statement is cancelled by the time-out or fails; that is an alert of its own.

It stands above the slices, since it knows the invariants of all of them; its own rows are no books.
"""
