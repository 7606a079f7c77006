"""What the tier of a member rests on: the standing, what occurred by day, and what was bought."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gamification.core.draft import Load
from gamification.points.book import Book
from gamification.tiers.evaluation import Fact, Purchase
from gamification.tiers.rows import FACTS_SQL, PURCHASES_SQL, FactRow, PurchaseRow, StandingRow
from gamification.tiers.rules import TierPolicy

STANDING = Load(
    name="tiers.standing",
    row=StandingRow,
    sql=f"SELECT {', '.join(StandingRow._fields)} FROM tier_standing WHERE member_id = ANY({{members}})",
)
FACTS = Load(name="tiers.facts", row=FactRow, sql=FACTS_SQL)
PURCHASES = Load(name="tiers.purchases", row=PurchaseRow, sql=PURCHASES_SQL)
TIER_LOADS = (STANDING, FACTS, PURCHASES)


def count(book: Book, at: datetime, *, growth: int = 0, net_fen: int = 0, orders: int = 0) -> None:
    """Add to what occurred, for the rest of the batch: the loads are from before it."""
    rows: list[Any] = book.loaded(FACTS.name)
    rows.append(FactRow(book.member_id, at, growth, net_fen, orders))


def facts_of(book: Book, policy: TierPolicy) -> list[Fact]:
    """What occurred by business day, as far as the tier set asks."""
    if policy.rests_on_growth_alone:
        return []
    rows: list[FactRow] = book.loaded(FACTS.name)
    return [Fact(book.calendar.business_date(row.at), row.growth, row.net_fen, row.orders) for row in rows]


def purchases_of(book: Book) -> list[Purchase]:
    """What the member has bought, as it stands in this batch."""
    rows: list[PurchaseRow] = book.loaded(PURCHASES.name)
    return [row.purchase for row in rows]
