"""What members follow live, over HTTP as the mini-program does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx

from tests.stories.served import Programme


async def events(response: httpx.Response) -> AsyncIterator[dict[str, object]]:
    """The answers of an event stream."""
    async for line in response.aiter_lines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


async def test_a_member_sees_points_arrive_as_they_are_posted(programme: Programme) -> None:
    """`pointsPosted` tells of every entry behind the one that is known, in order, and of nobody else's."""
    query = "subscription { pointsPosted(afterSeq: 3) { seq kind points available } }"
    async with programme.stream("member", query) as response:
        assert response.status_code == 200
        following = events(response)
        first = asyncio.ensure_future(anext(following))
        checked_in = await programme.ask("member", "mutation { checkIn { ... on CheckedIn { points available } } }")
        assert await first == {"data": {"pointsPosted": {"seq": 4, "kind": "ACCRUAL", "points": 5, "available": 1105}}}
        assert checked_in == {"checkIn": {"points": 5, "available": 1105}}


async def test_nobody_follows_points_without_signing_in(programme: Programme) -> None:
    """A stream of points is a member's own: a visitor is told to sign in."""
    async with programme.stream("anonymous", "subscription { pointsPosted { seq } }") as response:
        answer = await anext(events(response))
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"  # type: ignore[index]
