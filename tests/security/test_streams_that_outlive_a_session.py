"""A stream that was opened in a session which has ended since."""

from __future__ import annotations

from typing import Any

from tests.security.test_scopes import RECORD, order_of
from tests.stories.served import Programme
from tests.stories.test_live import events

FOLLOW = "subscription { pointsPosted(afterSeq: 2) { seq } }"


async def test_a_stream_tells_nothing_after_signing_out(programme: Programme) -> None:
    """Points that are posted after the member signed out are not told: the stream ends with UNAUTHENTICATED."""
    order = await order_of(programme)
    async with programme.stream("member", FOLLOW) as response:
        following = events(response)
        assert await anext(following) == {"data": {"pointsPosted": {"seq": 3}}}
        await programme.ask("member", "mutation { signOut { sessions } }")
        await programme.ask("integration", RECORD, {"input": order})
        answer: Any = await anext(following)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]
        assert [more async for more in following] == []


async def test_a_stream_tells_nothing_to_a_blocked_member(programme: Programme) -> None:
    """Nor is anything told once staff have blocked the member."""
    order, me = await order_of(programme), await programme.ask("member", "{ me { id } }")
    block = 'mutation($id: ID!) { blockMember(id: $id, reason: "fraud") { ... on Member { status } } }'
    async with programme.stream("member", FOLLOW) as response:
        following = events(response)
        assert await anext(following) == {"data": {"pointsPosted": {"seq": 3}}}
        blocked = await programme.ask("owner", block, me["me"])
        await programme.ask("integration", RECORD, {"input": order})
        answer = await anext(following)
    assert blocked == {"blockMember": {"status": "BLOCKED"}}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]  # type: ignore[attr-defined]
