"""Policies as staff publish and read them, and the terms as anybody reads them."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import inspect
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

import gamification
from gamification.checkins import rules as checkins
from gamification.checkins.service import check_in
from gamification.core import policy as policies
from gamification.core.audit import audit
from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.models import AuditRecord
from gamification.core.policy import Policies, PolicyMissing
from gamification.core.work import Work
from gamification.draws.rules import DrawsPolicy
from gamification.earning.rules import EarningPolicy
from gamification.points.ledger import PointsLedger
from gamification.points.rules import PointsPolicy
from schema.admin.policy_versions import FORMS
from tests.checkins.builders import a_member
from tests.databases import Database
from tests.staff.publishing import (
    BODY_TYPES,
    EXPIRY,
    GOOD,
    IN_FORCE,
    LADDER,
    NO_MODES,
    POLICIES,
    PUBLISH,
    SHOWN,
    STORED,
    TIERS,
    TUESDAY,
    publish,
)
from tests.staff.rooms import CALLERS, OPERATOR, OWNER, Office, Refused, rows_in, turned_away

NOT_SOLD = {**TIERS[1], "purchaseSku": None}
"""A tier above the lowest that nobody can buy."""


async def versions(office: Office, **given: Any) -> list[Any]:
    return [edge["node"] for edge in (await office.ask(POLICIES, **given))["policies"]["edges"]]


async def assert_nothing_published() -> None:
    assert (await rows_in("policy_version"), await rows_in("audit_record")) == (0, 0)


@pytest.mark.parametrize("kind", GOOD)
async def test_each_kind_is_published_stored_hashed_and_shown(office: Office, kind: str) -> None:
    """What staff enter is what they read back, and the hash is that of the stored body with sorted keys."""
    expected_hash = hashlib.sha256(orjson.dumps(STORED[kind], option=orjson.OPT_SORT_KEYS)).hexdigest()
    assert await publish(office, kind) == {
        "__typename": "PolicyPublished",
        "kind": kind,
        "version": 1,
        "effectiveFrom": None,
        "hash": expected_hash,
        "isPreview": False,
    }
    (version,) = await versions(office)
    assert version.pop("id")
    assert version == {
        "kind": kind,
        "version": 1,
        "effectiveFrom": None,
        "publishedAt": "2026-03-02T02:00:00+00:00",
        "publishedBy": OWNER.key,
        "hash": expected_hash,
        "body": {"__typename": BODY_TYPES[kind], **SHOWN[kind]},
    }
    assert orjson.loads(await fetch_value("SELECT body FROM policy_version")) == STORED[kind]


async def test_points_without_end_are_published_by_leaving_the_expiry_out(office: Office) -> None:
    """No expiry given is no expiry stored, and is shown as null."""
    await publish(office, "POINTS", {"activationDays": 0, "clawBack": "TO_DEBT"})
    (version,) = await versions(office)
    assert version["body"] == {
        "__typename": "PointsPolicy",
        "expiry": None,
        "activationDays": 0,
        "clawBack": "TO_DEBT",
        **NO_MODES,
    }
    assert office.work.policies.at(PointsPolicy, office.clock.now()).body == PointsPolicy()


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("kind", GOOD)
async def test_only_owners_and_operators_publish(office: Office, caller: str, kind: str) -> None:
    """Everybody else is turned away, also from a preview, and nothing is written."""
    admitted = caller in ("owner", "operator")
    expected = None if admitted else turned_away(caller)
    actor, given = CALLERS[caller], {"input": GOOD[kind]}
    assert await office.code_for(PUBLISH[kind], actor, preview=True, **given) == expected
    assert await office.code_for(PUBLISH[kind], actor, **given) == expected
    assert (await rows_in("policy_version"), await rows_in("audit_record")) == (admitted, admitted)


@pytest.mark.parametrize("caller", CALLERS)
async def test_owners_operators_and_auditors_read_versions(office: Office, caller: str) -> None:
    """Everybody else is turned away from the lists, and finds nothing under a version's id."""
    await publish(office, "DRAWS")
    (node_id,) = [version["id"] for version in await versions(office)]
    admitted = caller in ("owner", "operator", "auditor")
    expected = None if admitted else turned_away(caller)
    assert await office.code_for(POLICIES, CALLERS[caller]) == expected
    assert await office.code_for(IN_FORCE, CALLERS[caller], kind="DRAWS") == expected
    node = await office.ask(
        "query ($id: ID!) { node(id: $id) { ... on PolicyVersion { version } } }", CALLERS[caller], id=node_id
    )
    assert node == {"node": {"version": 1} if admitted else None}


