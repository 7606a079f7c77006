"""What tiers keep true: each query returns no rows."""

from __future__ import annotations

INVARIANTS = {
    "every change of a standing has its row": """
        SELECT coalesce(s.member_id, c.member_id) FROM tier_standing s
        FULL JOIN (SELECT member_id, count(*) AS changes, max(number) AS last FROM tier_change GROUP BY member_id) c
          ON c.member_id = s.member_id
        WHERE s.changes IS DISTINCT FROM c.changes OR c.changes <> c.last""",
    "a standing is what its last change says": """
        SELECT s.member_id FROM tier_standing s
        JOIN tier_change c ON c.member_id = s.member_id AND c.number = s.changes WHERE c.to_code <> s.tier_code""",
}
