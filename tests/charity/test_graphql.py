"""Charity over GraphQL, asked as every kind of caller."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import strawberry
from strawberry import relay

from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.database import execute
from gamification.core.work import Work
from schema.admin import members as admin_members
from schema.admin.charity import AdminCharityMutation, AdminCharityQuery
from schema.charity import CharityMutation, CharityQuery
from schema.context import Context
from schema.extensions import make_schema
from schema.nodes import resolve_node
from tests.charity.builders import DAY, OPERATOR, a_campaign, a_draft, a_member, give, rows_written
from tests.checkins.graphql_checks import counted_statements, faults_of_examples


@strawberry.type
class Query(CharityQuery):
    node: relay.Node | None = strawberry.field(resolver=resolve_node)


@strawberry.type
class AdminQuery(AdminCharityQuery):
    node: relay.Node | None = strawberry.field(resolver=resolve_node)


MEMBERS = make_schema(query=Query, mutation=CharityMutation)
ADMIN = make_schema(query=AdminQuery, mutation=AdminCharityMutation, types=[admin_members.Member])

DONATE = """mutation ($input: DonatePointsInput!) { donatePoints(input: $input) { __typename
    ... on Refusal { code message } ... on GoalReached { remainingUnits }
    ... on InsufficientPoints { required available missing }
    ... on DonationMade { available donation { id units points fen businessDate
        campaign { title pledgedUnits pledgedFen unitsLeft donors }
        certificate { serial verificationCode anonymous displayName title beneficiary units fen donatedOn } } } } }"""
PREVIEW = """query ($id: ID!, $units: Int!) { previewDonation(campaignId: $id, units: $units) { __typename
    ... on Refusal { code } ... on DonationPreview { points fen available unitsLeft monthlyUnitsLeft } } }"""
VERIFY = """query ($code: String!) { verifyCertificate(code: $code) {
    serial anonymous name title beneficiary units fen donatedOn } }"""
CREATE = """mutation ($input: CreateCharityCampaignInput!) { createCharityCampaign(input: $input) { __typename
    ... on InvalidInput { field reason } ... on CharityCampaign { id phase titleZh pledgedUnits } } }"""
OPEN = "mutation ($id: ID!) { openCharityCampaign(id: $id) { __typename ... on CharityCampaign { phase } } }"
CLOSE = """mutation ($id: ID!, $reason: String!) { closeCharityCampaign(id: $id, reason: $reason) { __typename
    ... on CharityCampaign { phase } ... on CampaignStateConflict { state } } }"""
TERMS = {
    "titleZh": "乡村图书角", "titleEn": "Village libraries", "descriptionZh": "图书", "descriptionEn": "Books",
    "beneficiary": "明日公益基金会", "agreementReference": "AG-1", "opensAt": "2026-03-02T10:00:00+08:00",
}  # fmt: skip


async def ask(work: Work, text: str, actor: Actor, schema: Any = MEMBERS, **variables: Any) -> Any:
    """What GraphQL answers; an error is raised as its code."""
    context = Context(work=work, clock=work.clock, actor=actor, locale="en")
    result = await schema.execute(text, variable_values=variables, context_value=context)
    if result.errors:
        raise RuntimeError((result.errors[0].extensions or {}).get("code"), result.errors[0].message)
    return result.data


def global_id(campaign_id: UUID) -> str:
    return relay.to_base64("CharityCampaign", str(campaign_id))


async def test_a_member_previews_gives_and_anybody_verifies(work: Work) -> None:
    """From the preview to the public page of the certificate."""
    campaign_id, mei = await a_campaign(work, goal_units=5), Actor("member", await a_member(work, 3_000))
    preview = await ask(work, PREVIEW, mei, id=global_id(campaign_id), units=2)
    assert preview["previewDonation"] == {
        "__typename": "DonationPreview", "points": 2_000, "fen": 2_000, "available": 1_000, "unitsLeft": 3,
        "monthlyUnitsLeft": None,
    }  # fmt: skip
    wanted = {"campaignId": global_id(campaign_id), "units": 2, "displayName": "小梅", "idempotencyKey": "tap"}
    made = (await ask(work, DONATE, mei, input=wanted))["donatePoints"]
    certificate = made["donation"]["certificate"]
    assert made["available"] == 1_000
    assert made["donation"]["campaign"] == {
        "title": "Village libraries", "pledgedUnits": 2, "pledgedFen": 2_000, "unitsLeft": 3, "donors": 1,
    }  # fmt: skip
    said = {
        "serial": certificate["serial"], "anonymous": False, "title": "Village libraries",
        "beneficiary": "明日公益基金会", "units": 2, "fen": 2_000, "donatedOn": "2026-03-02",
    }  # fmt: skip
    code = certificate["verificationCode"]
    assert certificate == {**said, "verificationCode": code, "displayName": "小梅"}
    assert await ask(work, VERIFY, ANONYMOUS, code=code) == {"verifyCertificate": {**said, "name": "小**"}}
    assert await ask(work, VERIFY, ANONYMOUS, code="0000-0000-0000-0000") == {"verifyCertificate": None}
    assert (await ask(work, DONATE, mei, input=wanted))["donatePoints"]["donation"]["id"] == made["donation"]["id"]


async def test_a_receipt_from_before_its_day_was_kept_is_still_answered(work: Work) -> None:
    """What an earlier version stored names fewer fields; the retry is answered the same."""
    campaign_id, mei = await a_campaign(work), Actor("member", await a_member(work, 3_000))
    wanted = {"campaignId": global_id(campaign_id), "units": 2, "idempotencyKey": "tap"}
    first = await ask(work, DONATE, mei, input=wanted)
    assert first["donatePoints"]["donation"]["businessDate"] == "2026-03-02"
    assert await execute("UPDATE receipt SET answer = answer - 'business_date' - 'donated_at'") == 1
    assert await ask(work, DONATE, mei, input=wanted) == first


async def test_refusals_are_answers_with_their_numbers(work: Work) -> None:
    """Each no is a member of the union; nothing is given."""
    goal, free = await a_campaign(work, goal_units=1), await a_campaign(work)
    early, draft = await a_campaign(work, opens_at=work.clock.now() + DAY), (await a_draft(work)).id
    mei = Actor("member", await a_member(work, 1_500))
    before = await rows_written()

    async def refused(campaign_id: UUID, units: int) -> Any:
        given = {"campaignId": global_id(campaign_id), "units": units, "idempotencyKey": f"{campaign_id}{units}"[:64]}
        answer = (await ask(work, DONATE, mei, input=given))["donatePoints"]
        preview = await ask(work, PREVIEW, mei, id=global_id(campaign_id), units=units)
        assert preview["previewDonation"] == {"__typename": answer["__typename"], "code": answer["code"]}
        return answer

    assert await refused(goal, 2) == {
        "__typename": "GoalReached", "code": "GOAL_REACHED", "remainingUnits": 1,
        "message": "The campaign's goal leaves room for 1 more units.",
    }  # fmt: skip
    assert await refused(free, 2) == {
        "__typename": "InsufficientPoints", "code": "INSUFFICIENT_POINTS", "required": 2_000, "available": 1_500,
        "missing": 500, "message": "Not enough points: 2000 needed, 1500 available, 500 missing.",
    }  # fmt: skip
    names = [(await refused(early, 1))["__typename"], (await refused(draft, 1))["__typename"]]
    assert [*names, (await refused(free, 0))["__typename"]] == ["CampaignNotOpen", "NotFound", "InvalidInput"]
    assert await rows_written() == before


async def test_everybody_sees_published_campaigns(work: Work) -> None:
    """Without signing in: list and single campaign with their progress; drafts are not there."""
    first, second = await a_campaign(work), await a_campaign(work, opens_at=work.clock.now() + DAY)
    draft = (await a_draft(work)).id
    await give(work, first, await a_member(work, 1_000))
    text = """query ($open: Boolean!) { charityCampaigns(onlyOpen: $open) {
        edges { node { id phase pledgedUnits pledgedFen donors } } } }"""
    found = await ask(work, text, ANONYMOUS, open=False)
    assert [edge["node"] for edge in found["charityCampaigns"]["edges"]] == [
        {"id": global_id(second), "phase": "UPCOMING", "pledgedUnits": 0, "pledgedFen": 0, "donors": 0},
        {"id": global_id(first), "phase": "OPEN", "pledgedUnits": 1, "pledgedFen": 1_000, "donors": 1},
    ]
    found = await ask(work, text, ANONYMOUS, open=True)
    assert [edge["node"]["id"] for edge in found["charityCampaigns"]["edges"]] == [global_id(first)]
    one = "query ($id: ID!) { charityCampaign(id: $id) { title } node(id: $id) { id } }"
    assert await ask(work, one, ANONYMOUS, id=global_id(draft)) == {"charityCampaign": None, "node": None}
    known = await ask(work, one, ANONYMOUS, id=global_id(first))
    assert known == {"charityCampaign": {"title": "Village libraries"}, "node": {"id": global_id(first)}}


async def test_donations_are_their_givers_alone(work: Work) -> None:
    """A page of one's own, and nothing of others by id."""
    campaign_id = await a_campaign(work)
    mei, lin = Actor("member", await a_member(work, 3_000)), Actor("member", await a_member(work))
    assert mei.id is not None
    for units in (1, 2):
        await give(work, campaign_id, mei.id, units)
    text = "{ donations { edges { node { id units campaign { title } certificate { serial displayName } } } } }"
    nodes = [edge["node"] for edge in (await ask(work, text, mei))["donations"]["edges"]]
    assert [node["units"] for node in nodes] == [2, 1]
    assert (await ask(work, text, lin))["donations"]["edges"] == []
    node = "query ($id: ID!) { node(id: $id) { ... on Donation { units } } }"
    assert await ask(work, node, mei, id=nodes[0]["id"]) == {"node": {"units": 2}}
    for other in (lin, ANONYMOUS):
        assert await ask(work, node, other, id=nodes[0]["id"]) == {"node": None}


