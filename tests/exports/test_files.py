"""The staff's files over HTTP: their lines, who may fetch them, what is refused, and what is written down."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from app.export_columns import entry_columns
from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.work import Work
from gamification.points import liability
from gamification.points.models import KINDS
from gamification.points.rules import Expiry, PointsPolicy
from tests.builders import a_member, a_work, dump, earn
from tests.exports.conftest import ENTRIES, LIABILITY, MARCH, Room, read
from tests.statements.asking import CALLERS

ALLOWED = ("owner", "operator", "auditor")


async def test_a_line_says_all_of_an_entry(room: Room, mei: UUID) -> None:
    """Days, instants of the programme, the member's number, deltas and balances, the kind and why, in two languages."""
    number = await fetch_value("SELECT number FROM member WHERE id = $1", mei)
    first, second = await room.rows(**MARCH)
    assert first == {
        "business_date": "2026-03-02", "booked_at": "2026-03-02T10:00:00+08:00",
        "occurred_at": "2026-03-02T10:00:00+08:00", "member_number": number, "currency": "POINTS", "seq": "1",
        "kind": "ACCRUAL", "label": "Earned", "points": "100", "available_delta": "100", "pending_delta": "0",
        "held_delta": "0", "debt_delta": "0", "available": "100", "pending": "0", "held": "0", "debt": "0",
        "source_type": "test", "source_id": "a", "explanation": "Points earned.", "trace": '{"rule": "test"}',
    }  # fmt: skip
    assert (second["points"], second["available"], second["kind"]) == ("-30", "70", "REDEMPTION")
    chinese = read(await room.get(ENTRIES, locale="zh-CN", **MARCH))
    assert [(row["label"], row["explanation"]) for row in chinese] == [("获取", "获得积分"), ("使用", "使用积分")]


async def test_the_answer_is_a_file_to_keep(room: Room, mei: UUID) -> None:
    """Its type says CSV in UTF-8 with headings, its name says the days, nobody caches it, and sniffing is off."""
    headers = (await room.get(ENTRIES, **MARCH)).headers
    assert headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert headers["content-disposition"] == 'attachment; filename="entries-2026-03-01-2026-03-31.csv"'
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_parameters_narrow_the_file(room: Room, work: Work, mei: UUID, clock: FixedClock) -> None:
    """By member, currency and kinds, both days included."""
    lin = await a_member(clock, "lin")
    clock.set(datetime.fromisoformat("2026-03-31T23:59:00+08:00"))
    await earn(work, lin, 7, "c")
    number = await fetch_value("SELECT number FROM member WHERE id = $1", lin)
    found = {
        "all": await room.rows(**MARCH),
        "lin": await room.rows(**MARCH, member=number),
        "growth": await room.rows(**MARCH, currency="GROWTH"),
        "out": await room.rows(**MARCH, kinds="REDEMPTION,EXPIRY"),
        "last day": await room.rows(**{"from": "2026-03-31", "to": "2026-03-31"}),
        "day before": await room.rows(**{"from": "2026-03-03", "to": "2026-03-30"}),
    }
    assert {name: [row["source_id"] for row in rows] for name, rows in found.items()} == {
        "all": ["a", "b", "c"], "lin": ["c"], "growth": [], "out": ["b"], "last day": ["c"], "day before": [],
    }  # fmt: skip


async def test_no_cell_of_a_file_is_a_formula(room: Room, work: Work, clock: FixedClock) -> None:
    """An id from outside that begins like a formula is a text to whoever opens the file."""
    mei = await a_member(clock)
    await earn(work, mei, 5, '=HYPERLINK("http://evil.test","x")')
    (row,) = await room.rows(**MARCH)
    assert row["source_id"] == '\'=HYPERLINK("http://evil.test","x")'


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "from"),
        ({"from": "2026-03-01"}, "to"),
        ({**MARCH, "from": "1 March"}, "from"),
        ({**MARCH, "from": "20260301"}, "from"),
        ({**MARCH, "to": "2026-02-30"}, "to"),
        ({**MARCH, "to": "2026-02-28"}, "to"),
        ({"from": "2025-03-01", "to": "2026-03-02"}, "to"),
        ({**MARCH, "member": "12"}, "member"),
        ({**MARCH, "member": "１２３４５６７８９０１２"}, "member"),
        ({**MARCH, "currency": "points"}, "currency"),
        ({**MARCH, "kinds": "GIFT"}, "kinds"),
        ({**MARCH, "kinds": ""}, "kinds"),
        ({**MARCH, "kinds": ",".join([*KINDS, "ACCRUAL"] * 50)}, "kinds"),
        ({**MARCH, "limit": "5"}, "limit"),
        ({**MARCH, "x" * 500: "5"}, "x" * 40),
    ],
)
async def test_a_wrong_parameter_is_named(room: Room, mei: UUID, query: dict[str, str], field: str) -> None:
    """A problem in JSON says which field and why; nothing is exported and nothing written down."""
    before = await dump()
    answer = await room.get(ENTRIES, **query)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    problem = orjson.loads(answer.content)
    assert (problem["status"], problem["code"], problem["field"]) == (400, "BAD_USER_INPUT", field)
    assert problem["detail"] and await dump() == before


async def test_a_parameter_stands_there_once(room: Room, mei: UUID) -> None:
    """Two values of one parameter could mean either."""
    async with room.http() as client:
        answer = await client.get(f"{ENTRIES}?from=2026-03-01&to=2026-03-31&to=2026-03-05")
    assert (answer.status_code, answer.json()["field"]) == (400, "to")


