"""The donation: points out, units pledged, certificate issued, in one write.

Lock order: the member's POINTS account, then the campaign (by the guard, last).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson

from gamification.charity.errors import CampaignNotOpen, GoalReached, MonthlyCapReached
from gamification.charity.models import Certificate, Donation
from gamification.charity.rules import (
    CODE_BYTES,
    CODE_CHARACTERS,
    SALT_BYTES,
    SERIAL_BYTES,
    SERIAL_CHARACTERS,
    UNITS_MAX,
    base32,
    certificate_snapshot,
    name_hash,
    phase,
    serial_number,
    units_left,
)
from gamification.charity.service.loads import CAMPAIGNS, GIVEN, PLEDGE, PRICE, CampaignRow, GivenRow
from gamification.core.actors import Actor
from gamification.core.calendar import add_months, month_of
from gamification.core.draft import Command, Verb
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.ids import new_id
from gamification.core.work import Preview, Work
from gamification.members.rules import NICKNAME_LENGTH_MAX, clean_nickname
from gamification.points.book import Book

LOTS_MAX = 16


@dataclass(frozen=True, slots=True)
class Drawn:
    """What chance contributes to a donation, drawn before the decision so that deciding again changes nothing."""

    donation_id: UUID
    serial_tail: str
    verification_code: str
    name_salt: bytes


@dataclass(frozen=True, kw_only=True)
class Donate(Command):
    """A member gives units to a campaign; `display_name` None is an anonymous donation."""

    campaign_id: UUID
    units: int
    display_name: str | None
    drawn: Drawn = field(metadata={"fingerprint": False})


@dataclass(frozen=True, slots=True)
class Donated:
    """A donation: its points and fen, the entry that took the points, the balance after it, and its certificate.

    `business_date` and `donated_at` are None in receipts from before they were kept.
    """

    donation_id: UUID
    campaign_id: UUID
    units: int
    points: int
    fen: int
    entry_seq: int
    available: int
    serial: str
    verification_code: str
    business_date: date | None = None
    donated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DonationPreview:
    """What a donation would do: its cost, the fen pledged, the balance after it, and what could be given after it.

    `units_left` is what the campaign would still take, `monthly_units_left` what the member might still give to it this
    month, None without a limit.
    """

    campaign_id: UUID
    units: int
    points: int
    fen: int
    available: int
    units_left: int
    monthly_units_left: int | None


def _decide(book: Book, command: Donate) -> Donated:
    campaign = _open_campaign(book, command.campaign_id)
    units, drawn = command.units, command.drawn
    _check_limits(book, campaign, units)
    points, fen = units * campaign.points_per_unit, units * campaign.fen_per_unit
    trace = {
        "rule": "donation", "campaign": str(campaign.id), "units": units,
        "points_per_unit": campaign.points_per_unit, "fen_per_unit": campaign.fen_per_unit, "result": points,
    }  # fmt: skip
    posted = book.take(points, source=("donation", str(drawn.donation_id)), kind="DONATION", trace=trace)
    month = month_of(book.on)
    book.claim(PLEDGE, campaign.id, units)
    book.insert(
        Donation, id=drawn.donation_id, campaign_id=campaign.id, units=units, points=points, fen=fen,
        entry_seq=posted.seq, business_date=book.on, month=month, donated_at=book.now,
    )  # fmt: skip
    book.loaded(GIVEN.name).append(GivenRow(book.member_id, campaign.id, month, units))
    serial = serial_number(book.on, drawn.serial_tail)
    _issue(book, command, _snapshot(campaign, serial=serial, units=units, points=points, fen=fen, donated_on=book.on))
    return Donated(
        drawn.donation_id, campaign.id, units, points, fen, posted.seq, posted.available, serial,
        drawn.verification_code, book.on, book.now,
    )  # fmt: skip


def _open_campaign(book: Book, campaign_id: UUID) -> CampaignRow:
    campaign: CampaignRow | None = book.shared(CAMPAIGNS.name, campaign_id)
    if campaign is None or campaign.state == "DRAFT":
        raise NotFound(kind="campaign", id=str(campaign_id))
    now = phase(campaign.state, campaign.opens_at, campaign.closes_at, book.now)
    if now != "OPEN":
        raise CampaignNotOpen(phase=now, opens_at=campaign.opens_at, closes_at=campaign.closes_at)
    return campaign


def _check_limits(book: Book, campaign: CampaignRow, units: int) -> None:
    left = _units_left(book, campaign)
    if units > left:
        raise GoalReached(remaining_units=left)
    limit, used = campaign.monthly_units_max, _used_this_month(book, campaign)
    if limit is not None and used + units > limit:
        resets_at = book.calendar.starts_at(add_months(month_of(book.on), 1))
        raise MonthlyCapReached(limit=limit, used=used, resets_at=resets_at)


def _units_left(book: Book, campaign: CampaignRow) -> int:
    """What the campaign still takes, after what earlier decisions of this draft have claimed."""
    claimed = sum(amount for guard, key, amount in book.claims if (guard, key) == (PLEDGE, campaign.id))
    return units_left(campaign.goal_units, campaign.goal_may_be_passed, campaign.pledged_units + claimed)


def _used_this_month(book: Book, campaign: CampaignRow) -> int:
    given: list[GivenRow] = book.loaded(GIVEN.name)
    return sum(row.units for row in given if (row.campaign_id, row.month) == (campaign.id, month_of(book.on)))


def _snapshot(campaign: CampaignRow, **figures: Any) -> Mapping[str, Any]:
    terms = {
        "campaign_id": str(campaign.id), "title_zh": campaign.title_zh, "title_en": campaign.title_en,
        "beneficiary": campaign.beneficiary, "agreement_reference": campaign.agreement_reference,
    }  # fmt: skip
    return certificate_snapshot(terms, **figures)


def _issue(book: Book, command: Donate, snapshot: Mapping[str, Any]) -> None:
    name, salt = command.display_name, command.drawn.name_salt
    book.insert(
        Certificate, donation_id=command.drawn.donation_id, serial=snapshot["serial"],
        verification_code=command.drawn.verification_code, anonymous=name is None, display_name=name,
        name_salt=None if name is None else salt, name_hash=None if name is None else name_hash(salt, name),
        snapshot=orjson.dumps(snapshot).decode(), issued_at=book.now,
    )  # fmt: skip


DONATE = Verb(
    "charity.donate", _decide, Donated, loads=(CAMPAIGNS, GIVEN), lots_max=LOTS_MAX, price=PRICE, points_only=True
)


async def donate(
    work: Work, *, campaign_id: UUID, member_id: UUID, units: int, display_name: str | None, key: str
) -> Donated:
    """Give units to a campaign, for good: points spent, units pledged, certificate issued.

    `display_name` is what the certificate shows, None for an anonymous one. Refuses: InvalidInput, NotFound,
    CampaignNotOpen, GoalReached, MonthlyCapReached, InsufficientPoints, IdempotencyConflict. Locks: account, campaign.
    """
    return await work.perform(DONATE, donation_command(campaign_id, member_id, units, display_name, key))


async def preview_donation(work: Work, *, campaign_id: UUID, member_id: UUID, units: int) -> Preview[DonationPreview]:
    """What a donation would cost, pledge and post, not written; its outcome refuses as `donate` does."""
    preview = await work.preview(DONATE, donation_command(campaign_id, member_id, units, None, None))
    answer, book = preview.answer, preview.draft
    if answer is None:
        return Preview(None, preview.refusal, book)
    campaign = book.shared(CAMPAIGNS.name, campaign_id)
    limit = campaign.monthly_units_max
    seen = DonationPreview(
        campaign_id, units, answer.points, answer.fen, answer.available, _units_left(book, campaign),
        None if limit is None else limit - _used_this_month(book, campaign),
    )  # fmt: skip
    return Preview(seen, None, book)


def donation_command(
    campaign_id: UUID, member_id: UUID, units: int, display_name: str | None, key: str | None
) -> Donate:
    """The command of a donation with what chance contributes to it drawn. Refuses: InvalidInput."""
    if not 1 <= units <= UNITS_MAX:
        raise InvalidInput(field="units", reason=f"1 to {UNITS_MAX}")
    name = None if display_name is None else clean_nickname(display_name)
    if display_name is not None and name is None:
        raise InvalidInput(field="displayName", reason=f"1 to {NICKNAME_LENGTH_MAX} characters")
    return Donate(
        member_id=member_id, actor=Actor("member", member_id), key=key,
        campaign_id=campaign_id, units=units, display_name=name, drawn=_draw(),
    )  # fmt: skip


def _draw() -> Drawn:
    return Drawn(
        new_id(),
        base32(secrets.token_bytes(SERIAL_BYTES), SERIAL_CHARACTERS),
        base32(secrets.token_bytes(CODE_BYTES), CODE_CHARACTERS),
        secrets.token_bytes(SALT_BYTES),
    )
