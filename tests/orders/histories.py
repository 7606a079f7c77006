"""Files of orders for tests of the import, and readings of what became of them."""

from __future__ import annotations

import io
import random
from datetime import datetime, timedelta
from typing import Any

from gamification.core.actors import SYSTEM
from gamification.core.database import fetch
from gamification.core.work import Work
from gamification.earning.rules import EarningPolicy
from gamification.orders.columns import Layout
from gamification.orders.files import survey
from gamification.orders.service.import_runs import Finding, findings_of
from gamification.orders.service.imports import OrderFile, Summary, import_orders
from tests.builders import SPEC_LADDER, dump

HEADER = "external_id,member_external_id,paid_at,amount_minor,currency,category,kind,ref_external_id"
START = datetime.fromisoformat("2026-01-05T09:00:00+08:00")
LADDER = EarningPolicy(points_rate_bp=50, growth_rate_bp=100, ladder=SPEC_LADDER)


def a_file(prefix: str, *, rows: int = 240, members: int = 17, seed: int = 5) -> bytes:
    """A shop's history: orders, refunds with and without their order or member, some of them before their order."""
    chance = random.Random(seed)
    lines, orders = [HEADER], 0
    for number in range(rows):
        at = (START + timedelta(hours=5 * number)).isoformat()
        member = f"{prefix}m{chance.randrange(members)}"
        fen = chance.randrange(500, 60_000)
        drawn = chance.random()
        if drawn < 0.75:
            orders += 1
            lines.append(f"{prefix}o{orders},{member},{at},{fen},CNY,tea,order,")
        elif drawn < 0.87:
            lines.append(f"{prefix}r{number},{member},{at},{-fen // 3},CNY,tea,refund,")
        elif drawn < 0.97:
            named = f"{prefix}o{max(1, orders - chance.randrange(30))}"
            lines.append(f"{prefix}r{number},,{at},{-fen // 2},CNY,tea,refund,{named}")
        else:
            named = f"{prefix}o{orders + chance.randrange(1, 60)}"
            lines.append(f"{prefix}r{number},,{at},,CNY,tea,refund,{named}")
    return "\n".join(lines).encode()


def order_file(data: bytes, layout: Layout | None = None, **given: Any) -> OrderFile:
    file = io.BytesIO(data)
    return OrderFile(file, "orders.csv", survey(file), layout or Layout(), **given)


async def imported(work: Work, data: bytes, *, batch_rows: int = 10, **given: Any) -> Summary:
    return await import_orders(work, order_file(data), actor=SYSTEM, batch_rows=batch_rows, **given)


async def findings(summary: Summary) -> list[Finding]:
    return [finding async for finding in findings_of(summary.run_id)]


BOOKS = {
    "entries": """e.currency, e.seq, e.kind, e.available_delta, e.debt_delta, e.available, e.debt,
                  replace(e.trace::text, $1, '') FROM entry e WHERE e.member_id = m.member_id""",
    "lots": """l.seq, l.line, l.original, l.remaining, l.expired, l.open FROM lot l
               WHERE l.member_id = m.member_id""",
    "orders": """replace(o.external_id, $1, ''), o.paid_at, o.paid_fen, o.refunded_fen, o.ladder_points
                 FROM sales_order o WHERE o.member_id = m.member_id""",
    "refunds": """replace(r.external_id, $1, ''), r.status, r.matched, r.placed_fen, r.points_revoked, r.debt_added,
                  r.growth_revoked FROM order_refund r WHERE r.member_id = m.member_id""",
    "months": "s.month, s.net_fen, s.ladder_points FROM month_spend s WHERE s.member_id = m.member_id",
    "tiers": "t.tier_code, t.changes FROM tier_standing t WHERE t.member_id = m.member_id",
}


async def books_of(prefix: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that was written for the members of a file, ids and prefix left out."""
    return {
        name: [
            tuple(row)
            for row in await fetch(
                f"""SELECT replace(m.value, $1, '') AS who, q.* FROM member_reference m
                    CROSS JOIN LATERAL (SELECT {columns}) q
                    WHERE m.namespace = 'external' AND starts_with(m.value, $1) ORDER BY q::text, who""",
                prefix,
            )
        ]
        for name, columns in BOOKS.items()
    }


async def what_is_there() -> dict[str, list[str]]:
    """Every row of every table but the import's own."""
    return {name: rows for name, rows in (await dump()).items() if not name.startswith("import_")}
