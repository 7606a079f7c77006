"""What a verb would post if it were done now: the same entries, with the same traces, of which nothing was written."""

from typing import Any

import orjson
import strawberry
from strawberry.scalars import JSON

from gamification.core.work import Preview
from gamification.points import explanations
from gamification.points.rows import EntryRow
from schema.points import Currency
from schema.scalars import Points

PREVIEWED_MAX = 200
"""Entries that a preview shows."""
SHOWN = f"What would be posted, the last {PREVIEWED_MAX} lines."


@strawberry.type(description="A line of the ledger that would be written.")
class PreviewedEntry:
    currency: Currency = strawberry.field(description="The account it would belong to.")
    kind: str = strawberry.field(description="What would happen: ACCRUAL, LADDER, REDEMPTION, EXPIRY, CLAW_BACK …")
    points: Points = strawberry.field(description="What it would move: in (positive) or out (negative).")
    available: Points = strawberry.field(description="Usable after it.")
    pending: Points = strawberry.field(description="Pending after it.")
    held: Points = strawberry.field(description="Held after it.")
    debt: Points = strawberry.field(description="Owed after it.")
    trace: JSON = strawberry.field(description="How the figure would come about.")
    explanation: str = strawberry.field(description="The same as a sentence, in the caller's language.")


def previewed_entries(preview: Preview[Any], locale: str) -> list[PreviewedEntry]:
    """The last entries of a preview in their order; what is due anyway comes before what the verb posts."""
    entries: list[EntryRow] = preview.draft.entries if preview.draft is not None else []
    return [_previewed(entry, locale) for entry in entries[-PREVIEWED_MAX:]]


def _previewed(entry: EntryRow, locale: str) -> PreviewedEntry:
    trace = orjson.loads(entry.trace)
    moved = entry.available_delta + entry.pending_delta + entry.held_delta - entry.debt_delta
    return PreviewedEntry(
        currency=Currency(entry.currency),
        kind=entry.kind,
        points=Points(moved),
        available=Points(entry.available),
        pending=Points(entry.pending),
        held=Points(entry.held),
        debt=Points(entry.debt),
        trace=trace,
        explanation=explanations.explain(entry.kind, entry.source_type, trace, locale),
    )
