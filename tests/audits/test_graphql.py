"""The audits over GraphQL, asked as every kind of caller."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from strawberry import relay

from gamification.audits import service
from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.work import Work
from gamification.invariants import INVARIANTS
from tests.builders import earn, some_members
from tests.checkins.graphql_checks import counted_statements
from tests.statements.asking import CALLERS, OWNER, Refused, as_staff

RUNS = """query ($first: Int! = 20, $after: String, $everything: Boolean! = false) {
    invariantRuns(first: $first, after: $after) {
        edges { node { id businessDate checked broken unchecked finishedAt
                       checks(everything: $everything) { name holds offending sample error } } }
        pageInfo { hasNextPage endCursor } } }"""
BOOKS = "{ books { agree checkedAt broken unchecked } }"
NODE = "query ($id: ID!) { node(id: $id) { ... on InvariantRun { businessDate } } }"
I4 = "points: I4 each bucket is the sum of its deltas"


async def no_heartbeat() -> None:
    return None


async def audited(clock: FixedClock, **given: Any) -> None:
    found = await service.audit_books(clock, Calendar(), no_heartbeat, **given)
    assert found is not None
    await service.finish_run(found.run_id, clock.now())


async def test_auditors_read_what_each_night_found(work: Work, clock: FixedClock, owner: asyncpg.Connection) -> None:
    """The latest night first, page by page; what does not hold with its rows, everything on demand."""
    await audited(clock, invariants={"fine": "SELECT 1 WHERE false"})
    (mei,) = await some_members(clock, 1)
    await earn(work, mei, 5)
    await owner.execute("UPDATE account SET available = 9 WHERE currency = 'POINTS'")
    clock.advance(timedelta(days=1))
    await audited(clock, invariants={I4: INVARIANTS[I4], "slow": "SELECT pg_sleep(9)"}, seconds_max=1)
    page = (await as_staff(work, RUNS, CALLERS["auditor"], first=1))["invariantRuns"]
    (edge,) = page["edges"]
    assert edge["node"] == {
        "id": edge["node"]["id"], "businessDate": "2026-03-03", "checked": 2, "broken": 1, "unchecked": 1,
        "finishedAt": "2026-03-03T02:00:00+00:00",
        "checks": [
            {"name": I4, "holds": False, "offending": 1, "error": None,
             "sample": [{"member_id": str(mei), "currency": "POINTS"}]},
            {"name": "slow", "holds": None, "offending": 0, "sample": [],
             "error": "QueryCanceledError: canceling statement due to statement timeout"},
        ],
    }  # fmt: skip
    assert page["pageInfo"]["hasNextPage"]
    after = page["pageInfo"]["endCursor"]
    older = (await as_staff(work, RUNS, first=1, after=after))["invariantRuns"]
    assert [(each["node"]["businessDate"], each["node"]["checks"]) for each in older["edges"]] == [("2026-03-02", [])]
    everything = (await as_staff(work, RUNS, first=1, after=after, everything=True))["invariantRuns"]
    assert [check["name"] for check in everything["edges"][0]["node"]["checks"]] == ["fine"]
    state = (await as_staff(work, BOOKS, CALLERS["operator"]))["books"]
    assert state == {"agree": False, "checkedAt": "2026-03-03T02:00:00+00:00", "broken": 1, "unchecked": 1}


async def test_before_the_first_night_nothing_is_known(work: Work) -> None:
    """The state of the books is null and not fine; a run that is under way does not count."""
    unknown = {"agree": None, "checkedAt": None, "broken": 0, "unchecked": 0}
    assert await as_staff(work, BOOKS) == {"books": unknown}
    await service.audit_books(work.clock, Calendar(), no_heartbeat, invariants={})
    assert await as_staff(work, BOOKS) == {"books": unknown}


async def test_books_that_agree_say_so(work: Work, clock: FixedClock) -> None:
    """Every invariant of the product holds on an empty installation."""
    await audited(clock)
    assert (await as_staff(work, BOOKS))["books"]["agree"] is True


@pytest.mark.parametrize("caller", CALLERS)
async def test_who_may_read_the_audits(work: Work, clock: FixedClock, caller: str) -> None:
    """Runs: owner and auditor. The state of the books: the operator too. Nobody else, not even by node."""
    await audited(clock, invariants={})
    actor = CALLERS[caller]
    run_id = await fetch_value("SELECT id FROM invariant_run")
    node = await as_staff(work, NODE, actor, id=relay.to_base64("InvariantRun", str(run_id)))
    allowed = caller in ("owner", "auditor")
    assert node == {"node": {"businessDate": "2026-03-02"} if allowed else None}
    turned_away = None if allowed else "UNAUTHENTICATED" if caller == "anonymous" else "FORBIDDEN"
    assert await code_for(work, RUNS, caller) == turned_away
    assert await code_for(work, BOOKS, caller) == (None if caller == "operator" else turned_away)


async def code_for(work: Work, text: str, caller: str) -> str | None:
    try:
        await as_staff(work, text, CALLERS[caller])
    except Refused as refused:
        return refused.code
    return None


async def test_a_page_of_runs_costs_two_statements(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runs, and what all of them found, for one as for five."""
    for _ in range(5):
        await audited(clock, invariants={"broken": "SELECT 1"})
        clock.advance(timedelta(days=1))
    for first in (1, 5):
        with counted_statements(monkeypatch) as seen:
            assert len((await as_staff(work, RUNS, OWNER, first=first))["invariantRuns"]["edges"]) == first
        assert len(seen) == 2
