"""What lies ahead of points over GraphQL: pages, whose they are, and what a page costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.points.rules import Expiry, PointsPolicy
from schema.admin.root import schema as admin
from schema.context import Context
from schema.root import schema as member
from tests.builders import a_member, earn, some_members
from tests.checkins.graphql_checks import counted_statements
from tests.points.lives import a_work_under, shanghai
from tests.points.test_notices import tell

OWNER = Actor("staff", UUID(int=1), role="owner")
AHEAD = """points { expiries(first: $first, after: $expiries) {
      edges { node { expiresAt points } } pageInfo { hasNextPage endCursor } }
    upcoming(first: $first, after: $upcoming) {
      edges { node { activatesAt points } } pageInfo { hasNextPage endCursor } }
    expiryNotices(first: $first, after: $notices) {
      edges { node { expiresOn days points toldAt } } pageInfo { hasNextPage endCursor } } }"""
PAGES = f"""query ($first: Int! = 20, $expiries: String, $upcoming: String, $notices: String) {{ me {{ {AHEAD} }} }}"""
MANY = f"""query ($first: Int! = 20, $expiries: String, $upcoming: String, $notices: String) {{
    members {{ edges {{ node {{ {AHEAD} }} }} }} }}"""


async def ask(work: Work, text: str, actor: Actor, schema: Any = member, **variables: Any) -> Any:
    """What GraphQL answers. Raises the code of an error and the argument it names."""
    context = Context(work=work, clock=work.clock, actor=actor, locale="en")
    result = await schema.execute(text, variable_values=variables, context_value=context)
    if result.errors:
        extensions = result.errors[0].extensions or {}
        raise RuntimeError(extensions.get("code"), extensions.get("argument"))
    return result.data


async def pages(work: Work, member_id: UUID, **variables: Any) -> dict[str, Any]:
    """Per list the lines of a page, and where the next one begins."""
    points = (await ask(work, PAGES, Actor("member", member_id), **variables))["me"]["points"]
    return {
        name: (
            [tuple(edge["node"].values()) for edge in found["edges"]],
            found["pageInfo"]["endCursor"] if found["pageInfo"]["hasNextPage"] else None,
        )
        for name, found in points.items()
    }


async def test_a_member_pages_through_what_lies_ahead(work: Work, clock: FixedClock) -> None:
    """Ends, beginnings and notices, two at a time, each list to its end."""
    mei = await a_member(clock)
    for days in (30, 7, 9):
        await earn(a_work_under(clock, PointsPolicy(Expiry(days, "day"), days - 5)), mei, days)
    await tell(a_work_under(clock, PointsPolicy(notice_days=(32, 55, 11))))
    first = await pages(work, mei, first=2)
    assert [lines for lines, _ in first.values()] == [
        [("2026-03-11T16:00:00+00:00", 7), ("2026-03-15T16:00:00+00:00", 9)],
        [("2026-03-03T16:00:00+00:00", 7), ("2026-03-05T16:00:00+00:00", 9)],
        [("2026-04-26", 55, 30, "2026-03-02T02:00:00+00:00")],
    ]
    behind = {name: cursor for name, (_, cursor) in first.items() if cursor}
    rest = await pages(work, mei, first=2, **behind)
    assert rest["expiries"] == ([("2026-04-26T16:00:00+00:00", 30)], None)
    assert rest["upcoming"] == ([("2026-03-26T16:00:00+00:00", 30)], None)


async def test_notices_stand_in_order_page_by_page(work: Work, clock: FixedClock) -> None:
    """The last to end first, and of one end the last notice first."""
    lasting, mei = a_work_under(clock, PointsPolicy(Expiry(30, "day"))), await a_member(clock)
    await earn(lasting, mei, 10)
    for day in ("03-02", "03-25", "03-31"):
        clock.set(shanghai(f"{day}T09:00"))
        if day == "03-25":
            await earn(lasting, mei, 5)
        await tell(lasting)
    seen, after = [], None
    while True:
        lines, after = (await pages(work, mei, first=1, notices=after))["expiryNotices"]
        seen += [line[:3] for line in lines]
        if after is None:
            break
    assert seen == [("2026-04-24", 30, 5), ("2026-04-01", 1, 10), ("2026-04-01", 7, 10), ("2026-04-01", 30, 10)]


async def test_nobody_sees_what_lies_ahead_of_another(work: Work, clock: FixedClock) -> None:
    """A member sees their own only, who is not signed in nothing, staff everybody's, a till without the scope none."""
    living, (mei, lan) = a_work_under(clock, PointsPolicy(Expiry(3, "day"))), await some_members(clock, 2)
    await earn(living, mei, 10)
    assert (await pages(work, lan))["expiries"] == ([], None)
    assert await ask(work, PAGES, ANONYMOUS) == {"me": None}
    found = await ask(work, MANY, OWNER, admin)
    lines = [edge["node"]["points"]["expiries"]["edges"] for edge in found["members"]["edges"]]
    assert sorted(len(each) for each in lines) == [0, 1]
    till = Actor("integration", UUID(int=2), scopes=frozenset({"orders:write"}))
    with pytest.raises(RuntimeError) as refused:
        await ask(work, MANY, till, admin)
    assert refused.value.args[0] == "FORBIDDEN"


@pytest.mark.parametrize(
    ("variables", "argument"),
    [
        ({"first": 0}, "first"),
        ({"first": 101}, "first"),
        ({"expiries": "nonsense"}, "after"),
        ({"upcoming": "W10"}, "after"),
        ({"notices": "WzEsImV4cGlyaWVzIiwiMjAyNiJd"}, "after"),
    ],
)
async def test_a_page_out_of_bounds_is_refused(
    work: Work, clock: FixedClock, variables: dict[str, Any], argument: str
) -> None:
    """No fewer than one, no more than a hundred, and no cursor of another list."""
    mei = await a_member(clock)
    with pytest.raises(RuntimeError) as refused:
        await pages(work, mei, **variables)
    assert refused.value.args == ("BAD_USER_INPUT", argument)


async def test_the_list_without_pages_is_the_first_page_of_all(work: Work, clock: FixedClock) -> None:
    """What clients of before ask for keeps answering: up to four hundred ends."""
    mei = await a_member(clock)
    for days in (1, 2, 3):
        await earn(a_work_under(clock, PointsPolicy(Expiry(days, "day"))), mei, days)
    clock.advance(timedelta(days=2))
    found = await ask(work, "{ me { points { expiring { points } } } }", Actor("member", mei))
    assert [each["points"] for each in found["me"]["points"]["expiring"]] == [2, 3]


@pytest.mark.parametrize(("later", "statements"), [(timedelta(0), 5), (timedelta(days=2), 7)])
async def test_a_page_of_members_costs_the_same_number_of_statements(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, later: timedelta, statements: int
) -> None:
    """Two members or six: one statement for each list; where something is due, one more for two of the lists."""
    living = a_work_under(clock, PointsPolicy(Expiry(1, "day"), 1))
    counts: list[int] = []
    for number in (2, 4):
        for member_id in await some_members(clock, number):
            await earn(living, member_id, 3)
            await earn(a_work_under(clock, PointsPolicy(Expiry(90, "day"), 30)), member_id, 5)
        clock.advance(later)
        with counted_statements(monkeypatch) as seen:
            found = await ask(work, MANY, OWNER, admin)
        assert len(found["members"]["edges"]) == len(counts) * 4 + 2
        counts.append(len(seen))
        clock.advance(-later)
    assert counts == [statements, statements]