@pytest.mark.parametrize(
    ("kind", "changes", "path", "reason", "problems"),
    [
        ("POINTS", {"expiry": {**EXPIRY, "count": 0}}, "expiry.count", "1 to 3660, or null", 2),
        ("POINTS", {"expiry": {**EXPIRY, "count": 3661}, "activationDays": -1}, "expiry.count", "1 to 3660", 2),
        ("POINTS", {"activationDays": 367, "activationEvent": None}, "activationDays", "0 to 366", 1),
        ("POINTS", {"activationDays": 1}, "activationDays", "one way to become usable", 1),
        ("POINTS", {"activationLatestDays": 367}, "activationLatestDays", "1 to 366", 1),
        ("POINTS", {"expiry": {**EXPIRY, "dates": ["12-31"]}}, "expiry.roundToEndOf", "either dates or the end", 2),
        ("POINTS", {"activationDates": ["15", "02-30"]}, "activationDates.1", "a day of the year as MM-DD", 2),
        ("POINTS", {"noticeDays": [91]}, "noticeDays", "at most 5, each 1 to 90", 1),
        ("EARNING", {"pointsRateBp": -1}, "pointsRateBp", "0 to 100000 basis points", 1),
        ("EARNING", {"growthRateBp": 100_001}, "growthRateBp", "0 to 100000 basis points", 1),
        ("EARNING", {"ladder": [LADDER[0], LADDER[0]]}, "ladder.1", "each step starts later and pays more", 1),
        ("EARNING", {"ladder": LADDER[::-1]}, "ladder.1", "each step starts later and pays more", 2),
        ("EARNING", {"ladder": [{"fromFen": -1, "rateBp": 1}]}, "ladder.0", "from 0 fen on", 1),
        (
            "EARNING",
            {"ladder": [{"fromFen": step, "rateBp": step} for step in range(21)]},
            "ladder",
            "at most 20 steps",
            1,
        ),
        ("TIERS", {"tiers": []}, "tiers", "1 to 20 tiers", 1),
        ("TIERS", {"tiers": TIERS * 11}, "tiers", "1 to 20 tiers", 1),
        (
            "TIERS",
            {"tiers": [NOT_SOLD]},
            "tiers.0.threshold",
            "the lowest tier starts at 0",
            1,
        ),
        (
            "TIERS",
            {"tiers": [TIERS[0], {**NOT_SOLD, "threshold": 0, "retention": 0}]},
            "tiers.1.threshold",
            "thresholds rise",
            1,
        ),
        ("TIERS", {"tiers": [TIERS[0], {**TIERS[1], "code": "BASIC"}]}, "tiers.1.code", "each code once", 1),
        ("TIERS", {"tiers": [{**TIERS[0], "code": "basic"}]}, "tiers.0.code", "1 to 20 capitals", 1),
        ("TIERS", {"tiers": [{**TIERS[0], "nameZh": ""}]}, "tiers.0.nameZh", "1 to 40 characters", 1),
        ("TIERS", {"tiers": [TIERS[0], {**TIERS[1], "nameEn": "S" * 41}]}, "tiers.1.nameEn", "1 to 40", 1),
        ("TIERS", {"tiers": [{**TIERS[0], "nameEn": "a\0b", "nameZh": " b"}]}, "tiers.0.nameZh", "1 to 40", 2),
        ("CHECK_INS", {"dailyPoints": []}, "dailyPoints", "a cycle of 1 to 31 days", 1),
        ("CHECK_INS", {"dailyPoints": [1] * 32}, "dailyPoints", "a cycle of 1 to 31 days", 1),
        ("CHECK_INS", {"dailyPoints": [1, -1, 100_001]}, "dailyPoints.1", "0 to 100000 points", 2),
        ("DRAWS", {"ticketPoints": 0}, "ticketPoints", "1 to", 1),
        ("ADJUSTMENTS", {"approvalAbovePoints": -1}, "approvalAbovePoints", "0 to 1000000000 points", 1),
        ("ADJUSTMENTS", {"pointsMax": 0, "proposalDays": 91}, "pointsMax", "1 to 1000000000 points", 2),
        ("ADJUSTMENTS", {"pointsPerStaffDayMax": 10**10}, "pointsPerStaffDayMax", "or null for no such limit", 1),
    ],
)
async def test_an_invalid_policy_names_the_node_of_the_input(
    office: Office, kind: str, changes: dict[str, Any], path: str, reason: str, problems: int
) -> None:
    """The refusal says where in the arguments, what it should be and how many there are; nothing is written."""
    for preview in (True, False):
        answer = await publish(office, kind, {**GOOD[kind], **changes}, preview=preview)
        assert answer.pop("reason").startswith(reason) or reason in answer["message"]
        assert f"is invalid at input.{path}: " in answer.pop("message")
        assert answer == {
            "__typename": "PolicyInvalid",
            "code": "POLICY_INVALID",
            "kind": kind,
            "path": f"input.{path}",
            "problems": problems,
        }
    await assert_nothing_published()


