"""The audit trail as owners and auditors search it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from strawberry import relay

from gamification.core.actors import SYSTEM, Actor
from gamification.core.audit import AuditFilter, audit, audit_page
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_value
from gamification.members import service as members
from schema.admin.audit import RECORDS
from tests.databases import Database
from tests.members.people import a_member
from tests.staff.rooms import AUDITOR, CALLERS, OPERATOR, OWNER, Office, Refused, rows_in, turned_away

RECORD = "id at actor action subject before after reason"
RECORDS_QUERY = f"""query ($search: AuditSearch, $first: Int! = 20, $after: String) {{
    auditRecords(search: $search, first: $first, after: $after) {{
        edges {{ cursor node {{ {RECORD} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
NODE = "query ($id: ID!) { node(id: $id) { ... on AuditRecord { action } } }"
ZHOU = Actor("staff", UUID(int=9), role="operator")


async def found(office: Office, **search: Any) -> list[str]:
    """The actions that a search finds, in order."""
    answer = await office.ask(RECORDS_QUERY, AUDITOR, search=search)
    return [edge["node"]["action"] for edge in answer["auditRecords"]["edges"]]


async def some_records(clock: FixedClock) -> None:
    """Four lines, an hour apart, the last two at the same instant."""
    await audit(OWNER, "first", "policy", "points", now=clock.now())
    await audit(ZHOU, "second", "job", 7, now=clock.now() + timedelta(hours=1))
    await audit(SYSTEM, "third", "job", 7, now=clock.now() + timedelta(hours=2))
    await audit(ZHOU, "fourth", "policy", "points", now=clock.now() + timedelta(hours=2))


async def test_a_line_says_who_did_what_to_whom_and_why(office: Office, clock: FixedClock) -> None:
    """An action of staff is found with its values before and after and its reason."""
    member = await a_member(clock)
    await members.block_member(member_id=member.id, reason="fraud", actor=OPERATOR, now=clock.now())
    (edge,) = (await office.ask(RECORDS_QUERY, AUDITOR))["auditRecords"]["edges"]
    stored = await fetch_value("SELECT id FROM audit_record")
    assert edge["node"] == {
        "id": relay.to_base64("AuditRecord", stored),
        "at": "2026-03-02T02:00:00+00:00",
        "actor": OPERATOR.key,
        "action": "member.blocked",
        "subject": f"member:{member.id}",
        "before": {"status": "ACTIVE"},
        "after": {"status": "BLOCKED"},
        "reason": "fraud",
    }


@pytest.mark.parametrize("caller", CALLERS)
async def test_only_owners_and_auditors_read_the_trail(office: Office, clock: FixedClock, caller: str) -> None:
    """Everybody else is turned away, and finds nothing under a line's id."""
    await audit(OWNER, "first", "policy", "points", now=clock.now())
    record_id = relay.to_base64("AuditRecord", await fetch_value("SELECT id FROM audit_record"))
    admitted = caller in ("owner", "auditor")
    assert await office.code_for(RECORDS_QUERY, CALLERS[caller]) == (None if admitted else turned_away(caller))
    node = await office.ask(NODE, CALLERS[caller], id=record_id)
    assert node == {"node": {"action": "first"} if admitted else None}


async def test_lines_are_found_by_subject_actor_action_and_period(office: Office, clock: FixedClock) -> None:
    """Each criterion narrows by itself and together with others; a period holds its start and not its end."""
    await some_records(clock)
    hour = [(clock.now() + timedelta(hours=hours)).isoformat() for hours in range(4)]
    assert await found(office) == ["fourth", "third", "second", "first"]
    assert await found(office, subject="policy:points") == ["fourth", "first"]
    assert await found(office, subject="job:7") == ["third", "second"]
    assert await found(office, subject="job:70") == []
    assert await found(office, actor=ZHOU.key) == ["fourth", "second"]
    assert await found(office, actor="system") == ["third"]
    assert await found(office, action="second") == ["second"]
    assert await found(office, since=hour[1]) == ["fourth", "third", "second"]
    assert await found(office, until=hour[2]) == ["second", "first"]
    assert await found(office, since=hour[1], until=hour[2]) == ["second"]
    assert await found(office, since=hour[3]) == []
    assert await found(office, subject="job:7", actor=ZHOU.key) == ["second"]
    assert await found(office, subject="job:7", actor=OWNER.key) == []
    assert await found(office, subject="policy:points", actor=ZHOU.key, action="fourth", since=hour[2]) == ["fourth"]


async def test_global_ids_find_what_lines_call_otherwise(office: Office, clock: FixedClock) -> None:
    """A member's id as a subject, the id of somebody of staff as an actor."""
    member = await a_member(clock)
    await members.block_member(member_id=member.id, reason="fraud", actor=ZHOU, now=clock.now())
    await audit(OWNER, "other", "charity_campaign", UUID(int=5), now=clock.now())
    assert await found(office, subject=relay.to_base64("Member", member.id)) == ["member.blocked"]
    assert await found(office, actor=relay.to_base64("Staff", UUID(int=9))) == ["member.blocked"]
    assert await found(office, subject=relay.to_base64("CharityCampaign", UUID(int=5))) == ["other"]
    assert await found(office, actor=relay.to_base64("Staff", UUID(int=8))) == []


@pytest.mark.parametrize("wrong", ["", "nonsense", "a:\0", "policy:\n", "x:" + "y" * 199])
async def test_what_no_line_can_hold_is_refused(office: Office, wrong: str) -> None:
    """The error names the criterion."""
    for criterion in ("subject", "actor"):
        with pytest.raises(Refused) as refused:
            await found(office, **{criterion: wrong})
        assert (refused.value.code, refused.value.argument) == ("BAD_USER_INPUT", criterion)


async def test_the_trail_is_walked_page_by_page(office: Office, clock: FixedClock) -> None:
    """Lines of the same instant are neither lost nor doubled between pages, also under a criterion."""
    for number in range(7):
        await audit(OWNER, f"action.{number}", "job", number % 2, now=clock.now() + timedelta(seconds=number // 4))
    for search, expected in ((None, [6, 5, 4, 3, 2, 1, 0]), ({"subject": "job:0"}, [6, 4, 2, 0])):
        seen, after, more = [], None, True
        while more:
            page = (await office.ask(RECORDS_QUERY, search=search, first=2, after=after))["auditRecords"]
            seen += [edge["node"]["action"] for edge in page["edges"]]
            after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        assert seen == [f"action.{number}" for number in expected]


async def test_a_forged_cursor_is_refused(office: Office) -> None:
    """An instant without an offset, or one that does not exist in UTC, is no cursor."""
    for at in (datetime(2026, 3, 2), datetime.fromisoformat("9999-12-31T23:59:59-08:00")):  # noqa: DTZ001
        with pytest.raises(Refused) as refused:
            await office.ask(RECORDS_QUERY, after=RECORDS.cursor({"at": at, "id": UUID(int=1)}))
        assert (refused.value.code, refused.value.argument) == ("BAD_USER_INPUT", "after")


async def test_a_page_is_bounded(office: Office) -> None:
    """More than a hundred lines at once are not read."""
    assert await office.code_for(RECORDS_QUERY, OWNER, first=101) == "BAD_USER_INPUT"


async def test_a_line_never_changes(office: Office, clock: FixedClock, database: Database) -> None:
    """The application may not change, delete or empty the trail; the owner of the table is refused by triggers."""
    await some_records(clock)
    owner = await asyncpg.connect(database.url)
    for sql in ("UPDATE audit_record SET actor = 'x'", "DELETE FROM audit_record", "TRUNCATE audit_record"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(sql)
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await owner.execute(sql)
    await owner.close()
    assert await rows_in("audit_record") == 4


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (AuditFilter(), "audit_record_by_time"),
        (AuditFilter(subject="job:7"), "audit_record_by_subject"),
        (AuditFilter(actor=OWNER.key), "audit_record_by_actor"),
        (AuditFilter(action="member.blocked"), "audit_record_by_action"),
    ],
)
async def test_a_page_deep_in_a_long_trail_reads_its_rows_only(
    database: Database, clock: FixedClock, wanted: AuditFilter, index: str
) -> None:
    """A page out of the middle of ten thousand lines comes from the index of its criterion, in order."""
    owner = await asyncpg.connect(database.url)
    await owner.execute(
        """INSERT INTO audit_record (id, at, actor, action, subject)
           SELECT gen_random_uuid(), $1::timestamptz + n * interval '1 second', 'staff:' || n % 50,
                  CASE n % 50 WHEN 0 THEN 'member.blocked' ELSE 'other.' || n % 50 END, 'job:' || n % 50
             FROM generate_series(1, 10000) n""",
        clock.now(),
    )
    await owner.execute("ANALYZE audit_record")
    await owner.close()
    middle = (clock.now() + timedelta(seconds=5000), UUID(int=0))
    statements: list[tuple[str, tuple[object, ...]]] = []

    async def noted(sql: str, *arguments: object) -> list[Any]:
        statements.append((sql, arguments))
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gamification.core.audit.fetch", noted)
        await audit_page(wanted, after=middle, limit=21)
    ((sql, arguments),) = statements
    plan = "\n".join(line[0] for line in await fetch(f"EXPLAIN {sql}", *arguments))
    assert f"using {index}" in plan and "Sort" not in plan
