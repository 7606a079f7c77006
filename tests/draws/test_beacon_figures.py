"""Declared figures: entered by staff once, in time, and never changed; and beacons over GraphQL, for every caller."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
import strawberry
from strawberry import relay as nodes

from gamification.beacons.errors import BeaconAlreadyKnown, BeaconNotAFigure, BeaconNotDue, BeaconOverdue
from gamification.beacons.rules import DrandBeacon, FigureBeacon
from gamification.core import outbox
from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.draws import beacons as draws_beacons
from gamification.draws import queries
from gamification.draws import service as draws
from gamification.draws.errors import DrawStateRefused
from schema.admin import members as admin_members
from schema.admin.draw_figures import AdminDrawFiguresMutation
from schema.admin.draws import AdminDrawsMutation, AdminDrawsQuery
from schema.draws import DrawsMutation, DrawsQuery
from schema.extensions import make_schema
from schema.nodes import resolve_node
from tests.draws.builders import (
    DAY,
    STAFF,
    a_member,
    a_plan,
    a_prize,
    an_open_draw,
    available,
    bought,
    draw_row,
    members_with,
    rows_written,
)
from tests.draws.test_graphql import a_plan_input, ask, draw_key
from tests.draws.test_jobs import run_due, state_of

HOUR = timedelta(hours=1)
VALUE = "3,214.58"
SOURCE = "https://www.sse.com.cn"


def a_figure(clock: FixedClock, after_closing: timedelta = HOUR) -> FigureBeacon:
    """Due an hour after a closing in a day."""
    return FigureBeacon("上证指数收盘", "SSE Composite close", SOURCE, clock.now() + DAY + after_closing)


async def a_closed_draw(work: Work, clock: FixedClock) -> UUID:
    """Six tickets, three prizes, closed at its time; the figure is due in an hour."""
    draw_id = await an_open_draw(work, a_prize(20, 3), beacon=a_figure(clock))
    await bought(work, draw_id, await members_with(work, [50] * 6))
    clock.advance(DAY)
    assert await run_due(work) == ["draws.close"]
    return draw_id


async def test_a_figure_is_declared_in_the_frozen_terms(work: Work, clock: FixedClock) -> None:
    """Name, source and instant; the due instant cannot be moved any more."""
    figure = a_figure(clock)
    draw_id = await an_open_draw(work, beacon=figure)
    terms = orjson.loads((await draw_row(draw_id))["terms"])
    assert (terms["proof_level"], terms["beacon"]) == ("PUBLIC", {
        "kind": "figure", "name": {"zh-CN": "上证指数收盘", "en": "SSE Composite close"}, "source": SOURCE,
        "due_at": "2026-03-03T03:00:00Z",
    })  # fmt: skip
    for change in ("beacon_due_at = beacon_due_at + interval '1 h'", "beacon_source = 'me'", "beacon_name_en = 'x'"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute(f"UPDATE draw SET {change}")


async def test_a_plan_whose_figure_comes_too_early_is_refused(work: Work, clock: FixedClock) -> None:
    """What could be known before the list is frozen is no beacon."""
    with pytest.raises(InvalidInput) as refusal:
        await draws.plan_draw(work, a_plan(clock, beacon=a_figure(clock, timedelta(minutes=4))), actor=STAFF)
    assert refusal.value.field == "beacon.figure.dueAt" and await fetch("SELECT id FROM draw") == []


async def test_an_entered_figure_draws_the_winners(work: Work, clock: FixedClock) -> None:
    """At once, by the mixed seed; who entered what, and from where, stands in the audit trail."""
    draw_id = await a_closed_draw(work, clock)
    clock.advance(HOUR)
    await draws.enter_beacon_figure(work, draw_id=draw_id, value=VALUE, actor=STAFF)
    assert await run_due(work) == ["draws.draw", "draws.draw", "draws.settle"]
    assert (await state_of(draw_id)).state == "SETTLED"
    row = await fetch_row("SELECT value, beacon_round, signature, source, known_at FROM draw_beacon")
    assert row is not None and tuple(row) == (VALUE, None, None, SOURCE, clock.now())
    seed = (await draw_row(draw_id))["seed"]
    mixed = hmac.new(seed, f"beacon|{draw_id}|{VALUE}".encode(), hashlib.sha256).digest()

    def place(number: int) -> bytes:
        return hmac.new(mixed, f"{draw_id}|{number}".encode(), hashlib.sha256).digest()

    rows = await fetch("SELECT number FROM draw_win ORDER BY rank")
    assert [row["number"] for row in rows] == sorted(range(1, 7), key=place)[:3]
    audit = await fetch_row("SELECT actor, subject, after FROM audit_record WHERE action = 'draw.beacon_entered'")
    assert audit is not None and (audit["actor"], audit["subject"]) == (STAFF.key, f"draw:{draw_id}")
    assert orjson.loads(audit["after"]) == {"value": VALUE, "source": SOURCE}


async def test_a_figure_is_entered_once(work: Work, clock: FixedClock) -> None:
    """The same again changes nothing, also when all is drawn; another one is refused and changes nothing."""
    draw_id = await a_closed_draw(work, clock)
    clock.advance(HOUR)
    for _ in range(2):
        await draws.enter_beacon_figure(work, draw_id=draw_id, value=VALUE, actor=STAFF)
    assert await fetch_value("SELECT count(*) FROM outbox WHERE key = $1", f"draws.draw:{draw_id}:known") == 1
    before = await rows_written()
    for _ in range(2):
        with pytest.raises(BeaconAlreadyKnown) as refusal:
            await draws.enter_beacon_figure(work, draw_id=draw_id, value="3,214.59", actor=STAFF)
        assert refusal.value.fields() == {"value": VALUE} and await rows_written() == before
        await run_due(work)
        await draws.enter_beacon_figure(work, draw_id=draw_id, value=VALUE, actor=STAFF)
        before = await rows_written()
    assert await fetch_value("SELECT count(*) FROM audit_record WHERE action = 'draw.beacon_entered'") == 1


async def test_a_figure_is_refused_before_its_time(work: Work, clock: FixedClock) -> None:
    """Neither while tickets sell, nor after closing before it is due; drafts take none either."""
    closed_id = await a_closed_draw(work, clock)
    before = await rows_written()
    with pytest.raises(BeaconNotDue) as early:
        await draws.enter_beacon_figure(work, draw_id=closed_id, value=VALUE, actor=STAFF)
    assert early.value.due_at == clock.now() + HOUR and await rows_written() == before
    draft_id = await draws.plan_draw(work, a_plan(clock, beacon=a_figure(clock)), actor=STAFF)
    open_id = await an_open_draw(work, beacon=a_figure(clock))
    for draw_id, state in ((draft_id, "DRAFT"), (open_id, "OPEN")):
        with pytest.raises(DrawStateRefused) as refused:
            await draws.enter_beacon_figure(work, draw_id=draw_id, value=VALUE, actor=STAFF)
        assert refused.value.fields() == {"state": state, "verb": "enter_figure"}
    assert await fetch("TABLE draw_beacon") == []


async def test_only_a_figure_is_entered(work: Work, clock: FixedClock) -> None:
    """Neither a round of drand nor a value for a draw without beacon; no blank; no draw that is not there."""
    for beacon, kind in ((DrandBeacon(), "DRAND"), (None, "NONE")):
        draw_id = await an_open_draw(work, **({"beacon": beacon} if beacon else {}))
        with pytest.raises(BeaconNotAFigure) as refused:
            await draws.enter_beacon_figure(work, draw_id=draw_id, value=VALUE, actor=STAFF)
        assert refused.value.fields() == {"kind": kind}
        with pytest.raises(InvalidInput):
            await draws.enter_beacon_figure(work, draw_id=draw_id, value=" ", actor=STAFF)
    with pytest.raises(NotFound):
        await draws.enter_beacon_figure(work, draw_id=new_id(), value=VALUE, actor=STAFF)


async def test_a_figure_that_nobody_enters_voids_the_draw(work: Work, clock: FixedClock) -> None:
    """A day after it was due; staff have seen that it is missing, and cannot enter it any more."""
    draw_id = await a_closed_draw(work, clock)
    clock.advance(HOUR)
    assert await run_due(work) == ["draws.draw"]
    (failure,) = (await queries.failure_pages([draw_id], None, 10))[draw_id]
    assert (failure.what, failure.error) == ("beacon", "FigureMissing: nobody has entered the figure")
    clock.advance(DAY)
    with pytest.raises(BeaconOverdue) as late:
        await draws.enter_beacon_figure(work, draw_id=draw_id, value=VALUE, actor=STAFF)
    assert late.value.given_up_at == clock.now()
    assert await run_due(work) == ["draws.draw", "draws.restore"]
    draw = await draw_row(draw_id)
    assert (draw["state"], draw["void_reason"], draw["restored_at"]) == ("VOIDED", "BEACON_MISSING", clock.now())
    members = await fetch("SELECT member_id FROM ticket")
    assert [await available(row["member_id"]) for row in members] == [50] * 6
    with pytest.raises(DrawStateRefused):
        await draws.enter_beacon_figure(work, draw_id=draw_id, value=VALUE, actor=STAFF)


async def test_a_figure_whose_jobs_were_lost_is_given_up_in_time(work: Work, clock: FixedClock) -> None:
    """The sweep of every minute notes once that it is missing, and voids the draw when the patience is over."""
    draw_id = await a_closed_draw(work, clock)
    await execute("DELETE FROM outbox")
    clock.advance(HOUR)
    for _ in range(3):
        await outbox.tick(["draws.look_for_due_beacons"], [clock.now()])
        assert await run_due(work) == ["draws.look_for_due_beacons"]
        clock.advance(timedelta(minutes=2))
    assert await fetch_value("SELECT attempts FROM draw_failure") == 1
    clock.advance(DAY)
    await outbox.tick(["draws.look_for_due_beacons"], [clock.now()])
    assert await run_due(work) == ["draws.look_for_due_beacons", "draws.restore"]
    assert (await state_of(draw_id)).state == "VOIDED"


async def test_a_closing_after_the_figure_was_due_voids_the_draw(work: Work, clock: FixedClock) -> None:
    """Whoever knew the figure could have made the list to fit; so nothing is drawn and everything goes back."""
    draw_id = await an_open_draw(work, beacon=a_figure(clock))
    member_id = await a_member(work, 50)
    await bought(work, draw_id, [member_id])
    clock.advance(DAY + HOUR)
    assert await run_due(work) == ["draws.close", "draws.restore"]
    draw = await draw_row(draw_id)
    assert (draw["state"], draw["void_reason"]) == ("VOIDED", "BEACON_MISSING") and await available(member_id) == 50


@strawberry.type
class Query(DrawsQuery):
    node: nodes.Node | None = strawberry.field(resolver=resolve_node)


@strawberry.type
class AdminQuery(AdminDrawsQuery):
    node: nodes.Node | None = strawberry.field(resolver=resolve_node)


@strawberry.type
class AdminMutation(AdminDrawsMutation, AdminDrawFiguresMutation):
    pass


MEMBERS = make_schema(query=Query, mutation=DrawsMutation)
ADMIN = make_schema(query=AdminQuery, mutation=AdminMutation, types=[admin_members.Member])
OWNER = Actor("staff", UUID(int=1), role="owner")
CASHIER = Actor("staff", UUID(int=3), role="cashier")
AUDITOR = Actor("staff", UUID(int=4), role="auditor")
TILL = Actor("integration", UUID(int=2), scopes=frozenset({"orders:write"}))
BEACON = """beacon { kind proofLevel name declaredSource round dueAt givenUpAt value signature source knownAt
    chain { hash publicKey scheme genesisAt periodSeconds delaySeconds } }"""
DRAW = f"query ($id: ID!) {{ draw(id: $id) {{ proofLevel voidReason {BEACON} }} }}"
DRAWS = f"{{ draws(first: 10) {{ edges {{ node {{ id {BEACON} }} }} }} }}"
PLAN = f"""mutation ($input: PlanDrawInput!) {{ planDraw(input: $input) {{ __typename
    ... on Draw {{ id proofLevel {BEACON} }} ... on InvalidInput {{ field reason }} }} }}"""
ENTER = """mutation ($id: ID!, $value: String!) { enterBeaconFigure(drawId: $id, value: $value) { __typename
    ... on Draw { id beacon { value source } } ... on Refusal { code message }
    ... on BeaconNotDue { dueAt } ... on BeaconAlreadyKnown { known: value } ... on BeaconNotAFigure { kind } } }"""
NOTHING = dict.fromkeys(
    ["name", "declaredSource", "round", "dueAt", "givenUpAt", "value", "signature", "source", "knownAt", "chain"]
)


def a_figure_input(clock: FixedClock) -> dict[str, Any]:
    figure = a_figure(clock)
    given = {"nameZh": figure.name_zh, "nameEn": figure.name_en, "source": figure.source}
    return {"kind": "FIGURE", "figure": {**given, "dueAt": figure.due_at.isoformat()}}


async def test_staff_declare_a_beacon_and_everybody_sees_it(work: Work, clock: FixedClock) -> None:
    """Each kind, from the draft to the closing; a draw for which nothing was said has none."""
    plain = await ask(work, PLAN, OWNER, ADMIN, input=a_plan_input(clock))
    assert plain["beacon"] == {"kind": "NONE", "proofLevel": "OPERATOR", **NOTHING}
    figure = await ask(work, PLAN, OWNER, ADMIN, input=a_plan_input(clock, beacon=a_figure_input(clock)))
    declared = {"name": "SSE Composite close", "declaredSource": SOURCE, "dueAt": "2026-03-03T03:00:00+00:00"}
    declared["givenUpAt"] = "2026-03-04T03:00:00+00:00"
    assert figure["beacon"] == {**NOTHING, "kind": "FIGURE", "proofLevel": "PUBLIC", **declared}
    drand = await ask(work, PLAN, OWNER, ADMIN, input=a_plan_input(clock, beacon={"kind": "DRAND"}))
    key = UUID(nodes.GlobalID.from_id(drand["id"]).node_id)
    await draws.open_draw(work, draw_id=key, actor=STAFF)
    await bought(work, key, [await a_member(work, 50)])
    clock.advance(DAY)
    await draws.close_draw(work, draw_id=key)
    for actor in (ANONYMOUS, Actor("member", await a_member(work))):
        seen = await ask(work, DRAW, actor, MEMBERS, id=drand["id"])
        assert (seen["proofLevel"], seen["beacon"]["chain"]["delaySeconds"]) == ("PUBLIC", 300)
        assert seen["beacon"]["chain"]["genesisAt"] == "2023-08-23T15:09:27+00:00"
        due_at, number = seen["beacon"]["dueAt"], seen["beacon"]["round"]
        assert (due_at, number) == ("2026-03-03T02:05:00+00:00", (await draw_row(key))["beacon_round"])
    assert [await ask(work, DRAW, ANONYMOUS, MEMBERS, id=each["id"]) for each in (plain, figure)] == [None, None]


@pytest.mark.parametrize("beacon", [{"kind": "FIGURE"}, "DRAND with a figure", "NONE with a figure"])
async def test_a_figure_is_given_where_it_belongs(work: Work, clock: FixedClock, beacon: Any) -> None:
    """With FIGURE and with nothing else; nothing is planned otherwise."""
    given = {**a_figure_input(clock), "kind": beacon.split()[0]} if isinstance(beacon, str) else beacon
    refused = await ask(work, PLAN, OWNER, ADMIN, input=a_plan_input(clock, beacon=given))
    assert refused == {
        "__typename": "InvalidInput", "field": "beacon.figure", "reason": "given for FIGURE, and for FIGURE only",
    }  # fmt: skip
    assert await fetch("SELECT id FROM draw") == []


async def test_owner_and_operator_enter_a_figure_and_nobody_else(work: Work, clock: FixedClock) -> None:
    """Cashiers, auditors, tills and strangers are turned away and change nothing; refusals come as types."""
    draw_id = await a_closed_draw(work, clock)
    key = draw_key(draw_id)
    refused = await ask(work, ENTER, STAFF, ADMIN, id=key, value=VALUE)
    assert (refused["code"], refused["dueAt"]) == ("BEACON_NOT_DUE", "2026-03-03T03:00:00+00:00")
    clock.advance(HOUR)
    for actor in (CASHIER, AUDITOR, TILL, ANONYMOUS, Actor("member", await a_member(work))):
        with pytest.raises(RuntimeError, match=r"FORBIDDEN|UNAUTHENTICATED"):
            await ask(work, ENTER, actor, ADMIN, id=key, value=VALUE)
    assert await fetch("TABLE draw_beacon") == []
    done = await ask(work, ENTER, STAFF, ADMIN, id=key, value=VALUE)
    assert done == {"__typename": "Draw", "id": key, "beacon": {"value": VALUE, "source": SOURCE}}
    other = await ask(work, ENTER, OWNER, ADMIN, locale="zh-CN", id=key, value="1")
    assert (other["code"], other["known"], other["message"]) == (
        "BEACON_ALREADY_KNOWN", VALUE, f"公共数值已录入为 {VALUE},不能更改",
    )  # fmt: skip
    plain = draw_key(await an_open_draw(work))
    assert (await ask(work, ENTER, OWNER, ADMIN, id=plain, value="1"))["kind"] == "NONE"
    assert (await ask(work, ENTER, OWNER, ADMIN, id=key, value="1\n2"))["code"] == "INVALID_INPUT"
    assert (await ask(work, ENTER, OWNER, ADMIN, id=draw_key(new_id()), value="1"))["code"] == "NOT_FOUND"


async def test_beacons_of_a_list_cost_one_statement(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many draws are listed."""
    asked: list[int] = []
    read = draws_beacons.beacons_by_draw_ids

    async def counted(ids: list[UUID]) -> Any:
        asked.append(len(ids))
        return await read(ids)

    monkeypatch.setattr(draws_beacons, "beacons_by_draw_ids", counted)
    for beacon in (DrandBeacon(), a_figure(clock), DrandBeacon()):
        await an_open_draw(work, beacon=beacon)
    listed = await ask(work, DRAWS, ANONYMOUS, MEMBERS)
    assert sorted(edge["node"]["beacon"]["kind"] for edge in listed["edges"]) == ["DRAND", "DRAND", "FIGURE"]
    assert asked == [3]
