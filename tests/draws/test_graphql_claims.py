"""Claims, reserves and free tickets over GraphQL, asked as every kind of caller."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.database import Client
from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from tests.draws.builders import (
    DAY,
    HOUR_SECONDS,
    a_draw_to_claim,
    a_member,
    a_prize,
    an_open_draw,
    bought,
    drawn,
    lapse,
    rows_written,
    wins_of,
)
from tests.draws.test_graphql import ADMIN, BUY, MEMBERS, OWNER, TILL, ask, draw_key

HOUR = timedelta(seconds=HOUR_SECONDS)


CLAIM = """mutation ($draw: ID!, $rank: Int!) { claimDrawPrize(drawId: $draw, rank: $rank) { __typename
    ... on DrawPrizeClaimed { rank prizePlace points available entrySeq claimedAt draw { id } }
    ... on Refusal { code message } ... on ClaimLapsed { claimUntil } ... on DrawStateRefused { state verb } } }"""
OPEN_CLAIMS = """query ($first: Int!, $after: String) { openClaims(first: $first, after: $after) {
    edges { node { rank number prizePlace prizeName points claimUntil isPromotion draw { id } } }
    pageInfo { hasNextPage endCursor } } }"""
WINNERS = """query ($draw: ID!) { draw(id: $draw) { state wins unawarded lapsed promoted reserves claimSeconds
    winners(first: 9) { edges { node { rank number state replacesRank claimUntil name } } }
    reserveTickets(first: 9) { edges { node { place number rank } } } } }"""


def the_winner(win: Any) -> Actor:
    return Actor("member", win["member_id"])


def nodes(connection: Any) -> list[Any]:
    return [edge["node"] for edge in connection["edges"]]


async def test_a_member_sees_what_she_won_and_claims_it(work: Work, clock: FixedClock) -> None:
    """From the open claim to the points; a second tap is answered as the first, and nothing is open any more."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500), reserves=2)
    (win,) = await wins_of(draw_id)
    mei = the_winner(win)
    assert nodes(await ask(work, OPEN_CLAIMS, mei, MEMBERS, first=5)) == [
        {
            "rank": 1, "number": win["number"], "prizePlace": 1, "prizeName": "Prize", "points": 500,
            "claimUntil": (clock.now() + HOUR).isoformat(), "isPromotion": False, "draw": {"id": draw_key(draw_id)},
        }
    ]  # fmt: skip
    first, again = [await ask(work, CLAIM, mei, MEMBERS, draw=draw_key(draw_id), rank=1) for _ in range(2)]
    assert first == again == {
        "__typename": "DrawPrizeClaimed", "rank": 1, "prizePlace": 1, "points": 500, "available": 500, "entrySeq": 3,
        "claimedAt": clock.now().isoformat(), "draw": {"id": draw_key(draw_id)},
    }  # fmt: skip
    assert nodes(await ask(work, OPEN_CLAIMS, mei, MEMBERS, first=5)) == []


