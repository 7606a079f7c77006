"""Interactions: what members do beside buying (reviews, shares, a completed profile, events of the brand's own).

The mini-program's back end tells them under ids of its own; what they pay, earning rules say. An interaction is kept
whether or not a rule pays for it, so that a retry is recognised and a rule's cap can be explained.

Invariants:

1  an external id is recorded once per type and event, for one member
2  what an interaction says that it paid is the sum of its bonus entries
"""
