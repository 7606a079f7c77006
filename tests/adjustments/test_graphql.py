"""Adjustments over GraphQL, asked as every kind of caller."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import strawberry
from strawberry import relay

from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.ids import new_id
from gamification.core.work import Work
from schema.admin import access, members
from schema.admin.adjustments import AdjustmentsMutation, AdjustmentsQuery
from schema.context import Context
from schema.extensions import make_schema
from schema.nodes import resolve_node
from tests.adjustments.builders import REASON, adjust, approve, hire, reject, withdraw
from tests.builders import a_member, booked, claw_back, dump, rows_in, some_members
from tests.checkins.graphql_checks import counted_statements


@strawberry.type
class Query(AdjustmentsQuery, members.MembersQuery):
    node: relay.Node | None = strawberry.field(resolver=resolve_node)


ADMIN = make_schema(query=Query, mutation=AdjustmentsMutation, types=[members.Member, access.Staff])
TILL = Actor("integration", UUID(int=2), scopes=frozenset({"orders:write", "members:read"}))
BALANCES = "{ available pending held debt growth }"
LINE = """id kind currency points reason state because policyVersion madeAt lapsesAt decidedAt decisionReason entrySeq
    madeBy { id name } decidedBy { name } member { id }"""
POSTED = f"... on AdjustmentPosted {{ entrySeq before {BALANCES} after {BALANCES} adjustment {{ {LINE} }} }}"
PROPOSED = f"""... on AdjustmentProposed {{ because lapsesAt before {BALANCES} after {BALANCES}
    adjustment {{ id state }} }}"""


ADJUST = f"""mutation ($input: AdjustPointsInput!) {{ adjustPoints(input: $input) {{ __typename {POSTED} {PROPOSED}
    ... on Refusal {{ code message }} ... on InsufficientPoints {{ required available missing debt }}
    ... on InsufficientGrowth {{ required available missing }} ... on AdjustmentTooLarge {{ required limit }}
    ... on InvalidInput {{ field }} }} }}"""
WAIVE = f"""mutation ($input: WaiveDebtInput!) {{ waiveDebt(input: $input) {{ __typename {POSTED} {PROPOSED}
    ... on Refusal {{ code message }} ... on WaiverExceedsDebt {{ required debt }} }} }}"""
APPROVE = f"""mutation ($id: ID!) {{ approveAdjustment(id: $id) {{ __typename {POSTED} ... on Refusal {{ code message }}
    ... on AdjustmentNotOpen {{ state }} ... on InsufficientPoints {{ required available }} }} }}"""
REJECT = f"""mutation ($id: ID!, $reason: String!) {{ rejectAdjustment(id: $id, reason: $reason) {{ __typename
    ... on Adjustment {{ {LINE} }} ... on Refusal {{ code message }} ... on AdjustmentNotOpen {{ state }} }} }}"""
WITHDRAW = """mutation ($id: ID!) { withdrawAdjustment(id: $id) { __typename ... on Adjustment { state }
    ... on Refusal { code message } } }"""
SEEN = (
    f"__typename ... on AdjustmentPreview {{ points needsApproval because before {BALANCES} after {BALANCES} trace }}"
)
PREVIEW = f"""query ($id: ID!, $points: Points!, $currency: Currency) {{
    previewAdjustment(memberId: $id, points: $points, currency: $currency) {{ {SEEN}
        ... on Refusal {{ code message }} }} }}"""
PREVIEW_WAIVER = f"""query ($id: ID!, $points: Points) {{ previewDebtWaiver(memberId: $id, points: $points) {{ {SEEN}
    ... on Refusal {{ code message }} }} }}"""
PREVIEW_APPROVAL = f"""query ($id: ID!) {{ previewAdjustmentApproval(id: $id) {{ {SEEN}
    ... on Refusal {{ code message }} }} }}"""
PAGE = f"""query ($search: AdjustmentSearch, $first: Int! = 20, $after: String) {{
    adjustments(search: $search, first: $first, after: $after) {{
        edges {{ node {{ {LINE} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
NODE = "query ($id: ID!) { node(id: $id) { ... on Adjustment { points } } }"
OF_MEMBER = """query ($id: ID!, $first: Int! = 20, $after: String) { member(id: $id) {
    adjustments(first: $first, after: $after) { edges { node { points } } pageInfo { hasNextPage endCursor } } } }"""


class Refused(Exception):
    """An answer with an error: its code and the argument that it names."""


@dataclass
class Office:
    """The staff's endpoint without HTTP."""

    work: Work

    async def ask(self, text: str, actor: Actor, *, locale: str = "en", **variables: Any) -> Any:
        """The one field that is answered. Raises Refused."""
        context = Context(work=self.work, clock=self.work.clock, actor=actor, locale=locale)
        result = await ADMIN.execute(text, variable_values=variables, context_value=context)
        if result.errors:
            extensions = result.errors[0].extensions or {}
            raise Refused(extensions.get("code"), extensions.get("argument")) from result.errors[0].original_error
        (answer,) = (result.data or {}).values()
        return answer


@pytest.fixture
def office(work: Work) -> Office:
    return Office(work)


def member_id(member: UUID) -> str:
    return relay.to_base64("Member", str(member))


def change(member: UUID, points: int, **given: Any) -> dict[str, Any]:
    return {"memberId": member_id(member), "points": points, "reason": REASON, "idempotencyKey": str(new_id()), **given}


def figures(**given: int) -> dict[str, int]:
    return {"available": 0, "pending": 0, "held": 0, "debt": 0, "growth": 0, **given}


async def test_an_operator_adjusts_within_the_limits(office: Office, clock: FixedClock, lin: Actor) -> None:
    """Preview, change and list tell one story; who did it and why stands with it."""
    mei = await a_member(clock, points=5)
    seen = await office.ask(PREVIEW, lin, id=member_id(mei), points=30)
    assert seen == {
        "__typename": "AdjustmentPreview", "points": 30, "needsApproval": False, "because": None,
        "before": figures(available=5), "after": figures(available=35),
        "trace": {"rule": "points_raised", "policy": ["adjustments", 1], "by": str(lin.id), "result": 30},
    }  # fmt: skip
    made = await office.ask(ADJUST, lin, input=change(mei, 30))
    line = made.pop("adjustment")
    assert made == {
        "__typename": "AdjustmentPosted", "entrySeq": 2,
        "before": figures(available=5), "after": figures(available=35),
    }  # fmt: skip
    assert line.pop("id")
    assert line == {
        "kind": "ADJUSTMENT", "currency": "POINTS", "points": 30, "reason": REASON, "state": "POSTED", "because": None,
        "policyVersion": 1, "madeAt": "2026-03-02T02:00:00+00:00", "lapsesAt": None, "decidedAt": None,
        "decisionReason": None, "entrySeq": 2, "decidedBy": None, "member": {"id": member_id(mei)},
        "madeBy": {"id": relay.to_base64("Staff", str(lin.id)), "name": "Lin"},
    }  # fmt: skip
    (edge,) = (await office.ask(PAGE, lin))["edges"]
    assert {**edge["node"], "id": ""} == {**line, "id": ""}


async def test_above_the_limit_another_approves(office: Office, clock: FixedClock, lin: Actor, zhou: Actor) -> None:
    """Proposed, foreseen and posted; the proposer is refused, the approver named."""
    mei = await a_member(clock)
    made = await office.ask(ADJUST, lin, input=change(mei, 500, currency="GROWTH"))
    assert {**made, "adjustment": made["adjustment"]["state"]} == {
        "__typename": "AdjustmentProposed", "because": "ABOVE_LIMIT", "lapsesAt": "2026-03-05T16:00:00+00:00",
        "before": figures(), "after": figures(growth=500), "adjustment": "PROPOSED",
    }  # fmt: skip
    proposal = made["adjustment"]["id"]
    assert (await office.ask(APPROVE, lin, id=proposal))["code"] == "SAME_APPROVER"
    assert (await office.ask(PREVIEW_APPROVAL, lin, id=proposal))["code"] == "SAME_APPROVER"
    seen = await office.ask(PREVIEW_APPROVAL, zhou, id=proposal)
    assert (seen["before"], seen["after"], seen["because"]) == (figures(), figures(growth=500), "ABOVE_LIMIT")
    posted = await office.ask(APPROVE, zhou, id=proposal)
    assert (posted["__typename"], posted["entrySeq"], posted["after"]) == ("AdjustmentPosted", 1, figures(growth=500))
    assert posted["adjustment"]["decidedBy"] == {"name": "Zhou"}
    assert await office.ask(APPROVE, zhou, id=proposal) == posted
    third = await hire(clock, "wang")
    again = await office.ask(APPROVE, third, id=proposal)
    assert (again["code"], again["state"]) == ("ADJUSTMENT_NOT_OPEN", "POSTED")
    assert again["message"] == "The adjustment is POSTED and waits for nobody any more."


async def test_a_proposal_is_rejected_or_withdrawn(office: Office, clock: FixedClock, lin: Actor, zhou: Actor) -> None:
    """A second person says why not; the proposer takes the own one back, and nobody else does."""
    mei = await a_member(clock)
    ids = [(await office.ask(ADJUST, lin, input=change(mei, 500)))["adjustment"]["id"] for _ in range(2)]
    rejected = await office.ask(REJECT, zhou, id=ids[0], reason="No")
    assert (rejected["state"], rejected["decisionReason"], rejected["decidedBy"]) == (
        "REJECTED",
        "No",
        {"name": "Zhou"},
    )
    assert (await office.ask(REJECT, zhou, id=ids[1], reason=" "))["code"] == "INVALID_INPUT"
    assert (await office.ask(REJECT, lin, id=ids[1], reason="No"))["code"] == "SAME_APPROVER"
    assert (await office.ask(WITHDRAW, zhou, id=ids[1]))["code"] == "NOT_THE_PROPOSER"
    assert await office.ask(WITHDRAW, lin, id=ids[1]) == {"__typename": "Adjustment", "state": "WITHDRAWN"}
    assert await booked(mei) == (0, 0, 0)


async def test_debt_is_waived(office: Office, clock: FixedClock, lin: Actor) -> None:
    """In part, more than is owed, the rest, and once more."""
    mei = await a_member(clock)
    await claw_back(office.work, mei, 50)
    waiver = {"memberId": member_id(mei), "reason": "Our mistake"}
    part = await office.ask(WAIVE, lin, input={**waiver, "points": 20, "idempotencyKey": "a"})
    assert (part["after"], part["adjustment"]["kind"]) == (figures(debt=30), "DEBT_WAIVER")
    more = await office.ask(WAIVE, lin, input={**waiver, "points": 31, "idempotencyKey": "b"})
    assert (more["code"], more["required"], more["debt"]) == ("WAIVER_EXCEEDS_DEBT", 31, 30)
    seen = await office.ask(PREVIEW_WAIVER, lin, id=member_id(mei))
    assert (seen["points"], seen["after"], seen["trace"]["rule"]) == (30, figures(), "debt_waiver")
    rest = await office.ask(WAIVE, lin, input={**waiver, "idempotencyKey": "c"})
    assert (rest["adjustment"]["points"], rest["after"]) == (30, figures())
    nothing = await office.ask(WAIVE, lin, locale="zh-CN", input={**waiver, "idempotencyKey": "d"})
    assert (nothing["code"], nothing["message"]) == ("NOTHING_TO_WAIVE", "会员没有欠分")
    assert (await office.ask(PREVIEW_WAIVER, lin, id=member_id(mei)))["code"] == "NOTHING_TO_WAIVE"


async def test_refusals_carry_their_numbers(office: Office, clock: FixedClock, lin: Actor) -> None:
    """Each is a member of the union; a preview is refused alike, and nothing changes."""
    mei = await a_member(clock, points=5)
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (change(mei, -6), {"code": "INSUFFICIENT_POINTS", "required": 6, "available": 5, "missing": 1, "debt": 0}),
        (
            change(mei, -6, currency="GROWTH"),
            {"code": "INSUFFICIENT_GROWTH", "required": 6, "available": 0, "missing": 6},
        ),
        (change(mei, 1_001), {"code": "ADJUSTMENT_TOO_LARGE", "required": 1_001, "limit": 1_000}),
        (change(mei, 10**12), {"code": "ADJUSTMENT_TOO_LARGE", "required": 10**12, "limit": 1_000}),
        (change(mei, 0), {"code": "INVALID_INPUT", "field": "points"}),
        (change(mei, 5, reason="  "), {"code": "INVALID_INPUT", "field": "reason"}),
        (change(mei, 5, idempotencyKey="k" * 65), {"code": "INVALID_INPUT", "field": "idempotencyKey"}),
        (change(UUID(int=7), 5), {"code": "NOT_FOUND"}),
    ]
    for given, expected in cases:
        answer = await office.ask(ADJUST, lin, input=given)
        assert {name: answer[name] for name in expected} == expected
        if expected.get("field") in (None, "points"):
            currency = given.get("currency")
            seen = await office.ask(PREVIEW, lin, id=given["memberId"], points=given["points"], currency=currency)
            assert (seen["code"], seen["message"]) == (expected["code"], answer["message"])
    assert await rows_in("adjustment") == 0 and await booked(mei) == (5, 0, 0)


@pytest.mark.parametrize("points", [10**12 + 1, -(10**12) - 1, 2**63, 1.5, "5", True])
async def test_a_number_beyond_all_bounds_is_no_input(
    office: Office, clock: FixedClock, lin: Actor, points: object
) -> None:
    """Whoever sends it reads that the request is malformed; nothing is written."""
    mei = await a_member(clock)
    before = await dump()
    with pytest.raises(Refused):
        await office.ask(ADJUST, lin, input={**change(mei, 1), "points": points})
    assert await dump() == before


CALLERS = {
    "auditor": Actor("staff", UUID(int=1), role="auditor"),
    "cashier": Actor("staff", UUID(int=1), role="cashier", stores=frozenset({"SH-01"})),
    "integration": TILL,
    "member": Actor("member", UUID(int=3)),
    "anonymous": ANONYMOUS,
}


@pytest.mark.parametrize("caller", CALLERS)
async def test_only_owners_and_operators_adjust(office: Office, clock: FixedClock, lin: Actor, caller: str) -> None:
    """Everybody else is turned away from every verb and preview, and nothing is written."""
    mei = await a_member(clock)
    made = await office.ask(ADJUST, lin, input=change(mei, 500))
    actor, proposal, before = CALLERS[caller], made["adjustment"]["id"], await dump()
    code = "UNAUTHENTICATED" if caller == "anonymous" else "FORBIDDEN"
    waiver = {"memberId": member_id(mei), "reason": "x", "idempotencyKey": "x"}
    for text, variables in (
        (ADJUST, {"input": change(mei, 5)}),
        (WAIVE, {"input": waiver}),
        (APPROVE, {"id": proposal}),
        (REJECT, {"id": proposal, "reason": "x"}),
        (WITHDRAW, {"id": proposal}),
        (PREVIEW, {"id": member_id(mei), "points": 5}),
        (PREVIEW_WAIVER, {"id": member_id(mei)}),
        (PREVIEW_APPROVAL, {"id": proposal}),
    ):
        with pytest.raises(Refused) as refused:
            await office.ask(text, actor, **variables)
        assert refused.value.args[0] == code
    assert await dump() == before


@pytest.mark.parametrize("caller", [*CALLERS, "owner", "operator"])
async def test_owners_operators_and_auditors_read(office: Office, clock: FixedClock, lin: Actor, caller: str) -> None:
    """Everybody else is turned away from the lists, finds nothing under an id, and is not shown a member's."""
    mei = await a_member(clock)
    known = (await office.ask(ADJUST, lin, input=change(mei, 30)))["adjustment"]["id"]
    actor = CALLERS.get(caller) or replace(lin, role=caller)  # type: ignore[arg-type]
    admitted = caller in ("owner", "operator", "auditor")
    assert await office.ask(NODE, actor, id=known) == ({"points": 30} if admitted else None)
    for text, variables in (
        (PAGE, {}),
        ("query ($id: ID!) { adjustment(id: $id) { points } }", {"id": known}),
        (OF_MEMBER, {"id": member_id(mei)}),
    ):
        if admitted:
            assert await office.ask(text, actor, **variables)
        else:
            with pytest.raises(Refused) as refused:
                await office.ask(text, actor, **variables)
            assert refused.value.args[0] == ("UNAUTHENTICATED" if caller == "anonymous" else "FORBIDDEN")


@pytest.mark.parametrize(
    "key",
    ["", "x", "Member:0", "Adjustment:x", "Adjustment:1.2", f"Adjustment:{UUID(int=1)}", "Adjustment:" + "." * 40],
)
async def test_what_is_no_id_is_bad_input(office: Office, lin: Actor, key: str) -> None:
    """An id of another shape or type names the argument, whatever it is given to."""
    known = base64.b64encode(key.encode()).decode()
    for text in (APPROVE, WITHDRAW, PREVIEW_APPROVAL, NODE, "query ($id: ID!) { adjustment(id: $id) { points } }"):
        with pytest.raises(Refused) as refused:
            await office.ask(text, lin, id=known)
        assert refused.value.args == ("BAD_USER_INPUT", "id")
    with pytest.raises(Refused) as refused:
        await office.ask(ADJUST, lin, input={**change(UUID(int=1), 5), "memberId": known})
    assert refused.value.args == ("BAD_USER_INPUT", "memberId")


async def test_an_unknown_adjustment_is_not_found(office: Office, lin: Actor) -> None:
    """A well-formed id of nothing: null for a reader, a refusal for a verb."""
    known = relay.to_base64("Adjustment", f"{UUID(int=1)}.{UUID(int=2)}")
    assert (await office.ask(APPROVE, lin, id=known))["code"] == "NOT_FOUND"
    assert await office.ask(NODE, lin, id=known) is None


async def test_adjustments_are_searched(office: Office, clock: FixedClock, lin: Actor, zhou: Actor) -> None:
    """By member, state, who made and who decided them, and period; a lapsed proposal is found as one at once."""
    work, (mei, lan) = office.work, await some_members(clock, 2)
    await adjust(work, mei, 1, lin)
    await approve(work, await adjust(work, mei, 502, lin), zhou)
    await reject(work, await adjust(work, lan, 503, zhou), lin)
    await withdraw(work, await adjust(work, lan, 504, lin), lin)
    await adjust(work, mei, 505, zhou)
    clock.advance(timedelta(days=4))
    await adjust(work, mei, 506, lin)

    async def found(**search: Any) -> list[int]:
        return [edge["node"]["points"] for edge in (await office.ask(PAGE, lin, search=search))["edges"]]

    people = {actor: relay.to_base64("Staff", str(actor.id)) for actor in (lin, zhou)}
    assert await found() == [506, 505, 504, 503, 502, 1]
    assert await found(memberId=member_id(lan)) == [504, 503]
    states = ("PROPOSED", "POSTED", "REJECTED", "WITHDRAWN", "LAPSED")
    assert [await found(state=each) for each in states] == [[506], [502, 1], [503], [504], [505]]
    assert await found(madeBy=people[zhou]) == [505, 503]
    assert await found(decidedBy=people[lin]) == [504, 503]
    assert await found(madeBy=people[lin], state="POSTED", memberId=member_id(mei)) == [502, 1]
    noon = "2026-03-03T12:00:00+08:00"
    assert (await found(since=noon), await found(until=noon)) == ([506], [505, 504, 503, 502, 1])
    (lapsed,) = (await office.ask(PAGE, lin, search={"state": "LAPSED"}))["edges"]
    assert (lapsed["node"]["state"], lapsed["node"]["decidedAt"]) == ("LAPSED", "2026-03-05T16:00:00+00:00")
    with pytest.raises(Refused) as refused:
        await found(madeBy=member_id(mei))
    assert refused.value.args == ("BAD_USER_INPUT", "madeBy")


async def test_pages_follow_each_other(office: Office, clock: FixedClock, lin: Actor) -> None:
    """The whole list and a member's, two at a time, the latest first; a cursor of another list is bad input."""
    mei = await a_member(clock)
    for points in (1, 2, 3):
        await adjust(office.work, mei, points, lin)
    for text, variables in ((PAGE, {}), (OF_MEMBER, {"id": member_id(mei)})):
        pages, after = [], None
        while True:
            answer = await office.ask(text, lin, first=2, after=after, **variables)
            page = answer.get("adjustments", answer)
            pages.append([edge["node"]["points"] for edge in page["edges"]])
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
        assert pages == [[3, 2], [1]]
        with pytest.raises(Refused) as refused:
            await office.ask(text, lin, after="x", **variables)
        assert refused.value.args == ("BAD_USER_INPUT", "after")


async def test_a_page_costs_a_constant_number_of_statements(
    office: Office, clock: FixedClock, lin: Actor, zhou: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for the adjustments, one for their people, one for their members; as many for a list of members' lists."""
    members_ = await some_members(clock, 6)
    for number, each in enumerate(members_):
        await approve(office.work, await adjust(office.work, each, 500 + number, lin), zhou)
    with counted_statements(monkeypatch) as statements:
        assert len((await office.ask(PAGE, lin))["edges"]) == 6
    assert len(statements) == 3
    nested = "{ members { edges { node { adjustments(first: 2) { edges { node { points madeBy { name } } } } } } } }"
    with counted_statements(monkeypatch) as statements:
        found = (await office.ask(nested, lin))["edges"]
    assert sum(len(edge["node"]["adjustments"]["edges"]) for edge in found) == 6
    assert len(statements) == 3
