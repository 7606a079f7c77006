"""What check-ins keep true: each query returns no rows."""

from __future__ import annotations

INVARIANTS = {
    "each rewarded check-in has one entry of its points": """
        SELECT coalesce(c.member_id, e.member_id), coalesce(c.day, e.source_id)
        FROM (SELECT member_id, to_char(business_date, 'YYYY-MM-DD') AS day, points, entry_seq FROM check_in) c
        FULL JOIN (SELECT member_id, source_id, seq, available_delta + pending_delta + held_delta - debt_delta AS points
                   FROM entry WHERE currency = 'POINTS' AND source_type = 'check_in') e
          ON e.member_id = c.member_id AND e.source_id = c.day
        WHERE c.member_id IS NULL OR c.points <> coalesce(e.points, 0) OR c.entry_seq IS DISTINCT FROM e.seq""",
    "the cached first day of a run is what the dates give": """
        SELECT member_id, business_date FROM (
            SELECT member_id, business_date, run_first_on,
                   min(business_date) OVER (PARTITION BY member_id, island) AS first_on
            FROM (SELECT member_id, business_date, run_first_on,
                         business_date - (row_number() OVER (PARTITION BY member_id ORDER BY business_date))::int
                         AS island FROM check_in) numbered) runs
        WHERE run_first_on <> first_on""",
}
