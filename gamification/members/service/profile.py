"""What members say about themselves."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from gamification.core.calendar import Calendar
from gamification.core.errors import InvalidInput
from gamification.core.transactions import retrying, transaction
from gamification.members.errors import BirthdayLocked
from gamification.members.models import Member
from gamification.members.rules import Birthday, Birthdays, birthday_changes_on, birthday_that_counts
from gamification.members.service.claims import lock_active
from gamification.members.service.registration import checked_locale, checked_nickname


async def update_profile(
    *,
    member_id: UUID,
    calendar: Calendar,
    now: datetime,
    nickname: str | None = None,
    locale: str | None = None,
    birthday: Birthday | None = None,
) -> Member:
    """Change what is given, leave the rest. The birthday may change once a year; see `birthday_that_counts`.

    Refuses: InvalidInput, BirthdayLocked, MemberNotActive. Locks: the member.
    """

    async def run() -> Member:
        async with transaction():
            member = await lock_active(member_id)
            if nickname is not None:
                member.nickname = checked_nickname(nickname)
            if locale is not None:
                member.locale = checked_locale(locale)
            if birthday is not None:
                _change_birthday(member, birthday, calendar, now)
            await member.save(update_fields=_PROFILE)
            return member

    return await retrying(run)


async def declare_adult(*, member_id: UUID, now: datetime) -> Member:
    """Keep that a member has declared to be an adult (18 years); whoever has, has, and the first instant stays.

    Refuses: MemberNotActive. Locks: the member.
    """

    async def run() -> Member:
        async with transaction():
            member = await lock_active(member_id)
            if member.adult_declared_at is None:
                member.adult_declared_at = now
                await member.save(update_fields=["adult_declared_at"])
            return member

    return await retrying(run)


_PROFILE = (
    "nickname",
    "locale",
    "birthday_month",
    "birthday_day",
    "birthday_before_month",
    "birthday_before_day",
    "birthday_changed_on",
)


def birthdays_of(member: Member) -> Birthdays:
    """A member's birthdays as the rules read them."""
    return Birthdays(
        _birthday(member.birthday_month, member.birthday_day),
        _birthday(member.birthday_before_month, member.birthday_before_day),
        member.birthday_changed_on,
    )


def _birthday(month: int | None, day: int | None) -> Birthday | None:
    return Birthday(month, day) if month is not None and day is not None else None


def _change_birthday(member: Member, birthday: Birthday, calendar: Calendar, now: datetime) -> None:
    known, today = birthdays_of(member), calendar.business_date(now)
    if not birthday.exists:
        raise InvalidInput(field="birthday", reason="a day that exists")
    if birthday == known.current:
        return
    changes_on = birthday_changes_on(known)
    if changes_on is not None and today < changes_on:
        raise BirthdayLocked(changes_on=changes_on)
    before = birthday_that_counts(known, today)
    member.birthday_before_month, member.birthday_before_day = (before.month, before.day) if before else (None, None)
    member.birthday_month, member.birthday_day = birthday.month, birthday.day
    member.birthday_changed_on = today
