"""What an integration reaches beyond its scopes: nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.served import Programme

CREATE = """mutation($scopes: [String!]!) { createIntegration(name: "narrow", scopes: $scopes) {
  ... on IntegrationCreated { token } } }"""
RECORD = """mutation($input: RecordOrderInput!) { recordOrder(input: $input) {
  ... on OrderRecorded { order { externalId member { number } } } } }"""


async def ask_with(programme: Programme, token: str, query: str, variables: dict[str, Any] | None = None) -> Any:
    """The answer to whoever holds the token."""
    request = programme._request("integration", query, variables)
    request["headers"]["authorization"] = f"Bearer {token}"
    return (await programme.http.post(**request)).json()


async def narrow(programme: Programme, *scopes: str) -> str:
    """The token of a new integration with these scopes."""
    made = await programme.ask("owner", CREATE, {"scopes": list(scopes)})
    return str(made["createIntegration"]["token"])


async def order_of(programme: Programme) -> dict[str, Any]:
    """An order of the demonstration's member, to be recorded."""
    number = (await programme.ask("member", "{ me { number } }"))["me"]["number"]
    return {
        "externalId": "scope-1",
        "member": {"number": number},
        "paidAt": "2027-03-03T12:00:00+08:00",
        "paidFen": 100,
        "lines": [{"netFen": 100}],
    }


async def test_who_writes_orders_reads_no_member(programme: Programme) -> None:
    """An integration that may record orders is shown the order and not whose it is; one that may read members is."""
    order = await order_of(programme)
    writer = await narrow(programme, "orders:write")
    answer = await ask_with(programme, writer, RECORD, {"input": order})
    assert answer == {"data": {"recordOrder": {"order": {"externalId": "scope-1", "member": None}}}}
    shown = await programme.ask("integration", '{ order(externalId: "scope-1") { member { number } } }')
    assert shown == {"order": {"member": order["member"]}}


async def test_who_reads_orders_reads_no_member(programme: Programme) -> None:
    """An integration that may read orders does not reach members through them."""
    await programme.ask("integration", RECORD, {"input": await order_of(programme)})
    reader = await narrow(programme, "orders:read")
    query = '{ order(externalId: "scope-1") { externalId member { nickname phone references { value } } } }'
    assert await ask_with(programme, reader, query) == {"data": {"order": {"externalId": "scope-1", "member": None}}}


@pytest.mark.parametrize(
    "query",
    [
        "{ members { edges { cursor } } }",
        '{ orders(member: {number: "1"}) { edges { cursor } } }',
        "{ auditRecords { edges { cursor } } }",
        "{ deadLetters { edges { cursor } } }",
        "{ policies { edges { cursor } } }",
        "{ draws { edges { cursor } } }",
        "{ charityCampaigns { edges { cursor } } }",
        'mutation { createIntegration(name: "x", scopes: ["members:read"]) { __typename } }',
    ],
)
async def test_a_scope_opens_nothing_else(programme: Programme, query: str) -> None:
    """An integration that may only write orders is forbidden everything beside."""
    answer = await ask_with(programme, await narrow(programme, "orders:write"), query)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
