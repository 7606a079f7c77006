"""Giving: what is spent, pledged and certified together, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

import orjson
import pytest

from gamification.charity import queries
from gamification.charity import service as charity
from gamification.charity.errors import CampaignNotOpen, GoalReached, MonthlyCapReached
from gamification.charity.rules import name_hash
from gamification.charity.service.donations import DONATE, donation_command
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_row
from gamification.core.errors import IdempotencyConflict, InvalidInput, NotFound, Refusal
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.points.errors import InsufficientPoints
from tests.charity.builders import DAY, OPERATOR, a_campaign, a_draft, a_member, give, rows_written

MONDAY = date(2026, 3, 2)


async def test_a_donation_is_spent_pledged_and_certified_together(work: Work) -> None:
    """Three units take 3,000 points, pledge 30 yuan and leave a certificate, in one write."""
    campaign_id, member_id = await a_campaign(work), await a_member(work, 3_500)
    done = await give(work, campaign_id, member_id, 3, display_name=" 小梅 ")
    assert replace(done, donation_id=campaign_id, serial="", verification_code="") == charity.Donated(
        campaign_id, campaign_id, 3, 3_000, 3_000, 2, 500, "", "", MONDAY, work.clock.now()
    )
    assert await rows_written() == {
        "donations": 1, "certificates": 1, "entries": 1, "pledged": 3, "available": 500, "allocations": 1,
    }  # fmt: skip
    donation = (await queries.donations_by_ids(member_id, [done.donation_id]))[done.donation_id]
    assert donation == (
        member_id, done.donation_id, campaign_id, 3, 3_000, 3_000, 2, MONDAY, work.clock.now()
    )  # fmt: skip
    entry = await fetch_row("SELECT * FROM entry WHERE kind = 'DONATION'")
    assert entry is not None
    assert (entry["source_type"], entry["source_id"]) == ("donation", str(done.donation_id))
    assert orjson.loads(entry["trace"]) == {
        "rule": "donation", "campaign": str(campaign_id), "units": 3,
        "points_per_unit": 1_000, "fen_per_unit": 1_000, "result": 3_000,
    }  # fmt: skip


async def test_a_certificate_holds_a_snapshot_and_a_hashed_name(work: Work) -> None:
    """What it says is a copy; the name stands beside it, and its salted hash with it."""
    campaign_id, member_id = await a_campaign(work, points_per_unit=100), await a_member(work, 200)
    done = await give(work, campaign_id, member_id, 2, display_name="小梅")
    row = await fetch_row("SELECT * FROM certificate")
    assert row is not None
    assert orjson.loads(row["snapshot"]) == {
        "version": 1, "serial": done.serial, "donated_on": "2026-03-02", "units": 2, "points": 200, "fen": 2_000,
        "campaign_id": str(campaign_id), "title_zh": "乡村图书角", "title_en": "Village libraries",
        "beneficiary": "明日公益基金会", "agreement_reference": "AG-2026-014",
    }  # fmt: skip
    assert done.serial.startswith("20260302-") and len(done.serial) == 20
    assert (row["serial"], row["verification_code"]) == (done.serial, done.verification_code)
    assert (row["anonymous"], row["display_name"], row["issued_at"]) == (False, "小梅", work.clock.now())
    assert row["name_hash"] == name_hash(row["name_salt"], "小梅")


async def test_an_anonymous_certificate_holds_nothing_of_a_name(work: Work) -> None:
    """Neither a name nor a hash nor a salt."""
    campaign_id, member_id = await a_campaign(work), await a_member(work, 1_000)
    await give(work, campaign_id, member_id)
    row = await fetch_row("SELECT anonymous, display_name, name_salt, name_hash FROM certificate")
    assert row is not None
    assert tuple(row) == (True, None, None, None)


async def test_serials_and_codes_are_drawn_anew(work: Work) -> None:
    """No two certificates share a serial or a code."""
    campaign_id, member_id = await a_campaign(work), await a_member(work, 5_000)
    done = [await give(work, campaign_id, member_id) for _ in range(5)]
    assert len({each.serial for each in done}) == len({each.verification_code for each in done}) == 5


async def test_a_retry_is_answered_with_the_same_donation(work: Work) -> None:
    """The same key and input give the same certificate and move nothing; another input is refused."""
    campaign_id, member_id = await a_campaign(work), await a_member(work, 3_000)
    first = await give(work, campaign_id, member_id, key="tap", display_name="小梅")
    before = await rows_written()
    assert await give(work, campaign_id, member_id, key="tap", display_name="小梅") == first
    for units, name in ((2, "小梅"), (1, None)):
        with pytest.raises(IdempotencyConflict):
            await give(work, campaign_id, member_id, units, key="tap", display_name=name)
    assert await rows_written() == before


async def test_a_refusal_is_replayed_under_its_key(work: Work, clock: FixedClock) -> None:
    """What was refused under a key stays refused with the same figures, even when it has become possible."""
    campaign_id, member_id = await a_campaign(work, opens_at=clock.now() + DAY), await a_member(work, 1_000)
    for _ in range(2):
        with pytest.raises(CampaignNotOpen) as refusal:
            await give(work, campaign_id, member_id, key="early")
        assert refusal.value.fields() == {
            "phase": "UPCOMING", "opens_at": datetime.fromisoformat("2026-03-03T10:00:00+08:00"),
            "closes_at": datetime.fromisoformat("2026-04-01T10:00:00+08:00"),
        }  # fmt: skip
        clock.advance(DAY)
    assert (await give(work, campaign_id, member_id, key="later")).units == 1


async def refused(work: Work, campaign_id: UUID, member_id: UUID, units: int = 1) -> Refusal:
    """The refusal of a donation, after making sure that the preview says the same and that nothing changed."""
    before = await rows_written()
    with pytest.raises(Refusal) as performed:
        await give(work, campaign_id, member_id, units)
    with pytest.raises(type(performed.value)) as previewed:
        (await charity.preview_donation(work, campaign_id=campaign_id, member_id=member_id, units=units)).outcome()
    assert str(previewed.value) == str(performed.value)
    assert await rows_written() == before
    return performed.value


async def test_without_enough_points_nothing_changes(work: Work) -> None:
    """A donation that costs more than is available is refused with what is missing."""
    refusal = await refused(work, await a_campaign(work), await a_member(work, 1_999), 2)
    assert isinstance(refusal, InsufficientPoints)
    assert (refusal.required, refusal.available, refusal.missing) == (2_000, 1_999, 1)


async def test_a_draft_is_not_there(work: Work) -> None:
    """Members can neither give to a draft nor learn that it exists; nor to what never was."""
    member_id = await a_member(work, 1_000)
    for campaign_id in ((await a_draft(work)).id, new_id()):
        refusal = await refused(work, campaign_id, member_id)
        assert isinstance(refusal, NotFound)
        assert refusal.fields() == {"kind": "campaign", "id": str(campaign_id)}


async def test_a_closed_campaign_takes_nothing(work: Work, clock: FixedClock) -> None:
    """Closed by staff, or by the clock alone before the sweep has booked it: refused alike."""
    member_id = await a_member(work, 9_000)
    by_staff, by_clock = await a_campaign(work), await a_campaign(work, closes_at=clock.now() + DAY)
    await charity.close_campaign(campaign_id=by_staff, reason="协议终止", actor=OPERATOR, now=clock.now())
    clock.advance(DAY)
    for campaign_id in (by_staff, by_clock):
        refusal = await refused(work, campaign_id, member_id)
        assert isinstance(refusal, CampaignNotOpen)
        assert refusal.phase == "CLOSED"


async def test_the_goal_is_not_passed(work: Work) -> None:
    """More units than are left are refused with what is left; exactly those are taken; then none."""
    campaign_id, member_id = await a_campaign(work, goal_units=5), await a_member(work, 9_000)
    await give(work, campaign_id, member_id, 3)
    refusal = await refused(work, campaign_id, member_id, 3)
    assert isinstance(refusal, GoalReached)
    assert refusal.remaining_units == 2
    await give(work, campaign_id, member_id, 2)
    refusal = await refused(work, campaign_id, member_id)
    assert isinstance(refusal, GoalReached)
    assert refusal.remaining_units == 0


async def test_a_goal_is_passed_where_that_was_declared(work: Work) -> None:
    """A campaign that says so takes units beyond its goal."""
    campaign_id = await a_campaign(work, goal_units=5, goal_may_be_passed=True)
    await give(work, campaign_id, await a_member(work, 7_000), 7)
    assert (await queries.campaigns_by_ids([campaign_id]))[campaign_id].pledged_units == 7


async def test_a_months_limit_is_each_members_and_each_campaigns(work: Work, clock: FixedClock) -> None:
    """What one gave to a campaign this month counts; other members, campaigns and months do not."""
    campaign_id, other = await a_campaign(work, monthly_units_max=3), await a_campaign(work, monthly_units_max=3)
    member_id, somebody = await a_member(work, 20_000), await a_member(work, 3_000)
    clock.set(datetime.fromisoformat("2026-03-31T23:59:59+08:00"))
    await give(work, campaign_id, member_id, 2)
    refusal = await refused(work, campaign_id, member_id, 2)
    assert isinstance(refusal, MonthlyCapReached)
    april = datetime.fromisoformat("2026-04-01T00:00:00+08:00")
    assert (refusal.limit, refusal.used, refusal.resets_at) == (3, 2, april)
    await give(work, other, member_id, 3)
    await give(work, campaign_id, somebody, 3)
    clock.set(april)
    assert (await give(work, campaign_id, member_id, 3)).units == 3


async def test_units_out_of_bounds_are_no_donation(work: Work) -> None:
    """A donation has 1 to 100,000 units."""
    campaign_id, member_id = await a_campaign(work), await a_member(work, 1_000)
    for units in (0, -1, 100_001):
        refusal = await refused(work, campaign_id, member_id, units)
        assert isinstance(refusal, InvalidInput)
        assert (refusal.field, refusal.reason) == ("units", "1 to 100000")


async def test_a_name_that_cannot_be_printed_is_refused(work: Work) -> None:
    """A display name has 1 to 32 characters; no name at all is an anonymous donation."""
    campaign_id, member_id = await a_campaign(work), await a_member(work, 1_000)
    before = await rows_written()
    for name in ("", "   ", "x" * 33):
        with pytest.raises(InvalidInput) as refusal:
            await give(work, campaign_id, member_id, display_name=name)
        assert (refusal.value.field, refusal.value.reason) == ("displayName", "1 to 32 characters")
    assert await rows_written() == before


async def test_a_preview_says_what_the_donation_will_and_writes_nothing(work: Work) -> None:
    """Cost, pledge and what is left agree with the donation; of serial and code it says nothing."""
    campaign_id = await a_campaign(work, goal_units=10, monthly_units_max=4, fen_per_unit=900)
    member_id = await a_member(work, 5_000)
    await give(work, campaign_id, member_id)
    before = await rows_written()
    preview = (await charity.preview_donation(work, campaign_id=campaign_id, member_id=member_id, units=2)).outcome()
    assert preview == charity.DonationPreview(campaign_id, 2, 2_000, 1_800, 2_000, 7, 1)
    assert await rows_written() == before
    done = await give(work, campaign_id, member_id, 2)
    assert (done.points, done.fen, done.available) == (preview.points, preview.fen, preview.available)


async def test_several_donations_of_one_batch_see_each_other(work: Work) -> None:
    """Decided together, the second already finds the goal and the limit that the first has left."""
    member_id = await a_member(work, 9_000)
    goal, limit = await a_campaign(work, goal_units=3), await a_campaign(work, monthly_units_max=3)
    for campaign_id, refusal in ((goal, GoalReached), (limit, MonthlyCapReached)):
        commands = [donation_command(campaign_id, member_id, 2, None, f"{campaign_id}:{number}") for number in range(2)]
        first, second = await work.perform_all(DONATE, commands)
        assert isinstance(first, charity.Donated) and isinstance(second, refusal)
    assert (await rows_written())["pledged"] == 4
