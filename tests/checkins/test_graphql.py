"""Check-ins over GraphQL, asked as every kind of caller."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
import strawberry
from strawberry import relay

from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from schema.admin import members as admin_members
from schema.admin.checkins import AdminCheckInsQuery
from schema.checkins import CheckInsMutation, CheckInsQuery
from schema.context import Context
from schema.extensions import make_schema
from schema.nodes import resolve_node
from tests.checkins.builders import a_member, checked_in_on, rows_written
from tests.checkins.graphql_checks import counted_statements, faults_of_examples


@strawberry.type
class Query(CheckInsQuery):
    node: relay.Node | None = strawberry.field(resolver=resolve_node)


@strawberry.type
class AdminQuery(AdminCheckInsQuery):
    node: relay.Node | None = strawberry.field(resolver=resolve_node)


MEMBERS = make_schema(query=Query, mutation=CheckInsMutation)
ADMIN = make_schema(query=AdminQuery, types=[admin_members.Member])
OWNER = Actor("staff", UUID(int=1), role="owner")

CHECK_IN = """mutation { checkIn { ... on CheckedIn {
    businessDate streak cycleDay points entrySeq available alreadyCheckedIn } } }"""
PREVIEW = """{ previewCheckIn { ... on CheckInPreview {
    businessDate streak cycleDay points available alreadyCheckedIn } } }"""
STATE = """{ checkInState { today isCheckedIn streak cycleDay cycleDays
    nextRewards(count: 2) { on streak cycleDay points } } }"""
PAGE = """query ($after: String) { checkIns(first: 2, after: $after) {
    edges { node { id businessDate streak points } } pageInfo { hasNextPage endCursor } } }"""
NODE = "query ($id: ID!) { node(id: $id) { ... on CheckIn { businessDate } } }"


async def ask(work: Work, text: str, actor: Actor, schema: Any = MEMBERS, **variables: Any) -> Any:
    """What GraphQL answers; an error is raised as its code."""
    context = Context(work=work, clock=work.clock, actor=actor, locale="en")
    result = await schema.execute(text, variable_values=variables, context_value=context)
    if result.errors:
        raise RuntimeError((result.errors[0].extensions or {}).get("code"), result.errors[0].message)
    return result.data


async def test_a_member_looks_previews_and_checks_in(work: Work, clock: FixedClock) -> None:
    """State, preview, check-in and state again tell one story."""
    mei = Actor("member", await a_member(clock))
    assert await ask(work, STATE, mei) == {
        "checkInState": {
            "today": "2026-03-02", "isCheckedIn": False, "streak": 0, "cycleDay": 0, "cycleDays": 7,
            "nextRewards": [
                {"on": "2026-03-02", "streak": 1, "cycleDay": 1, "points": 5},
                {"on": "2026-03-03", "streak": 2, "cycleDay": 2, "points": 5},
            ],
        }
    }  # fmt: skip
    day = {"businessDate": "2026-03-02", "streak": 1, "cycleDay": 1, "points": 5, "available": 5}
    assert await ask(work, PREVIEW, mei) == {"previewCheckIn": {**day, "alreadyCheckedIn": False}}
    for already in (False, True):
        assert await ask(work, CHECK_IN, mei) == {"checkIn": {**day, "entrySeq": 1, "alreadyCheckedIn": already}}
    assert await ask(work, PREVIEW, mei) == {"previewCheckIn": {**day, "alreadyCheckedIn": True}}
    state = (await ask(work, STATE, mei))["checkInState"]
    assert (state["isCheckedIn"], state["streak"], state["nextRewards"][0]["on"]) == (True, 1, "2026-03-03")


async def test_check_ins_are_paged_and_found_by_id(work: Work, clock: FixedClock) -> None:
    """Pages follow each other by cursor; an id is good for its owner and for staff, and for nobody else."""
    mei, lin = Actor("member", await a_member(clock)), Actor("member", await a_member(clock))
    assert mei.id is not None
    await checked_in_on(mei.id, *(date(2026, 2, 1) + timedelta(days=ahead) for ahead in range(3)))
    first = (await ask(work, PAGE, mei))["checkIns"]
    assert [edge["node"]["businessDate"] for edge in first["edges"]] == ["2026-02-03", "2026-02-02"]
    assert [edge["node"]["streak"] for edge in first["edges"]] == [3, 2] and first["pageInfo"]["hasNextPage"]
    rest = (await ask(work, PAGE, mei, after=first["pageInfo"]["endCursor"]))["checkIns"]
    assert [edge["node"]["businessDate"] for edge in rest["edges"]] == ["2026-02-01"]
    assert not rest["pageInfo"]["hasNextPage"]
    newest = first["edges"][0]["node"]["id"]
    assert await ask(work, NODE, mei, id=newest) == {"node": {"businessDate": "2026-02-03"}}
    assert await ask(work, NODE, OWNER, ADMIN, id=newest) == {"node": {"businessDate": "2026-02-03"}}
    for other in (lin, ANONYMOUS):
        assert await ask(work, NODE, other, id=newest) == {"node": None}


async def test_staff_see_a_members_check_ins(work: Work, clock: FixedClock) -> None:
    """State and days of any member, by the member's id."""
    member_id = await a_member(clock)
    await checked_in_on(member_id, date(2026, 3, 1))
    text = """query ($id: ID!) { checkInState(memberId: $id) { streak }
                                 checkIns(memberId: $id) { edges { node { businessDate } } } }"""
    whose = relay.to_base64("Member", str(member_id))
    assert await ask(work, text, OWNER, ADMIN, id=whose) == {
        "checkInState": {"streak": 1}, "checkIns": {"edges": [{"node": {"businessDate": "2026-03-01"}}]},
    }  # fmt: skip


