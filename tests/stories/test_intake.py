"""What tills and cashiers send, over HTTP as they do."""

from __future__ import annotations

import httpx
import pytest

from tests.stories.served import Programme

RECORD_ORDER = """mutation ($input: RecordOrderInput!) { recordOrder(input: $input) {
  __typename ... on OrderRecorded { points growth available alreadyRecorded } ... on Refusal { code message } } }"""
RECORD_REFUND = """mutation ($input: RecordRefundInput!) { recordRefund(input: $input) {
  __typename ... on RefundRecorded { status pointsRevoked available alreadyRecorded } ... on Refusal { code } } }"""
XIAOHONG = {"reference": {"namespace": "EXTERNAL", "value": "demo-xiaohong"}}


def order(external_id: str, fen: int, **more: object) -> dict[str, object]:
    """An order of the demonstration's member in a month of its own."""
    return {
        "externalId": external_id,
        "member": XIAOHONG,
        "paidAt": "2025-06-10T12:00:00+08:00",
        "paidFen": fen,
        "lines": [{"netFen": fen}],
        **more,
    }


async def test_a_till_that_sends_twice_is_counted_once(programme: Programme) -> None:
    """The same order again, whole or after a lost answer, changes nothing and says so."""
    first = await programme.ask("integration", RECORD_ORDER, {"input": order("t-1", 10_000)})
    second = await programme.ask("integration", RECORD_ORDER, {"input": order("t-1", 10_000)})
    posted = {"__typename": "OrderRecorded", "points": 100, "growth": 100, "available": 1200}
    assert first == {"recordOrder": {**posted, "alreadyRecorded": False}}
    assert second == {"recordOrder": {**posted, "alreadyRecorded": True}}


async def test_another_order_under_the_same_id_is_refused_in_the_callers_language(programme: Programme) -> None:
    """The refusal is data, and nothing is posted."""
    await programme.ask("integration", RECORD_ORDER, {"input": order("t-2", 10_000)})
    refused = await programme.ask("integration", RECORD_ORDER, {"input": order("t-2", 20_000)})
    assert refused == {
        "recordOrder": {
            "__typename": "OrderConflict",
            "code": "ORDER_CONFLICT",
            "message": "Order t-2 was recorded differently.",
        }
    }


async def test_a_refund_before_its_order_waits_and_takes_its_points_with_it(programme: Programme) -> None:
    """A till that sends the refund first ends where one does that sends it last."""
    refund = {"externalId": "r-3", "orderExternalId": "t-3", "refundedAt": "2025-06-11T12:00:00+08:00"}
    waiting = await programme.ask("integration", RECORD_REFUND, {"input": refund})
    assert waiting["recordRefund"] == {
        "__typename": "RefundRecorded", "status": "WAITING", "pointsRevoked": 0, "available": None,
        "alreadyRecorded": False,
    }  # fmt: skip
    recorded = await programme.ask("integration", RECORD_ORDER, {"input": order("t-3", 10_000)})
    assert recorded["recordOrder"]["available"] == 1100
    again = await programme.ask("integration", RECORD_REFUND, {"input": refund})
    assert again["recordRefund"] == {
        "__typename": "RefundRecorded", "status": "PLACED", "pointsRevoked": 100, "available": 1100,
        "alreadyRecorded": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("caller", "store", "code"),
    [
        ("member", None, "UNAUTHENTICATED"),
        ("anonymous", None, "UNAUTHENTICATED"),
        ("cashier", "beijing-1", "FORBIDDEN"),
        ("cashier", None, "FORBIDDEN"),
    ],
)
async def test_who_may_not_send_orders_is_told_so_and_nothing_is_posted(
    programme: Programme, caller: str, store: str | None, code: str
) -> None:
    """Members' tokens open no staff's door; a cashier acts for the account's own stores only."""
    answer = await send_order(programme, caller, order("t-4", 10_000, store=store))
    assert answer.json()["errors"][0]["extensions"]["code"] == code
    assert (await programme.ask("integration", '{ order(externalId: "t-4") { id } }')) == {"order": None}


async def test_a_currency_that_is_none_is_refused_by_name_and_nothing_is_posted(programme: Programme) -> None:
    """A bad label is the sender's to mend, not a fault of ours."""
    answer = await programme.ask("integration", RECORD_ORDER, {"input": order("t-6", 10_000, currency="EURO")})
    assert answer["recordOrder"]["code"] == "INVALID_INPUT"
    assert "currency" in answer["recordOrder"]["message"]
    assert (await programme.ask("integration", '{ order(externalId: "t-6") { id } }')) == {"order": None}


async def test_a_cashier_sends_orders_of_the_own_store(programme: Programme) -> None:
    """The store of the account is open."""
    answer = await send_order(programme, "cashier", order("t-5", 10_000, store="shanghai-1"))
    assert answer.json()["data"]["recordOrder"]["points"] == 100


async def send_order(programme: Programme, caller: str, value: dict[str, object]) -> httpx.Response:
    """The whole answer to an order at the staff's endpoint, errors and all."""
    token = {} if caller == "anonymous" else {"authorization": f"Bearer {getattr(programme.tokens, caller)}"}
    body = {"query": RECORD_ORDER, "variables": {"input": value}}
    return await programme.http.post("/admin/graphql", json=body, headers=token)