async def test_a_refusal_speaks_the_callers_language(office: Office) -> None:
    """The message is Chinese for a Chinese reader."""
    (answer,) = (await office.ask(PUBLISH["DRAWS"], locale="zh-CN", input={"ticketPoints": 0})).values()
    assert answer["message"].startswith("规则 draws 的 input.ticketPoints 无效")


async def test_what_is_no_amount_is_refused_before_any_policy_is_seen(office: Office) -> None:
    """A fraction, or more than 10^12, is an error of the request."""
    for wrong in (1.5, 10**12 + 1, "5"):
        with pytest.raises(Refused):
            await publish(office, "CHECK_INS", {"dailyPoints": [wrong]})
    await assert_nothing_published()


async def test_a_version_cannot_take_effect_in_the_past(office: Office, clock: FixedClock) -> None:
    """An instant before now is refused with the earliest one allowed; now itself is allowed."""
    await publish(office, "DRAWS")
    past = (clock.now() - timedelta(microseconds=1)).isoformat()
    for preview in (True, False):
        assert await publish(office, "DRAWS", at=past, preview=preview) == {
            "__typename": "PolicyInThePast",
            "code": "POLICY_IN_THE_PAST",
            "message": "Policy draws cannot take effect before 2026-03-02 02:00:00+00:00.",
            "kind": "DRAWS",
            "earliest": "2026-03-02T02:00:00+00:00",
        }
    assert (await rows_in("policy_version"), await rows_in("audit_record")) == (1, 1)
    assert (await publish(office, "DRAWS", at=clock.now().isoformat()))["version"] == 2


async def test_an_instant_beyond_the_calendar_is_an_error_of_the_request(office: Office) -> None:
    """The last hours of the year 9999 west of Greenwich do not exist in UTC."""
    await publish(office, "DRAWS")
    with pytest.raises(Refused):
        await publish(office, "DRAWS", at="9999-12-31T23:59:59-08:00")
    with pytest.raises(Refused):
        await office.ask(IN_FORCE, kind="DRAWS", at="0001-01-01T00:00:00+08:00")
    assert await rows_in("policy_version") == 1


async def test_a_preview_decides_like_a_publication_and_writes_nothing(office: Office) -> None:
    """The same number, instant and hash, once as a preview and then in earnest; nothing holds meanwhile."""
    first = await publish(office, "EARNING", preview=True)
    assert first["isPreview"] and first["version"] == 1
    await assert_nothing_published()
    with pytest.raises(PolicyMissing):
        office.work.policies.at(EarningPolicy, office.clock.now())
    await publish(office, "EARNING")
    changed = {**GOOD["EARNING"], "pointsRateBp": 1}
    preview = await publish(office, "EARNING", changed, at=TUESDAY, preview=True)
    assert await rows_in("policy_version") == 1
    made = await publish(office, "EARNING", changed, at=TUESDAY)
    assert {**preview, "isPreview": False} == made
    assert (made["version"], made["effectiveFrom"]) == (2, TUESDAY)


