"""What must never be true: each statement returns no rows (numbers as in the slice's theory of operation)."""

INVARIANTS: dict[str, str] = {
    "M2 only an active or blocked member is known by anything": """
        SELECT r.namespace, r.member_id FROM member_reference r JOIN member m ON m.id = r.member_id
        WHERE m.status NOT IN ('ACTIVE', 'BLOCKED')""",
    "M3 a tombstone of a merge points to a member who is not merged": """
        SELECT m.id FROM member m JOIN member into_member ON into_member.id = m.merged_into_id
        WHERE into_member.status = 'MERGED'""",
    "M4 a sealed phone stands beside its line in the directory": """
        SELECT p.member_id FROM member_phone p
        LEFT JOIN member_reference r ON r.member_id = p.member_id AND r.namespace = 'phone'
        WHERE r.value IS NULL""",
    "M5 a live session has exactly one good refresh token": """
        SELECT s.id FROM session s LEFT JOIN refresh_token t ON t.session_id = s.id AND t.used_at IS NULL
        WHERE s.revoked_at IS NULL GROUP BY s.id HAVING count(t.hash) <> 1""",
    "M6 a live session belongs to a member who is no tombstone or to staff who are not disabled": """
        SELECT s.id FROM session s LEFT JOIN member m ON m.id = s.member_id LEFT JOIN staff w ON w.id = s.staff_id
        WHERE s.revoked_at IS NULL AND (m.status NOT IN ('ACTIVE') OR w.disabled_at IS NOT NULL)""",
}
