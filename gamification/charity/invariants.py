"""What charity keeps true: each query returns no rows."""

from __future__ import annotations

INVARIANTS = {
    "a campaign's pledge is the sum of its donations": """
        SELECT c.id FROM charity_campaign c
        LEFT JOIN (SELECT campaign_id, sum(units) AS units FROM donation GROUP BY campaign_id) d ON d.campaign_id = c.id
        WHERE c.pledged_units <> coalesce(d.units, 0)""",
    "each donation took its points in one entry": """
        SELECT coalesce(d.member_id, e.member_id), coalesce(d.id::text, e.source_id) FROM donation d
        FULL JOIN (SELECT member_id, source_id, seq, available_delta AS points FROM entry
                   WHERE currency = 'POINTS' AND kind = 'DONATION') e
          ON e.member_id = d.member_id AND e.source_id = d.id::text
        WHERE d.id IS NULL OR e.seq IS DISTINCT FROM d.entry_seq OR e.points <> -d.points""",
    "a donation is worth what its campaign says": """
        SELECT d.member_id, d.id FROM donation d LEFT JOIN charity_campaign c ON c.id = d.campaign_id
        WHERE (d.points, d.fen) IS DISTINCT FROM (d.units * c.points_per_unit, d.units * c.fen_per_unit)""",
    "each donation has one certificate that says the same": """
        SELECT coalesce(d.member_id, c.member_id), coalesce(d.id, c.donation_id) FROM donation d
        FULL JOIN certificate c ON c.member_id = d.member_id AND c.donation_id = d.id
        WHERE d.id IS NULL OR c.donation_id IS NULL OR c.snapshot ->> 'serial' <> c.serial
           OR (c.snapshot ->> 'campaign_id', c.snapshot ->> 'donated_on')
              IS DISTINCT FROM (d.campaign_id::text, to_char(d.business_date, 'YYYY-MM-DD'))
           OR ((c.snapshot -> 'units')::bigint, (c.snapshot -> 'points')::bigint, (c.snapshot -> 'fen')::bigint)
              IS DISTINCT FROM (d.units, d.points, d.fen)""",
    "a name that is still there is the one that was hashed": """
        SELECT member_id, donation_id FROM certificate
        WHERE name_hash <> sha256(name_salt || convert_to(display_name, 'UTF8'))""",
}