async def test_a_publication_is_audited_with_what_it_replaces(office: Office, clock: FixedClock) -> None:
    """The record holds the version in force until then and the new one, in full, with who and when."""
    await publish(office, "CHECK_INS")
    clock.advance(timedelta(minutes=1))
    await office.ask(PUBLISH["CHECK_INS"], OPERATOR, input={"dailyPoints": [7]}, **{"from": TUESDAY})
    await publish(office, "CHECK_INS", {"dailyPoints": [8]})
    records = await AuditRecord.all().order_by("at", "id")
    assert {(each.actor, each.action, each.subject, each.reason) for each in records} == {
        (OWNER.key, "policy.published", "policy:checkins", None)
    }
    first, second, third = records
    assert first.at == clock.now() - timedelta(minutes=1) and second.at == clock.now()
    assert first.before is None
    assert first.after == {"version": 1, "effective_from": None, "body": {"daily_points": [5, 0, 20]}}
    assert second.before == {"version": 1, "body": {"daily_points": [5, 0, 20]}}
    assert second.after == {"version": 2, "effective_from": TUESDAY, "body": {"daily_points": [7]}}
    assert third.before == {"version": 1, "body": {"daily_points": [5, 0, 20]}}
    now = clock.now().isoformat()
    assert third.after == {"version": 3, "effective_from": now, "body": {"daily_points": [8]}}