async def test_a_year_and_a_day_is_the_most(room: Room, mei: UUID) -> None:
    """366 days are exported, 367 are not."""
    assert len(await room.rows(**{"from": "2025-03-02", "to": "2026-03-02"})) == 2
    assert (await room.get(ENTRIES, **{"from": "2025-03-01", "to": "2026-03-02"})).status_code == 400


async def test_a_number_that_nobody_has_is_not_found(room: Room, mei: UUID) -> None:
    """404 that names the field, and no line in the audit trail."""
    answer = await room.get(ENTRIES, **MARCH, member="999999999999")
    assert (answer.status_code, answer.json()["field"], answer.json()["code"]) == (404, "member", "NOT_FOUND")
    assert await fetch_value("SELECT count(*) FROM audit_record") == 0


@pytest.mark.parametrize("path", [ENTRIES, LIABILITY])
@pytest.mark.parametrize("caller", [*CALLERS, "expired"])
async def test_who_may_fetch_files(room: Room, mei: UUID, clock: FixedClock, caller: str, path: str) -> None:
    """Owner, operator and auditor. Cashiers, integrations and members are forbidden it, strangers are to sign in."""
    await liability.keep(await liability.compute(clock.now(), Calendar()))
    before = await dump()
    answer = await room.get(path, caller, **(MARCH if path == ENTRIES else {}))
    if caller in ALLOWED:
        assert answer.status_code == 200 and len(read(answer)) >= 2
        return
    unknown = caller in ("anonymous", "expired")
    assert (answer.status_code, answer.json()["code"]) == ((401, "UNAUTHENTICATED") if unknown else (403, "FORBIDDEN"))
    assert answer.headers.get("www-authenticate") == ("Bearer" if unknown else None)
    assert await dump() == before


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_files_are_fetched_by_get_alone(room: Room, mei: UUID, method: str) -> None:
    """Any other method is told so and exports nothing."""
    async with room.http() as client:
        answer = await client.request(method, ENTRIES, params=MARCH)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert await fetch_value("SELECT count(*) FROM audit_record") == 0


async def test_who_exported_what_is_written_down(room: Room, mei: UUID) -> None:
    """Before the first line is sent: who, of which days, currency and kinds, of everybody or of whom."""
    number = await fetch_value("SELECT number FROM member WHERE id = $1", mei)
    await room.get(ENTRIES, "operator", **MARCH, kinds="EXPIRY,ACCRUAL")
    await room.get(ENTRIES, "auditor", **MARCH, member=number, currency="POINTS")
    rows = await fetch("SELECT actor, action, subject, after FROM audit_record ORDER BY id")
    days = {"since": "2026-03-01", "until": "2026-03-31"}
    assert [(*row[:3], orjson.loads(row["after"])) for row in rows] == [
        (f"staff:{UUID(int=1)}", "entries.exported", "export:entries",
         {**days, "currency": None, "kinds": ["EXPIRY", "ACCRUAL"]}),
        (f"staff:{UUID(int=1)}", "entries.exported", f"member:{mei}", {**days, "currency": "POINTS", "kinds": None}),
    ]  # fmt: skip


async def test_drift_can_be_exported_too(room: Room, mei: UUID, database: Any) -> None:
    """An entry of a kind that nobody lists is what an auditor looks for: it is exported under its own name."""
    owner = await asyncpg.connect(database.url)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE entry SET kind = 'GIFT' WHERE seq = 1")
    (first,) = [row for row in await room.rows(**MARCH) if row["seq"] == "1"]
    assert (first["kind"], first["label"], first["explanation"]) == ("GIFT", "GIFT", "GIFT")
    await owner.execute("UPDATE entry SET kind = 'ACCRUAL' WHERE seq = 1")
    await owner.close()


async def test_the_liability_is_a_file_as_well(room: Room, work: Work, clock: FixedClock) -> None:
    """Month by month in fen, gross and net at the rate that is given; the total last."""
    lin = await a_member(clock)
    await earn(a_work(clock, PointsPolicy(Expiry(1, "month", "month"))), lin, 9)
    await earn(work, lin, 100)
    await liability.keep(await liability.compute(clock.now(), Calendar()))
    answer = await room.get(LIABILITY, on="2026-03-02", breakageBp="5000")
    assert answer.headers["content-disposition"] == 'attachment; filename="liability-2026-03-02.csv"'
    assert [tuple(row.values()) for row in read(answer)] == [
        ("2026-04", "9", "0", "0", "9", "4", "5"),
        ("never", "100", "0", "0", "100", "0", "100"),
        ("held", "0", "0", "0", "0", "0", "0"),
        ("total", "109", "0", "0", "109", "4", "105"),
    ]
    assert [row["net_fen"] for row in await room.rows(LIABILITY)] == ["", "", "", ""]
    for query, field, status in (
        ({"on": "2026-03-01"}, "on", 404),
        ({"on": "yesterday"}, "on", 400),
        ({"breakageBp": "10001"}, "breakageBp", 400),
        ({"breakageBp": "-1"}, "breakageBp", 400),
        ({"breakageBp": "5e3"}, "breakageBp", 400),
    ):
        refused = await room.get(LIABILITY, **query)
        assert (refused.status_code, refused.json()["field"]) == (status, field)


def test_headings_are_unique() -> None:
    """A column is found by its heading."""
    headings = [column.heading for column in entry_columns(Calendar(), "en")]
    assert len(set(headings)) == len(headings) == 21
