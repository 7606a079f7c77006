"""Who may enter, and from when."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from gamification.core.actors import SYSTEM
from gamification.core.clock import FixedClock
from gamification.core.database import execute
from gamification.core.draft import Command, Verb
from gamification.core.errors import Refusal
from gamification.core.policy import Problem
from gamification.core.work import Work
from gamification.gates.errors import AdultDeclarationMissing, StaffExcluded, TierTooLow
from gamification.gates.rules import OPEN_TO_ALL, Gate
from gamification.gates.service import ENTRANTS, admit, opens_at_for
from gamification.members import service as members
from gamification.members.phones import PhoneVault
from gamification.points.book import Book
from tests.builders import EARNING, FOR_EVER, TIERS, a_work
from tests.databases import Database
from tests.members.people import Somebody, a_member, a_member_of_staff, no_history

HOUR = timedelta(hours=1)
FROM_SILVER = Gate(tier_min="SILVER", early_tier_min="GOLD", early_seconds=3600)


@pytest.fixture
def work(database: Database, clock: FixedClock) -> Work:
    """A programme with four tiers."""
    return a_work(clock, FOR_EVER, EARNING, TIERS)


@pytest.fixture
def vault() -> PhoneVault:
    """A vault of phones under keys of its own."""
    return PhoneVault(index_key=b"i" * 32, key=b"s" * 32)


async def asked(work: Work, member_id: UUID, gate: Gate, *, adults_only: bool = True) -> timedelta | Refusal:
    """How long after now the gate opens for a member when it opens in two hours for the others; or why it does not."""

    def decide(book: Book, command: Command) -> timedelta:
        admit(book, gate, adults_only=adults_only)
        return opens_at_for(book, gate, book.now + 2 * HOUR) - book.now

    verb = Verb("tests.enter", decide, timedelta, loads=(ENTRANTS,))
    previewed = await work.preview(verb, Command(member_id=member_id, actor=SYSTEM))
    try:
        return previewed.outcome()
    except Refusal as refusal:
        return refusal


async def a_member_of(work: Work, tier: str | None) -> UUID:
    """An adult who stands in a tier."""
    member = await a_member(work.clock)  # type: ignore[arg-type]
    await members.declare_adult(member_id=member.id, now=work.clock.now())
    if tier is not None:
        await execute(
            """INSERT INTO tier_standing (member_id, tier_code, earned_code, since, policy_version, changes)
               VALUES ($1, $2, $2, $3, 1, 0)""",
            member.id, tier, work.clock.now(),
        )  # fmt: skip
    return member.id


async def test_only_who_declared_to_be_an_adult_enters(work: Work, clock: FixedClock) -> None:
    """One declaration is enough for ever; what is not for adults only asks for none."""
    member = await a_member(clock)
    assert isinstance(await asked(work, member.id, OPEN_TO_ALL), AdultDeclarationMissing)
    assert await asked(work, member.id, OPEN_TO_ALL, adults_only=False) == 2 * HOUR
    await members.declare_adult(member_id=member.id, now=clock.now())
    assert await asked(work, member.id, OPEN_TO_ALL) == 2 * HOUR


async def test_whoever_works_here_stays_out(work: Work, clock: FixedClock, vault: PhoneVault) -> None:
    """A member whose phone is that of a staff account is known by it, until the account is disabled."""
    await a_member_of_staff(clock, vault, "owner")
    staff = await a_member_of_staff(clock, vault, "zhou", phone="138 0013 8000")
    member_id = await a_member_of(work, None)
    assert await asked(work, member_id, OPEN_TO_ALL) == 2 * HOUR
    await members.bind_phone(
        member_id=member_id, code="c", wechat=Somebody(), vault=vault, has_history=no_history(), now=clock.now()
    )
    assert isinstance(await asked(work, member_id, OPEN_TO_ALL, adults_only=False), StaffExcluded)
    await members.disable_staff(staff_id=staff.id, actor=SYSTEM, now=clock.now())
    assert await asked(work, member_id, OPEN_TO_ALL) == 2 * HOUR


@pytest.mark.parametrize(
    ("tier", "outcome"), [(None, "BASIC"), ("BASIC", "BASIC"), ("SILVER", 2 * HOUR), ("GOLD", HOUR), ("BLACK", HOUR)]
)
async def test_a_gate_opens_by_tier(work: Work, tier: str | None, outcome: object) -> None:
    """Silver and above may enter, gold and above an hour before; the refusal names both tiers."""
    found = await asked(work, await a_member_of(work, tier), FROM_SILVER)
    if isinstance(found, Refusal):
        assert isinstance(found, TierTooLow) and found.fields() == {"required": "SILVER", "tier": outcome}
    else:
        assert found == outcome


async def test_a_tier_that_is_no_more_lets_nobody_in(work: Work) -> None:
    """A gate that names a tier of an older set stays shut, and opens early for nobody."""
    member_id = await a_member_of(work, "BLACK")
    refusal = await asked(work, member_id, Gate(tier_min="PLATINUM"))
    assert isinstance(refusal, TierTooLow) and refusal.required == "PLATINUM"
    assert await asked(work, member_id, Gate(early_tier_min="PLATINUM", early_seconds=3600)) == 2 * HOUR


@pytest.mark.parametrize(
    ("gate", "problems"),
    [
        (OPEN_TO_ALL, []),
        (FROM_SILVER, []),
        (Gate(tier_min="PLATINUM"), [Problem("tierMin", "one of BASIC, SILVER, GOLD, BLACK")]),
        (Gate(early_tier_min="GOLD"), [Problem("earlySeconds", "more than 0 with an early tier, 0 without one")]),
        (Gate(early_seconds=5), [Problem("earlySeconds", "more than 0 with an early tier, 0 without one")]),
        (Gate(early_seconds=-1), [Problem("earlySeconds", "0 to 2592000 seconds")]),
        (Gate(early_tier_min="GOLD", early_seconds=2_592_001), [Problem("earlySeconds", "0 to 2592000 seconds")]),
    ],
)
def test_a_gate_is_whole(gate: Gate, problems: list[Problem]) -> None:
    """It names tiers that are there, and early access has both a tier and a time."""
    assert list(gate.problems(TIERS)) == problems
