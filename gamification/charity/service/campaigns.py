"""Staff make campaigns, open them and close them; a sweep books what the clock has closed.

Lock order: the campaign, nothing after it. Donations lock it last, after the accounts.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from gamification.charity.errors import CampaignStateConflict
from gamification.charity.models import CharityCampaign
from gamification.charity.rules import CampaignTerms
from gamification.core.actors import SYSTEM, Actor
from gamification.core.audit import audit, check_reason
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.transactions import retrying, transaction


async def create_campaign(terms: CampaignTerms, *, actor: Actor, now: datetime) -> CharityCampaign:
    """Keep a new campaign as a draft, which no member sees. Refuses: InvalidInput."""
    for problem in terms.problems():
        raise InvalidInput(field=_input_name(problem.path), reason=problem.reason)

    async def run() -> CharityCampaign:
        async with transaction():
            campaign = await CharityCampaign.create(**asdict(terms), pledged_units=0, state="DRAFT", created_at=now)
            await _audit(actor, "created", campaign, now=now)
            return campaign

    return await retrying(run)


async def open_campaign(*, campaign_id: UUID, actor: Actor, now: datetime) -> CharityCampaign:
    """Let a draft take donations, from its `opens_at` on; opening an open campaign changes nothing.

    Refuses: NotFound, CampaignStateConflict, InvalidInput for a window that is over already. Locks: the campaign.
    """

    async def run() -> CharityCampaign:
        async with transaction():
            campaign = await _locked(campaign_id)
            if campaign.state == "OPEN":
                return campaign
            if campaign.state != "DRAFT":
                raise CampaignStateConflict(state=campaign.state)
            if campaign.closes_at is not None and campaign.closes_at <= now:
                raise InvalidInput(field="closesAt", reason="in the future")
            campaign.state = "OPEN"
            await campaign.save(update_fields=["state"])
            await _audit(actor, "opened", campaign, now=now, before="DRAFT")
            return campaign

    return await retrying(run)


async def close_campaign(*, campaign_id: UUID, reason: str, actor: Actor, now: datetime) -> CharityCampaign:
    """End an open campaign for ever; closing a closed one changes nothing.

    Refuses: NotFound, CampaignStateConflict for a draft, InvalidInput. Locks: the campaign.
    """
    text = check_reason(reason)

    async def run() -> CharityCampaign:
        async with transaction():
            campaign = await _locked(campaign_id)
            if campaign.state == "DRAFT":
                raise CampaignStateConflict(state=campaign.state)
            if campaign.state == "OPEN":
                await _close(campaign, actor, at=_closing_instant(campaign, now), now=now, reason=text)
            return campaign

    return await retrying(run)


async def close_due_campaigns(*, now: datetime) -> int:
    """Book the closing of every campaign whose time is over; returns how many. Locks: campaigns, in id order."""

    async def run() -> int:
        async with transaction():
            due = CharityCampaign.filter(state="OPEN", closes_at__lte=now).order_by("id")
            campaigns = await due.select_for_update(no_key=True)
            for campaign in campaigns:
                await _close(campaign, SYSTEM, at=_closing_instant(campaign, now), now=now, reason=None)
            return len(campaigns)

    return await retrying(run)


def _closing_instant(campaign: CharityCampaign, now: datetime) -> datetime:
    """A campaign whose time was over closed then, whenever that is booked."""
    return min(now, campaign.closes_at) if campaign.closes_at else now


async def _close(campaign: CharityCampaign, actor: Actor, *, at: datetime, now: datetime, reason: str | None) -> None:
    campaign.state, campaign.closed_at = "CLOSED", at
    await campaign.save(update_fields=["state", "closed_at"])
    await _audit(actor, "closed", campaign, now=now, before="OPEN", reason=reason)


async def _locked(campaign_id: UUID) -> CharityCampaign:
    campaign = await CharityCampaign.filter(id=campaign_id).select_for_update(no_key=True).get_or_none()
    if campaign is None:
        raise NotFound(kind="campaign", id=str(campaign_id))
    return campaign


async def _audit(
    actor: Actor,
    step: str,
    campaign: CharityCampaign,
    *,
    now: datetime,
    before: str | None = None,
    reason: str | None = None,
) -> None:
    await audit(
        actor,
        f"charity_campaign.{step}",
        "charity_campaign",
        campaign.id,
        now=now,
        before={"state": before} if before else None,
        after={"state": campaign.state},
        reason=reason,
    )


def _input_name(column: str) -> str:
    """A column as the caller of the API knows it."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), column)
