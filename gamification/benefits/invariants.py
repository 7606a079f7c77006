"""What benefits keep true: each query returns no rows."""

from __future__ import annotations

INVARIANTS = {
    "a gift's entry is what the gift says": """
        SELECT coalesce(g.member_id, e.member_id) FROM benefit_gift g
        FULL JOIN (SELECT * FROM entry WHERE currency = 'POINTS' AND source_type = 'benefit_gift') e
          ON e.member_id = g.member_id AND e.seq = g.entry_seq
        WHERE g.points IS DISTINCT FROM e.available_delta + e.pending_delta - e.debt_delta
           OR e.source_id IS DISTINCT FROM g.member_id || ':' || g.gift_key""",
}
