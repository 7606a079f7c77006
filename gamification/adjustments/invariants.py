"""What adjustments keep true: each query returns no rows."""

from __future__ import annotations

INVARIANTS = {
    "1 each posted adjustment has one entry of its points, and each such entry its adjustment": """
        SELECT coalesce(a.member_id, e.member_id), coalesce(a.id::text, e.source_id)
        FROM (SELECT member_id, currency, kind, id, points, entry_seq FROM adjustment WHERE state = 'POSTED') a
        FULL JOIN (SELECT member_id, currency, kind, source_type, source_id, seq,
                          available_delta + pending_delta + held_delta - debt_delta AS points
                   FROM entry WHERE source_type = 'adjustment' OR kind IN ('ADJUSTMENT', 'DEBT_WAIVER')) e
          ON e.member_id = a.member_id AND e.currency = a.currency AND e.kind = a.kind
         AND e.source_type = 'adjustment' AND e.source_id = a.id::text
        WHERE (a.points, a.entry_seq) IS DISTINCT FROM (e.points, e.seq)""",
    "2 what is not posted has no entry": """
        SELECT a.member_id, a.id FROM adjustment a
        JOIN entry e ON e.member_id = a.member_id AND e.source_type = 'adjustment' AND e.source_id = a.id::text
        WHERE a.state <> 'POSTED'""",
    "3 nobody decided about an own proposal, other than to withdraw it": """
        SELECT member_id, id FROM adjustment WHERE decided_by = made_by AND state <> 'WITHDRAWN'""",
    "4 a posted adjustment left the balances of its entry": """
        SELECT a.member_id, a.id FROM adjustment a
        JOIN entry e ON e.member_id = a.member_id AND e.currency = a.currency AND e.seq = a.entry_seq
        WHERE CASE a.currency
              WHEN 'GROWTH' THEN (a.after ->> 'growth')::bigint <> e.available
              ELSE ((a.after ->> 'available')::bigint, (a.after ->> 'pending')::bigint, (a.after ->> 'held')::bigint,
                    (a.after ->> 'debt')::bigint) <> (e.available, e.pending, e.held, e.debt) END""",
}