async def test_what_cannot_be_audited_is_not_published(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version and audit record commit together or not at all."""

    async def broken(*given: object, **named: object) -> None:
        raise RuntimeError("no audit")

    monkeypatch.setattr(policies, "audit", broken)
    with pytest.raises(RuntimeError, match="no audit"):
        await publish(office, "DRAWS")
    await assert_nothing_published()
    assert office.work.policies.revision == 0


async def test_a_version_never_changes(office: Office, database: Database) -> None:
    """The application may not change, delete or empty versions; the owner of the tables is refused by triggers."""
    await publish(office, "DRAWS")
    before = await fetch_row("SELECT * FROM policy_version")
    owner = await asyncpg.connect(database.url)
    for sql in (
        "UPDATE policy_version SET body = '{\"ticket_points\": 1}'",
        "UPDATE policy_version SET effective_from = now()",
        "DELETE FROM policy_version",
        "TRUNCATE policy_version",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(sql)
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await owner.execute(sql)
    await owner.close()
    assert await fetch_row("SELECT * FROM policy_version") == before


async def test_a_version_takes_effect_at_its_instant_in_running_work(office: Office, clock: FixedClock) -> None:
    """Until the instant the old one holds, from it on the new one: in memory, in a decision, for staff and members."""
    await publish(office, "POINTS")
    await publish(office, "CHECK_INS", {"dailyPoints": [5, 6]})
    await publish(office, "CHECK_INS", {"dailyPoints": [100, 200]}, at=TUESDAY)
    at = datetime.fromisoformat(TUESDAY)
    held, before = office.work.policies, at - timedelta(microseconds=1)
    assert held.at(checkins.CheckInPolicy, before).version == 1
    assert held.at(checkins.CheckInPolicy, at).body == checkins.CheckInPolicy((100, 200))
    for instant, version in ((before, 1), (at, 2), (None, 1)):
        found = await office.ask(IN_FORCE, kind="CHECK_INS", at=instant.isoformat() if instant else None)
        assert found == {"policyInForce": {"version": version}}

    member_id = await a_member(clock)
    paid = []
    for day in (timedelta(0), timedelta(days=1)):
        clock.set(datetime.fromisoformat("2026-03-02T23:59:59+08:00") + day)
        answer = await check_in(office.work, member_id=member_id)
        terms = await office.ask_as_member("{ programme { checkIns { rewards { points } } } }")
        paid.append((answer.points, [each["points"] for each in terms["programme"]["checkIns"]["rewards"]]))
    assert paid == [(5, [5, 6]), (200, [100, 200])]


async def test_another_process_decides_by_a_new_version_at_once(office: Office, clock: FixedClock) -> None:
    """Work elsewhere sees with its next decision what was published here, without being told."""
    await publish(office, "POINTS")
    await publish(office, "CHECK_INS", {"dailyPoints": [5]})
    elsewhere = Work(clock=clock, ledger=PointsLedger())
    await elsewhere.policies.refresh()
    await publish(office, "CHECK_INS", {"dailyPoints": [9]})
    assert elsewhere.policies.at(checkins.CheckInPolicy, clock.now()).version == 1
    answer = await check_in(elsewhere, member_id=await a_member(clock))
    assert answer.points == 9
    assert elsewhere.policies.at(checkins.CheckInPolicy, clock.now()).version == 2


async def test_versions_are_numbered_per_kind_and_walked_page_by_page(office: Office) -> None:
    """The latest published comes first; a kind narrows the list; every version is seen once."""
    for kind in ("POINTS", "DRAWS", "DRAWS", "TIERS", "DRAWS"):
        await publish(office, kind)
    seen, after, more = [], None, True
    while more:
        page = (await office.ask(POLICIES, first=2, after=after))["policies"]
        seen += [(edge["node"]["kind"], edge["node"]["version"]) for edge in page["edges"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert seen == [("DRAWS", 3), ("TIERS", 1), ("DRAWS", 2), ("DRAWS", 1), ("POINTS", 1)]
    assert [each["version"] for each in await versions(office, kind="DRAWS")] == [3, 2, 1]
    assert await versions(office, kind="EARNING") == []
    assert await office.ask(IN_FORCE, kind="EARNING") == {"policyInForce": None}


async def test_publications_side_by_side_are_numbered_without_gaps(office: Office) -> None:
    """Each of many at once gets its own number, and a reader in memory misses none and doubles none."""
    kinds = ["DRAWS", "POINTS"] * 4
    answers = await asyncio.gather(*(publish(office, kind) for kind in kinds))
    numbers = sorted((answer["kind"], answer["version"]) for answer in answers)
    assert numbers == [(kind, number) for kind in ("DRAWS", "POINTS") for number in range(1, 5)]
    await asyncio.gather(*(office.work.policies.refresh() for _ in range(3)))
    assert [each.version for each in office.work.policies.all(PointsPolicy)] == [1, 2, 3, 4]


async def test_a_reader_in_memory_misses_no_version_that_commits_late(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publication waits for an open one of another kind, so that no lower revision appears after a higher one."""
    written, may_commit = asyncio.Event(), asyncio.Event()

    async def slow(actor: Any, action: str, subject: str, kind: str, **given: Any) -> None:
        if kind == "points":
            written.set()
            await may_commit.wait()
        await audit(actor, action, subject, kind, **given)

    monkeypatch.setattr(policies, "audit", slow)
    first = asyncio.create_task(publish(office, "POINTS"))
    await written.wait()
    second = asyncio.create_task(publish(office, "DRAWS"))
    while not await fetch_value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
        assert not second.done()
        await asyncio.sleep(0.01)
    reader = Policies()
    await reader.refresh()
    assert reader.revision == 0
    may_commit.set()
    assert ((await first)["version"], (await second)["version"]) == (1, 1)
    await reader.refresh()
    rows = await fetch("SELECT kind FROM policy_version ORDER BY revision")
    assert [row["kind"] for row in rows] == ["points", "draws"]
    assert reader.latest(PointsPolicy) is not None and reader.latest(DrawsPolicy) is not None


def test_every_kind_of_policy_can_be_published() -> None:
    """A policy of a slice that staff could neither publish nor read would be missing here."""
    declared = set()
    for file in Path(gamification.__path__[0]).glob("*/rule*.py"):
        module = importlib.import_module(f"gamification.{file.parent.name}.{file.stem}")
        for _, found in inspect.getmembers(module, inspect.isclass):
            if found.__module__ == module.__name__ and hasattr(found, "problems") and hasattr(found, "kind"):
                declared.add(found)
    assert declared == {form.body for form in FORMS.values()}
