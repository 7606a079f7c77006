"""Gates: who may enter what is not for everybody, and from when.

A gate stands on the thing that it guards (a draw, later a reward): three columns, `tier_min`, `early_tier_min` and
`early_seconds`. A verb that lets a member in names the load `ENTRANTS` and asks `admit` in its decision; both rest on
rows under the member's version or on policies. Where the law wants it, entrants have declared once that they are
adults, and nobody who works here enters: whoever has the phone of a staff account is known by it.

Invariants:

1  a gate that opens early for a tier opens for it before it opens for the others
"""