async def test_what_lapsed_is_shown_with_who_is_next(work: Work, clock: FixedClock) -> None:
    """By time before it is booked; the promoted one finds an open claim, everybody reads who replaced whom."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500), reserves=1)
    (win,) = await wins_of(draw_id)
    clock.advance(HOUR)
    refused = await ask(work, CLAIM, the_winner(win), MEMBERS, draw=draw_key(draw_id), rank=1)
    assert (refused["code"], refused["claimUntil"]) == ("CLAIM_LAPSED", clock.now().isoformat())
    shown = await ask(work, WINNERS, ANONYMOUS, MEMBERS, draw=draw_key(draw_id))
    assert [(each["rank"], each["state"]) for each in nodes(shown["winners"])] == [(1, "LAPSED")]
    await lapse(work, draw_id)
    lin = the_winner((await wins_of(draw_id))[1])
    (claim,) = nodes(await ask(work, OPEN_CLAIMS, lin, MEMBERS, first=5))
    assert (claim["rank"], claim["isPromotion"]) == (2, True)
    shown = await ask(work, WINNERS, ANONYMOUS, MEMBERS, draw=draw_key(draw_id))
    assert [(each["rank"], each["state"], each["replacesRank"]) for each in nodes(shown["winners"])] == [
        (1, "LAPSED", None), (2, "TO_CLAIM", 1),
    ]  # fmt: skip
    assert nodes(shown["reserveTickets"]) == [{"place": 1, "number": claim["number"], "rank": 2}]
    assert [shown[name] for name in ("wins", "unawarded", "lapsed", "promoted")] == [1, 0, 1, 1]
    clock.advance(HOUR)
    await lapse(work, draw_id)
    shown = await ask(work, WINNERS, ANONYMOUS, MEMBERS, draw=draw_key(draw_id))
    assert [shown[name] for name in ("state", "wins", "unawarded", "lapsed", "promoted")] == ["SETTLED", 0, 1, 2, 1]
    text = "query ($id: ID!) { draw(id: $id) { winsByRank { edges { node { rank state promotedRank } } } } }"
    wins = nodes((await ask(work, text, OWNER, ADMIN, id=draw_key(draw_id)))["winsByRank"])
    assert [(each["state"], each["promotedRank"]) for each in wins] == [("LAPSED", 2), ("LAPSED", None)]


async def test_only_the_winner_claims(work: Work, clock: FixedClock) -> None:
    """Another member reads that there is no such win; whoever is no member is not admitted; nothing is written."""
    draw_id = await a_draw_to_claim(work, clock, a_prize(500))
    other, before = Actor("member", await a_member(work)), await rows_written()
    assert (await ask(work, CLAIM, other, MEMBERS, draw=draw_key(draw_id), rank=1))["code"] == "NOT_FOUND"
    assert nodes(await ask(work, OPEN_CLAIMS, other, MEMBERS, first=5)) == []
    for actor, code in ((ANONYMOUS, "UNAUTHENTICATED"), (OWNER, "FORBIDDEN"), (TILL, "FORBIDDEN")):
        for text in (CLAIM, OPEN_CLAIMS):
            with pytest.raises(RuntimeError) as refused:
                await ask(work, text, actor, MEMBERS, draw=draw_key(draw_id), rank=1, first=5)
            assert refused.value.args[0] == code
    assert (await ask(work, CLAIM, other, MEMBERS, draw=draw_key(UUID(int=9)), rank=-1))["code"] == "NOT_FOUND"
    assert await rows_written() == before


async def test_open_claims_come_by_page_and_cost_the_same_however_many(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ends soonest first; a page of one and a page of all are two statements: the claims, and their draws."""
    mei = await a_member(work, 1000)
    for seconds in (HOUR_SECONDS, HOUR_SECONDS // 2):
        draw_id = await an_open_draw(work, a_prize(10, 2), claim_seconds=seconds)
        await bought(work, draw_id, [mei] * 2)
        clock.advance(DAY)
        await drawn(work, draw_id, clock.now())
        clock.set(clock.now() - DAY)
    clock.advance(DAY)
    actor, counts, ranks, after = Actor("member", mei), [], [], None
    for first in (1, 1, 5):
        statements = 0
        borrow = Client.borrow

        async def counting(client: Client, borrow: Any = borrow) -> Any:
            nonlocal statements
            statements += 1
            return await borrow(client)

        with monkeypatch.context() as patch:
            patch.setattr(Client, "borrow", counting)
            page = await ask(work, OPEN_CLAIMS, actor, MEMBERS, first=first, after=after)
        counts.append(statements)
        ranks += [(each["claimUntil"], each["rank"]) for each in nodes(page)]
        after = page["pageInfo"]["endCursor"]
    soon, late = clock.now() + HOUR / 2, clock.now() + HOUR
    assert ranks == [(soon.isoformat(), 1), (soon.isoformat(), 2), (late.isoformat(), 1), (late.isoformat(), 2)]
    assert counts == [2, 2, 2]


async def test_a_member_reads_how_many_tickets_are_free(work: Work) -> None:
    """On the draw, in the preview and in the answer; nobody else has any."""
    draw_id, mei = await an_open_draw(work, free_tickets_per_member=2), Actor("member", await a_member(work, 0))
    left = "query ($draw: ID!) { draw(id: $draw) { freeTicketsPerMember freeTicketsLeft } }"
    preview = """query ($draw: ID!) { previewDrawTicket(drawId: $draw) { ... on DrawTicketPreview {
                 points freeTicketsLeft entries { kind } } } }"""
    key = draw_key(draw_id)
    assert await ask(work, left, mei, MEMBERS, draw=key) == {"freeTicketsPerMember": 2, "freeTicketsLeft": 2}
    assert (await ask(work, left, ANONYMOUS, MEMBERS, draw=key))["freeTicketsLeft"] is None
    seen = await ask(work, preview, mei, MEMBERS, draw=key)
    assert seen == {"points": 0, "freeTicketsLeft": 1, "entries": []}
    buying = BUY.replace("ticket {", "freeTicketsLeft ticket { entrySeq")
    answer = await ask(work, buying, mei, MEMBERS, draw=key, key="a")
    assert (answer["points"], answer["freeTicketsLeft"], answer["ticket"]["entrySeq"]) == (0, 1, None)
    assert (await ask(work, left, mei, MEMBERS, draw=key))["freeTicketsLeft"] == 1
