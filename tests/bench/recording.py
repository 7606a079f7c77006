"""The statements of one operation, taken from the product in this very process."""

from __future__ import annotations

import asyncio
import contextvars

import asyncpg
import httpx

from tests.bench.operations import OURS, Caller, Operation, is_good
from tests.bench.programme import Measured
from tests.bench.statements import Statement, in_process, recorded, with_types

SAMPLE, OTHER = 1, 2


async def statements_of(operation: Operation, measured: Measured, *, typed: bool = False) -> list[Statement]:
    """What the first member's request sends, with the lookup of the session, when others have asked before."""
    asking = _statements_of(operation, measured)  # in an empty context, as a process of its own would
    statements = await asyncio.create_task(asking, context=contextvars.Context())
    if not typed:
        return statements
    connection = await asyncpg.connect(measured.settings.database_url)
    try:
        return await with_types(statements, connection)
    finally:
        await connection.close()


async def _statements_of(operation: Operation, measured: Measured) -> list[Statement]:
    async with in_process(measured.settings) as client:
        if operation.door == "member":
            await _ask(client, operation, measured, OTHER)
        with recorded() as statements:
            await _ask(client, operation, measured, SAMPLE)
        return list(statements)


async def _ask(client: httpx.AsyncClient, operation: Operation, measured: Measured, number: int) -> None:
    staff = operation.door == "staff"
    token = measured.staff_token() if staff else measured.member_token(number)
    body = Caller(measured, OURS, [], "").body(operation)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    answer = await client.post(OURS.paths[operation.door], content=body, headers=headers)
    assert is_good(operation)(answer.status_code, answer.content), answer.text
