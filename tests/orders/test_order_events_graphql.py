"""Events of orders over GraphQL, asked as every kind of caller."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from schema.admin.root import schema as admin
from schema.context import Context
from tests.builders import booked, dump
from tests.checkins.graphql_checks import counted_statements
from tests.orders.test_order_events import ON_RECEIPT, a_shop, tell

OWNER = Actor("staff", UUID(int=1), role="owner")
CASHIER = replace(OWNER, role="cashier", stores=frozenset({"SH-01"}))
TILL = Actor("integration", UUID(int=2), scopes=frozenset({"orders:write"}))
READER = Actor("integration", UUID(int=2), scopes=frozenset({"orders:read"}))
MEMBER = Actor("member", UUID(int=3))
RECORD = """mutation ($input: RecordOrderEventInput!) { recordOrderEvent(input: $input) { __typename
    ... on OrderEventRecorded { orderExternalId type alreadyRecorded waits points available }
    ... on InvalidInput { field reason } } }"""
PREVIEW = """query ($input: RecordOrderEventInput!) { previewOrderEvent(input: $input) { __typename
    ... on OrderEventPreview { alreadyRecorded points available entries { kind points explanation } }
    ... on NotFound { kind id } ... on InvalidInput { field } } }"""
ORDER = "query ($id: String!) { order(externalId: $id) { receivedAt refundWindowClosedAt } }"
WAITING = """query ($first: Int! = 20, $after: String) { waitingOrderEvents(first: $first, after: $after) {
    edges { node { orderExternalId type occurredAt receivedAt } } pageInfo { hasNextPage endCursor } } }"""


async def ask(work: Work, text: str, actor: Actor, **variables: Any) -> Any:
    """The one field that is answered. Raises the code of an error."""
    context = Context(work=work, clock=work.clock, actor=actor, locale="en")
    result = await admin.execute(text, variable_values=variables, context_value=context)
    if result.errors:
        raise RuntimeError((result.errors[0].extensions or {}).get("code"))
    (answer,) = (result.data or {}).values()
    return answer


def an_event(order: str, at: str = "2026-03-02T09:30:00+08:00", type: str = "RECEIVED") -> dict[str, str]:
    return {"orderExternalId": order, "type": type, "occurredAt": at}


async def test_a_till_tells_that_an_order_was_received(work: Work, clock: FixedClock) -> None:
    """The answer says what it brought forward; the order says when; again nothing changes."""
    shop, mei = await a_shop(clock, ON_RECEIPT)
    await shop.sent(shop.order("A", 10_000))
    order = shop.named("A")
    expected = {
        "__typename": "OrderEventRecorded", "orderExternalId": order, "type": "RECEIVED", "alreadyRecorded": False,
        "waits": False, "points": 100, "available": 100,
    }  # fmt: skip
    assert await ask(shop.work, RECORD, TILL, input=an_event(order)) == expected
    assert await booked(mei) == (100, 0, 0)
    assert await ask(shop.work, ORDER, READER, id=order) == {
        "receivedAt": "2026-03-02T01:30:00+00:00", "refundWindowClosedAt": None,
    }  # fmt: skip
    before = await dump()
    again = await ask(shop.work, RECORD, TILL, input=an_event(order, "2026-03-02T09:45:00+08:00"))
    assert again == {**expected, "alreadyRecorded": True, "points": 0} and await dump() == before


async def test_a_preview_says_what_an_event_would_do_and_writes_nothing(work: Work, clock: FixedClock) -> None:
    """The same decision with its entries; of an order that is not here nothing can be said, and not to everybody."""
    shop, _ = await a_shop(clock, ON_RECEIPT)
    await shop.sent(shop.order("A", 10_000))
    order, before = shop.named("A"), await dump()
    assert await ask(shop.work, PREVIEW, TILL, input=an_event(order)) == {
        "__typename": "OrderEventPreview", "alreadyRecorded": False, "points": 100, "available": 100,
        "entries": [
            {"kind": "ACTIVATION", "points": 0, "explanation": "The order was received: its points became usable."}
        ],
    }  # fmt: skip
    unknown = await ask(shop.work, PREVIEW, TILL, input=an_event("nowhere"))
    assert unknown == {"__typename": "NotFound", "kind": "order", "id": "nowhere"}
    ahead = await ask(shop.work, PREVIEW, OWNER, input=an_event(order, "2026-03-03T09:30:00+08:00"))
    assert ahead == {"__typename": "InvalidInput", "field": "occurredAt"}
    with pytest.raises(RuntimeError, match="FORBIDDEN"):
        await ask(shop.work, PREVIEW, READER, input=an_event(order))
    assert await dump() == before


async def test_an_event_that_is_told_too_early_waits_and_is_listed(work: Work, clock: FixedClock) -> None:
    """It answers that it waits, stands in the list, page by page, and leaves it with its order."""
    shop, _ = await a_shop(clock, ON_RECEIPT)
    for name in ("A", "B", "C"):
        answer = await ask(shop.work, RECORD, TILL, input=an_event(shop.named(name)))
        assert (answer["waits"], answer["points"], answer["available"]) == (True, 0, None)
        clock.advance(timedelta(seconds=1))
    page = await ask(shop.work, WAITING, READER, first=2)
    assert [edge["node"]["orderExternalId"] for edge in page["edges"]] == [shop.named("A"), shop.named("B")]
    assert page["edges"][0]["node"] == {
        "orderExternalId": shop.named("A"), "type": "RECEIVED",
        "occurredAt": "2026-03-02T01:30:00+00:00", "receivedAt": "2026-03-02T02:00:00+00:00",
    }  # fmt: skip
    rest = await ask(shop.work, WAITING, READER, after=page["pageInfo"]["endCursor"])
    assert [edge["node"]["orderExternalId"] for edge in rest["edges"]] == [shop.named("C")]
    await shop.sent(shop.order("A", 100))
    left = await ask(shop.work, WAITING, OWNER)
    assert [edge["node"]["orderExternalId"] for edge in left["edges"]] == [shop.named("B"), shop.named("C")]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"orderExternalId": ""}, "orderExternalId"),
        ({"orderExternalId": "x" * 101}, "orderExternalId"),
        ({"occurredAt": "2026-03-02T10:00:01+08:00"}, "occurredAt"),
        ({"occurredAt": "1969-12-31T00:00:00+00:00"}, "occurredAt"),
    ],
)
async def test_bad_input_is_refused_by_its_field(
    work: Work, clock: FixedClock, changes: dict[str, str], field: str
) -> None:
    """The refusal names what is wrong, and nothing is kept."""
    before = await dump()
    answer = await ask(work, RECORD, TILL, input={**an_event("A"), **changes})
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", field) and await dump() == before


CALLERS = {
    "owner": (OWNER, None, None),
    "operator": (replace(OWNER, role="operator"), None, None),
    "cashier of the store": (CASHIER, None, None),
    "cashier of another store": (replace(CASHIER, stores=frozenset({"SH-02"})), "FORBIDDEN", None),
    "auditor": (replace(OWNER, role="auditor"), "FORBIDDEN", None),
    "till": (TILL, None, "FORBIDDEN"),
    "reader": (READER, "FORBIDDEN", None),
    "member": (MEMBER, "FORBIDDEN", "FORBIDDEN"),
    "anonymous": (ANONYMOUS, "UNAUTHENTICATED", "UNAUTHENTICATED"),
}


@pytest.mark.parametrize("caller", CALLERS)
async def test_only_who_may_record_orders_tells_of_them(work: Work, clock: FixedClock, caller: str) -> None:
    """Tills, owners and operators, and cashiers for their stores; whoever reads orders reads what waits."""
    actor, may_not_tell, may_not_read = CALLERS[caller]
    shop, mei = await a_shop(clock, ON_RECEIPT)
    await shop.sent(shop.order("A", 10_000, store="SH-01"))
    assert await code_for(shop.work, RECORD, actor, input=an_event(shop.named("A"))) == may_not_tell
    assert await booked(mei) == ((0, 100, 0) if may_not_tell else (100, 0, 0))
    assert await code_for(shop.work, WAITING, actor) == may_not_read


async def code_for(work: Work, text: str, actor: Actor, **variables: Any) -> str | None:
    try:
        await ask(work, text, actor, **variables)
    except RuntimeError as refused:
        return str(refused.args[0])
    return None


async def test_a_cashier_tells_nothing_of_an_order_that_is_not_here(work: Work, clock: FixedClock) -> None:
    """Nobody knows yet in which store it will be."""
    assert await code_for(work, RECORD, CASHIER, input=an_event("X")) == "FORBIDDEN"


async def test_a_page_of_orders_asks_once_for_their_events(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many orders are on it."""
    shop, _ = await a_shop(clock, ON_RECEIPT)
    query = """query ($member: MemberRef!, $first: Int!) { orders(member: $member, first: $first) {
        edges { node { receivedAt refundWindowClosedAt } } } }"""
    card = {"reference": {"namespace": "CARD", "value": shop.named("mei")}}
    await shop.sent(*(shop.order(f"{number}", 100) for number in range(5)))
    await tell(shop, "3", clock.now())
    counts = []
    for first in (1, 5):
        with counted_statements(monkeypatch) as seen:
            page = await ask(shop.work, query, OWNER, member=card, first=first)
        counts.append(len(seen))
    assert [edge["node"]["receivedAt"] is not None for edge in page["edges"]] == [False, True, False, False, False]
    assert counts[0] == counts[1]
