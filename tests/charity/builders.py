"""Builders and readings that the tests of charity share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from gamification.charity import service as charity
from gamification.charity.invariants import INVARIANTS
from gamification.charity.models import CharityCampaign
from gamification.charity.rules import CampaignTerms
from gamification.core.actors import SYSTEM, Actor
from gamification.core.clock import Clock
from gamification.core.database import fetch, fetch_row
from gamification.core.draft import Command, Verb
from gamification.core.ids import new_id
from gamification.core.policy import publish_policy
from gamification.core.work import Work
from gamification.members import service as members
from gamification.members.references import Origin
from gamification.points.book import Book
from gamification.points.invariants import INVARIANTS as POINTS_INVARIANTS
from gamification.points.ledger import PointsLedger
from gamification.points.rules import PointsPolicy

OPERATOR = Actor("staff", UUID(int=7), role="operator")
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Grant(Command):
    """Points out of nowhere, for tests."""

    points: int


@dataclass(frozen=True, slots=True)
class Granted:
    """The balance after a grant."""

    available: int


def _grant(book: Book, command: Grant) -> Granted:
    source = ("test", str(new_id()))
    return Granted(book.accrue(command.points, source=source, trace={"rule": "test"}).available)


GRANT = Verb("tests.grant", _grant, Granted)


async def a_programme(clock: Clock) -> Work:
    """A programme whose points never expire."""
    await publish_policy(PointsPolicy(), actor=SYSTEM, now=clock.now())
    return Work(clock=clock, ledger=PointsLedger())


async def a_member(work: Work, points: int = 0) -> UUID:
    """A member with points."""
    member = await members.register(origin=Origin("store", "SH-01"), now=work.clock.now())
    if points:
        await work.perform(GRANT, Grant(member_id=member.id, actor=SYSTEM, points=points))
    return member.id


def terms(clock: Clock, **given: Any) -> CampaignTerms:
    """Terms of a campaign that opens now and ends in a month, without goal or limit."""
    usual = {
        "title_zh": "乡村图书角", "title_en": "Village libraries", "description_zh": "为乡村小学添置图书。",
        "description_en": "Books for village schools.", "beneficiary": "明日公益基金会",
        "agreement_reference": "AG-2026-014", "opens_at": clock.now(), "closes_at": clock.now() + 30 * DAY,
    }  # fmt: skip
    return CampaignTerms(**{**usual, **given})


async def a_draft(work: Work, **given: Any) -> CharityCampaign:
    """A campaign that nobody has opened."""
    return await charity.create_campaign(terms(work.clock, **given), actor=OPERATOR, now=work.clock.now())


async def a_campaign(work: Work, **given: Any) -> UUID:
    """A campaign that takes donations: 1,000 points and 10 yuan a unit, unless told otherwise."""
    draft = await a_draft(work, **given)
    await charity.open_campaign(campaign_id=draft.id, actor=OPERATOR, now=work.clock.now())
    return draft.id


async def give(work: Work, campaign_id: UUID, member_id: UUID, units: int = 1, **given: Any) -> charity.Donated:
    """An anonymous donation under a key of its own, unless told otherwise."""
    usual = {"display_name": None, "key": str(new_id())}
    return await charity.donate(work, campaign_id=campaign_id, member_id=member_id, units=units, **{**usual, **given})


async def rows_written() -> dict[str, int]:
    """What the tables that a donation writes hold: rows, pledged units, points available."""
    row = await fetch_row(
        """SELECT (SELECT count(*) FROM donation) AS donations, (SELECT count(*) FROM certificate) AS certificates,
                  (SELECT count(*) FROM entry WHERE kind = 'DONATION') AS entries,
                  (SELECT coalesce(sum(pledged_units), 0)::bigint FROM charity_campaign) AS pledged,
                  (SELECT coalesce(sum(available), 0)::bigint FROM account) AS available,
                  (SELECT count(*) FROM allocation) AS allocations"""
    )
    assert row is not None
    return dict(row)


async def audit_lines() -> list[tuple[str, str, str | None]]:
    """Actor, action and reason of the audit trail of campaigns, in order."""
    rows = await fetch(
        "SELECT actor, action, reason FROM audit_record WHERE subject LIKE 'charity_campaign:%' ORDER BY id"
    )
    return [tuple(row) for row in rows]


async def broken_invariants() -> list[str]:
    """The invariants of points and charity that do not hold."""
    return [name for name, sql in {**POINTS_INVARIANTS, **INVARIANTS}.items() if await fetch(sql)]
