"""What draws keep true: each query returns no rows (numbers as in the slice's theory of operation)."""

from __future__ import annotations

INVARIANTS = {
    "D1 every ticket that is not free has exactly one price entry, and every price entry its ticket": """
        SELECT coalesce(t.member_id, e.member_id), coalesce(t.id::text, e.source_id)
        FROM (SELECT * FROM ticket WHERE points > 0) t
        FULL JOIN (SELECT * FROM entry WHERE currency = 'POINTS' AND kind = 'REDEMPTION' AND source_type = 'ticket') e
          ON e.member_id = t.member_id AND e.source_id = t.id::text
        WHERE (e.seq, -e.available_delta) IS DISTINCT FROM (t.entry_seq, t.points)""",
    "D2 nobody holds more tickets than the limits allow": """
        SELECT t.member_id, t.draw_id FROM ticket t JOIN draw d ON d.id = t.draw_id
        GROUP BY t.member_id, t.draw_id, d.id HAVING count(*) > d.tickets_per_member
        UNION ALL
        SELECT t.member_id, t.draw_id FROM ticket t JOIN draw d ON d.id = t.draw_id
        GROUP BY t.member_id, t.draw_id, d.id, t.business_date HAVING count(*) > d.tickets_per_member_day""",
    "D2 a member's first tickets are free, as many as the draw gives": """
        SELECT t.member_id, t.draw_id FROM ticket t JOIN draw d ON d.id = t.draw_id
        GROUP BY t.member_id, t.draw_id, d.id
        HAVING count(*) FILTER (WHERE t.points = 0) <> least(d.free_tickets_per_member, count(*))
            OR count(*) FILTER (WHERE t.points NOT IN (0, d.ticket_points)) > 0""",
    "D3 numbers of a closed draw run from 1 to its ticket count": """
        SELECT d.id FROM draw d
        LEFT JOIN (SELECT draw_id, count(*) AS tickets FROM ticket GROUP BY draw_id) t ON t.draw_id = d.id
        LEFT JOIN (SELECT draw_id, count(*) AS numbers, max(number) AS last FROM ticket_number GROUP BY draw_id) n
          ON n.draw_id = d.id
        WHERE CASE WHEN d.closed_at IS NULL THEN n.numbers IS NOT NULL
              ELSE (coalesce(t.tickets, 0), coalesce(n.numbers, 0), coalesce(n.last, 0))
                   <> (d.tickets, d.tickets, d.tickets) END""",
    "D3 a number belongs to a ticket of its draw": """
        SELECT n.draw_id, n.number FROM ticket_number n
        LEFT JOIN ticket t ON t.member_id = n.member_id AND t.draw_id = n.draw_id AND t.id = n.ticket_id
        WHERE t.id IS NULL""",
    "D4 a win is of a numbered ticket and pays what its prize declares": """
        SELECT w.draw_id, w.rank FROM draw_win w
        LEFT JOIN ticket_number n ON n.draw_id = w.draw_id AND n.number = w.number
        LEFT JOIN draw_prize p ON p.draw_id = w.draw_id AND p.place = w.prize_place
        WHERE (n.ticket_id, n.member_id, p.points) IS DISTINCT FROM (w.ticket_id, w.member_id, w.points)""",
    "D4 no prize is won more often than declared, nor by one member than allowed, lapsed wins apart": """
        WITH stands AS (SELECT w.* FROM draw_win w LEFT JOIN draw_lapse l ON l.draw_id = w.draw_id AND l.rank = w.rank
                        WHERE l.rank IS NULL)
        SELECT p.draw_id, p.place FROM draw_prize p JOIN stands w ON w.draw_id = p.draw_id AND w.prize_place = p.place
        GROUP BY p.draw_id, p.place HAVING count(*) > p.quantity
        UNION ALL
        SELECT p.draw_id, p.place FROM draw_prize p JOIN stands w ON w.draw_id = p.draw_id AND w.prize_place = p.place
        GROUP BY p.draw_id, p.place, w.member_id HAVING count(*) > p.per_member""",
    "D5 wins and unawarded prizes add up to what was declared": """
        SELECT d.id FROM draw d
        LEFT JOIN (SELECT draw_id, sum(quantity) AS declared FROM draw_prize GROUP BY draw_id) p ON p.draw_id = d.id
        LEFT JOIN (SELECT draw_id, count(*) FILTER (WHERE replaces_rank IS NULL) AS wins, count(*) AS ranks,
                          max(rank) AS last FROM draw_win GROUP BY draw_id) w ON w.draw_id = d.id
        LEFT JOIN (SELECT draw_id, count(*) AS lapsed, count(promoted_rank) AS promoted
                   FROM draw_lapse GROUP BY draw_id) l ON l.draw_id = d.id
        WHERE d.drawn_at IS NOT NULL
          AND (d.wins + d.unawarded, d.wins, d.wins + d.promoted, d.wins + d.promoted, d.lapsed, d.promoted)
              IS DISTINCT FROM (p.declared, coalesce(w.wins, 0), coalesce(w.ranks, 0), coalesce(w.last, 0),
                                coalesce(l.lapsed, 0), coalesce(l.promoted, 0))""",
    "D6 points issued by a draw equal the prizes granted, each once, to the winner": """
        SELECT coalesce(g.draw_id::text || ':' || g.rank, e.source_id) FROM
            (SELECT g.*, w.member_id AS winner, w.points AS won FROM draw_grant g
             LEFT JOIN draw_win w ON w.draw_id = g.draw_id AND w.rank = g.rank) g
        FULL JOIN (SELECT * FROM entry WHERE currency = 'POINTS' AND source_type = 'draw_win') e
          ON e.member_id = g.member_id AND e.source_id = g.draw_id::text || ':' || g.rank
        WHERE (e.seq, e.available_delta + e.pending_delta - e.debt_delta, g.winner, g.won)
              IS DISTINCT FROM (g.entry_seq, g.points, g.member_id, g.points)""",
    "D7 a settled draw has a grant for every win that stands, and an undrawn one has no win": """
        SELECT d.id FROM draw d
        LEFT JOIN (SELECT draw_id, count(*) AS wins FROM draw_win GROUP BY draw_id) w ON w.draw_id = d.id
        LEFT JOIN (SELECT draw_id, count(*) AS grants FROM draw_grant GROUP BY draw_id) g ON g.draw_id = d.id
        LEFT JOIN (SELECT draw_id, count(*) AS reserves FROM draw_reserve GROUP BY draw_id) r ON r.draw_id = d.id
        WHERE d.state = 'SETTLED' AND coalesce(g.grants, 0) <> d.wins + d.promoted - d.lapsed
           OR d.drawn_at IS NULL AND num_nonnulls(w.wins, g.grants, r.reserves) > 0
           OR r.reserves > d.reserves""",
    "D8 a voided draw whose restoration is finished has given back every ticket's price": """
        SELECT t.draw_id, t.id FROM ticket t JOIN draw d ON d.id = t.draw_id
        LEFT JOIN ticket_restoration r ON r.draw_id = t.draw_id AND r.ticket_id = t.id
        LEFT JOIN entry e ON e.member_id = r.member_id AND e.currency = 'POINTS' AND e.seq = r.entry_seq
        WHERE d.restored_at IS NOT NULL AND t.points > 0 AND (r.member_id, r.points, e.available_delta - e.debt_delta)
              IS DISTINCT FROM (t.member_id, t.points, t.points)
        UNION ALL
        SELECT r.draw_id, r.ticket_id FROM ticket_restoration r JOIN draw d ON d.id = r.draw_id
        WHERE d.state <> 'VOIDED'
        UNION ALL
        SELECT r.draw_id, r.ticket_id FROM ticket_restoration r JOIN ticket t ON t.id = r.ticket_id
            AND t.draw_id = r.draw_id AND t.member_id = r.member_id WHERE t.points = 0""",
    "D9 a revealed seed is the committed one": """
        SELECT d.id FROM draw d LEFT JOIN draw_secret s ON s.draw_id = d.id
        WHERE d.opened_at IS NOT NULL AND sha256(s.seed) IS DISTINCT FROM d.commitment
           OR d.seed IS NOT NULL AND (s.seed, sha256(d.seed)) IS DISTINCT FROM (d.seed, d.commitment)""",
    "D10 a win is claimed in its time or lapses after it, never both": """
        SELECT w.draw_id, w.rank FROM draw_win w JOIN draw d ON d.id = w.draw_id
        LEFT JOIN draw_grant g ON g.draw_id = w.draw_id AND g.rank = w.rank
        LEFT JOIN draw_lapse l ON l.draw_id = w.draw_id AND l.rank = w.rank
        WHERE g.rank IS NOT NULL AND l.rank IS NOT NULL OR g.granted_at >= w.claim_until
           OR (l.booked_at >= w.claim_until) IS FALSE OR l.rank IS NOT NULL AND w.claim_until IS NULL
           OR w.claim_until IS DISTINCT FROM w.won_at + make_interval(secs => d.claim_seconds)""",
    "D11 what lapses goes to a ticket in line that had won nothing, once": """
        SELECT coalesce(w.draw_id, l.draw_id), coalesce(w.rank, l.promoted_rank)
        FROM (SELECT * FROM draw_win WHERE replaces_rank IS NOT NULL) w
        FULL JOIN (SELECT * FROM draw_lapse WHERE promoted_rank IS NOT NULL) l
          ON l.draw_id = w.draw_id AND l.promoted_rank = w.rank
        LEFT JOIN draw_win b ON b.draw_id = l.draw_id AND b.rank = l.rank
        LEFT JOIN draw_reserve r ON r.draw_id = w.draw_id AND r.number = w.number
        WHERE (w.replaces_rank, w.prize_place, w.ticket_id, w.member_id, w.won_at)
              IS DISTINCT FROM (l.rank, b.prize_place, r.ticket_id, r.member_id, l.booked_at)
        UNION ALL
        SELECT r.draw_id, r.place FROM draw_reserve r
        LEFT JOIN ticket_number n ON n.draw_id = r.draw_id AND n.number = r.number
        LEFT JOIN draw_win w ON w.draw_id = r.draw_id AND w.number = r.number AND w.replaces_rank IS NULL
        WHERE (n.ticket_id, n.member_id) IS DISTINCT FROM (r.ticket_id, r.member_id) OR w.rank IS NOT NULL""",
    "B1 a draw with a beacon is drawn with its value, and only such a draw has one": """
        SELECT d.id FROM draw d LEFT JOIN draw_beacon b ON b.draw_id = d.id
        WHERE d.beacon_kind = 'NONE' AND b.draw_id IS NOT NULL
           OR d.beacon_kind <> 'NONE' AND d.drawn_at IS NOT NULL AND b.draw_id IS NULL
           OR b.draw_id IS NOT NULL AND (d.closed_at IS NULL OR b.beacon_round IS DISTINCT FROM d.beacon_round)""",
    "B2 a value was due after the closing, and known when it was due or later": """
        SELECT d.id FROM draw d LEFT JOIN draw_beacon b ON b.draw_id = d.id
        WHERE d.drawn_at IS NOT NULL AND d.beacon_due_at <= d.closed_at OR b.known_at < d.beacon_due_at""",
    "B3 the beacon is the one of the published terms, and the round the first after the delay": """
        SELECT id FROM (
            SELECT d.*, d.terms::jsonb -> 'beacon' AS b, (d.terms::jsonb -> 'beacon' ->> 'genesis')::bigint AS genesis,
                   (d.terms::jsonb -> 'beacon' ->> 'period_seconds')::bigint AS period,
                   (d.terms::jsonb -> 'beacon' ->> 'delay_seconds')::bigint AS delay
            FROM draw d WHERE d.terms IS NOT NULL) d
        WHERE lower(d.beacon_kind) <> coalesce(b ->> 'kind', 'none')
           OR d.beacon_kind = 'FIGURE' AND (b ->> 'source', (b ->> 'due_at')::timestamptz)
              IS DISTINCT FROM (d.beacon_source, d.beacon_due_at)
           OR d.beacon_kind = 'DRAND' AND d.closed_at IS NOT NULL AND (d.beacon_round, d.beacon_due_at)
              IS DISTINCT FROM (
                  1 + ceil((extract(epoch FROM d.closed_at) + delay - genesis) / period)::bigint,
                  to_timestamp(genesis + (d.beacon_round - 1) * period))""",
}
