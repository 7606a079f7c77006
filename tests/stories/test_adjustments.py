"""Two of the staff correct a member's points, over HTTP as they do."""

from __future__ import annotations

from typing import Any

from tests.stories.served import Programme

HIRE = """mutation { createStaff(input: {
  login: "zhou", name: "Zhou", password: "long enough for her", role: OPERATOR }) { ... on Staff { id } } }"""
LOGIN = """mutation { loginStaff(login: "zhou", password: "long enough for her") {
  ... on StaffSignedIn { tokens { accessToken { value } } } } }"""
ADJUST = """mutation($input: AdjustPointsInput!) { adjustPoints(input: $input) {
  __typename ... on AdjustmentProposed { adjustment { id } } } }"""
APPROVE = """mutation($id: ID!) { approveAdjustment(id: $id) {
  __typename ... on AdjustmentPosted { entrySeq after { available } } ... on Refusal { code } } }"""
MEMBER = "{ me { id points { available } entries(first: 1) { edges { node { seq kind points explanation trace } } } } }"
TRAIL = "{ auditRecords(first: 2) { edges { node { action actor reason } } } }"


async def ask_with(programme: Programme, token: str | None, query: str, variables: dict[str, Any]) -> Any:
    """What the staff's endpoint answers to whoever holds the token, or to nobody known."""
    headers = {"accept-language": "en"} | ({"authorization": f"Bearer {token}"} if token else {})
    sent = {"query": query, "variables": variables}
    body = (await programme.http.post("/admin/graphql", json=sent, headers=headers)).json()
    assert "errors" not in body, body["errors"]
    return body["data"]


async def hired(programme: Programme) -> str:
    """The access token of an operator whom the owner has just hired."""
    await programme.ask("owner", HIRE)
    signed_in = await ask_with(programme, None, LOGIN, {})
    return str(signed_in["loginStaff"]["tokens"]["accessToken"]["value"])


async def test_an_owner_proposes_and_an_operator_approves(programme: Programme) -> None:
    """The owner cannot do it alone; the operator posts it once; the member reads what staff did, and not why."""
    before = (await programme.ask("member", MEMBER))["me"]
    given = {"memberId": before["id"], "points": 4_000, "reason": "Anniversary", "idempotencyKey": "story"}
    made = (await programme.ask("owner", ADJUST, {"input": given}))["adjustPoints"]
    assert made["__typename"] == "AdjustmentProposed"
    proposal = {"id": made["adjustment"]["id"]}
    assert (await programme.ask("owner", APPROVE, proposal))["approveAdjustment"]["code"] == "SAME_APPROVER"
    zhou = await hired(programme)
    posted = (await ask_with(programme, zhou, APPROVE, proposal))["approveAdjustment"]
    available = before["points"]["available"] + 4_000
    assert posted == {
        "__typename": "AdjustmentPosted",
        "entrySeq": before["entries"]["edges"][0]["node"]["seq"] + 1,
        "after": {"available": available},
    }
    after = (await programme.ask("member", MEMBER))["me"]
    (edge,) = after["entries"]["edges"]
    assert after["points"]["available"] == available and "Anniversary" not in str(after)
    assert (edge["node"]["kind"], edge["node"]["points"]) == ("ADJUSTMENT", 4_000)
    assert edge["node"]["explanation"] == "4000 points added by staff."
    trail = [line["node"] for line in (await programme.ask("owner", TRAIL))["auditRecords"]["edges"]]
    assert [(line["action"], line["reason"]) for line in trail] == [
        ("adjustment.approved", None),
        ("staff.created", None),
    ]
