"""Points as money at a till: quoted, held, captured and given back, over HTTP, as every kind of caller."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.served import Programme

XIAOHONG = {"reference": {"namespace": "EXTERNAL", "value": "demo-xiaohong"}}
LINES = [{"netFen": 60_000}, {"netFen": 40_000}]
QUOTE = """query ($lines: [QuoteLineInput!]!, $wanted: Points) {
  quoteDeduction(lines: $lines, requestedPoints: $wanted) { __typename ... on Refusal { code }
    ... on DeductionQuote { points fen linePoints available earnedIfUsed earnedIfNotUsed stepPoints quote } } }"""
QUOTE_AT_THE_TILL = """query ($member: MemberRef!, $lines: [QuoteLineInput!]!) {
  quoteDeduction(member: $member, lines: $lines) { __typename ... on DeductionQuote { points quote } } }"""
HOLD = """mutation ($input: HoldPointsInput!) { holdPoints(input: $input) {
  __typename ... on Refusal { code message } ... on InvalidInput { field }
  ... on InsufficientPoints { required available missing }
  ... on HoldChanged { state changed available held hold { id orderExternalId points captured expiresAt } } } }"""
PREVIEW_HOLD = """query ($input: HoldPointsInput!) { previewHold(input: $input) {
  __typename ... on HoldPreview { state points available held
    entries { kind points available held trace explanation } } } }"""
CAPTURE = """mutation ($id: ID!, $points: Points) { captureHold(id: $id, pointsCaptured: $points) {
  __typename ... on Refusal { code } ... on CaptureExceedsHold { requested held }
  ... on HoldChanged { state changed available hold { captured released } } } }"""
RELEASE = """mutation ($id: ID!) { releaseHold(id: $id) {
  __typename ... on Refusal { code } ... on HoldCaptured { captured }
  ... on HoldChanged { state changed available } } }"""
CANCEL = """mutation ($order: String!) { cancelDeduction(orderExternalId: $order) {
  __typename ... on Refusal { code } ... on DeductionCancelled { points available } } }"""
RECORD = """mutation ($input: RecordOrderInput!) { recordOrder(input: $input) {
  __typename ... on Refusal { code } ... on OrderRecorded { points deductionPoints available
    order { paidFen deductionPoints lines { paidFen deductionPoints } } } } }"""
PREVIEW_ORDER = """query ($input: RecordOrderInput!) { previewOrder(input: $input) {
  __typename ... on Refusal { code }
  ... on OrderPreview { points deductionPoints available entries { kind points } } } }"""
REFUND = """mutation ($input: RecordRefundInput!) { recordRefund(input: $input) {
  __typename ... on RefundRecorded { status pointsRevoked pointsRestored available } } }"""
PREVIEW_REFUND = """query ($input: RecordRefundInput!) { previewRefund(input: $input) {
  __typename ... on RefundPreview { status pointsRevoked pointsRestored available entries { kind points } } } }"""
MINE = """{ me { points { available held }
  holds(activeOnly: true) { edges { node { id state points orderExternalId } } }
  entries(first: 3) { edges { node { kind points available held } } } } }"""


def a_hold(order: str = "shop-1", key: str = "k1", **given: Any) -> dict[str, Any]:
    return {"input": {"member": XIAOHONG, "orderExternalId": order, "idempotencyKey": key, **given}}


def an_order(order: str = "shop-1", deduction: int = 1_000) -> dict[str, Any]:
    """An order of 1,000 yuan in a month of its own, of which points pay a part."""
    return {
        "input": {
            "externalId": order,
            "member": XIAOHONG,
            "paidAt": "2025-06-10T12:00:00+08:00",
            "paidFen": 100_000 - deduction,
            "lines": LINES,
            "deductionPoints": deduction,
        }
    }


async def refused_to(programme: Programme, caller: str, query: str, variables: dict[str, Any]) -> str:
    """The code of the error that a caller reads."""
    answer = await programme.http.post(**programme._request(caller, query, variables))
    code: str = answer.json()["errors"][0]["extensions"]["code"]
    return code


async def test_a_member_pays_with_points_from_the_quote_to_the_refund(programme: Programme) -> None:
    """1,100 points: a quote of 1,100, held by the till, captured by the order, half given back with half the cash."""
    quote = (await programme.ask("member", QUOTE, {"lines": LINES, "wanted": None}))["quoteDeduction"]
    assert {name: value for name, value in quote.items() if name != "quote"} == {
        "__typename": "DeductionQuote", "points": 1_100, "fen": 1_100, "linePoints": [660, 440], "available": 1_100,
        "earnedIfUsed": 1_978, "earnedIfNotUsed": 2_000, "stepPoints": 100,
    }  # fmt: skip
    preview = await programme.ask("integration", PREVIEW_HOLD, a_hold(quote=quote["quote"]))
    entry = preview["previewHold"]["entries"][0]
    assert (entry["kind"], entry["points"], entry["available"], entry["held"]) == ("HOLD", 0, 0, 1_100)
    assert entry["trace"]["order"] == "shop-1" and entry["explanation"]
    held = (await programme.ask("integration", HOLD, a_hold(quote=quote["quote"])))["holdPoints"]
    assert (held["state"], held["available"], held["held"], held["hold"]["points"]) == ("ACTIVE", 0, 1_100, 1_100)
    mine = (await programme.ask("member", MINE))["me"]
    assert mine["points"] == {"available": 0, "held": 1_100}
    assert [edge["node"]["id"] for edge in mine["holds"]["edges"]] == [held["hold"]["id"]]
    seen = (await programme.ask("integration", PREVIEW_ORDER, an_order()))["previewOrder"]
    assert (seen["points"], seen["deductionPoints"], seen["available"]) == (1_980, 1_000, 2_080)
    assert [entry["kind"] for entry in seen["entries"]] == ["CAPTURE", "RELEASE", "ACCRUAL", "LADDER"]
    recorded = (await programme.ask("integration", RECORD, an_order()))["recordOrder"]
    assert (recorded["points"], recorded["deductionPoints"], recorded["available"]) == (1_980, 1_000, 2_080)
    assert recorded["order"]["lines"] == [
        {"paidFen": 59_400, "deductionPoints": 600}, {"paidFen": 39_600, "deductionPoints": 400},
    ]  # fmt: skip
    back = {"input": {"externalId": "r1", "orderExternalId": "shop-1", "refundedAt": "2025-06-11T12:00:00+08:00",
                      "fen": 49_500}}  # fmt: skip
    before = (await programme.ask("integration", PREVIEW_REFUND, back))["previewRefund"]
    refund = (await programme.ask("integration", REFUND, back))["recordRefund"]
    assert (before["pointsRestored"], before["available"]) == (refund["pointsRestored"], refund["available"])
    assert (refund["pointsRevoked"], refund["pointsRestored"], refund["available"]) == (1_238, 500, 1_342)


async def test_a_double_tap_holds_and_captures_once(programme: Programme) -> None:
    """The same key, the same capture: one hold, one redemption; the other amount is refused with the figures."""
    first = (await programme.ask("cashier", HOLD, a_hold(points=500, store="shanghai-1")))["holdPoints"]
    again = (await programme.ask("cashier", HOLD, a_hold(points=500, store="shanghai-1")))["holdPoints"]
    assert first["hold"]["id"] == again["hold"]["id"] and again["available"] == 600
    hold = {"id": first["hold"]["id"]}
    too_much = (await programme.ask("cashier", CAPTURE, {**hold, "points": 501}))["captureHold"]
    assert (too_much["code"], too_much["requested"], too_much["held"]) == ("CAPTURE_EXCEEDS_HOLD", 501, 500)
    taken = [(await programme.ask("cashier", CAPTURE, {**hold, "points": 300}))["captureHold"] for _ in range(2)]
    assert [each["changed"] for each in taken] == [True, False]
    assert taken[0]["hold"] == {"captured": 300, "released": 200} and taken[0]["available"] == 800
    released = (await programme.ask("cashier", RELEASE, hold))["releaseHold"]
    assert (released["code"], released["captured"]) == ("HOLD_CAPTURED", 300)
    cancelled = [(await programme.ask("owner", CANCEL, {"order": "shop-1"}))["cancelDeduction"] for _ in range(2)]
    assert [(each["points"], each["available"]) for each in cancelled] == [(300, 1_100), (0, 1_100)]


async def test_a_hold_of_nonsense_is_refused_by_its_field(programme: Programme) -> None:
    """Neither points nor a quote, both, none left, another's quote: each reads why, and nothing is held."""
    at_the_till = await programme.ask("integration", QUOTE_AT_THE_TILL, {"member": XIAOHONG, "lines": LINES})
    signed = at_the_till["quoteDeduction"]["quote"]
    for given, code in (
        ({}, "INVALID_INPUT"),
        ({"points": 5, "quote": signed}, "INVALID_INPUT"),
        ({"points": 5, "minutes": 0}, "INVALID_INPUT"),
        ({"points": 1_101}, "INSUFFICIENT_POINTS"),
        ({"quote": signed[:-3] + "abc"}, "QUOTE_INVALID"),
        ({"points": 5, "member": {"number": "000000000000"}}, "NOT_FOUND"),
    ):
        refused = (await programme.ask("integration", HOLD, a_hold(**given)))["holdPoints"]
        assert refused["code"] == code, given
    assert (await programme.ask("member", MINE))["me"]["points"] == {"available": 1_100, "held": 0}


