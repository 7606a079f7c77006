"""The same request sent many times at once."""

from __future__ import annotations

import asyncio

from tests.stories.served import Programme


async def test_two_taps_spend_once(programme: Programme) -> None:
    """Eight buyers with one key at once get the same ticket, and its price is taken once."""
    draws = await programme.ask(
        "member", "{ draws { edges { node { id ticketPoints } } } me { points { available } } }"
    )
    draw, before = draws["draws"]["edges"][0]["node"], draws["me"]["points"]["available"]
    query = """mutation($id: ID!) { buyDrawTicket(drawId: $id, idempotencyKey: "tap") {
      ... on DrawTicketBought { ticket { key } available } } }"""
    answers = await asyncio.gather(*(programme.ask("member", query, {"id": draw["id"]}) for _ in range(8)))
    assert len({answer["buyDrawTicket"]["ticket"]["key"] for answer in answers}) == 1
    after = await programme.ask("member", "{ me { points { available } } }")
    assert after["me"]["points"]["available"] == before - draw["ticketPoints"]


async def test_two_taps_adjust_once(programme: Programme) -> None:
    """Eight requests of staff with one key at once are one adjustment, and the points move once."""
    before = await programme.ask("member", "{ me { id points { available } } }")
    given = {"memberId": before["me"]["id"], "points": 70, "reason": "tap", "idempotencyKey": "tap"}
    query = """mutation($input: AdjustPointsInput!) { adjustPoints(input: $input) {
      ... on AdjustmentPosted { entrySeq adjustment { id } } } }"""
    answers = await asyncio.gather(*(programme.ask("owner", query, {"input": given}) for _ in range(8)))
    assert len({answer["adjustPoints"]["adjustment"]["id"] for answer in answers}) == 1
    after = await programme.ask("member", "{ me { points { available } } }")
    assert after["me"]["points"]["available"] == before["me"]["points"]["available"] + 70
