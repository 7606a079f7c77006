"""What an operation costs the database, as far as it does not jitter: statements sent, pages read."""

from __future__ import annotations

import asyncio
import contextvars
import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from schema.paging import CURSOR_VERSION
from tests.bench.operations import R1, R2, W1, W2, Operation, text_of
from tests.bench.programme import Measured
from tests.bench.recording import statements_of
from tests.bench.seeding import TODAY
from tests.bench.statements import Statement, in_process, recorded

READS_SESSION = 1
"""Whoever was not seen for some seconds has their session looked up."""
READS_A_SCREEN = READS_A_PAGE = READS_WHAT_IT_NESTS = 1
"""Whatever a screen, or a level of an answer, consists of."""
READS_WHAT_WAS_MADE = 1
READS_THEN_WRITES = 2
"""A verb: everything it rests on in one statement, everything it changes in another."""

DONATION = """mutation ($input: DonatePointsInput!) {
    donatePoints(input: $input) {
        ... on DonationMade { donation { certificate { serial } } } ... on Refusal { code } } }"""
ORDER = """mutation ($input: RecordOrderInput!) {
    recordOrder(input: $input) { ... on OrderRecorded { alreadyRecorded } ... on Refusal { code } } }"""
STATEMENT = text_of("Statement")
CHECK_INS = """query ($after: String) { checkIns(first: 20, after: $after) {
    edges { node { businessDate } } pageInfo { hasNextPage endCursor } } }"""
LONG_LIST = 3_000
LATER_PAGES_MORE_MAX = 8
"""Pages of 8 kB that a later page of a list may read more than its first: the index is as deep everywhere."""


@pytest.mark.parametrize(
    ("operation", "statements"),
    [
        (R1, READS_SESSION + READS_A_SCREEN),
        (R2, READS_SESSION + READS_A_PAGE + READS_WHAT_IT_NESTS),
        (W1, READS_SESSION + READS_THEN_WRITES),
        (W2, READS_SESSION + READS_THEN_WRITES + READS_WHAT_WAS_MADE),
    ],
    ids=lambda value: value.title if isinstance(value, Operation) else "",
)
async def test_an_operation_sends_so_many_statements(few: Measured, operation: Operation, statements: int) -> None:
    """The member's home, the staff's list, a check-in and a ticket cost a constant number of statements each."""
    sent = await statements_of(operation, few)
    assert len(sent) == statements, [each.sql for each in sent]


async def test_a_donation_sends_so_many_statements(few: Measured) -> None:
    """A donation costs what a ticket costs, and its certificate one statement more."""
    campaign = await _value(few, "SELECT id FROM charity_campaign")
    given = {"campaignId": _global_id("CharityCampaign", campaign), "units": 1, "idempotencyKey": "one"}
    sent = await _sent(few, "/graphql", few.member_token(3), DONATION, {"input": given})
    certificate = 1
    expected = READS_SESSION + READS_THEN_WRITES + READS_WHAT_WAS_MADE + certificate
    assert len(sent) == expected, [each.sql for each in sent]


async def test_an_order_sends_so_many_statements(few: Measured) -> None:
    """An order of the till costs a verb and finding its member, however many lines it has."""
    lines = [{"netFen": 1_000 + number, "sku": f"sku-{number}"} for number in range(20)]
    order = {
        "externalId": "counted", "member": {"number": "100000000004"}, "paidAt": TODAY.isoformat(),
        "lines": lines, "paidFen": sum(1_000 + number for number in range(20)),
    }  # fmt: skip
    sent = await _sent(few, "/admin/graphql", few.staff_token(), ORDER, {"input": order})
    assert len(sent) == READS_SESSION + 1 + READS_THEN_WRITES, [each.sql for each in sent]