@pytest.mark.parametrize(
    ("caller", "query", "code"),
    [
        ("cashier", HOLD, "FORBIDDEN"),  # names no store of the cashier's
        ("anonymous", QUOTE, "UNAUTHENTICATED"),
    ],
)
async def test_who_may_not_is_refused(programme: Programme, caller: str, query: str, code: str) -> None:
    """A cashier holds for their own stores only; nobody asks for a quote without signing in."""
    variables = a_hold(points=5, store="elsewhere") if query == HOLD else {"lines": LINES, "wanted": None}
    assert await refused_to(programme, caller, query, variables) == code


async def test_a_cashier_ends_no_hold_of_another_store(programme: Programme) -> None:
    """What the shop's website holds a cashier neither captures, nor releases, nor cancels; an id of nonsense is one."""
    held = (await programme.ask("integration", HOLD, a_hold(points=5)))["holdPoints"]["hold"]["id"]
    assert await refused_to(programme, "cashier", CAPTURE, {"id": held}) == "FORBIDDEN"
    assert await refused_to(programme, "cashier", RELEASE, {"id": held}) == "FORBIDDEN"
    assert await refused_to(programme, "cashier", CANCEL, {"order": "shop-1"}) == "FORBIDDEN"
    assert await refused_to(programme, "owner", RELEASE, {"id": "abc"}) == "BAD_USER_INPUT"
    released = (await programme.ask("owner", RELEASE, {"id": held}))["releaseHold"]
    assert (released["state"], released["available"]) == ("RELEASED", 1_100)


async def test_a_member_sees_no_hold_of_another(programme: Programme) -> None:
    """A hold's id is answered to its member and to staff, and is nothing to anybody else."""
    held = (await programme.ask("integration", HOLD, a_hold(points=5)))["holdPoints"]["hold"]["id"]
    query = f'{{ node(id: "{held}") {{ ... on PointsHold {{ points }} }} }}'
    assert await programme.ask("member", query) == {"node": {"points": 5}}
    assert await programme.ask("owner", query) == {"node": {"points": 5}}
    assert await programme.ask("anonymous", query) == {"node": None}
