"""What members say about themselves, and what staff do to their standing."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from gamification.core.actors import SYSTEM
from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.models import AuditRecord
from gamification.members import service as members
from gamification.members.errors import BirthdayLocked, MemberNotActive
from gamification.members.models import Member
from gamification.members.rules import Birthday
from tests.members.people import DAY, a_member, count

pytestmark = pytest.mark.usefixtures("books")


async def update(member: Member, clock: FixedClock, **given: Any) -> Member:
    return await members.update_profile(member_id=member.id, calendar=Calendar(), now=clock.now(), **given)


async def test_only_what_is_given_changes(clock: FixedClock) -> None:
    """What is left out of an update stays as it was."""
    member = await a_member(clock, nickname="Mei", locale="en")
    await update(member, clock, locale="zh-CN")
    kept = await Member.get(id=member.id)
    assert (kept.nickname, kept.locale, kept.birthday_month) == ("Mei", "zh-CN", None)


async def test_an_adult_declares_once(clock: FixedClock) -> None:
    """The first declaration stays, whatever is declared later; whoever is blocked declares nothing."""
    member, first = await a_member(clock), clock.now()
    assert (await members.declare_adult(member_id=member.id, now=first)).adult_declared_at == first
    clock.advance(DAY)
    assert (await members.declare_adult(member_id=member.id, now=clock.now())).adult_declared_at == first
    other = await a_member(clock)
    await members.block_member(member_id=other.id, reason="fraud", actor=SYSTEM, now=clock.now())
    with pytest.raises(MemberNotActive):
        await members.declare_adult(member_id=other.id, now=clock.now())
    assert (await Member.get(id=other.id)).adult_declared_at is None


async def test_the_birthday_changes_once_a_year(clock: FixedClock) -> None:
    """A second change within a year is refused with the day from which it may be, and nothing changes."""
    member = await a_member(clock)
    await update(member, clock, birthday=Birthday(5, 1))
    await update(member, clock, birthday=Birthday(5, 1))
    clock.advance(364 * DAY)
    with pytest.raises(BirthdayLocked) as refusal:
        await update(member, clock, birthday=Birthday(6, 1), nickname="Mei")
    assert refusal.value.changes_on == date(2027, 3, 2)
    kept = await Member.get(id=member.id)
    assert (kept.birthday_month, kept.nickname) == (5, None)
    clock.advance(DAY)
    changed = await update(member, clock, birthday=Birthday(6, 1))
    assert (changed.birthday_month, changed.birthday_before_month, changed.birthday_changed_on) == (
        6,
        5,
        date(2027, 3, 2),
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"nickname": ""}, "nickname"),
        ({"nickname": "x" * 33}, "nickname"),
        ({"locale": "fr"}, "locale"),
        ({"birthday": Birthday(2, 30)}, "birthday"),
    ],
)
async def test_a_profile_out_of_bounds_is_refused(clock: FixedClock, given: dict[str, Any], field: str) -> None:
    """An update that does not fit names its field, and nothing changes."""
    member = await a_member(clock, nickname="Mei")
    with pytest.raises(InvalidInput) as refusal:
        await update(member, clock, **given)
    assert refusal.value.field == field and (await Member.get(id=member.id)).nickname == "Mei"


async def test_blocking_is_audited_once_with_its_reason(clock: FixedClock) -> None:
    """The trail says who blocked whom, from what to what, and why; blocking twice writes it once."""
    member = await a_member(clock)
    for _ in range(2):
        await members.block_member(member_id=member.id, reason=" resale ", actor=SYSTEM, now=clock.now())
    record = await AuditRecord.get()
    assert (record.actor, record.action, record.subject) == ("system", "member.blocked", f"member:{member.id}")
    assert (record.before, record.after, record.reason) == ({"status": "ACTIVE"}, {"status": "BLOCKED"}, "resale")
    assert (await members.unblock_member(member_id=member.id, reason="ok", actor=SYSTEM, now=clock.now())).status == (
        "ACTIVE"
    )
    assert await AuditRecord.filter(action="member.unblocked").count() == 1


async def test_a_block_without_a_reason_or_of_nobody_is_refused(clock: FixedClock) -> None:
    """A reason is required, and there must be somebody."""
    member = await a_member(clock)
    with pytest.raises(InvalidInput):
        await members.block_member(member_id=member.id, reason="  ", actor=SYSTEM, now=clock.now())
    with pytest.raises(NotFound):
        await members.block_member(member_id=uuid4(), reason="x", actor=SYSTEM, now=clock.now())
    assert (await Member.get(id=member.id)).status == "ACTIVE" and await count("audit_record") == 0


async def test_a_tombstone_cannot_be_blocked(clock: FixedClock) -> None:
    """A member who was merged into another has no standing of its own."""
    member, other = await a_member(clock), await a_member(clock)
    await Member.filter(id=member.id).update(status="MERGED", merged_into_id=other.id)
    with pytest.raises(MemberNotActive):
        await members.block_member(member_id=member.id, reason="x", actor=SYSTEM, now=clock.now())