async def test_staff_draft_open_look_and_close(work: Work) -> None:
    """The life of a campaign at the staff's endpoint, with its donations and donors."""
    draft = (await ask(work, CREATE, OPERATOR, ADMIN, input=TERMS))["createCharityCampaign"]
    campaign = draft.pop("id")
    assert draft == {"__typename": "CharityCampaign", "phase": "DRAFT", "titleZh": "乡村图书角", "pledgedUnits": 0}
    assert (await ask(work, OPEN, OPERATOR, ADMIN, id=campaign))["openCharityCampaign"]["phase"] == "OPEN"
    mei = await a_member(work, 2_000)
    done = await give(work, UUID(relay.from_base64(campaign)[1]), mei, 2)
    text = """{ charityCampaigns { edges { node { id donors donations {
        edges { node { units fen member { id } certificateSerial } } } } } } }"""
    found = await ask(work, text, OPERATOR, ADMIN)
    assert found["charityCampaigns"]["edges"][0]["node"] == {
        "id": campaign, "donors": 1,
        "donations": {"edges": [{"node": {
            "units": 2, "fen": 2_000, "member": {"id": relay.to_base64("Member", str(mei))},
            "certificateSerial": done.serial,
        }}]},
    }  # fmt: skip
    closed = (await ask(work, CLOSE, OPERATOR, ADMIN, id=campaign, reason="协议终止"))["closeCharityCampaign"]
    assert closed["phase"] == "CLOSED"
    assert (await ask(work, OPEN, OPERATOR, ADMIN, id=campaign))["openCharityCampaign"] == {
        "__typename": "CampaignStateConflict"
    }
    bad = await ask(work, CREATE, OPERATOR, ADMIN, input={**TERMS, "goalUnits": 0})
    assert bad["createCharityCampaign"] == {
        "__typename": "InvalidInput", "field": "goalUnits", "reason": "1 to 1000000000",
    }  # fmt: skip


