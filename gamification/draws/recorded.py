"""What is on record of how a draw was decided: its beacon as it is exported, wins, reserves, promotions. Read-only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from gamification.core.database import fetch
from gamification.draws.beacons import BeaconRow
from gamification.draws.promotions import Lapsed, Promotion, Reserve
from gamification.draws.rules import Win

ROWS_PER_PAGE = 16_384

_WINS = """SELECT rank, number, prize_place FROM draw_win WHERE draw_id = $1 AND rank > $2 AND replaces_rank IS NULL
ORDER BY rank LIMIT $3"""


def exported_beacon(row: BeaconRow) -> dict[str, Any] | None:
    """The value that was mixed in, with what it is checked by; None for a draw without a beacon."""
    if row.kind == "DRAND" and row.signature is not None:
        return {
            "kind": "drand", "round": row.beacon_round, "randomness": row.value, "signature": row.signature.hex(),
        }  # fmt: skip
    return {"kind": "figure", "value": row.value, "source": row.source} if row.kind == "FIGURE" else None


async def wins_of(draw_id: UUID) -> list[Win]:
    """The wins that were drawn, by rank; promotions are told apart."""
    wins: list[Win] = []
    while rows := await fetch(_WINS, draw_id, wins[-1].rank if wins else 0, ROWS_PER_PAGE):
        wins += [Win(*row) for row in rows]
    return wins


async def reserves_of(draw_id: UUID) -> list[Reserve]:
    """All tickets that stood in line when the winners were drawn, in their order; 10,000 at most."""
    rows = await fetch(
        """SELECT r.number, n.buyer FROM draw_reserve r JOIN ticket_number n USING (draw_id, number)
           WHERE r.draw_id = $1 ORDER BY r.place""",
        draw_id,
    )
    return [Reserve(*row) for row in rows]


async def promotions_of(draw_id: UUID) -> list[Promotion]:
    """The further wins, by rank; no more than there are reserves."""
    rows = await fetch(
        """SELECT rank, replaces_rank, number, prize_place FROM draw_win
           WHERE draw_id = $1 AND replaces_rank IS NOT NULL ORDER BY rank""",
        draw_id,
    )
    return [Promotion(*row) for row in rows]


async def replaced_wins(draw_id: UUID) -> list[Lapsed]:
    """The wins whose prize went to a reserve, by rank, with the pseudonyms of their winners."""
    rows = await fetch(
        """SELECT w.rank, w.prize_place, n.buyer FROM draw_win w JOIN ticket_number n USING (draw_id, number)
           WHERE w.draw_id = $1
             AND EXISTS (SELECT FROM draw_win p WHERE p.draw_id = $1 AND p.replaces_rank = w.rank) ORDER BY w.rank""",
        draw_id,
    )
    return [Lapsed(*row) for row in rows]


async def standing_wins(draw_id: UUID) -> Mapping[tuple[str, int], int]:
    """How many wins of a prize were drawn for a buyer who stands in line, or whose win was replaced."""
    rows = await fetch(
        """SELECT n.buyer, w.prize_place, count(*) FROM draw_win w JOIN ticket_number n USING (draw_id, number)
           WHERE w.draw_id = $1 AND w.replaces_rank IS NULL GROUP BY n.buyer, w.prize_place""",
        draw_id,
    )
    return Counter({(row["buyer"], row["prize_place"]): row["count"] for row in rows})
