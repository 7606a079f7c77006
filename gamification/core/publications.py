"""Published policies as staff read them: every version of every kind, and which one held at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from gamification.core.database import fetch, fetch_row


class PolicyLine(NamedTuple):
    """A published version; `effective_from` None means since ever, `body` is JSON text, `hash` its SHA-256."""

    revision: int
    kind: str
    version: int
    effective_from: datetime | None
    published_at: datetime
    published_by: str
    hash: bytes
    body: str


_COLUMNS = ", ".join(PolicyLine._fields)


async def policy_page(kinds: Sequence[str], *, before: int | None, limit: int) -> list[PolicyLine]:
    """Up to `limit` versions of these kinds, the latest published first, that come after a revision in this order."""
    rows = await fetch(
        f"""SELECT {_COLUMNS} FROM policy_version WHERE kind = ANY($1::text[]) AND ($2::bigint IS NULL OR revision < $2)
             ORDER BY revision DESC LIMIT $3""",
        list(kinds),
        before,
        limit,
    )
    return [PolicyLine(*row) for row in rows]


async def policy_in_force(kind: str, at: datetime) -> PolicyLine | None:
    """The version of a kind that holds at an instant, as far as is published now; None when there is none."""
    row = await fetch_row(
        f"""SELECT {_COLUMNS} FROM policy_version
             WHERE kind = $1 AND (effective_from IS NULL OR effective_from <= $2)
             ORDER BY effective_from DESC NULLS LAST, version DESC LIMIT 1""",
        kind,
        at,
    )
    return PolicyLine(*row) if row else None


async def policies_by_revisions(revisions: Sequence[int]) -> list[PolicyLine | None]:
    """The versions with these revisions, in their order; None for what is not there."""
    rows = await fetch(f"SELECT {_COLUMNS} FROM policy_version WHERE revision = ANY($1::bigint[])", list(revisions))
    known = {row["revision"]: PolicyLine(*row) for row in rows}
    return [known.get(each) for each in revisions]
