"""What earning keeps true: each query returns no rows."""

from __future__ import annotations

INVARIANTS = {
    "ladder points posted or forgiven equal those of the months": """
        SELECT coalesce(m.member_id, e.member_id) FROM
            (SELECT member_id, sum(ladder_points) AS points FROM month_spend GROUP BY member_id) m
            FULL JOIN (SELECT member_id, sum(available_delta + pending_delta + held_delta - debt_delta
                                              - coalesce((trace ->> 'forgiven')::bigint, 0)) AS points
                       FROM entry WHERE kind IN ('LADDER', 'LADDER_REVERSAL') GROUP BY member_id) e
            ON e.member_id = m.member_id
        WHERE coalesce(m.points, 0) <> coalesce(e.points, 0)""",
}
