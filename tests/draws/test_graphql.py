"""Draws over GraphQL, asked as every kind of caller."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import strawberry
from graphql import parse, validate
from strawberry import relay

import schema
import schema.admin.root as admin_root
import schema.root as member_root
from app.database import Client
from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.database import execute
from gamification.core.work import Work
from gamification.draws import service as draws
from schema import live
from schema.admin import members as admin_members
from schema.admin.draw_settlements import AdminDrawsSubscription
from schema.admin.draws import AdminDrawsMutation, AdminDrawsQuery
from schema.context import Context
from schema.draw_claims import DrawClaimsMutation, DrawClaimsQuery
from schema.draws import FURTHER, DrawsMutation, DrawsQuery, DrawsSubscription
from schema.extensions import make_schema
from schema.nodes import resolve_node
from tests.draws.builders import (
    DAY,
    STAFF,
    a_member,
    a_plan,
    a_prize,
    an_open_draw,
    bought,
    drawn,
    members_with,
    rows_written,
    settled,
)


@strawberry.type
class Query(DrawsQuery, DrawClaimsQuery):
    node: relay.Node | None = strawberry.field(resolver=resolve_node)


@strawberry.type
class Mutation(DrawsMutation, DrawClaimsMutation):
    pass


@strawberry.type
class AdminQuery(AdminDrawsQuery):
    node: relay.Node | None = strawberry.field(resolver=resolve_node)


MEMBERS = make_schema(query=Query, mutation=Mutation, subscription=DrawsSubscription)
ADMIN = make_schema(
    query=AdminQuery,
    mutation=AdminDrawsMutation,
    subscription=AdminDrawsSubscription,
    types=[admin_members.Member],
)
OWNER = Actor("staff", UUID(int=1), role="owner")
TILL = Actor("integration", UUID(int=2), scopes=frozenset({"orders:write"}))

DRAWS = """query ($first: Int!, $after: String) { draws(first: $first, after: $after) {
    edges { node { id state title ticketPoints isOnSale ticketsHeld commitment termsHash proofLevel
        prizes { place kind name points valueFen quantity perMember }
        winners(first: 5) { edges { node { rank number prizePlace prizePoints name } } }
        progress { state owed done } verification { seed merkleRoot ticketsSold
            tickets(first: 5) { edges { node { number ticketId buyer } } } } } }
    pageInfo { hasNextPage endCursor } } }"""
BUY = """mutation ($draw: ID!, $key: String!) { buyDrawTicket(drawId: $draw, idempotencyKey: $key) {
    __typename ... on DrawTicketBought { points available commitment termsHash ticket { id key number win { rank }
        draw { id ticketsHeld } } }
    ... on Refusal { code message } ... on DrawNotOpen { state opensAt }
    ... on TicketLimitReached { scope limit used resetsAt }
    ... on InsufficientPoints { required available missing } } }"""
PREVIEW = """query ($draw: ID!) { previewDrawTicket(drawId: $draw) {
    __typename ... on DrawTicketPreview { points available termsHash } ... on Refusal { code } } }"""
TICKETS = """query ($draw: ID, $after: String) { drawTickets(drawId: $draw, first: 2, after: $after) {
    edges { node { id points number win { rank points entrySeq } draw { id } } }
    pageInfo { hasNextPage endCursor } } }"""
NODE = "query ($id: ID!) { node(id: $id) { id } }"
PLAN = """mutation ($input: PlanDrawInput!) { planDraw(input: $input) { __typename
    ... on Draw { id state titleZh ticketPoints ticketsMin commitment prizes { name points } }
    ... on Refusal { code } ... on PrizeTooValuable { place valueFen limitFen } ... on InvalidInput { field } } }"""
STEP = """mutation ($id: ID!) { %s(id: $id%s) { __typename ... on Draw { id state commitment }
    ... on Refusal { code } ... on DrawStateRefused { stands: state verb } } }"""
OPEN, REDRIVE, VOID = (STEP % each for each in (("openDraw", ""), ("redriveDraw", ""), ("voidDraw", ', reason: "r"')))


async def ask(work: Work, text: str, actor: Actor, schema: Any = MEMBERS, locale: str = "en", **variables: Any) -> Any:
    """What GraphQL answers for the only root field; an error is raised as its code."""
    context = Context(work=work, clock=work.clock, actor=actor, locale=locale)
    result = await schema.execute(text, variable_values=variables, context_value=context)
    if result.errors:
        raise RuntimeError((result.errors[0].extensions or {}).get("code"), result.errors[0].message)
    (value,) = result.data.values()
    return value


def draw_key(draw_id: UUID) -> str:
    return relay.to_base64("Draw", str(draw_id))


def a_plan_input(clock: FixedClock, **given: Any) -> dict[str, Any]:
    times = {"opensAt": clock.now().isoformat(), "closesAt": (clock.now() + DAY).isoformat()}
    prizes = [{"nameZh": "一等奖", "nameEn": "First prize", "points": 500, "quantity": 1}]
    return {"titleZh": "抽奖", "titleEn": "Draw", **times, "prizes": prizes, **given}


async def test_a_member_looks_previews_buys_and_wins(work: Work, clock: FixedClock) -> None:
    """From the list to the prize, one story; a second tap on the button buys nothing twice."""
    draw_id, mei = await an_open_draw(work, a_prize(500)), Actor("member", await a_member(work, 120))
    (edge,) = (await ask(work, DRAWS, mei, first=5))["edges"]
    draw = edge["node"]
    assert (draw["id"], draw["state"], draw["title"], draw["isOnSale"]) == (
        draw_key(draw_id), "OPEN", "Weekend draw", True,
    )  # fmt: skip
    assert draw["prizes"] == [
        {
            "place": 1,
            "kind": "POINTS",
            "name": "Prize",
            "points": 500,
            "valueFen": 500,
            "quantity": 1,
            "perMember": None,
        }
    ]
    assert draw["verification"] == {
        "seed": None, "merkleRoot": None, "ticketsSold": None, "tickets": {"edges": []},
    }  # fmt: skip
    seen = await ask(work, PREVIEW, mei, draw=draw["id"])
    assert seen == {
        "__typename": "DrawTicketPreview", "points": 50, "available": 70, "termsHash": draw["termsHash"],
    }  # fmt: skip
    first, again = [await ask(work, BUY, mei, draw=draw["id"], key="tap") for _ in range(2)]
    assert first == again and (first["points"], first["available"]) == (50, 70)
    assert (first["commitment"], first["termsHash"]) == (draw["commitment"], draw["termsHash"])
    assert first["ticket"]["draw"] == {"id": draw["id"], "ticketsHeld": 1}
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    await settled(work, draw_id)
    (edge,) = (await ask(work, DRAWS, mei, first=5))["edges"]
    assert edge["node"]["winners"]["edges"] == [
        {"node": {"rank": 1, "number": 1, "prizePlace": 1, "prizePoints": 500, "name": "美**"}}
    ]
    assert edge["node"]["progress"] == {"state": "SETTLED", "owed": 1, "done": 1}
    (line,) = edge["node"]["verification"]["tickets"]["edges"]
    assert line["node"]["ticketId"] == first["ticket"]["key"]
    (ticket,) = (await ask(work, TICKETS, mei))["edges"]
    assert (ticket["node"]["number"], ticket["node"]["win"]) == (1, {"rank": 1, "points": 500, "entrySeq": 3})


async def test_a_retry_tells_what_became_of_the_ticket(work: Work, clock: FixedClock) -> None:
    """Asked again under its key when all is settled, a purchase is answered as before, with the number and the win."""
    draw_id, mei = await an_open_draw(work, a_prize(500)), Actor("member", await a_member(work, 120))
    first = await ask(work, BUY, mei, draw=draw_key(draw_id), key="tap")
    assert (first["ticket"]["number"], first["ticket"]["win"]) == (None, None)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    await settled(work, draw_id)
    won = {**first["ticket"], "number": 1, "win": {"rank": 1}}
    assert await ask(work, BUY, mei, draw=draw_key(draw_id), key="tap") == {**first, "ticket": won}


async def test_a_receipt_from_before_the_instant_was_kept_is_still_answered(work: Work) -> None:
    """What an earlier version stored names fewer fields; the retry is answered the same."""
    draw_id, mei = await an_open_draw(work), Actor("member", await a_member(work, 120))
    first = await ask(work, BUY, mei, draw=draw_key(draw_id), key="tap")
    assert await execute("UPDATE receipt SET answer = answer - 'bought_at' - 'is_replay'") == 1
    assert await ask(work, BUY, mei, draw=draw_key(draw_id), key="tap") == first


async def test_refusals_come_as_types_with_their_numbers(work: Work, clock: FixedClock) -> None:
    """Not enough points, a limit, a draw that is over, one that is not there: each in the caller's language."""
    draw_id = draw_key(await an_open_draw(work, tickets_per_member=1))
    poor, rich = Actor("member", await a_member(work, 49)), Actor("member", await a_member(work, 500))
    refused = await ask(work, BUY, poor, draw=draw_id, key="a")
    assert (refused["__typename"], refused["required"], refused["missing"]) == ("InsufficientPoints", 50, 1)
    await ask(work, BUY, rich, draw=draw_id, key="a")
    refused = await ask(work, BUY, rich, locale="zh-CN", draw=draw_id, key="b")
    assert refused == {
        "__typename": "TicketLimitReached", "code": "TICKET_LIMIT_REACHED", "message": "抽奖券已达上限:1/1",
        "scope": "TOTAL", "limit": 1, "used": 1, "resetsAt": None,
    }  # fmt: skip
    clock.advance(DAY)
    assert (await ask(work, PREVIEW, rich, draw=draw_id))["code"] == "DRAW_NOT_OPEN"
    assert (await ask(work, BUY, rich, draw=draw_id, key="c"))["state"] == "OPEN"
    assert (await ask(work, BUY, rich, draw=draw_key(UUID(int=9)), key="d"))["code"] == "NOT_FOUND"


