"""Statements over GraphQL: filters, months and explanations, asked as every kind of caller."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from gamification.core.actors import Actor
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.points.models import KINDS
from tests.builders import dump, earn, spend
from tests.checkins.graphql_checks import counted_statements
from tests.orders.builders import Shop
from tests.statements.asking import CALLERS, OWNER, Refused, as_member, as_staff, at_members_door, member_key

ENTRIES = """($filter: EntryFilterInput, $currency: Currency, $first: Int = 20, $after: String) |
    entries(filter: $filter, currency: $currency, first: $first, after: $after) {
        edges { node { seq kind kindLabel points available } } pageInfo { hasNextPage endCursor } }"""
MONTH = """($month: String!, $currency: Currency) | monthlyStatement(month: $month, currency: $currency) {
    month currency firstDay lastDay entries pointsIn pointsOut expiringNextMonth
    opening { available pending held debt total } closing { available pending held debt total }
    lines { kind label entries pointsIn pointsOut } }"""
OF_MEMBER = """query ($id: ID!) { member(id: $id) { entries(filter: {kinds: [ACCRUAL]}) { edges { node { seq } } }
    monthlyStatement(month: "2026-03") { entries } statementMonths } }"""


async def a_spring(shop: Shop, clock: FixedClock) -> UUID:
    """Three orders that climb the ladder in March, one of them refunded in part and then whole, a spend in April."""
    await shop.sent(shop.order("a", 10_000, paid="03-02"))
    clock.advance(timedelta(days=8))
    await shop.sent(shop.order("b", 15_000, 10_000, paid="03-10"))
    clock.advance(timedelta(days=9))
    await shop.sent(shop.refund("b1", "b", None, (0, 5_000), on="03-19"))
    await shop.sent(shop.order("c", 20_000, paid="03-19T11:00"))
    clock.advance(timedelta(days=20))
    mei = await shop.member()
    await spend(shop.work, mei, 300)
    await shop.sent(shop.refund("b2", "b", on="04-08"))
    return mei


async def listed(work: Work, member_id: UUID, currency: str = "POINTS", **wanted: Any) -> list[tuple[str, int]]:
    """Kind and points of the entries that a member's filter finds, page by page of two."""
    found: list[tuple[str, int]] = []
    after = None
    while True:
        page = (await as_member(work, member_id, ENTRIES, filter=wanted, currency=currency, first=2, after=after))[
            "entries"
        ]
        found += [(edge["node"]["kind"], edge["node"]["points"]) for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def test_a_member_narrows_the_statement(shop: Shop, clock: FixedClock) -> None:
    """By kind, direction and business day; filters together narrow together, page after page."""
    mei = await a_spring(shop, clock)
    work = shop.work
    assert await listed(work, mei, kinds=["LADDER", "REDEMPTION"]) == [
        ("REDEMPTION", -300), ("LADDER", 550), ("LADDER", 425), ("LADDER", 100),
    ]  # fmt: skip
    assert await listed(work, mei, direction="OUT", since="2026-04-01") == [
        ("LADDER_REVERSAL", -550), ("CLAW_BACK", -100), ("CLAW_BACK", -100), ("REDEMPTION", -300),
    ]  # fmt: skip
    assert await listed(work, mei, direction="IN", until="2026-03-02") == [("LADDER", 100), ("ACCRUAL", 100)]
    assert await listed(work, mei, kinds=["EXPIRY"]) == []
    assert await listed(work, mei, "GROWTH", kinds=["CLAW_BACK"]) == [("CLAW_BACK", -200), ("CLAW_BACK", -50)]


async def test_the_entries_of_an_order_are_those_of_its_refunds_too(shop: Shop, clock: FixedClock) -> None:
    """What it earned, line refunds, what the ladder gave and took; another member's order shows nothing."""
    mei = await a_spring(shop, clock)
    of_b = [
        ("LADDER_REVERSAL", -550), ("CLAW_BACK", -100), ("CLAW_BACK", -100), ("LADDER_REVERSAL", -75),
        ("CLAW_BACK", -50), ("LADDER", 425), ("ACCRUAL", 250),
    ]  # fmt: skip
    assert await listed(shop.work, mei, order=shop.named("b")) == of_b
    assert await listed(shop.work, mei, order=shop.named("b"), direction="IN") == of_b[-2:]
    assert await listed(shop.work, mei, order=shop.named("nowhere")) == []
    lin = await shop.member("lin")
    await earn(shop.work, lin, 5)
    assert await listed(shop.work, lin, order=shop.named("b")) == []


@pytest.mark.parametrize(
    ("wanted", "argument"),
    [
        ({"kinds": []}, "kinds"),
        ({"kinds": ["EXPIRY"] * (len(KINDS) + 1)}, "kinds"),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "until"),
        ({"order": ""}, "order"),
        ({"order": "x" * 101}, "order"),
        ({"order": "a\x00b"}, "order"),
    ],
)
async def test_a_filter_that_cannot_be_is_refused_by_name(shop: Shop, wanted: dict[str, Any], argument: str) -> None:
    """No kinds or too many, days that end before they begin, an order that is no id: bad input, and nothing changes."""
    mei = await shop.member()
    before = await dump()
    with pytest.raises(Refused) as refusal:
        await as_member(shop.work, mei, ENTRIES, filter=wanted)
    assert (refusal.value.code, refusal.value.argument) == ("BAD_USER_INPUT", argument)
    assert await dump() == before


