"""Gifts of tiers: for a birthday once a year, for entering a tier once for ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from gamification.benefits.models import BenefitGift
from gamification.benefits.rules import CATCH_UP_DAYS, BenefitsPolicy, birthdays_on
from gamification.benefits.service.multiplying import benefits_of, in_force
from gamification.core.actors import SYSTEM
from gamification.core.database import fetch
from gamification.core.draft import Command, Load, Verb
from gamification.core.work import Work
from gamification.points.book import Book
from gamification.tiers.service import STANDING, tier_code

GIFTED_MAX = 500
"""Members per write of the birthday gifts."""
_RULES = {"birthday": "birthday_gift", "entry": "entry_gift"}


@dataclass(frozen=True, kw_only=True)
class GiveGift(Command):
    """A gift under its key; `tier_code` names the tier that gives it (None: the one the member is in)."""

    gift_key: str
    tier_code: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """The points of a gift; 0 where it had been given before, or the tier gives none."""

    points: int


class GiftRow(NamedTuple):
    """A gift that was given."""

    member_id: UUID
    gift_key: str


GIFTS = Load(
    name="benefits.gifts",
    row=GiftRow,
    sql="""SELECT member_id, gift_key FROM benefit_gift
           WHERE member_id = ANY({members}) AND gift_key = ANY({gift_keys})""",
    arguments={"gift_keys": ("text[]", lambda commands, now: list({each.gift_key for each in commands}))},
)


def _decide(book: Book, command: GiveGift) -> Given:
    rows: list[GiftRow] = book.loaded(GIFTS.name)
    version = in_force(book, book.now)
    if version is None or any(row.gift_key == command.gift_key for row in rows):
        return Given(0)
    gift, _ = command.gift_key.split(":")
    tier = command.tier_code or tier_code(book)
    given = version.body.of(tier) if command.tier_code else benefits_of(book, book.now)
    points = given.entry_points if gift == "entry" else given.birthday_points
    if not points:
        return Given(0)
    trace = {
        "rule": _RULES[gift], "policy": ["benefits", version.version], "tier": tier, "gift": command.gift_key,
        "result": points,
    }  # fmt: skip
    source = ("benefit_gift", f"{book.member_id}:{command.gift_key}")
    posted = book.accrue(points, source=source, kind="BONUS", trace=trace)
    book.insert(
        BenefitGift, gift_key=command.gift_key, tier_code=tier, points=points, entry_seq=posted.seq, given_at=book.now
    )
    rows.append(GiftRow(book.member_id, command.gift_key))
    return Given(points)


GIVE = Verb("benefits.give", _decide, Given, loads=(GIFTS, STANDING))


async def give_entry_gift(work: Work, *, member_id: UUID, tier_code: str) -> Given:
    """Give what entering a tier gives, once per member and tier. Safe to run twice. Locks: account."""
    return await work.perform(
        GIVE, GiveGift(member_id=member_id, actor=SYSTEM, gift_key=f"entry:{tier_code}", tier_code=tier_code)
    )


async def give_birthday_gifts(work: Work, *, heartbeat: Callable[[], Awaitable[None]]) -> list[Exception]:
    """Give today's birthday gifts, and those of the days before that a worker missed; returns the faults.

    Once a year per member, by the tier of that moment. Safe to run twice: who has the gift is not looked at again.
    Locks: accounts.
    """
    now = work.clock.now()
    version = work.policies.latest(BenefitsPolicy)
    if version is None or not any(tier.birthday_points for tier in version.body.tiers):
        return []
    today = work.calendar.business_date(now)
    faults: list[Exception] = []
    for days in range(CATCH_UP_DAYS, -1, -1):
        on = today - timedelta(days=days)
        last = UUID(int=0)
        while members := await _without_gift(on, last):
            commands = [GiveGift(member_id=each, actor=SYSTEM, gift_key=f"birthday:{on.year}") for each in members]
            outcomes = await work.perform_all(GIVE, commands)
            faults += [each for each in outcomes if isinstance(each, Exception)]
            last = members[-1]
            await heartbeat()
    return faults


async def _without_gift(on: date, last: UUID) -> list[UUID]:
    """The next members whose birthday counts on a day and who have no gift of that year; who joined after it has none.

    A birthday that was changed less than 30 days before counts as it was.
    """
    kept = birthdays_on(on)
    rows = await fetch(
        """SELECT m.id FROM member m JOIN unnest($1::int[], $2::int[]) AS kept(month, day)
             ON (kept.month, kept.day) = (
               CASE WHEN m.birthday_before_month IS NULL OR m.birthday_changed_on IS NULL
                      OR $3::date >= m.birthday_changed_on + 30 THEN m.birthday_month ELSE m.birthday_before_month END,
               CASE WHEN m.birthday_before_month IS NULL OR m.birthday_changed_on IS NULL
                      OR $3::date >= m.birthday_changed_on + 30 THEN m.birthday_day ELSE m.birthday_before_day END)
           WHERE m.id > $4 AND m.status = 'ACTIVE' AND m.joined_at < $3::date + 1
             AND NOT EXISTS (SELECT FROM benefit_gift g WHERE g.member_id = m.id AND g.gift_key = $5)
           ORDER BY m.id LIMIT $6""",
        [month for month, _ in kept], [day for _, day in kept], on, last, f"birthday:{on.year}", GIFTED_MAX,
    )  # fmt: skip
    return [row["id"] for row in rows]
