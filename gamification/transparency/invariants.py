"""What the log keeps true as far as SQL sees it (numbers as in the slice's theory of operation); no rows each.

Hashes and signatures are recomputed by `audit.py`.
"""

from __future__ import annotations

INVARIANTS = {
    "T1 leaves stand at 0, 1, 2 without gaps": """
        SELECT count(*), max(index) FROM log_leaf HAVING count(*) <> coalesce(max(index) + 1, 0)""",
    "T2 each leaf is of an entry, of an account with a pseudonym": """
        SELECT l.index FROM log_leaf l
        LEFT JOIN entry e ON e.member_id = l.member_id AND e.currency = l.currency AND e.seq = l.seq
        LEFT JOIN log_account a ON a.member_id = l.member_id AND a.currency = l.currency
        WHERE e.seq IS NULL OR a.pseudonym IS NULL""",
    "T2 each account in the log still stands, with as many entries as are logged at least": """
        SELECT l.member_id, l.currency, l.seq, a.seq FROM
            (SELECT member_id, currency, max(seq) AS seq FROM log_leaf GROUP BY member_id, currency) l
        LEFT JOIN account a ON a.member_id = l.member_id AND a.currency = l.currency
        WHERE coalesce(a.seq, 0) < l.seq""",
    "T3 the entries of an account are logged in the order of their seq, without gaps": """
        SELECT member_id, currency, seq, index FROM (
            SELECT l.*, row_number() OVER w AS place, lag(index) OVER w AS before
            FROM log_leaf l WINDOW w AS (PARTITION BY member_id, currency ORDER BY seq)) q
        WHERE seq <> place OR before > index""",
    "T4 each complete subtree on a kept level has its node": """
        SELECT kept.level, kept.nodes, tree.size >> kept.level FROM
            (SELECT coalesce(max(index) + 1, 0) AS size FROM log_leaf) tree
        CROSS JOIN LATERAL (
            SELECT step AS level, (SELECT count(*) FROM log_node WHERE level = step) AS nodes,
                   (SELECT coalesce(max(index) + 1, 0) FROM log_node WHERE level = step) AS beyond
            FROM generate_series(4, 60, 4) step) kept
        WHERE (kept.nodes, kept.beyond) <> (tree.size >> kept.level, tree.size >> kept.level)""",
    "T5 no checkpoint is of more leaves than there are": """
        SELECT id, size FROM log_checkpoint WHERE size > (SELECT coalesce(max(index) + 1, 0) FROM log_leaf)""",
}