async def test_days_at_the_ends_of_the_calendar_are_days(shop: Shop) -> None:
    """The first and the last day that a date can name narrow like any other."""
    mei = await shop.member()
    await earn(shop.work, mei, 5)
    assert await listed(shop.work, mei, since="0001-01-01", until="9999-12-31") == [("ACCRUAL", 5)]
    assert await listed(shop.work, mei, since="9999-12-31") == []
    assert await listed(shop.work, mei, until="0001-01-01") == []


async def test_kinds_are_named_in_the_callers_language(shop: Shop) -> None:
    """The label of a kind follows Accept-Language; the kind itself does not."""
    mei = await shop.member()
    await earn(shop.work, mei, 5)
    asked = "entries { edges { node { kind kindLabel } } }"
    for locale, label in (("en", "Earned"), ("zh-CN", "获取")):
        edges = (await as_member(shop.work, mei, asked, locale=locale))["entries"]["edges"]
        assert edges == [{"node": {"kind": "ACCRUAL", "kindLabel": label}}]


async def test_a_month_adds_up_to_its_closing(shop: Shop, clock: FixedClock) -> None:
    """Opening, what came in and went out by kind, closing, and what is about to expire in the month after."""
    mei = await a_spring(shop, clock)
    march = (await as_member(shop.work, mei, MONTH, month="2026-03"))["monthlyStatement"]
    empty = {"available": 0, "pending": 0, "held": 0, "debt": 0, "total": 0}
    assert march == {
        "month": "2026-03", "currency": "POINTS", "firstDay": "2026-03-01", "lastDay": "2026-03-31", "entries": 8,
        "pointsIn": 1625, "pointsOut": 125, "expiringNextMonth": 0, "opening": empty,
        "closing": {**empty, "available": 1500, "total": 1500},
        "lines": [
            {"kind": "ACCRUAL", "label": "Earned", "entries": 3, "pointsIn": 550, "pointsOut": 0},
            {"kind": "LADDER", "label": "Ladder uplift", "entries": 3, "pointsIn": 1075, "pointsOut": 0},
            {"kind": "LADDER_REVERSAL", "label": "Ladder lowered by a refund", "entries": 1, "pointsIn": 0,
             "pointsOut": 75},
            {"kind": "CLAW_BACK", "label": "Taken back for a refund", "entries": 1, "pointsIn": 0, "pointsOut": 50},
        ],
    }  # fmt: skip
    april = (await as_member(shop.work, mei, MONTH, month="2026-04"))["monthlyStatement"]
    assert april["opening"] == march["closing"] and april["closing"]["total"] == 1500 - 300 - 750
    months = await as_member(shop.work, mei, "statementMonths growth: statementMonths(currency: GROWTH)")
    assert months == {"statementMonths": ["2026-04", "2026-03"], "growth": ["2026-04", "2026-03"]}


