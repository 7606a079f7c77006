"""The ledger's invariants as SQL: each returns no rows, or the rows that break it."""

from __future__ import annotations

INVARIANTS = {
    "I1 each lot: allocations + remaining = original": """
        SELECT l.member_id, l.seq, l.line FROM lot l
        LEFT JOIN (SELECT member_id, currency, lot_seq, lot_line, sum(points) AS points FROM allocation
                   GROUP BY member_id, currency, lot_seq, lot_line) x
          ON x.member_id = l.member_id AND x.currency = l.currency AND x.lot_seq = l.seq AND x.lot_line = l.line
        WHERE coalesce(x.points, 0) + l.remaining <> l.original""",
    "I2 available and pending equal their lots, held equals the active holds": """
        SELECT a.member_id FROM account a
        LEFT JOIN (SELECT member_id, currency, sum(remaining) FILTER (WHERE NOT pending) AS available,
                          sum(remaining) FILTER (WHERE pending) AS pending
                   FROM lot GROUP BY member_id, currency) l ON l.member_id = a.member_id AND l.currency = a.currency
        LEFT JOIN (SELECT member_id, sum(points) AS held FROM points_hold WHERE state = 'ACTIVE' GROUP BY member_id) h
          ON h.member_id = a.member_id
        WHERE a.currency = 'POINTS' AND (a.available, a.pending, a.held)
              <> (coalesce(l.available, 0), coalesce(l.pending, 0), coalesce(h.held, 0))""",
    "I3 points available mean no debt": "SELECT member_id FROM account WHERE available > 0 AND debt > 0",
    "I4 each bucket is the sum of its deltas": """
        SELECT a.member_id, a.currency FROM account a
        LEFT JOIN (SELECT member_id, currency, sum(available_delta) AS available, sum(pending_delta) AS pending,
                          sum(held_delta) AS held, sum(debt_delta) AS debt
                   FROM entry GROUP BY member_id, currency) e ON e.member_id = a.member_id AND e.currency = a.currency
        WHERE (a.available, a.pending, a.held, a.debt) <>
              (coalesce(e.available, 0), coalesce(e.pending, 0), coalesce(e.held, 0), coalesce(e.debt, 0))""",
    "I5 entries are gap-free and their balances run": """
        SELECT member_id, currency, seq FROM (
            SELECT e.*, row_number() OVER w AS place,
                   coalesce(lag(available) OVER w, 0) + available_delta AS available_runs,
                   coalesce(lag(pending) OVER w, 0) + pending_delta AS pending_runs,
                   coalesce(lag(held) OVER w, 0) + held_delta AS held_runs,
                   coalesce(lag(debt) OVER w, 0) + debt_delta AS debt_runs
            FROM entry e WINDOW w AS (PARTITION BY member_id, currency ORDER BY seq)) q
        WHERE seq <> place
           OR (available, pending, held, debt) <> (available_runs, pending_runs, held_runs, debt_runs)
        UNION ALL
        SELECT a.member_id, a.currency, a.seq FROM account a
        LEFT JOIN (SELECT member_id, currency, max(seq) AS seq FROM entry GROUP BY member_id, currency) e
          ON e.member_id = a.member_id AND e.currency = a.currency
        WHERE a.seq <> coalesce(e.seq, 0)""",
    "I6 nothing is negative": """
        SELECT member_id FROM account
        WHERE least(available, pending, held, debt, accrued, redeemed, expired, revoked) < 0
        UNION ALL SELECT member_id FROM lot WHERE least(remaining, expired) < 0 OR remaining > original""",
    "what came in is there, is owed, or went out": """
        SELECT member_id, currency FROM account
        WHERE available + pending + held - debt <> accrued - redeemed - expired - revoked""",
    "each entry's lots move what its buckets move": """
        SELECT e.member_id, e.seq FROM entry e
        LEFT JOIN (SELECT member_id, currency, entry_seq, sum(points) AS points FROM allocation
                   GROUP BY member_id, currency, entry_seq) x
          ON x.member_id = e.member_id AND x.currency = e.currency AND x.entry_seq = e.seq
        LEFT JOIN (SELECT member_id, currency, seq, sum(original) AS points FROM lot
                   GROUP BY member_id, currency, seq) l
          ON l.member_id = e.member_id AND l.currency = e.currency AND l.seq = e.seq
        WHERE e.currency = 'POINTS' AND e.available_delta + e.pending_delta
              <> coalesce(l.points, 0) - coalesce(x.points, 0)""",
    "what is due later stands behind next_due_at": """
        SELECT a.member_id FROM account a JOIN lot l ON l.member_id = a.member_id AND l.currency = a.currency
        WHERE l.remaining > 0 AND (a.next_due_at IS NULL AND (l.pending OR l.expires_at IS NOT NULL)
              OR a.next_due_at > CASE WHEN l.pending THEN l.activates_at ELSE l.expires_at END)""",
    "each hold took what it holds, and ended with what became of it": """
        SELECT h.member_id, h.seq FROM points_hold h
        LEFT JOIN LATERAL (SELECT sum(points) AS points FROM allocation x WHERE x.member_id = h.member_id
                           AND x.currency = 'POINTS' AND x.entry_seq = h.seq) x ON true
        LEFT JOIN LATERAL (
            SELECT coalesce(sum(held_delta) FILTER (WHERE kind = 'HOLD'), 0) AS points,
                   coalesce(-sum(held_delta) FILTER (WHERE kind = 'CAPTURE'), 0) AS captured,
                   coalesce(-sum(held_delta) FILTER (WHERE kind = 'RELEASE'), 0) AS released
            FROM entry e WHERE e.member_id = h.member_id AND e.currency = 'POINTS' AND e.source_type = 'hold'
                AND e.source_id = h.seq::text) e ON true
        WHERE x.points IS DISTINCT FROM h.points
           OR (e.points, e.captured, e.released) <> (h.points, h.captured, h.released)""",
    "no active hold is behind next_due_at": """
        SELECT h.member_id, h.seq FROM points_hold h
        JOIN account a ON a.member_id = h.member_id AND a.currency = 'POINTS'
        WHERE h.state = 'ACTIVE' AND (a.next_due_at IS NULL OR a.next_due_at > h.expires_at)""",
    "each entry is of a known kind and moves points as that kind may": """
        SELECT e.member_id, e.currency, e.seq, e.kind FROM entry e
        LEFT JOIN (VALUES ('ACCRUAL', '+'), ('BONUS', '+'), ('LADDER', '+'), ('LADDER_REVERSAL', '-0'),
                   ('REDEMPTION', '-'), ('DONATION', '-'), ('EXPIRY', '-'), ('ACTIVATION', '0'), ('CLAW_BACK', '-0'),
                   ('RESTORATION', '+'), ('HOLD', '0'), ('CAPTURE', '-'), ('RELEASE', '0'), ('ADJUSTMENT', '+-'),
                   ('DEBT_WAIVER', '+'))
          AS known(kind, moves) ON known.kind = e.kind
        WHERE strpos(coalesce(known.moves, ''),
                     CASE sign(e.available_delta + e.pending_delta + e.held_delta - e.debt_delta)
                     WHEN 1 THEN '+' WHEN -1 THEN '-' ELSE '0' END) = 0""",
    "the business days of an account run back by a day at most": """
        SELECT member_id, currency, seq, business_date, latest FROM (
            SELECT member_id, currency, seq, business_date,
                   max(business_date) OVER (PARTITION BY member_id, currency ORDER BY seq) AS latest FROM entry) q
        WHERE latest - business_date > 1""",
    "what is outstanding is the same by lots, by accounts and by entries": """
        SELECT * FROM (
            SELECT (SELECT coalesce(sum(remaining), 0) FROM lot WHERE currency = 'POINTS') + accounts.held AS lots,
                   accounts.available + accounts.pending + accounts.held AS accounts,
                   (SELECT coalesce(sum(available_delta + pending_delta + held_delta), 0) FROM entry
                    WHERE currency = 'POINTS') AS entries
            FROM (SELECT coalesce(sum(available), 0) AS available, coalesce(sum(pending), 0) AS pending,
                         coalesce(sum(held), 0) AS held FROM account WHERE currency = 'POINTS') accounts) totals
        WHERE lots <> accounts OR accounts <> entries""",
}
