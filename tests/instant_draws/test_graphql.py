"""Instant draws over GraphQL, asked as every kind of caller."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from graphql import parse, validate
from strawberry import relay

import schema
from app.database import Client
from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.database import execute
from gamification.core.work import Work
from gamification.instant_draws import service as instant_draws
from schema.admin.root import schema as admin_schema
from schema.context import Context
from schema.root import schema as member_schema
from tests.draws.builders import a_member
from tests.instant_draws.builders import STAFF, USUAL, WEEK, a_draw, a_plan, a_prize, a_table, play, rows_written

ADMIN, MEMBERS = admin_schema, member_schema
OWNER = Actor("staff", UUID(int=1), role="owner")
AUDITOR = Actor("staff", UUID(int=1), role="auditor")
TILL = Actor("integration", UUID(int=2), scopes=frozenset({"orders:write"}))
SURE = a_table(a_prize(30, 1_000_000, stock=2), free_plays_per_day=1, plays_per_member=3)

FIELDS = """id state title opensAt isOpen proofLevel tierMin earlySeconds budgetLeft
    odds { version playPoints freePlaysPerDay expectedPoints payoutPercent termsHash
        lines { place kind name points valueFen oddsPpm pityPpm stock perMember dailyRelease fallback } }
    oddsVersions(first: 3) { edges { node { version publishedAt } } }
    prizesLeft { place stockLeft releasedLeft isExhausted effectivePpm }"""
LIST = f"""query ($first: Int!, $after: String) {{ instantDraws(first: $first, after: $after) {{
    edges {{ node {{ {FIELDS} ownPlays {{ plays playsToday freePlaysLeft misses isPityNext }} }} }}
    pageInfo {{ hasNextPage endCursor }} }} }}"""
PLAY = """mutation ($draw: ID!, $key: String!) { playInstantDraw(drawId: $draw, idempotencyKey: $key) { __typename
    ... on InstantDrawPlayed { available commitment termsHash play { id number isPity roll nominalPlace givenPlace
        reason points pricePoints priceEntrySeq grantEntrySeq prize { name points } draw { id } } }
    ... on Refusal { code message } ... on PlayLimitReached { scope limit used }
    ... on InsufficientPoints { required missing } ... on InstantDrawNotOpen { state } } }"""
PREVIEW = """query ($draw: ID!) { previewPlay(drawId: $draw) { __typename
    ... on PlayPreview { pricePoints available freePlaysLeft playsLeft commitment termsHash entries { kind points } }
    ... on Refusal { code } } }"""
PLAYS = """query ($draw: ID, $after: String) { plays(drawId: $draw, first: 2, after: $after) {
    edges { node { id number points reason prize { name } draw { id } } } pageInfo { hasNextPage endCursor } } }"""
VERIFY = """query ($play: ID!) { verifyPlay(playId: $play) { algorithm message commitment seed termsHash holds
    play { number } } }"""
NODE = "query ($id: ID!) { node(id: $id) { id } }"
STAFFS = f"""{FIELDS} titleZh titleEn createdAt publishedAt endedAt
    figures {{ plays freePlays pointsIn pointsOut given {{ place times substituted points }} }}"""
PLAN = f"""mutation ($input: PlanInstantDrawInput!) {{ planInstantDraw(input: $input) {{ __typename
    ... on InstantDraw {{ {STAFFS} }} ... on Refusal {{ code message }} ... on InvalidInput {{ field reason }}
    ... on PrizeTooValuable {{ place valueFen limitFen }} }} }}"""
PUBLISH = """mutation ($id: ID!, $confirm: Boolean!) { publishInstantDraw(id: $id, confirmPayout: $confirm) { __typename
    ... on InstantDraw { state } ... on Refusal { code }
    ... on PayoutUnconfirmed { playPoints expected payoutPercent } } }"""
ODDS = """mutation ($id: ID!, $odds: InstantOddsInput!) { publishInstantOdds(id: $id, odds: $odds) { __typename
    ... on InstantDraw { odds { version playPoints } } ... on Refusal { code }
    ... on OddsWorsened { figure was becomes } } }"""
STEP = """mutation ($id: ID!) { %sInstantDraw(id: $id, reason: "r") { __typename ... on InstantDraw { state }
    ... on Refusal { code } } }"""


async def ask(work: Work, text: str, actor: Actor, schema: Any = MEMBERS, locale: str = "en", **variables: Any) -> Any:
    """What GraphQL answers for the only root field; an error is raised as its code."""
    context = Context(work=work, clock=work.clock, actor=actor, locale=locale)
    result = await schema.execute(text, variable_values=variables, context_value=context)
    if result.errors:
        raise RuntimeError((result.errors[0].extensions or {}).get("code"), result.errors[0].message)
    (value,) = result.data.values()
    return value


def key_of(draw_id: UUID) -> str:
    return relay.to_base64("InstantDraw", str(draw_id))


def an_input(clock: FixedClock, **given: Any) -> dict[str, Any]:
    lines = [
        {"nameZh": "一等奖", "nameEn": "First", "kind": "POINTS", "points": 500, "oddsPpm": 10_000, "fallback": 2},
        {"nameZh": "谢谢", "nameEn": "Miss", "kind": "NONE", "oddsPpm": 990_000},
    ]
    odds = {"playPoints": 50, "lines": lines, **given}
    times = {"opensAt": clock.now().isoformat(), "closesAt": (clock.now() + WEEK).isoformat()}
    return {"titleZh": "转盘", "titleEn": "Wheel", **times, "odds": odds}


async def test_a_member_looks_previews_plays_and_checks(work: Work, clock: FixedClock) -> None:
    """From the list to the proof, one story; a second tap on the button plays nothing twice."""
    draw_id, mei = await a_draw(work, SURE), Actor("member", await a_member(work, 120))
    (edge,) = (await ask(work, LIST, mei, first=5))["edges"]
    draw = edge["node"]
    assert (draw["id"], draw["state"], draw["title"], draw["isOpen"]) == (key_of(draw_id), "OPEN", "Lucky wheel", True)
    assert (draw["odds"]["expectedPoints"], draw["odds"]["payoutPercent"]) == ("30.000000", "60.00")
    assert draw["odds"]["lines"][0] == {
        "place": 1, "kind": "POINTS", "name": "30 points", "points": 30, "valueFen": 30, "oddsPpm": 1_000_000,
        "pityPpm": None, "stock": 2, "perMember": None, "dailyRelease": None, "fallback": 2,
    }  # fmt: skip
    assert draw["ownPlays"] == {"plays": 0, "playsToday": 0, "freePlaysLeft": 1, "misses": 0, "isPityNext": False}
    seen = await ask(work, PREVIEW, mei, draw=draw["id"])
    assert (seen["pricePoints"], seen["available"], seen["playsLeft"], seen["entries"]) == (0, 120, 2, [])
    first, again = [await ask(work, PLAY, mei, draw=draw["id"], key="tap") for _ in range(2)]
    assert first == again and (first["commitment"], first["termsHash"]) == (seen["commitment"], seen["termsHash"])
    assert (first["available"], first["play"]["prize"], first["play"]["draw"]) == (
        150, {"name": "30 points", "points": 30}, {"id": draw["id"]},
    )  # fmt: skip
    answers = [await ask(work, PLAY, mei, draw=draw["id"], key=key) for key in "ab"]
    assert [(each["play"]["pricePoints"], each["play"]["reason"]) for each in answers] == [(50, None), (50, "STOCK")]
    refused = await ask(work, PLAY, mei, locale="zh-CN", draw=draw["id"], key="c")
    assert refused == {
        "__typename": "PlayLimitReached", "code": "PLAY_LIMIT_REACHED", "message": "抽奖次数已达上限:3/3",
        "scope": "TOTAL", "limit": 3, "used": 3,
    }  # fmt: skip
    (edge,) = (await ask(work, LIST, mei, first=5))["edges"]
    assert edge["node"]["prizesLeft"] == [
        {"place": 1, "stockLeft": 0, "releasedLeft": 0, "isExhausted": True, "effectivePpm": 0},
        {"place": 2, "stockLeft": None, "releasedLeft": None, "isExhausted": False, "effectivePpm": 1_000_000},
    ]
    play_id = first["play"]["id"]
    checked = await ask(work, VERIFY, mei, play=play_id)
    assert (checked["seed"], checked["holds"], checked["commitment"]) == (None, None, first["commitment"])
    clock.advance(timedelta(days=1))
    checked = await ask(work, VERIFY, mei, play=play_id)
    assert (checked["holds"], checked["algorithm"], checked["message"]) == (
        True, "jifen-play-1", f"{draw_id}|{mei.id}|1",
    )  # fmt: skip
    assert checked["seed"] is not None and checked["play"] == {"number": 1}


async def test_a_member_sees_only_own_plays(work: Work) -> None:
    """By page, by draw, as a node and as a proof; a stranger finds nothing, and who is no member is refused."""
    one, two, member_id = await a_draw(work), await a_draw(work), await a_member(work)
    mei, lan = Actor("member", member_id), Actor("member", await a_member(work))
    for draw_id in (one, one, one, two):
        await play(work, draw_id, member_id)
    page = await ask(work, PLAYS, mei, draw=key_of(one))
    assert [edge["node"]["number"] for edge in page["edges"]] == [3, 2] and page["pageInfo"]["hasNextPage"]
    rest = await ask(work, PLAYS, mei, draw=key_of(one), after=page["pageInfo"]["endCursor"])
    assert [edge["node"]["number"] for edge in rest["edges"]] == [1]
    play_id = rest["edges"][0]["node"]["id"]
    assert await ask(work, NODE, mei, id=play_id) == {"id": play_id}
    for stranger in (lan, ANONYMOUS):
        assert await ask(work, NODE, stranger, id=play_id) is None
    assert (await ask(work, PLAYS, lan))["edges"] == [] and await ask(work, VERIFY, lan, play=play_id) is None
    for actor, code in ((ANONYMOUS, "UNAUTHENTICATED"), (OWNER, "FORBIDDEN"), (TILL, "FORBIDDEN")):
        for text, given in ((PLAYS, {}), (VERIFY, {"play": play_id}), (PREVIEW, {"draw": key_of(one)})):
            with pytest.raises(RuntimeError, match=code):
                await ask(work, text, actor, **given)
        with pytest.raises(RuntimeError, match=code):
            await ask(work, PLAY, actor, draw=key_of(one), key="k")


async def test_refusals_come_as_types_and_bad_input_names_its_argument(work: Work, clock: FixedClock) -> None:
    """No points, no declaration, over, not there, no id of ours, a key too long."""
    draw_id, poor = await a_draw(work), Actor("member", await a_member(work, 49))
    key = key_of(draw_id)
    refused = await ask(work, PLAY, poor, draw=key, key="a")
    assert (refused["__typename"], refused["required"], refused["missing"]) == ("InsufficientPoints", 50, 1)
    assert (await ask(work, PREVIEW, poor, draw=key))["code"] == "INSUFFICIENT_POINTS"
    assert (await ask(work, PLAY, poor, draw=key, key="x" * 65))["code"] == "INVALID_INPUT"
    await execute("UPDATE member SET adult_declared_at = NULL")
    assert (await ask(work, PLAY, poor, draw=key, key="b"))["code"] == "ADULT_DECLARATION_MISSING"
    assert (await ask(work, PLAY, poor, draw=key_of(UUID(int=9)), key="c"))["code"] == "NOT_FOUND"
    for wrong in ("x", relay.to_base64("Draw", str(draw_id)), relay.to_base64("InstantDraw", "x")):
        with pytest.raises(RuntimeError, match="BAD_USER_INPUT"):
            await ask(work, PLAY, poor, draw=wrong, key="d")
    clock.advance(WEEK)
    assert (await ask(work, PLAY, poor, draw=key, key="e"))["state"] == "OPEN"


async def test_staff_plan_publish_better_pause_and_end(work: Work, clock: FixedClock) -> None:
    """The whole life of a draw, what it pays in sight before anybody plays."""
    draft = await ask(work, PLAN, OWNER, ADMIN, input=an_input(clock, playPoints=4))
    assert (draft["state"], draft["odds"]["expectedPoints"], draft["odds"]["payoutPercent"]) == (
        "DRAFT", "5.000000", "125.00",
    )  # fmt: skip
    assert draft["oddsVersions"]["edges"] == [] and draft["prizesLeft"][0]["effectivePpm"] == 10_000
    assert await ask(work, PUBLISH, OWNER, ADMIN, id=draft["id"], confirm=False) == {
        "__typename": "PayoutUnconfirmed", "code": "PAYOUT_UNCONFIRMED", "playPoints": 4,
        "expected": "5.000000", "payoutPercent": "125.00",
    }  # fmt: skip
    assert (await ask(work, PUBLISH, OWNER, ADMIN, id=draft["id"], confirm=True))["state"] == "OPEN"
    worse = an_input(clock, playPoints=5)["odds"]
    assert await ask(work, ODDS, OWNER, ADMIN, id=draft["id"], odds=worse) == {
        "__typename": "OddsWorsened", "code": "ODDS_WORSENED", "figure": "playPoints", "was": 4, "becomes": 5,
    }  # fmt: skip
    for step, state in (("pause", "PAUSED"), ("resume", "OPEN"), ("end", "ENDED")):
        assert (await ask(work, STEP % step, OWNER, ADMIN, id=draft["id"]))["state"] == state
    assert (await ask(work, STEP % "resume", OWNER, ADMIN, id=draft["id"]))["code"] == "INSTANT_DRAW_STATE_REFUSED"
    invalid = await ask(work, PLAN, OWNER, ADMIN, input=an_input(clock, playPoints=0))
    assert (invalid["code"], invalid["field"]) == ("INVALID_INPUT", "playPoints")
    dear = an_input(clock)
    dear["odds"]["lines"][0]["points"] = 5_000_001
    refused = await ask(work, PLAN, OWNER, ADMIN, input=dear)
    assert (refused["place"], refused["valueFen"], refused["limitFen"]) == (1, 5_000_001, 5_000_000)


async def test_staff_see_what_a_draw_brought_and_cost(work: Work) -> None:
    """Plays, free ones, points in and out, and each line that was given, counted from the plays."""
    draw_id, member_id = await a_draw(work, SURE), await a_member(work, 500)
    for _ in range(3):
        await play(work, draw_id, member_id)
    found = await ask(
        work, f"query ($id: ID!) {{ instantDraw(id: $id) {{ {STAFFS} }} }}", AUDITOR, ADMIN, id=key_of(draw_id)
    )
    assert found["figures"] == {
        "plays": 3, "freePlays": 1, "pointsIn": 100, "pointsOut": 60,
        "given": [
            {"place": 1, "times": 2, "substituted": 0, "points": 60},
            {"place": 2, "times": 1, "substituted": 1, "points": 0},
        ],
    }  # fmt: skip


async def test_only_operators_change_draws_and_nobody_else_sees_drafts(work: Work, clock: FixedClock) -> None:
    """Auditors read; members and the till do neither; a draft is nowhere to be found by members."""
    draft = key_of(await instant_draws.plan_draw(work, a_plan(clock), actor=STAFF))
    before = await rows_written()
    for actor, code in ((AUDITOR, "FORBIDDEN"), (TILL, "FORBIDDEN"), (ANONYMOUS, "UNAUTHENTICATED")):
        asked: tuple[tuple[str, dict[str, Any]], ...] = (
            (PLAN, {"input": an_input(clock)}), (PUBLISH, {"id": draft, "confirm": True}),
            (ODDS, {"id": draft, "odds": an_input(clock)["odds"]}),
            *((STEP % step, {"id": draft}) for step in ("pause", "resume", "end")),
        )  # fmt: skip
        for text, given in asked:
            with pytest.raises(RuntimeError, match=code):
                await ask(work, text, actor, ADMIN, **given)
    assert await rows_written() == before
    for actor in (ANONYMOUS, Actor("member", await a_member(work))):
        assert (await ask(work, LIST, actor, first=5))["edges"] == []
        assert await ask(work, NODE, actor, id=draft) is None
    assert await ask(work, NODE, AUDITOR, ADMIN, id=draft) == {"id": draft}
    assert await ask(work, NODE, TILL, ADMIN, id=draft) is None
    drafts = "query { instantDraws(states: [DRAFT]) { edges { node { id } } } }"
    assert (await ask(work, drafts, AUDITOR, ADMIN))["edges"] == [{"node": {"id": draft}}]


@pytest.mark.parametrize(
    ("asked", "text", "statements"), [(MEMBERS, LIST, 7), (ADMIN, None, 7)], ids=["member", "staff"]
)
async def test_a_page_of_draws_costs_the_same_however_long(
    work: Work, monkeypatch: pytest.MonkeyPatch, asked: Any, text: str | None, statements: int
) -> None:
    """Odds, versions, what is left, own plays or figures: each is one read for all draws of the page."""
    member_id = await a_member(work, 1_000)
    for _ in range(5):
        await play(work, await a_draw(work, USUAL), member_id)
    actor = Actor("member", member_id) if text else OWNER
    text = text or f"query ($first: Int!) {{ instantDraws(first: $first) {{ edges {{ node {{ {STAFFS} }} }} }} }}"
    counts = []
    for first in (1, 5):
        borrowed = 0
        borrow = Client.borrow

        async def counting(client: Client, borrow: Any = borrow) -> Any:
            nonlocal borrowed
            borrowed += 1
            return await borrow(client)

        with monkeypatch.context() as patch:
            patch.setattr(Client, "borrow", counting)
            assert len((await ask(work, text, actor, asked, first=first))["edges"]) == first
        counts.append(borrowed)
    assert counts == [statements, statements]


@pytest.mark.parametrize("name", ["InstantDraws", "PlayInstantDraw"])
def test_the_mini_programs_documents_fit_the_schema(name: str) -> None:
    """What the mini-program sends can be asked."""
    text = (Path(schema.__file__).parent / "documents" / f"{name}.graphql").read_text()
    assert validate(MEMBERS._schema, parse(text)) == []