async def test_a_list_reads_as_little_at_its_end_as_at_its_start(many: Measured) -> None:
    """Pages of members, entries and check-ins cost the same buffers at the start, in the middle and at the end."""
    await _give_a_long_history(many)
    newest = many.size.members
    staff, member = many.staff_token(), many.member_token(newest)
    members = [_cursor("members", str(many.member_id(number))) for number in (newest, newest // 2, 60)]
    seqs = [_cursor("entries", seq) for seq in (LONG_LIST, LONG_LIST // 2, 30)]
    days = [_cursor("checkIns", str((TODAY - timedelta(days=age)).date())) for age in (1, LONG_LIST // 2, 2_970)]
    found = {
        "members": await _buffers(many, "/admin/graphql", staff, text_of("StaffMembers"), members),
        "entries": await _buffers(many, "/graphql", member, STATEMENT, seqs),
        "check-ins": await _buffers(many, "/graphql", member, CHECK_INS, days),
    }
    assert {name: reads for name, reads in found.items() if max(reads) > reads[0] + LATER_PAGES_MORE_MAX} == {}


async def _give_a_long_history(measured: Measured) -> None:
    """Thousands of entries and check-ins of one member, which reading alone is told of."""
    connection = await asyncpg.connect(measured.settings.database_url)
    member = measured.member_id(measured.size.members)
    try:
        await connection.execute(
            """INSERT INTO entry (member_id, currency, seq, kind, source_type, source_id, available_delta,
                   pending_delta, held_delta, debt_delta, available, pending, held, debt, occurred_at, booked_at,
                   business_date, trace)
               SELECT $1, 'POINTS', n, 'ACCRUAL', 'test', n::text, 1, 0, 0, 0, n, 0, 0, 0, $2, $2, $4::date, '{}'
               FROM generate_series(100, $3::bigint) AS n""",
            member, TODAY, LONG_LIST, TODAY.date(),
        )  # fmt: skip
        await connection.execute(
            """INSERT INTO check_in (member_id, business_date, run_first_on, points, policy_version, checked_in_at)
               SELECT $1, $2::date - n, $2::date - n, 0, 1, $3 FROM generate_series(10, $4::int) AS n""",
            member, TODAY.date(), TODAY, LONG_LIST,
        )  # fmt: skip
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()


async def _buffers(measured: Measured, path: str, token: str, query: str, cursors: Sequence[str]) -> list[int]:
    """What a page behind each cursor reads, over all of its statements but the session's."""
    reads = []
    connection = await asyncpg.connect(measured.settings.database_url)
    try:
        for cursor in cursors:
            await _sent(measured, path, token, query, {"after": cursor})
            sent = await _sent(measured, path, token, query, {"after": cursor})
            reads.append(sum([await _pages(connection, each) for each in sent if "FROM session" not in each.sql]))
    finally:
        await connection.close()
    return reads


async def _pages(connection: asyncpg.Connection, statement: Statement) -> int:
    told = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.sql}", *statement.arguments)
    plan = json.loads(told)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def _sent(measured: Measured, path: str, token: str, query: str, variables: dict[str, Any]) -> list[Statement]:
    """The statements of one request that is answered well, in an empty context, as by a process of its own."""

    async def ask() -> list[Statement]:
        async with in_process(measured.settings) as client:
            with recorded() as statements:
                await _ask(client, path, token, query, variables)
            return list(statements)

    return await asyncio.create_task(ask(), context=contextvars.Context())


async def _ask(client: httpx.AsyncClient, path: str, token: str, query: str, variables: dict[str, Any]) -> None:
    headers = {"authorization": f"Bearer {token}"}
    answer = (await client.post(path, json={"query": query, "variables": variables}, headers=headers)).json()
    refused = [each["code"] for each in answer.get("data", {}).values() if each and "code" in each]
    assert "errors" not in answer and refused == [], answer


async def _value(measured: Measured, sql: str) -> Any:
    connection = await asyncpg.connect(measured.settings.database_url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def _global_id(kind: str, key: object) -> str:
    return b64encode(f"{kind}:{key}".encode()).decode()


def _cursor(name: str, key: object) -> str:
    """A cursor as the lists of the product write it."""
    return b64encode(json.dumps([CURSOR_VERSION, name, key]).encode()).decode().rstrip("=")
