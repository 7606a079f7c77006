"""The statement by page and filter: entries of many members, the newest first, in one statement whatever the filter.

How a page is found, so that its cost follows the page and not the history:

- by seq, walking the primary key downwards: all kinds, and filters that let the usual kinds through;
- by kind, merging a walk of `entry_of_unusual_kind` per kind: filters that let only unusual kinds through;
- by source, through the entries' natural key: what an order and its refunds posted.

A filter by business day first finds the seqs between which those days lie (`first_seq_booked_from` halves the
account's seqs). Machines' clocks may differ, so the span is a day wider on both sides and the days are compared again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from gamification.core.database import fetch
from gamification.points.models import KINDS, USUAL_KINDS
from gamification.points.queries import LINE_COLUMNS, EntryLine, by_member
from gamification.points.rows import Source

Direction = Literal["IN", "OUT"]

_SIGNS: Mapping[Direction, str] = {"IN": "+", "OUT": "-"}
_POINTS = "available_delta + pending_delta + held_delta - debt_delta"
_MOVES: Mapping[Direction | None, str] = {None: "true", "IN": f"{_POINTS} > 0", "OUT": f"{_POINTS} < 0"}
_SPAN = """CROSS JOIN LATERAL (
    SELECT CASE WHEN $5::date IS NULL THEN 0 ELSE first_seq_booked_from(m.id, $2, $5 - 1) END AS low,
           coalesce(least($3, CASE WHEN $6::date IS NOT NULL THEN first_seq_booked_from(m.id, $2, $6 + 2) END),
                    9223372036854775807) AS high
    OFFSET 0) AS span"""
"""Between which seqs the entries lie, low included. OFFSET keeps it from being worked out again for every kind."""

_WITHIN = """member_id = m.id AND currency = $2 AND seq >= span.low AND seq < span.high
    AND ($5::date IS NULL OR business_date >= $5) AND ($6::date IS NULL OR business_date <= $6)"""


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries; what is absent does not narrow.

    `since` and `until` are business days, both included. `direction` is what all buckets together gain or lose; what
    only changes its bucket is neither. `sources` are what the entries stand for.
    """

    kinds: frozenset[str] | None = None
    direction: Direction | None = None
    since: date | None = None
    until: date | None = None
    sources: tuple[Source, ...] | None = None

    @property
    def wanted_kinds(self) -> list[str]:
        """The kinds that can pass: those named, or all, as far as they ever move points in that direction."""
        sign = _SIGNS[self.direction] if self.direction else ""
        return [name for name, kind in KINDS.items() if sign in kind.moves and name in (self.kinds or KINDS)]


EVERYTHING = EntryFilter()


async def entry_pages(
    member_ids: Sequence[UUID], currency: str, before_seq: int | None, limit: int, wanted: EntryFilter = EVERYTHING
) -> Mapping[UUID, list[EntryLine]]:
    """For each member the newest entries of a currency that pass a filter, below a seq; one statement."""
    sql, more = _page(wanted)
    rows = await fetch(sql, list(member_ids), currency, before_seq, limit, wanted.since, wanted.until, *more)
    return by_member([EntryLine(*row) for row in rows])


def _page(wanted: EntryFilter) -> tuple[str, list[object]]:
    """The statement that finds pages for a filter, and what it takes besides $1 to $6."""
    kinds = wanted.wanted_kinds
    moves = _MOVES[wanted.direction]
    if wanted.sources is not None:
        types, ids = [name for name, _ in wanted.sources], [key for _, key in wanted.sources]
        return _for_members(_by_source(moves)), [kinds, types, ids]
    if not set(kinds) & set(USUAL_KINDS):
        return _for_members(_by_unusual_kind(moves)), [kinds]
    if wanted.kinds is None and wanted.direction is None:
        return _for_members(_by_seq("true")), []
    return _for_members(_by_seq(f"kind = ANY($7::text[]) AND {moves}")), [kinds]


def _for_members(page: str) -> str:
    return f"SELECT page.* FROM unnest($1::uuid[]) AS m(id) {_SPAN} CROSS JOIN LATERAL ({page}) AS page"


def _by_seq(passes: str) -> str:
    return f"SELECT {LINE_COLUMNS} FROM entry WHERE {_WITHIN} AND {passes} ORDER BY seq DESC LIMIT $4"


def _by_unusual_kind(moves: str) -> str:
    usual = ", ".join(f"'{name}'" for name in USUAL_KINDS)
    own = f"""SELECT {LINE_COLUMNS} FROM entry WHERE {_WITHIN} AND kind = wanted.kind AND kind NOT IN ({usual})
              AND {moves} ORDER BY seq DESC LIMIT $4"""
    return f"""SELECT own.* FROM unnest($7::text[]) AS wanted(kind) CROSS JOIN LATERAL ({own}) AS own
               ORDER BY own.seq DESC LIMIT $4"""


def _by_source(moves: str) -> str:
    own = f"""SELECT {LINE_COLUMNS} FROM entry WHERE {_WITHIN} AND kind = ANY($7::text[]) AND {moves}
              AND source_type = source.type AND source_id = source.id"""
    return f"""SELECT own.* FROM unnest($8::text[], $9::text[]) AS source(type, id) CROSS JOIN LATERAL ({own}) AS own
               ORDER BY own.seq DESC LIMIT $4"""
