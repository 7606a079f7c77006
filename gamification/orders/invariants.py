"""What orders and refunds keep true: each query returns no rows, or the rows that break it."""

from __future__ import annotations

INVARIANTS = {
    "1 no line is refunded beyond what was paid, and its parts sum to what it says": """
        SELECT l.member_id, l.order_id, l.line FROM order_line l
        LEFT JOIN (SELECT member_id, order_id, line, sum(fen) AS fen, sum(quantity) AS quantity,
                          sum(points_restored) AS restored
                   FROM refund_part GROUP BY member_id, order_id, line) p USING (member_id, order_id, line)
        WHERE l.refunded_fen > l.paid_fen
           OR (l.refunded_fen, l.refunded_quantity, l.restored_points)
              <> (coalesce(p.fen, 0), coalesce(p.quantity, 0), coalesce(p.restored, 0))""",
    "2 points and growth revoked of a line never exceed what it earned": """
        SELECT l.member_id, l.order_id, l.line FROM order_line l
        LEFT JOIN (SELECT member_id, order_id, line, sum(points_revoked) AS points, sum(growth_revoked) AS growth
                   FROM refund_part GROUP BY member_id, order_id, line) p USING (member_id, order_id, line)
        WHERE l.points_revoked > l.points_earned OR l.growth_revoked > l.growth_earned
           OR coalesce(p.points, 0) > l.points_revoked OR coalesce(p.growth, 0) <> l.growth_revoked""",
    "3 a fully refunded line has nothing earned left": """
        SELECT l.member_id, l.order_id, l.line FROM order_line l
        WHERE l.paid_fen > 0 AND l.refunded_fen = l.paid_fen AND (l.growth_revoked <> l.growth_earned
           OR l.points_revoked + (SELECT coalesce(sum(t.expired), 0) FROM lot t WHERE t.member_id = l.member_id
                                  AND t.order_id = l.order_id AND t.order_line = l.line) < l.points_earned)""",
    "4 the parts of a refund sum to its placed amount": """
        SELECT r.member_id, r.id FROM order_refund r
        LEFT JOIN (SELECT member_id, refund_id, sum(fen) AS fen, sum(growth_revoked) AS growth,
                          sum(points_restored) AS restored
                   FROM refund_part GROUP BY member_id, refund_id) p ON p.member_id = r.member_id AND p.refund_id = r.id
        WHERE (r.placed_fen, r.growth_revoked, r.points_restored)
              <> (coalesce(p.fen, 0), coalesce(p.growth, 0), coalesce(p.restored, 0))""",
    "an order says what its lines say": """
        SELECT o.member_id, o.id FROM sales_order o
        LEFT JOIN (SELECT member_id, order_id, sum(paid_fen) AS paid, sum(refunded_fen) AS refunded,
                          sum(paid_fen) FILTER (WHERE eligible) AS eligible, sum(deduction_points) AS deducted,
                          sum(restored_points) AS restored
                   FROM order_line GROUP BY member_id, order_id) l ON l.member_id = o.member_id AND l.order_id = o.id
        WHERE (o.paid_fen, o.refunded_fen, o.eligible_fen, o.deduction_points, o.restored_points)
              IS DISTINCT FROM (l.paid::bigint, l.refunded::bigint, coalesce(l.eligible, 0)::bigint,
                                l.deducted::bigint, l.restored::bigint)""",
    "the points that an order was paid with are captured for it until they come back": """
        SELECT o.member_id, o.id FROM sales_order o
        LEFT JOIN LATERAL (SELECT sum(h.captured - h.restored) AS points FROM points_hold h
                           WHERE h.member_id = o.member_id AND h.order_external_id = o.external_id) h ON true
        WHERE o.deduction_points > o.restored_points
          AND h.points IS DISTINCT FROM o.deduction_points - o.restored_points""",
    "a month's net spend is what is left of its orders": """
        SELECT coalesce(s.member_id, o.member_id), coalesce(s.month, o.month) FROM
            (SELECT member_id, month, net_fen FROM month_spend WHERE net_fen <> 0) s
            FULL JOIN (SELECT o.member_id, o.month, sum(l.paid_fen - l.refunded_fen) AS net_fen
                       FROM sales_order o JOIN order_line l ON l.member_id = o.member_id AND l.order_id = o.id
                       WHERE l.eligible GROUP BY o.member_id, o.month
                       HAVING sum(l.paid_fen - l.refunded_fen) <> 0) o
            ON o.member_id = s.member_id AND o.month = s.month
        WHERE s.net_fen IS DISTINCT FROM o.net_fen""",
    "every order and every refund is in its directory once": """
        SELECT coalesce(o.member_id, d.member_id), coalesce(o.external_id, d.external_id) FROM sales_order o
        FULL JOIN order_directory d ON d.member_id = o.member_id AND d.order_id = o.id
        WHERE o.external_id IS DISTINCT FROM d.external_id
        UNION ALL
        SELECT coalesce(r.member_id, d.member_id), coalesce(r.external_id, d.external_id) FROM order_refund r
        FULL JOIN refund_directory d ON d.member_id = r.member_id AND d.refund_id = r.id
        WHERE (r.external_id, coalesce(r.order_external_id, ''))
              IS DISTINCT FROM (d.external_id, d.order_external_id)""",
    "an event that had its effect had it on the member of its order": """
        SELECT e.order_external_id, e.type FROM order_event e
        LEFT JOIN order_directory d ON d.external_id = e.order_external_id
        WHERE e.applied_at IS NOT NULL AND d.member_id IS DISTINCT FROM e.member_id""",
    "growth posted or forgiven for orders and refunds is that of their lines": """
        SELECT coalesce(l.member_id, e.member_id) FROM
            (SELECT member_id, sum(growth_earned - growth_revoked) AS growth FROM order_line GROUP BY member_id) l
            FULL JOIN (SELECT member_id, sum(available_delta - coalesce((trace ->> 'forgiven')::bigint, 0)) AS growth
                       FROM entry WHERE currency = 'GROWTH' AND source_type IN ('order', 'order_rule', 'refund')
                       GROUP BY member_id) e
            ON e.member_id = l.member_id
        WHERE coalesce(l.growth, 0) <> coalesce(e.growth, 0)""",
}
