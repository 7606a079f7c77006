"""Reads of what shops told of orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from gamification.core.database import fetch


class WaitingEventRow(NamedTuple):
    """An event whose order has not arrived."""

    order_external_id: str
    type: str
    occurred_at: datetime
    received_at: datetime


async def events_by_orders(external_ids: Sequence[str]) -> list[Mapping[str, datetime]]:
    """When what happened to each order, by type, in the order asked; one statement."""
    rows = await fetch(
        "SELECT order_external_id, type, occurred_at FROM order_event WHERE order_external_id = ANY($1)",
        list(external_ids),
    )
    found: dict[str, dict[str, datetime]] = {}
    for row in rows:
        found.setdefault(row["order_external_id"], {})[row["type"]] = row["occurred_at"]
    return [found.get(each, {}) for each in external_ids]


async def waiting_events(after: tuple[datetime, str, str] | None, limit: int) -> list[WaitingEventRow]:
    """Events that wait for their order, the longest waiting first."""
    rows = await fetch(
        """SELECT order_external_id, type, occurred_at, received_at FROM order_event
           WHERE applied_at IS NULL AND ($1::timestamptz IS NULL
                 OR (received_at, order_external_id, type) > ($1, $2, $3))
           ORDER BY received_at, order_external_id, type LIMIT $4""",
        *(after or (None, None, None)), limit,
    )  # fmt: skip
    return [WaitingEventRow(*row) for row in rows]
