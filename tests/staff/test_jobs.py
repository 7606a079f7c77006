"""Background work as staff see it, and dead letters that run again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import orjson
import pytest
from strawberry import relay

from gamification.core import outbox
from gamification.core.clock import FixedClock
from gamification.core.correlation import correlation_id
from gamification.core.database import fetch_row, fetch_value
from gamification.core.dead_letters import error_without_personal_data, without_personal_data
from gamification.core.models import AuditRecord
from schema.admin.jobs import DEAD_LETTERS
from tests.staff.rooms import CALLERS, OPERATOR, Office, Refused, rows_in, turned_away

DRAW_ID = "01976f3e-9f7e-7cc0-8000-0123456789ab"
LEASE = timedelta(minutes=5)
LETTER = "id job payload attempts lastError runAt createdAt failedAt correlationId"
LETTERS = f"""query ($first: Int! = 20, $after: String) {{ deadLetters(first: $first, after: $after) {{
    edges {{ node {{ {LETTER} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
OUTBOX = "{ outbox { pending scheduled oldestPendingSeconds deadLetters } }"
REDRIVE = """mutation ($id: ID!) { redriveJob(id: $id) { __typename
    ... on JobRedriven { job attempts attemptsLeft } ... on NotFound { code message kind id } } }"""
NODE = "query ($id: ID!) { node(id: $id) { ... on DeadLetter { job } } }"


async def scheduled(clock: FixedClock, job: str = "draws.settle", **payload: Any) -> int:
    await outbox.schedule(job, payload, run_at=clock.now())
    return int(await fetch_value("SELECT max(id) FROM outbox"))


async def dead(clock: FixedClock, error: str = "ValueError: no such draw", **payload: Any) -> int:
    """A row that is buried in its first attempt; returns its number."""
    number = await scheduled(clock, **payload)
    (claim,) = await outbox.claim(clock.now(), limit=1, lease=LEASE)
    run = await outbox.begin(claim.id, claim.send, LEASE)
    assert run is not None and run.id == number
    await outbox.bury(run, error)
    return number


def global_id(number: int | str) -> str:
    return relay.to_base64("DeadLetter", number)


async def row(number: int) -> dict[str, Any]:
    found = await fetch_row("SELECT * FROM outbox WHERE id = $1", number)
    assert found is not None
    return dict(found)


async def test_a_dead_letter_shows_what_failed_and_how(office: Office, clock: FixedClock) -> None:
    """Job, arguments, attempts, error, instants and the id that leads to the logs."""
    token = correlation_id.set("request-7")
    number = await dead(clock, draw_id=DRAW_ID, points=50)
    correlation_id.reset(token)
    stored = await row(number)
    (edge,) = (await office.ask(LETTERS))["deadLetters"]["edges"]
    assert edge["node"] == {
        "id": global_id(number),
        "job": "draws.settle",
        "payload": {"draw_id": DRAW_ID, "points": 50},
        "attempts": 1,
        "lastError": "ValueError: no such draw",
        "runAt": "2026-03-02T02:00:00+00:00",
        "createdAt": stored["created_at"].isoformat(),
        "failedAt": stored["failed_at"].isoformat(),
        "correlationId": "request-7",
    }


async def test_personal_data_of_a_dead_letter_is_masked(office: Office, clock: FixedClock) -> None:
    """A name or a phone in the arguments or in the error is not shown; the row itself keeps them for the next run."""
    payload = {"member_id": DRAW_ID, "phone": "13800138000", "nickname": "小梅", "tags": [{"email": "mei@example.com"}]}
    error = "UniqueViolationError: taken by +8613800138000 (mei@example.com)\nDETAIL:  Key (name)=(Mei)"
    number = await dead(clock, error, **payload)
    (edge,) = (await office.ask(LETTERS))["deadLetters"]["edges"]
    assert edge["node"]["payload"] == {
        "member_id": DRAW_ID,
        "phone": "…",
        "nickname": "…",
        "tags": [{"email": "…"}],
    }
    assert edge["node"]["lastError"] == "UniqueViolationError: taken by … (…)"
    assert orjson.loads((await row(number))["payload"]) == payload


@pytest.mark.parametrize(
    "shown",
    [DRAW_ID, "2026-03-02", "2026-03-02T10:00:00+08:00", "2026-03-02T02:00:00.5Z", "TO_ZERO", 10**10 - 1, True, None],
)
def test_what_is_no_personal_data_is_shown(shown: object) -> None:
    """Ids, days, instants, codes and amounts stay readable."""
    assert without_personal_data({"a": [shown]}) == {"a": [shown]}


@pytest.mark.parametrize(
    "hidden",
    ["13800138000", "小梅", "Mei", "MEI LIN", "mei@example.com", "", "2026-03-02 Mei", f"{DRAW_ID}x", 13800138000],
)
def test_whatever_could_be_personal_is_masked(hidden: object) -> None:
    """Any other text, and any number as long as a phone's."""
    assert without_personal_data({"a": [hidden]}) == {"a": ["…"]}


def test_an_error_keeps_ids_and_short_numbers() -> None:
    """What is needed to find the cause stays."""
    error = f"StillOwed: all 12 attempts of draw {DRAW_ID} failed, 1381380 of 9"
    assert error_without_personal_data(error) == f"StillOwed: all 12 attempts of draw {DRAW_ID} failed, … of 9"


async def test_dead_letters_are_walked_page_by_page(office: Office, clock: FixedClock) -> None:
    """The newest comes first, each is seen once, and work that is not dead is not listed."""
    numbers = [await dead(clock) for _ in range(5)]
    await scheduled(clock)
    seen, after, more = [], None, True
    while more:
        page = (await office.ask(LETTERS, first=2, after=after))["deadLetters"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert seen == [global_id(number) for number in reversed(numbers)]


async def test_the_outbox_counts_what_is_due_later_and_dead(office: Office, clock: FixedClock) -> None:
    """Done work counts nowhere; the oldest due row says how long it has waited."""
    nothing = {"pending": 0, "scheduled": 0, "oldestPendingSeconds": 0, "deadLetters": 0}
    assert (await office.ask(OUTBOX))["outbox"] == nothing
    await dead(clock)
    await scheduled(clock)
    (claim,) = await outbox.claim(clock.now(), limit=1, lease=LEASE)
    run = await outbox.begin(claim.id, claim.send, LEASE)
    assert run is not None and await outbox.complete(run)
    await outbox.schedule("draws.close", {}, run_at=clock.now() + timedelta(hours=1))
    assert (await office.ask(OUTBOX))["outbox"] == {**nothing, "scheduled": 1, "deadLetters": 1}
    await scheduled(clock)
    clock.advance(timedelta(seconds=90, milliseconds=900))
    await scheduled(clock)
    assert (await office.ask(OUTBOX))["outbox"] == {
        "pending": 2,
        "scheduled": 1,
        "oldestPendingSeconds": 90,
        "deadLetters": 1,
    }


@pytest.mark.parametrize("caller", CALLERS)
async def test_who_may_look_and_who_may_redrive(office: Office, clock: FixedClock, caller: str) -> None:
    """Owners and operators may redrive; auditors may look; for everybody else there is nothing, and nothing changes."""
    number = await dead(clock)
    before = await row(number)
    actor, away = CALLERS[caller], turned_away(caller)
    looks, redrives = caller in ("owner", "operator", "auditor"), caller in ("owner", "operator")
    assert await office.code_for(LETTERS, actor) == (None if looks else away)
    assert await office.code_for(OUTBOX, actor) == (None if looks else away)
    node = await office.ask(NODE, actor, id=global_id(number))
    assert node == {"node": {"job": "draws.settle"} if looks else None}
    assert await office.code_for(REDRIVE, actor, id=global_id(number)) == (None if redrives else away)
    assert (await row(number) != before, await rows_in("audit_record")) == (redrives, int(redrives))


async def test_a_redriven_job_runs_again_with_fresh_attempts(office: Office, clock: FixedClock) -> None:
    """It leaves the dead letters, is due at once, and the audit trail says who sent it on its way."""
    number = await dead(clock, draw_id=DRAW_ID)
    failed_at = (await row(number))["failed_at"]
    clock.advance(timedelta(hours=1))
    answer = await office.ask(REDRIVE, OPERATOR, id=global_id(number))
    assert answer["redriveJob"] == {
        "__typename": "JobRedriven",
        "job": "draws.settle",
        "attempts": 1,
        "attemptsLeft": 8,
    }
    assert (await office.ask(LETTERS))["deadLetters"]["edges"] == []
    assert await office.ask(NODE, id=global_id(number)) == {"node": None}
    (claim,) = await outbox.claim(clock.now(), limit=10, lease=LEASE)
    run = await outbox.begin(claim.id, claim.send, LEASE)
    assert run is not None and (run.id, run.attempt, run.payload) == (number, 2, {"draw_id": DRAW_ID})
    assert (await row(number))["attempts_max"] == 9
    record = await AuditRecord.get()
    assert (record.at, record.actor, record.action) == (clock.now(), OPERATOR.key, "job.redriven")
    assert (record.subject, record.after, record.reason) == (f"job:{number}", None, None)
    assert record.before == {"job": "draws.settle", "attempts": 1, "failed_at": failed_at.isoformat()}


async def test_only_a_dead_letter_can_be_redriven(office: Office, clock: FixedClock) -> None:
    """Pending work, work redriven already and unknown numbers are not found; nothing changes."""
    pending = await scheduled(clock)
    before = await row(pending)
    for number in (pending, pending + 1, 2**63 - 1):
        answer = await office.ask(REDRIVE, id=global_id(number))
        assert answer["redriveJob"] == {
            "__typename": "NotFound",
            "code": "NOT_FOUND",
            "message": f"No dead letter {number}.",
            "kind": "dead letter",
            "id": str(number),
        }
    assert await row(pending) == before and await rows_in("audit_record") == 0


async def test_of_two_who_redrive_at_once_one_does(office: Office, clock: FixedClock) -> None:
    """The second finds no dead letter; attempts are granted once and there is one line in the trail."""
    number = await dead(clock)
    answers = await asyncio.gather(*(office.ask(REDRIVE, id=global_id(number)) for _ in range(3)))
    names = sorted(answer["redriveJob"]["__typename"] for answer in answers)
    assert names == ["JobRedriven", "NotFound", "NotFound"]
    assert (await row(number))["attempts_max"] == 9 and await rows_in("audit_record") == 1


@pytest.mark.parametrize(
    "wrong", ["nonsense", relay.to_base64("Member", 1), global_id("x"), global_id(0), global_id(2**63), global_id("")]
)
async def test_what_is_no_id_of_a_dead_letter_is_refused(office: Office, wrong: str) -> None:
    """The error names the argument."""
    with pytest.raises(Refused) as refused:
        await office.ask(REDRIVE, id=wrong)
    assert (refused.value.code, refused.value.argument) == ("BAD_USER_INPUT", "id")


async def test_a_cursor_that_no_row_can_have_is_refused(office: Office) -> None:
    """A number beyond the database's is no cursor, not a fault."""
    for number in (2**63, -(2**63)):
        with pytest.raises(Refused) as refused:
            await office.ask(LETTERS, after=DEAD_LETTERS.cursor({"id": number}))
        assert (refused.value.code, refused.value.argument) == ("BAD_USER_INPUT", "after")
