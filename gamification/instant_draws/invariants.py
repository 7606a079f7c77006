"""What instant draws keep true: each query returns no rows (numbers as in the slice's theory of operation)."""

from __future__ import annotations

_PLAYS = "instant_play p JOIN odds_version v ON v.draw_id = p.draw_id AND v.version = p.version"
_IN_FORCE = "instant_draw d JOIN odds_version v ON v.id = d.odds_id"
_SHARE = "s.stock / 8 + (s.shard < s.stock % 8)::int"

INVARIANTS = {
    "I1 every play has its price entry or was free, and every price entry its play": """
        SELECT coalesce(p.member_id, e.member_id), coalesce(p.draw_id::text || ':' || p.number, e.source_id)
        FROM (SELECT * FROM instant_play WHERE price_seq IS NOT NULL) p
        FULL JOIN (SELECT * FROM entry WHERE currency = 'POINTS' AND kind = 'REDEMPTION' AND source_type = 'play') e
          ON e.member_id = p.member_id AND e.source_id = p.draw_id::text || ':' || p.number
        WHERE (e.seq, -e.available_delta) IS DISTINCT FROM (p.price_seq, p.price_points)""",
    "I1 a play costs what its odds say": f"""
        SELECT p.member_id, p.draw_id, p.number FROM {_PLAYS}
        WHERE p.price_points NOT IN (0, v.play_points)
           OR (p.price_points = 0 AND p.free_number NOT BETWEEN 1 AND v.free_plays_per_day)""",
    "I2 points granted by a draw equal its plays' prizes, each once, to whoever played": """
        SELECT coalesce(p.member_id, e.member_id), coalesce(p.draw_id::text || ':' || p.number, e.source_id)
        FROM (SELECT * FROM instant_play WHERE grant_seq IS NOT NULL) p
        FULL JOIN (SELECT * FROM entry WHERE currency = 'POINTS' AND source_type = 'play_prize') e
          ON e.member_id = p.member_id AND e.source_id = p.draw_id::text || ':' || p.number
        WHERE (e.seq, e.available_delta + e.pending_delta - e.debt_delta) IS DISTINCT FROM (p.grant_seq, p.points)""",
    "I2 a play pays what the given line of its odds declares": f"""
        SELECT p.member_id, p.draw_id, p.number FROM {_PLAYS}
        LEFT JOIN odds_line l ON l.odds_id = v.id AND l.place = p.given WHERE l.points IS DISTINCT FROM p.points""",
    "I3 a member's plays of a draw are numbered from 1 without gaps": """
        SELECT member_id, draw_id FROM instant_play GROUP BY member_id, draw_id
        HAVING (min(number), max(number)) <> (1, count(*))""",
    "I4 nothing is given beyond its stock, at any of its counters": f"""
        SELECT s.draw_id, s.place, s.shard FROM instant_stock s WHERE s.given > {_SHARE}""",
    "I4 the counters of a prize add up to its plays": """
        SELECT s.draw_id, s.place FROM (SELECT draw_id, place, sum(given) AS given FROM instant_stock
                                        WHERE stock IS NOT NULL AND place <> 0 GROUP BY draw_id, place) s
        LEFT JOIN (SELECT draw_id, given AS place, count(*) AS times FROM instant_play GROUP BY draw_id, given) p
          ON p.draw_id = s.draw_id AND p.place = s.place WHERE s.given <> coalesce(p.times, 0)""",
    "I4 by no business day more is given than is released": """
        SELECT p.draw_id, p.given, p.business_date FROM (
            SELECT draw_id, given, business_date, sum(count(*)) OVER (PARTITION BY draw_id, given
                                                                      ORDER BY business_date) AS upto
            FROM instant_play GROUP BY draw_id, given, business_date) p
        JOIN instant_stock s ON s.draw_id = p.draw_id AND s.place = p.given AND s.shard = 0
        WHERE p.upto > (greatest(p.business_date - s.first_on, 0) + 1) * s.daily_release""",
    "I5 the points of a draw's prizes add up to its budget's counters, and never pass it": f"""
        SELECT s.draw_id FROM (SELECT draw_id, sum(given) AS given FROM instant_stock
                               WHERE stock IS NOT NULL AND place = 0 GROUP BY draw_id) s
        JOIN {_IN_FORCE} ON d.id = s.draw_id
        LEFT JOIN (SELECT draw_id, sum(points) AS points FROM instant_play GROUP BY draw_id) p ON p.draw_id = d.id
        WHERE s.given <> coalesce(p.points, 0) OR s.given > v.budget_points""",
    "I6 nobody plays, or is given a prize, more often than the odds in force allow": f"""
        SELECT p.member_id, p.draw_id FROM instant_play p JOIN ({_IN_FORCE}) ON d.id = p.draw_id
        WHERE p.number > v.plays_per_member OR p.day_number > v.plays_per_member_day
           OR p.free_number > v.free_plays_per_day
        UNION ALL
        SELECT p.member_id, p.draw_id FROM instant_play p JOIN instant_draw d ON d.id = p.draw_id
        JOIN odds_line l ON l.odds_id = d.odds_id AND l.place = p.given
        GROUP BY p.member_id, p.draw_id, p.given, l.per_member HAVING count(*) > l.per_member""",
    "I7 the nominal prize is the one that the roll stands for": f"""
        SELECT p.member_id, p.draw_id, p.number FROM {_PLAYS}
        JOIN LATERAL (SELECT sum(CASE WHEN p.pity THEN l.pity_ppm ELSE l.odds_ppm END) AS upto,
                             sum(CASE WHEN p.pity THEN l.pity_ppm ELSE l.odds_ppm END)
                               FILTER (WHERE l.place < p.nominal) AS below
                      FROM odds_line l WHERE l.odds_id = v.id AND l.place <= p.nominal) o ON true
        WHERE NOT (p.roll >= coalesce(o.below, 0) AND p.roll < o.upto)""",
    "I8 what is given instead is a declared fallback": f"""
        SELECT p.member_id, p.draw_id, p.number FROM {_PLAYS} WHERE p.reason IS NOT NULL AND p.given NOT IN (
            WITH RECURSIVE chain AS (
                SELECT l.fallback AS place, 1 AS depth FROM odds_line l WHERE l.odds_id = v.id AND l.place = p.nominal
                UNION ALL SELECT l.fallback, c.depth + 1 FROM chain c
                JOIN odds_line l ON l.odds_id = v.id AND l.place = c.place WHERE l.fallback IS NOT NULL AND depth < 100)
            SELECT place FROM chain)""",
    "I9 misses in a row are counted, and bring the better odds when they are enough": f"""
        SELECT member_id, draw_id, number FROM (
            SELECT p.*, v.pity_after, coalesce(lag(p.misses) OVER (PARTITION BY p.member_id, p.draw_id
                                                                   ORDER BY p.number), 0) AS before FROM {_PLAYS}) p
        WHERE misses <> CASE WHEN points > 0 THEN 0 ELSE before + 1 END
           OR pity <> (pity_after IS NOT NULL AND before >= pity_after)""",
    "I10 every play has the committed seed of its day, made before it": """
        SELECT p.member_id, p.draw_id, p.number FROM instant_play p
        LEFT JOIN play_seed s ON s.business_date = p.business_date
        WHERE s.made_at IS NULL OR s.made_at > p.played_at OR sha256(s.seed) <> s.commitment""",
    "I11 the odds of a published draw add up to exactly a million": """
        SELECT v.id FROM odds_version v JOIN odds_line l ON l.odds_id = v.id WHERE v.published_at IS NOT NULL
        GROUP BY v.id HAVING sum(l.odds_ppm) <> 1000000
            OR (v.pity_after IS NOT NULL AND sum(l.pity_ppm) IS DISTINCT FROM 1000000)
        UNION ALL
        SELECT d.odds_id FROM instant_draw d LEFT JOIN odds_version v ON v.id = d.odds_id AND v.draw_id = d.id
        WHERE d.odds_id IS NOT NULL AND v.published_at IS NULL""",
}