async def test_a_draft_is_nobodys_but_staffs(work: Work) -> None:
    """Members find it neither in the list, nor by id, nor as a node, nor live."""
    key = draw_key(await draws.plan_draw(work, a_plan(work.clock), actor=STAFF))
    for actor in (ANONYMOUS, Actor("member", await a_member(work))):
        assert (await ask(work, DRAWS, actor, first=5))["edges"] == []
        assert await ask(work, "query ($id: ID!) { draw(id: $id) { id } }", actor, id=key) is None
        assert await ask(work, NODE, actor, id=key) is None
    assert await ask(work, NODE, OWNER, ADMIN, id=key) == {"id": key}
    assert await ask(work, NODE, TILL, ADMIN, id=key) is None
    assert [row async for row in followed(work, "drawProgress(drawId: $id) { state }", key)] == []


async def test_tickets_are_their_members_own(work: Work) -> None:
    """By page and by id; others read null."""
    draw_id, mei, lin = await an_open_draw(work), await a_member(work), await a_member(work)
    await bought(work, draw_id, [mei] * 3)
    first = await ask(work, TICKETS, Actor("member", mei), draw=draw_key(draw_id))
    rest = await ask(work, TICKETS, Actor("member", mei), draw=draw_key(draw_id), after=first["pageInfo"]["endCursor"])
    ids = [edge["node"]["id"] for edge in first["edges"] + rest["edges"]]
    assert len(set(ids)) == 3 and (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    assert await ask(work, NODE, Actor("member", mei), id=ids[0]) == {"id": ids[0]}
    for other in (Actor("member", lin), ANONYMOUS):
        assert await ask(work, NODE, other, id=ids[0]) is None
    assert (await ask(work, TICKETS, Actor("member", lin)))["edges"] == []


async def test_staff_plan_open_and_call_off(work: Work, clock: FixedClock) -> None:
    """The policy's price where none is given; the same key plans nothing twice; steps that lead nowhere are refused."""
    key = str(UUID(int=5))
    planned, again = [await ask(work, PLAN, OWNER, ADMIN, input=a_plan_input(clock, key=key)) for _ in range(2)]
    assert planned == again == {
        "__typename": "Draw", "id": draw_key(UUID(int=5)), "state": "DRAFT", "titleZh": "抽奖", "ticketPoints": 50,
        "ticketsMin": 1, "commitment": None, "prizes": [{"name": "First prize", "points": 500}],
    }  # fmt: skip
    opened = await ask(work, OPEN, OWNER, ADMIN, id=planned["id"])
    assert opened["state"] == "OPEN" and len(opened["commitment"]) == 64
    refused = await ask(work, REDRIVE, OWNER, ADMIN, id=planned["id"])
    assert (refused["code"], refused["stands"], refused["verb"]) == ("DRAW_STATE_REFUSED", "OPEN", "redrive")
    assert (await ask(work, VOID, OWNER, ADMIN, id=planned["id"]))["state"] == "VOIDED"
    assert (await ask(work, OPEN, OWNER, ADMIN, id=planned["id"]))["code"] == "DRAW_STATE_REFUSED"
    assert (await ask(work, OPEN, OWNER, ADMIN, id=draw_key(UUID(int=9))))["code"] == "NOT_FOUND"


async def test_plans_that_cannot_be_are_refused(work: Work, clock: FixedClock) -> None:
    """A prize over the law's limit, a price of nothing, a key that is no UUID."""
    dear = [{"nameZh": "x", "nameEn": "x", "points": 5_000_001, "quantity": 1}]
    refused = await ask(work, PLAN, OWNER, ADMIN, input=a_plan_input(clock, prizes=dear))
    assert (refused["place"], refused["valueFen"], refused["limitFen"]) == (1, 5_000_001, 5_000_000)
    refused = await ask(work, PLAN, OWNER, ADMIN, input=a_plan_input(clock, ticketPoints=0))
    assert (refused["code"], refused["field"]) == ("INVALID_INPUT", "ticketPoints")
    with pytest.raises(RuntimeError) as error:
        await ask(work, PLAN, OWNER, ADMIN, input=a_plan_input(clock, key="mine"))
    assert error.value.args[0] == "BAD_USER_INPUT"
    assert (await ask(work, "{ draws { edges { node { id } } } }", OWNER, ADMIN))["edges"] == []


async def test_only_members_buy_and_only_operators_run_draws(work: Work, clock: FixedClock) -> None:
    """Whoever is not admitted reads why, and nothing is written."""
    key = draw_key(await an_open_draw(work))
    before = await rows_written()
    for text in (BUY, PREVIEW, TICKETS):
        for actor, code in ((ANONYMOUS, "UNAUTHENTICATED"), (OWNER, "FORBIDDEN"), (TILL, "FORBIDDEN")):
            with pytest.raises(RuntimeError) as refused:
                await ask(work, text, actor, draw=key, key="k")
            assert refused.value.args[0] == code
    for text in (PLAN, OPEN, VOID, REDRIVE):
        for actor in (
            replace(OWNER, role="cashier"),
            replace(OWNER, role="auditor"),
            TILL,
            Actor("member", UUID(int=3)),
        ):
            with pytest.raises(RuntimeError) as refused:
                await ask(work, text, actor, ADMIN, id=key, input=a_plan_input(clock))
            assert refused.value.args[0] == "FORBIDDEN"
    assert await rows_written() == before


async def test_staff_see_who_won_and_what_failed(work: Work, clock: FixedClock) -> None:
    """Members behind the masked names, and nothing owed once all is granted."""
    member_id = await a_member(work, 50)
    draw_id = await an_open_draw(work)
    await bought(work, draw_id, [member_id])
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    await settled(work, draw_id)
    text = """{ draws(states: [SETTLED]) { edges { node { winsByRank { edges { node { rank member { id } } } }
                failures { edges { node { what } } } } } } }"""
    (edge,) = (await ask(work, text, OWNER, ADMIN))["edges"]
    assert edge["node"] == {
        "winsByRank": {"edges": [{"node": {"rank": 1, "member": {"id": relay.to_base64("Member", str(member_id))}}}]},
        "failures": {"edges": []},
    }
    assert (await ask(work, "{ draws(states: [OPEN]) { edges { node { id } } } }", OWNER, ADMIN))["edges"] == []


async def test_an_inclusion_proof_leads_to_the_published_root(work: Work, clock: FixedClock) -> None:
    """Open to everybody, since the list is; null until closing and for numbers that were not given."""
    draw_id = await an_open_draw(work)
    await bought(work, draw_id, await members_with(work, [50] * 3))
    text = """query ($draw: ID!, $number: Int!) { drawInclusionProof(drawId: $draw, number: $number) {
              line { number } index size siblings root } }"""
    assert await ask(work, text, ANONYMOUS, draw=draw_key(draw_id), number=2) is None
    clock.advance(DAY)
    await draws.close_draw(work, draw_id=draw_id)
    proof = await ask(work, text, ANONYMOUS, draw=draw_key(draw_id), number=2)
    assert (proof["line"], proof["index"], proof["size"], len(proof["siblings"])) == ({"number": 2}, 1, 3, 2)
    assert await ask(work, text, ANONYMOUS, draw=draw_key(draw_id), number=4) is None


async def test_a_list_costs_the_same_however_long(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Draws with prizes, winners, progress, proof and own tickets: one statement for each kind."""
    mei = Actor("member", await a_member(work, 1000))
    for _ in range(5):
        await bought(work, await an_open_draw(work, a_prize(10), a_prize(5, 2)), [mei.id] * 2)  # type: ignore[list-item]
    counts = []
    for first in (1, 5):
        statements = 0
        borrow = Client.borrow

        async def counting(client: Client, borrow: Any = borrow) -> Any:
            nonlocal statements
            statements += 1
            return await borrow(client)

        with monkeypatch.context() as patch:
            patch.setattr(Client, "borrow", counting)
            assert len((await ask(work, DRAWS, mei, first=first))["edges"]) == first
        counts.append(statements)
    assert counts == [7, 7]


async def followed(work: Work, field: str, key: str) -> AsyncIterator[Any]:
    """What a subscription says until it ends; the limit is far away and only keeps a broken product from hanging."""
    context = Context(work=work, clock=work.clock, actor=ANONYMOUS, locale="en")
    text = f"subscription ($id: ID!) {{ {field} }}"
    results: Any = await MEMBERS.subscribe(text, variable_values={"id": key}, context_value=context)
    async with asyncio.timeout(60):
        async for result in results:
            assert not result.errors, result.errors
            (value,) = result.data.values()
            yield value


async def test_progress_is_followed_until_the_draw_is_over(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A follower reads where the draw stands, every change, and the end; who comes late reads the end at once."""
    monkeypatch.setattr(live, "POLL_SECONDS", 0.01)
    draw_id = await an_open_draw(work, a_prize(5, 3))
    await bought(work, draw_id, await members_with(work, [50] * 3))
    steps = followed(work, "drawProgress(drawId: $id) { state owed done }", draw_key(draw_id))
    whole = followed(work, "drawSettled(drawId: $id) { state wins }", draw_key(draw_id))
    assert await anext(steps) == {"state": "OPEN", "owed": 0, "done": 0}
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    assert (await anext(steps))["state"] in ("CLOSED", "DRAWN")
    await settled(work, draw_id)
    rest = [step async for step in steps]
    assert rest[-1] == {"state": "SETTLED", "owed": 3, "done": 3}
    assert [step async for step in whole] == [{"state": "SETTLED", "wins": 3}]
    late = [step async for step in followed(work, "drawProgress(drawId: $id) { state done }", draw_key(draw_id))]
    assert late == [{"state": "SETTLED", "done": 3}]
    await FURTHER.close()


@pytest.mark.parametrize("name", ["Draws", "DeclareAdult", "BuyDrawTicket"])
def test_the_mini_programs_documents_fit_the_schema(name: str) -> None:
    """What the mini-program sends can be asked."""
    text = (Path(schema.__file__).parent / "documents" / f"{name}.graphql").read_text()
    assert validate(member_root.schema._schema, parse(text)) == []


@pytest.mark.parametrize(("audience", "asked"), [("graphql", member_root.schema), ("graphql staff", admin_root.schema)])
def test_the_documentations_examples_fit_the_schemas(audience: str, asked: Any) -> None:
    """What docs/draws.md shows can be asked."""
    text = (Path(__file__).parents[2] / "docs" / "draws.md").read_text()
    examples = re.findall(rf"^```{audience}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert examples and [error for each in examples for error in validate(asked._schema, parse(each))] == []