async def test_who_may_do_what(work: Work) -> None:
    """Members give, operators and owners change campaigns, all staff look, nobody else does."""
    campaign = global_id((await a_draft(work)).id)
    auditor = Actor("staff", UUID(int=2), role="auditor")
    member = Actor("member", await a_member(work, 1_000))
    given = {"input": {"campaignId": campaign, "units": 1, "idempotencyKey": "tap"}}
    asked: list[tuple[str, Any, dict[str, Any], dict[str, Actor]]] = [
        (DONATE, MEMBERS, given, {"UNAUTHENTICATED": ANONYMOUS, "FORBIDDEN": auditor}),
        (PREVIEW, MEMBERS, {"id": campaign, "units": 1}, {"UNAUTHENTICATED": ANONYMOUS, "FORBIDDEN": auditor}),
        (OPEN, ADMIN, {"id": campaign}, {"UNAUTHENTICATED": ANONYMOUS, "FORBIDDEN": auditor}),
        (CLOSE, ADMIN, {"id": campaign, "reason": "x"}, {"UNAUTHENTICATED": ANONYMOUS, "FORBIDDEN": member}),
        (CREATE, ADMIN, {"input": TERMS}, {"FORBIDDEN": auditor}),
        ("{ charityCampaigns { edges { cursor } } }", ADMIN, {}, {"FORBIDDEN": member}),
    ]
    before = await rows_written()
    for text, schema, variables, callers in asked:
        for code, actor in callers.items():
            with pytest.raises(RuntimeError) as refused:
                await ask(work, text, actor, schema, **variables)
            assert refused.value.args[0] == code
    assert await rows_written() == before
    looked = await ask(work, "query ($id: ID!) { charityCampaign(id: $id) { phase } }", auditor, ADMIN, id=campaign)
    assert looked == {"charityCampaign": {"phase": "DRAFT"}}
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert await ask(work, node, auditor, ADMIN, id=campaign) == {"node": {"id": campaign}}
    assert await ask(work, node, member, ADMIN, id=campaign) == {"node": None}


async def test_pages_cost_a_constant_number_of_statements(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Campaigns, donations and what hangs on them are read together, whether there is one or are several."""
    mei = Actor("member", await a_member(work, 9_000))
    assert mei.id is not None
    asked = [
        ("{ charityCampaigns { edges { node { title donors } } } }", ANONYMOUS, MEMBERS, 3),
        ("{ donations { edges { node { campaign { title donors } certificate { serial } } } } }", mei, MEMBERS, 4),
        (
            """{ charityCampaigns { edges { node { donors donations {
                edges { node { member { id } certificateSerial } } } } } } }""",
            OPERATOR, ADMIN, 6,
        ),
    ]  # fmt: skip
    for _ in range(2):
        for _ in range(2):
            await give(work, await a_campaign(work), mei.id)
        for text, actor, schema, expected in asked:
            with counted_statements(monkeypatch) as statements:
                await ask(work, text, actor, schema)
            assert len(statements) == expected


def test_the_documentation_s_examples_fit_the_schemas() -> None:
    """What docs/charity.md shows can be asked."""
    assert faults_of_examples("charity.md", "graphql", MEMBERS) == []
    assert faults_of_examples("charity.md", "graphql staff", ADMIN) == []
