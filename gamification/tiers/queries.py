"""Reads of tiers: where members stand, until when, what keeps the tier and what leads to the next; and the history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.calendar import Calendar
from gamification.core.database import fetch
from gamification.core.policy import Policies
from gamification.tiers.evaluation import DAY, Fact, Purchase, Standing, effective, rank_of, settled, value_of
from gamification.tiers.rows import FACTS_SQL, PURCHASES_SQL, FactRow, PurchaseRow, StandingRow
from gamification.tiers.rules import Tier, TierPolicy

Risk = str
"""ENDS_WITHOUT_MORE, IN_GRACE, PURCHASE_ENDS or PIN_ENDS."""


class Retention(NamedTuple):
    """What keeps a tier: the value needed at the end of a day, and what is missing to it now."""

    needed: int
    missing: int
    by: date


@dataclass(frozen=True, slots=True)
class Progress:
    """A member's tier, since when (None: from the start), and the way to the next.

    `value` is the metric over its window, `growth` the growth account. `valid_until` is the last day of the tier as it
    is held (None: no end), `projected` the tier after it if nothing more occurs.
    """

    member_id: UUID
    tier: Tier
    since: datetime | None
    growth: int
    value: int
    policy: TierPolicy
    next_tier: Tier | None
    missing: int | None
    valid_until: date | None
    in_grace: bool
    retention: Retention | None
    projected: Tier
    risks: tuple[Risk, ...]
    pin: tuple[str, date | None] | None


@dataclass(frozen=True, slots=True)
class _Held:
    """What a member's progress is worked out from."""

    policy: TierPolicy
    growth: int
    row: StandingRow | None
    facts: Sequence[Fact]
    purchases: Sequence[Purchase]


async def progress_by_member_ids(
    member_ids: Sequence[UUID], now: datetime, policies: Policies, calendar: Calendar
) -> Mapping[UUID, Progress]:
    """Tier progress of each member: one statement, and two more where tiers end, are bought, or rest on days."""
    policy = policies.at(TierPolicy, now).body
    columns = ", ".join(f"s.{name}" for name in StandingRow._fields[1:])
    rows = await fetch(
        f"""SELECT a.member_id, a.available, {columns} FROM account a
            LEFT JOIN tier_standing s ON s.member_id = a.member_id
            WHERE a.member_id = ANY($1) AND a.currency = 'GROWTH'""",
        list(member_ids),
    )
    facts, purchases = await _dated(member_ids, policy, calendar)
    today = calendar.business_date(now)
    return {
        member_id: _progress(
            member_id,
            _Held(policy, growth, StandingRow(member_id, *standing) if standing[0] else None, facts[member_id],
                  purchases[member_id]),
            today,
        )
        for member_id, growth, *standing in rows
    }  # fmt: skip


async def _dated(
    member_ids: Sequence[UUID], policy: TierPolicy, calendar: Calendar
) -> tuple[Mapping[UUID, list[Fact]], Mapping[UUID, list[Purchase]]]:
    facts: dict[UUID, list[Fact]] = defaultdict(list)
    purchases: dict[UUID, list[Purchase]] = defaultdict(list)
    if not policy.rests_on_growth_alone:
        for row in await fetch(FACTS_SQL.format(members="$1"), list(member_ids)):
            fact = FactRow(*row)
            facts[fact.member_id].append(Fact(calendar.business_date(fact.at), fact.growth, fact.net_fen, fact.orders))
    if any(tier.purchase_sku for tier in policy.tiers):
        for row in await fetch(PURCHASES_SQL.format(members="$1"), list(member_ids)):
            purchases[row["member_id"]].append(PurchaseRow(*row).purchase)
    return facts, purchases


def _progress(member_id: UUID, held: _Held, today: date) -> Progress:
    policy, row = held.policy, held.row
    standing = row.standing if row else Standing(policy.tiers[0].code)
    standing, _ = settled(policy, standing, held.facts, today)  # what the job has not judged yet
    pin = row.pin if row else None
    tier = effective(policy, standing, held.purchases, pin, today)
    value = held.growth if policy.rests_on_growth_alone else value_of(policy, held.facts, standing.since_on, today)
    end = standing.grace_until or standing.valid_until
    following = policy.after(tier.code)
    retention = _retention(policy, standing, value, end)
    later, _ = settled(policy, standing, held.facts, end + DAY) if end else (standing, [])
    projected = effective(policy, later, held.purchases, pin, end + DAY if end else today)
    return Progress(
        member_id, tier, row.since if row and row.changes else None, held.growth, value, policy, following,
        max(following.threshold - value, 0) if following else None,
        _held_until(policy, standing, held.purchases, pin, tier, today), standing.grace_until is not None, retention,
        projected, tuple(_risks(policy, standing, held.purchases, pin, retention, tier, today)), pin,
    )  # fmt: skip


def _retention(policy: TierPolicy, standing: Standing, value: int, end: date | None) -> Retention | None:
    """What keeps the tier that was earned; None where nothing can be lost."""
    rank = rank_of(policy, standing.code)
    if end is None or not rank or policy.downgrade == "NONE":
        return None
    needed = policy.tiers[rank].keeps_from
    return Retention(needed, max(needed - value, 0), end)


def _held_until(
    policy: TierPolicy,
    standing: Standing,
    purchases: Sequence[Purchase],
    pin: tuple[str, date | None] | None,
    tier: Tier,
    today: date,
) -> date | None:
    """The last day of the tier from the source that gives it; None for no end."""
    if pin is not None and (pin[1] is None or today <= pin[1]):
        return pin[1]
    if rank_of(policy, standing.code) == rank_of(policy, tier.code):
        return standing.grace_until or standing.valid_until
    return max(each.ends_on for each in purchases if each.tier_code == tier.code)


def _risks(
    policy: TierPolicy,
    standing: Standing,
    purchases: Sequence[Purchase],
    pin: tuple[str, date | None] | None,
    retention: Retention | None,
    tier: Tier,
    today: date,
) -> list[Risk]:
    risks = []
    if retention is not None and retention.missing:
        risks.append("ENDS_WITHOUT_MORE")
    if standing.grace_until is not None:
        risks.append("IN_GRACE")
    earned = rank_of(policy, standing.code)
    if earned < rank_of(policy, tier.code):
        if pin is not None and pin[1] is not None and today <= pin[1]:
            risks.append("PIN_ENDS")
        elif pin is None and any(each.tier_code == tier.code for each in purchases):
            risks.append("PURCHASE_ENDS")
    return risks


class ChangeRow(NamedTuple):
    """A row of a member's history; `value` is the metric that it rests on."""

    member_id: UUID
    number: int
    from_code: str | None
    to_code: str
    cause: str
    value: int
    policy_version: int
    changed_at: datetime


async def history_pages(member_ids: Sequence[UUID], before: int | None, limit: int) -> Mapping[UUID, list[ChangeRow]]:
    """The history of each member, the latest first, before a number; one statement."""
    rows = await fetch(
        """SELECT c.* FROM unnest($1::uuid[]) AS m(id) CROSS JOIN LATERAL (
             SELECT member_id, number, from_code, to_code, cause, growth, policy_version, changed_at FROM tier_change
             WHERE member_id = m.id AND ($2::int IS NULL OR number < $2) ORDER BY number DESC LIMIT $3) c
           ORDER BY c.member_id, c.number DESC""",
        list(member_ids), before, limit,
    )  # fmt: skip
    found: dict[UUID, list[ChangeRow]] = {}
    for row in rows:
        found.setdefault(row["member_id"], []).append(ChangeRow(*row))
    return found
