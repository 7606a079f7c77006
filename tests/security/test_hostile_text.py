"""Texts and ids that are sent to break something."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.stories.served import Programme

NUL = "a\x00b"
BUY = """mutation($id: ID!, $key: String!) {
  buyDrawTicket(drawId: $id, idempotencyKey: $key) { __typename ... on InvalidInput { message } } }"""
UPDATE = """mutation($name: String!) {
  updateProfile(input: {nickname: $name}) { ... on Member { nickname } } }"""


async def codes(programme: Programme, caller: str, query: str, variables: dict[str, Any]) -> list[str]:
    """The codes of the errors that a caller is answered."""
    answer = await programme.http.post(**programme._request(caller, query, variables))
    return [error["extensions"]["code"] for error in answer.json().get("errors", [])]


@pytest.mark.parametrize(
    ("caller", "query"),
    [
        ("integration", "query($text: String!) { order(externalId: $text) { externalId } }"),
        ("integration", "query($text: String!) { orders(member: {number: $text}) { edges { cursor } } }"),
        ("owner", "query($text: String!) { members(search: {number: $text}) { edges { cursor } } }"),
        (
            "owner",
            'mutation($text: String!) { createIntegration(name: $text, scopes: ["orders:read"]) { __typename } }',
        ),
    ],
)
async def test_a_text_that_cannot_be_stored_is_the_callers_mistake(
    programme: Programme, caller: str, query: str
) -> None:
    """U+0000, which no text of the database holds, is answered as bad input and not as a fault."""
    assert await codes(programme, caller, query, {"text": NUL}) == ["BAD_USER_INPUT"]


async def test_an_idempotency_key_with_a_nul_buys_nothing(programme: Programme) -> None:
    """Such a key is bad input; no ticket is bought and no point is taken."""
    before = await programme.ask("member", "{ me { points { available } } drawTickets { edges { cursor } } }")
    draws = await programme.ask("member", "{ draws { edges { node { id } } } }")
    draw = draws["draws"]["edges"][0]["node"]["id"]
    assert await codes(programme, "member", BUY, {"id": draw, "key": NUL}) == ["BAD_USER_INPUT"]
    after = await programme.ask("member", "{ me { points { available } } drawTickets { edges { cursor } } }")
    assert after == before


@pytest.mark.parametrize("seq", ["9" * 30, "-1", "1_0", "٣"])
async def test_an_entry_is_named_by_one_plain_number(programme: Programme, seq: str) -> None:
    """An entry's id with another spelling of its number, or one beyond every number, is no id."""
    me = await programme.ask("member", "{ me { entries(first: 1) { edges { node { id } } } } }")
    known = base64.b64decode(me["me"]["entries"]["edges"][0]["node"]["id"]).decode()
    forged = base64.b64encode(f"{known.rpartition('.')[0]}.{seq}".encode()).decode()
    query = "query($id: ID!) { node(id: $id) { id } }"
    assert await codes(programme, "member", query, {"id": forged}) == ["BAD_USER_INPUT"]


async def test_a_nickname_turns_no_writing_around(programme: Programme) -> None:
    """Characters that override the direction of writing are left out of a nickname."""
    answer = await programme.ask("member", UPDATE, {"name": "\u202egnp.\u2066红"})
    assert answer == {"updateProfile": {"nickname": "gnp.红"}}


async def test_a_nickname_shows_something(programme: Programme) -> None:
    """A nickname of nothing but invisible characters is bad input, and the old one stays."""
    before = await programme.ask("member", "{ me { nickname } }")
    assert await codes(programme, "member", UPDATE, {"name": "\u200b\u2060"}) == ["BAD_USER_INPUT"]
    assert await programme.ask("member", "{ me { nickname } }") == before


async def test_a_nickname_keeps_joined_pictures(programme: Programme) -> None:
    """The joiner inside a family of pictures stays."""
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert await programme.ask("member", UPDATE, {"name": family}) == {"updateProfile": {"nickname": family}}


async def test_a_reason_with_a_nul_moves_nothing(programme: Programme) -> None:
    """Such a reason of an adjustment is bad input, within the limits and beyond them; no row and no point is left."""
    me = await programme.ask("member", "{ me { id points { available } } }")
    for points in (5, 5_000):
        given = {"memberId": me["me"]["id"], "points": points, "reason": NUL, "idempotencyKey": f"nul-{points}"}
        query = "mutation($input: AdjustPointsInput!) { adjustPoints(input: $input) { __typename } }"
        assert await codes(programme, "owner", query, {"input": given}) == ["BAD_USER_INPUT"]
    assert await programme.ask("owner", "{ adjustments { edges { cursor } } }") == {"adjustments": {"edges": []}}
    assert await programme.ask("member", "{ me { id points { available } } }") == me