async def test_only_members_check_in_and_only_staff_look_at_others(work: Work) -> None:
    """Whoever is not admitted reads why, and nothing is written."""
    till = Actor("integration", UUID(int=2), scopes=frozenset({"orders:write"}))
    for text in (STATE, PAGE, PREVIEW, CHECK_IN):
        for actor, code in ((ANONYMOUS, "UNAUTHENTICATED"), (OWNER, "FORBIDDEN"), (till, "FORBIDDEN")):
            with pytest.raises(RuntimeError) as refused:
                await ask(work, text, actor)
            assert refused.value.args[0] == code
    whose = relay.to_base64("Member", str(UUID(int=3)))
    with pytest.raises(RuntimeError) as refused:
        await ask(work, "query ($id: ID!) { checkInState(memberId: $id) { streak } }", till, ADMIN, id=whose)
    assert refused.value.args[0] == "FORBIDDEN"
    assert (await rows_written())[:2] == (0, 0)


async def test_rewards_ahead_are_bounded(work: Work, clock: FixedClock) -> None:
    """At most one longest cycle ahead."""
    mei = Actor("member", await a_member(clock))
    for count in (0, 32):
        with pytest.raises(RuntimeError) as refused:
            await ask(work, f"{{ checkInState {{ nextRewards(count: {count}) {{ on }} }} }}", mei)
        assert refused.value.args[0] == "BAD_USER_INPUT"


async def test_a_page_costs_one_statement(work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long, a page is read at once; the state takes one statement too."""
    mei = Actor("member", await a_member(clock))
    assert mei.id is not None
    await checked_in_on(mei.id, *(date(2026, 2, day) for day in range(1, 29)))
    for text in ("{ checkIns(first: 20) { edges { node { id streak } } } }", STATE):
        with counted_statements(monkeypatch) as statements:
            await ask(work, text, mei)
        assert len(statements) == 1


def test_the_documentation_s_examples_fit_the_schemas() -> None:
    """What docs/checkins.md shows can be asked."""
    assert faults_of_examples("checkins.md", "graphql", MEMBERS) == []
    assert faults_of_examples("checkins.md", "graphql staff", ADMIN) == []
