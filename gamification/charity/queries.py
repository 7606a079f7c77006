"""Reads of charity: campaigns and their progress, donations by page, certificates by code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from gamification.charity.models import CharityCampaign
from gamification.charity.rules import masked_name, read_code
from gamification.core.database import fetch, fetch_row


async def campaigns_by_ids(ids: Sequence[UUID], *, with_drafts: bool = False) -> Mapping[UUID, CharityCampaign]:
    """Campaigns by id; drafts are absent unless asked for."""
    found = CharityCampaign.filter(id__in=list(ids))
    found = found if with_drafts else found.exclude(state="DRAFT")
    return {campaign.id: campaign for campaign in await found}


async def campaigns_page(
    *, after: UUID | None, limit: int, with_drafts: bool = False, open_at: datetime | None = None
) -> list[CharityCampaign]:
    """Up to `limit` campaigns, the latest first, behind an id in this order; `open_at` keeps those open then."""
    rows = await fetch(
        """SELECT id FROM charity_campaign
           WHERE ($1::uuid IS NULL OR id < $1) AND ($2 OR state <> 'DRAFT')
             AND ($3::timestamptz IS NULL
                  OR state = 'OPEN' AND opens_at <= $3 AND (closes_at IS NULL OR closes_at > $3))
           ORDER BY id DESC LIMIT $4""",
        after, with_drafts, open_at, limit,
    )  # fmt: skip
    campaigns = await campaigns_by_ids([row["id"] for row in rows], with_drafts=with_drafts)
    return [campaigns[row["id"]] for row in rows if row["id"] in campaigns]


async def donors_by_campaign_ids(ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """How many members gave to each campaign, once or often."""
    rows = await fetch(
        """SELECT campaign_id, count(DISTINCT member_id) AS donors FROM donation
           WHERE campaign_id = ANY($1) GROUP BY campaign_id""",
        list(ids),
    )
    known = {row["campaign_id"]: row["donors"] for row in rows}
    return {each: known.get(each, 0) for each in ids}


class DonationLine(NamedTuple):
    """A donation as it is shown; its certificate is asked for apart."""

    member_id: UUID
    id: UUID
    campaign_id: UUID
    units: int
    points: int
    fen: int
    entry_seq: int
    business_date: date
    donated_at: datetime


_COLUMNS = ", ".join(DonationLine._fields)


async def donation_pages(
    member_ids: Sequence[UUID], after: UUID | None, limit: int
) -> Mapping[UUID, list[DonationLine]]:
    """For each member up to `limit` donations, newest first, behind an id in this order; one statement."""
    rows = await fetch(
        f"""SELECT d.* FROM unnest($1::uuid[]) AS m(id) CROSS JOIN LATERAL (
                SELECT {_COLUMNS} FROM donation WHERE member_id = m.id AND ($2::uuid IS NULL OR donation.id < $2)
                ORDER BY donation.id DESC LIMIT $3) d""",
        list(member_ids), after, limit,
    )  # fmt: skip
    return _grouped("member_id", rows)


async def donation_pages_of_campaigns(
    campaign_ids: Sequence[UUID], after: UUID | None, limit: int
) -> Mapping[UUID, list[DonationLine]]:
    """For each campaign up to `limit` donations, newest first, behind an id in this order; one statement."""
    rows = await fetch(
        f"""SELECT d.* FROM unnest($1::uuid[]) AS c(id) CROSS JOIN LATERAL (
                SELECT {_COLUMNS} FROM donation WHERE campaign_id = c.id AND ($2::uuid IS NULL OR donation.id < $2)
                ORDER BY donation.id DESC LIMIT $3) d""",
        list(campaign_ids), after, limit,
    )  # fmt: skip
    return _grouped("campaign_id", rows)


def _grouped(column: str, rows: Sequence[Any]) -> dict[UUID, list[DonationLine]]:
    pages: dict[UUID, list[DonationLine]] = {}
    for row in rows:
        pages.setdefault(row[column], []).append(DonationLine(*row))
    return pages


async def donations_by_ids(member_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, DonationLine]:
    """A member's donations by id; those of others are absent."""
    rows = await fetch(f"SELECT {_COLUMNS} FROM donation WHERE member_id = $1 AND id = ANY($2)", member_id, list(ids))
    return {row["id"]: DonationLine(*row) for row in rows}


@dataclass(frozen=True, slots=True)
class CertificateView:
    """A certificate with what it says. `display_name` is None when anonymous, or when the name was erased."""

    member_id: UUID
    donation_id: UUID
    serial: str
    verification_code: str
    anonymous: bool
    display_name: str | None
    snapshot: Mapping[str, Any]
    issued_at: datetime


_CERTIFICATE = "member_id, donation_id, serial, verification_code, anonymous, display_name, snapshot, issued_at"


def _certificate(row: Any) -> CertificateView:
    return CertificateView(**{**row, "snapshot": orjson.loads(row["snapshot"])})


async def certificates_by_donations(donations: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, CertificateView]:
    """The certificate of each donation, asked for by (member, donation), under the donation's id."""
    members, ids = zip(*donations, strict=True) if donations else ((), ())
    rows = await fetch(
        f"""SELECT {_CERTIFICATE} FROM certificate
            WHERE (member_id, donation_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))""",
        list(members), list(ids),
    )  # fmt: skip
    return {row["donation_id"]: _certificate(row) for row in rows}


@dataclass(frozen=True, slots=True)
class Verified:
    """What anybody who holds its code may read of a certificate; `name` is masked, None when there is none to show."""

    serial: str
    anonymous: bool
    name: str | None
    title_zh: str
    title_en: str
    beneficiary: str
    units: int
    fen: int
    donated_on: date


async def verify_certificate(code: str) -> Verified | None:
    """The certificate under a code as somebody typed it; a wrong code gives nothing, whatever is wrong with it."""
    canonical = read_code(code)
    if canonical is None:
        return None
    row = await fetch_row(f"SELECT {_CERTIFICATE} FROM certificate WHERE verification_code = $1", canonical)
    return _verified(_certificate(row)) if row else None


def _verified(certificate: CertificateView) -> Verified:
    said = certificate.snapshot
    name = certificate.display_name
    return Verified(
        certificate.serial, certificate.anonymous, None if name is None else masked_name(name),
        said["title_zh"], said["title_en"], said["beneficiary"], said["units"], said["fen"],
        date.fromisoformat(said["donated_on"]),
    )  # fmt: skip
