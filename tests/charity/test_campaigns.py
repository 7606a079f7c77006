"""Staff make, open and close campaigns; members see what is theirs to see; certificates are verified."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg
import pytest

from gamification.charity import queries
from gamification.charity import service as charity
from gamification.charity.errors import CampaignStateConflict
from gamification.charity.jobs import close_due_campaigns
from gamification.charity.models import CharityCampaign
from gamification.charity.rules import grouped
from gamification.core.clock import FixedClock
from gamification.core.database import execute
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.ids import new_id
from gamification.core.jobs import JobContext
from gamification.core.outbox import Run
from gamification.core.work import Work
from tests.charity.builders import (
    DAY,
    OPERATOR,
    a_campaign,
    a_draft,
    a_member,
    a_programme,
    audit_lines,
    broken_invariants,
    give,
    terms,
)
from tests.databases import Database

BY = OPERATOR.key


async def test_a_campaign_is_drafted_opened_and_closed(work: Work, clock: FixedClock) -> None:
    """Each step is kept with its instant and leaves an audit line; repeating one changes nothing."""
    draft = await a_draft(work, goal_units=5)
    assert (draft.state, draft.pledged_units, draft.created_at, draft.closed_at) == ("DRAFT", 0, clock.now(), None)
    for _ in range(2):
        opened = await charity.open_campaign(campaign_id=draft.id, actor=OPERATOR, now=clock.now())
        assert opened.state == "OPEN"
    clock.advance(DAY)
    for _ in range(2):
        closed = await charity.close_campaign(
            campaign_id=draft.id, reason=" 协议终止 ", actor=OPERATOR, now=clock.now()
        )
        assert (closed.state, closed.closed_at) == ("CLOSED", clock.now())
    assert await audit_lines() == [
        (BY, "charity_campaign.created", None),
        (BY, "charity_campaign.opened", None),
        (BY, "charity_campaign.closed", "协议终止"),
    ]


async def test_steps_that_do_not_follow_are_refused(work: Work, clock: FixedClock) -> None:
    """A draft cannot be closed, nor what is closed be opened again; what is not there is not found."""
    draft, opened = (await a_draft(work)).id, await a_campaign(work)
    now = clock.now()
    await charity.close_campaign(campaign_id=opened, reason="协议终止", actor=OPERATOR, now=now)
    before = await audit_lines()
    with pytest.raises(CampaignStateConflict) as refusal:
        await charity.close_campaign(campaign_id=draft, reason="x", actor=OPERATOR, now=now)
    assert refusal.value.state == "DRAFT"
    with pytest.raises(CampaignStateConflict) as refusal:
        await charity.open_campaign(campaign_id=opened, actor=OPERATOR, now=now)
    assert refusal.value.state == "CLOSED"
    with pytest.raises(NotFound):
        await charity.open_campaign(campaign_id=new_id(), actor=OPERATOR, now=now)
    with pytest.raises(InvalidInput):
        await charity.close_campaign(campaign_id=draft, reason=" ", actor=OPERATOR, now=now)
    with pytest.raises(InvalidInput) as invalid:
        await charity.open_campaign(campaign_id=draft, actor=OPERATOR, now=now + 30 * DAY)
    assert invalid.value.field == "closesAt"
    assert await audit_lines() == before
    states = {each.id: each.state for each in await CharityCampaign.all()}
    assert states == {draft: "DRAFT", opened: "CLOSED"}


async def test_terms_that_are_wrong_are_not_kept(work: Work, clock: FixedClock) -> None:
    """The first offending input is named as the caller knows it."""
    with pytest.raises(InvalidInput) as refusal:
        await charity.create_campaign(terms(clock, points_per_unit=0), actor=OPERATOR, now=clock.now())
    assert (refusal.value.field, refusal.value.reason) == ("pointsPerUnit", "1 to 1000000")
    assert await CharityCampaign.all().count() == 0 and await audit_lines() == []


async def test_the_sweep_books_what_the_clock_has_closed(work: Work, clock: FixedClock) -> None:
    """Campaigns whose time is over become closed, as of their own instant, once; the others stay."""
    ends_at = clock.now() + DAY
    over, open_ended = await a_campaign(work, closes_at=ends_at), await a_campaign(work, closes_at=None)
    draft = await a_draft(work, closes_at=ends_at)
    context = JobContext(work, Run(1, 1, "charity.close_due_campaigns", {}, 1, None), timedelta(minutes=1))
    await close_due_campaigns(context)
    assert (await CharityCampaign.get(id=over)).state == "OPEN"
    clock.advance(DAY + timedelta(minutes=3))
    lines = len(await audit_lines())
    for _ in range(2):
        await close_due_campaigns(context)
        found = {each.id: (each.state, each.closed_at) for each in await CharityCampaign.all()}
        assert found == {over: ("CLOSED", ends_at), open_ended: ("OPEN", None), draft.id: ("DRAFT", None)}
        assert (await audit_lines())[lines:] == [("system", "charity_campaign.closed", None)]


REWRITINGS = [
    "UPDATE charity_campaign SET fen_per_unit = 1",
    "UPDATE charity_campaign SET goal_units = NULL",
    "UPDATE charity_campaign SET state = 'DRAFT'",
    "DELETE FROM charity_campaign",
    "UPDATE charity_campaign SET pledged_units = 11",
    "UPDATE donation SET fen = 1",
    "DELETE FROM donation",
    "UPDATE certificate SET snapshot = '{}'",
    "UPDATE certificate SET display_name = 'Other'",
    "UPDATE certificate SET display_name = NULL",
    "DELETE FROM certificate",
]


async def test_what_was_given_cannot_be_rewritten(work: Work) -> None:
    """Terms once open, donations and certificates stay; the goal holds against any statement."""
    campaign_id, member_id = await a_campaign(work, goal_units=10), await a_member(work, 1_000)
    await give(work, campaign_id, member_id, display_name="小梅")
    for statement in REWRITINGS:
        with pytest.raises(asyncpg.PostgresError):
            await execute(statement)


async def test_erasing_a_name_leaves_the_certificate(work: Work) -> None:
    """Name and salt go together; the certificate is still verified, without a name."""
    campaign_id, member_id = await a_campaign(work), await a_member(work, 1_000)
    done = await give(work, campaign_id, member_id, display_name="小梅")
    before = await queries.verify_certificate(done.verification_code)
    assert before is not None
    assert (before.name, before.anonymous) == ("小**", False)
    await execute("UPDATE certificate SET display_name = NULL, name_salt = NULL")
    after = await queries.verify_certificate(done.verification_code)
    assert after is not None
    assert (after.name, after.anonymous, after.serial) == (None, False, before.serial)


async def test_a_code_shows_the_certificate_and_nothing_personal(work: Work) -> None:
    """Whoever holds the code, however typed, reads campaign, units, fen, day and a masked name."""
    campaign_id, member_id = await a_campaign(work), await a_member(work, 3_000)
    done = await give(work, campaign_id, member_id, 3, display_name="欧阳小梅")
    expected = queries.Verified(
        done.serial, False, "欧**", "乡村图书角", "Village libraries", "明日公益基金会", 3, 3_000,
        datetime.fromisoformat("2026-03-02").date(),
    )  # fmt: skip
    for typed in (done.verification_code, grouped(done.verification_code).lower()):
        assert await queries.verify_certificate(typed) == expected


async def test_a_wrong_code_reveals_nothing(work: Work) -> None:
    """A code that is not one and a code that nobody holds are answered alike."""
    await give(work, await a_campaign(work), await a_member(work, 1_000))
    for code in ("", "ZZZZZZZZZZZZZZZZ", "' OR true --", "\x00" * 16):
        assert await queries.verify_certificate(code) is None


async def test_members_see_campaigns_by_page_without_drafts(work: Work, clock: FixedClock) -> None:
    """Newest first, a page at a time; on request those only that take donations now."""
    first, closed, upcoming = (
        await a_campaign(work),
        await a_campaign(work, closes_at=clock.now() + DAY),
        await a_campaign(work, opens_at=clock.now() + 2 * DAY),
    )
    draft = (await a_draft(work)).id
    clock.advance(DAY)
    pages = [await queries.campaigns_page(after=after, limit=2) for after in (None, closed, first)]
    assert [[each.id for each in page] for page in pages] == [[upcoming, closed], [first], []]
    only_open = await queries.campaigns_page(after=None, limit=10, open_at=clock.now())
    assert [each.id for each in only_open] == [first]
    for_staff = await queries.campaigns_page(after=None, limit=10, with_drafts=True)
    assert [each.id for each in for_staff] == [draft, upcoming, closed, first]
    assert draft not in await queries.campaigns_by_ids([draft, first])


async def test_progress_counts_each_donor_once(work: Work) -> None:
    """Two donations of one member and one of another: two donors, three donations."""
    campaign_id, untouched = await a_campaign(work), await a_campaign(work)
    mei, lin = await a_member(work, 2_000), await a_member(work, 1_000)
    for member_id in (mei, lin, mei):
        await give(work, campaign_id, member_id)
    assert await queries.donors_by_campaign_ids([campaign_id, untouched]) == {campaign_id: 2, untouched: 0}
    pages = await queries.donation_pages_of_campaigns([campaign_id, untouched], None, 10)
    assert [line.member_id for line in pages[campaign_id]] == [mei, lin, mei] and untouched not in pages


async def test_donations_come_by_page_newest_first(work: Work) -> None:
    """Each member's donations and no one else's, with their certificates in one further statement."""
    campaign_id, mei, lin = await a_campaign(work), await a_member(work, 3_000), await a_member(work, 1_000)
    done = [(await give(work, campaign_id, mei)) for _ in range(3)]
    other = await give(work, campaign_id, lin)
    ids = [each.donation_id for each in done]
    page = (await queries.donation_pages([mei], None, 2))[mei]
    assert [line.id for line in page] == ids[:0:-1]
    rest = (await queries.donation_pages([mei, lin], ids[1], 10))[mei]
    assert [line.id for line in rest] == ids[:1]
    assert await queries.donations_by_ids(lin, ids) == {}
    certificates = await queries.certificates_by_donations([(mei, ids[0]), (lin, other.donation_id), (lin, ids[1])])
    assert {each: found.serial for each, found in certificates.items()} == {
        ids[0]: done[0].serial, other.donation_id: other.serial,
    }  # fmt: skip
    assert await queries.certificates_by_donations([]) == {}


async def test_the_invariants_see_what_is_wrong(database: Database, clock: FixedClock) -> None:
    """A pledge without a donation, and a donation without entry and certificate, are reported by name."""
    work = await a_programme(clock)
    campaign_id, member_id = await a_campaign(work), await a_member(work, 1_000)
    await give(work, campaign_id, member_id)
    await execute("UPDATE charity_campaign SET pledged_units = 2")
    assert await broken_invariants() == ["a campaign's pledge is the sum of its donations"]
    await execute(
        """INSERT INTO donation (member_id, id, campaign_id, units, points, fen, entry_seq, business_date, month,
                                 donated_at)
           SELECT member_id, gen_random_uuid(), campaign_id, 1, 1, 1, 9, business_date, month, donated_at
           FROM donation"""
    )
    assert await broken_invariants() == [
        "each donation took its points in one entry",
        "a donation is worth what its campaign says",
        "each donation has one certificate that says the same",
    ]