async def test_what_is_about_to_expire_is_told_for_months_to_come_only(shop: Shop, clock: FixedClock) -> None:
    """Twelve months later the points of March are about to expire; of growth and of old months nothing is told."""
    mei = await shop.member()
    await earn(shop.work, mei, 40)
    clock.advance(timedelta(days=365 - 10))
    asked = """in_time: monthlyStatement(month: "2027-02") { expiringNextMonth }
        old: monthlyStatement(month: "2026-03") { expiringNextMonth }
        growth: monthlyStatement(month: "2027-02", currency: GROWTH) { expiringNextMonth }"""
    assert await as_member(shop.work, mei, asked) == {
        "in_time": {"expiringNextMonth": 40},
        "old": {"expiringNextMonth": None},
        "growth": {"expiringNextMonth": None},
    }


@pytest.mark.parametrize("month", ["2026-13", "2026-3", "March", "2026-04", "9999-12", "0001-01", "2026-03-01", ""])
async def test_a_month_that_is_none_or_has_not_begun_is_refused(shop: Shop, month: str) -> None:
    """Bad input that names the argument; in March there is no statement of April."""
    mei = await shop.member()
    with pytest.raises(Refused) as refusal:
        await as_member(shop.work, mei, MONTH, month=month)
    assert (refusal.value.code, refusal.value.argument) == ("BAD_USER_INPUT", "month")


@pytest.mark.parametrize("caller", CALLERS)
async def test_staff_and_readers_see_a_members_statement_others_do_not(shop: Shop, caller: str) -> None:
    """Any member of staff and an integration that may read members; nobody else, and a member only their own."""
    mei = await shop.member()
    await earn(shop.work, mei, 5)
    actor = CALLERS[caller]
    if actor.kind == "staff" or caller == "reader":
        answer = await as_staff(shop.work, OF_MEMBER, actor, id=member_key(mei))
        assert answer["member"] == {
            "entries": {"edges": [{"node": {"seq": 1}}]}, "monthlyStatement": {"entries": 1},
            "statementMonths": ["2026-03"],
        }  # fmt: skip
    else:
        with pytest.raises(Refused) as refusal:
            await as_staff(shop.work, OF_MEMBER, actor, id=member_key(mei))
        assert refusal.value.code == ("UNAUTHENTICATED" if caller == "anonymous" else "FORBIDDEN")


async def test_at_the_members_door_a_member_is_only_themselves(shop: Shop) -> None:
    """Another member's node is null there, so no statement hangs on it; staff and strangers are nobody."""
    mei, lin = await shop.member(), await shop.member("lin")
    text = f'{{ me {{ statementMonths }} node(id: "{member_key(mei)}") {{ id }} }}'
    assert await at_members_door(shop.work, text, Actor("member", lin)) == {"me": {"statementMonths": []}, "node": None}
    for actor in (OWNER, CALLERS["anonymous"]):
        assert await at_members_door(shop.work, "{ me { statementMonths } }", actor) == {"me": None}


async def test_a_list_of_statements_costs_the_same_for_few_and_many(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filtered pages, a month, what expires after it and the list of months: seven statements for any number."""
    members = [await shop.member(f"m{number}") for number in range(6)]
    for member_id in members:
        await earn(shop.work, member_id, 5)
    text = """query ($first: Int!) { members(first: $first) { edges { node {
        entries(filter: {direction: IN, since: "2026-01-01"}) { edges { node { seq explain { sentence } } } }
        byOrder: entries(filter: {order: "none"}) { edges { node { seq } } }
        monthlyStatement(month: "2026-03") { closing { total } expiringNextMonth lines { kind } }
        statementMonths } } } }"""
    counts = []
    for first in (1, 6):
        with counted_statements(monkeypatch) as seen:
            answer = await as_staff(shop.work, text, first=first)
        assert len(answer["members"]["edges"]) == first
        counts.append(len(seen))
    assert counts == [7, 7]
