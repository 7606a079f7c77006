"""What interactions keep true: each query returns no rows."""

from __future__ import annotations

INVARIANTS = {
    "an interaction paid what its bonus entries say": """
        SELECT coalesce(i.id::text, e.id) FROM
            (SELECT id, points, growth FROM interaction WHERE points + growth > 0) i
            FULL JOIN (SELECT split_part(source_id, ':', 1) AS id,
                              sum(available_delta + pending_delta + held_delta - debt_delta)
                                FILTER (WHERE currency = 'POINTS') AS points,
                              sum(available_delta) FILTER (WHERE currency = 'GROWTH') AS growth
                       FROM entry WHERE source_type = 'interaction_rule' GROUP BY 1) e ON e.id = i.id::text
        WHERE (i.points, i.growth) IS DISTINCT FROM (coalesce(e.points, 0)::bigint, coalesce(e.growth, 0)::bigint)""",
}
