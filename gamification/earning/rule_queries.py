"""Reads of earning rules: revisions as staff work on them, and what of them is spent."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from gamification.core.database import fetch


class RuleRow(NamedTuple):
    """A revision of a rule. `spent_points` is what all members have had of its code's budget; None without one."""

    code: str
    revision: int
    state: str
    body: str
    saved_by: str
    saved_at: datetime
    published_at: datetime | None
    retired_at: datetime | None
    policy_version: int | None
    spent_points: int | None


async def rule_page(code: str | None, state: str | None, behind: tuple[str, int] | None, limit: int) -> list[RuleRow]:
    """Revisions by code, the latest of each first; of one code or one state where that is given."""
    after_code, after_revision = behind or (None, None)
    rows = await fetch(
        """SELECT r.code, r.revision, r.state, r.body, r.saved_by, r.saved_at, r.published_at, r.retired_at,
                  r.policy_version, b.spent_points
           FROM earning_rule r LEFT JOIN rule_budget b ON b.rule_code = r.code
           WHERE ($1::text IS NULL OR r.code = $1) AND ($2::text IS NULL OR r.state = $2)
             AND ($3::text IS NULL OR r.code > $3 OR (r.code = $3 AND r.revision < $4))
           ORDER BY r.code, r.revision DESC LIMIT $5""",
        code, state, after_code, after_revision, limit,
    )  # fmt: skip
    return [RuleRow(*row) for row in rows]
