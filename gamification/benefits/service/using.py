"""Benefits that are used at the till: counted by month, once per external id, given back by a reversal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from gamification.benefits.errors import BenefitNotGiven, BenefitUseConflict, BenefitUsedUp
from gamification.benefits.models import BenefitReversal, BenefitUse
from gamification.benefits.rules import Usable, discount_of
from gamification.benefits.service.multiplying import benefits_of
from gamification.core.actors import Actor
from gamification.core.calendar import add_months, month_of
from gamification.core.database import fetch_value
from gamification.core.draft import Command, Load, Rows, Verb
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.work import Preview, Work
from gamification.members.references import MemberNumber, Reference
from gamification.members.service import known_members
from gamification.points.book import Book
from gamification.tiers.service import STANDING, tier_code

EXTERNAL_ID_LENGTH_MAX = 100
FEN_MAX = 1_000_000_000_000


@dataclass(frozen=True, kw_only=True)
class UseBenefit(Command):
    """One use of a benefit by a resolved member, on an amount in fen."""

    external_id: str
    benefit: Usable
    amount_fen: int


@dataclass(frozen=True, kw_only=True)
class ReverseUse(Command):
    """A use that is to be given back."""

    external_id: str


@dataclass(frozen=True, slots=True)
class BenefitUsed:
    """A use: what it saved in fen (a discount), how often the benefit was used this month, and what is left (None: any
    number)."""

    external_id: str
    benefit: str
    already_used: bool
    saved_fen: int
    used: int
    left: int | None
    until: date


@dataclass(frozen=True, slots=True)
class UseReversed:
    """A use that counts no more; `already_reversed` where it had been given back before."""

    external_id: str
    benefit: str
    already_reversed: bool


class UseRow(NamedTuple):
    """A use as it stands, as the member of a command meets it: under an external id it may be another member's."""

    member_id: UUID
    external_id: str
    benefit: str
    tier_code: str
    amount_fen: int
    saved_fen: int
    month: date
    used_at: datetime
    reversed_at: datetime | None
    owner_id: UUID


USES = Load(
    name="benefits.uses",
    row=UseRow,
    sql="""SELECT wanted.member_id, u.external_id, u.benefit, u.tier_code, u.amount_fen, u.saved_fen, u.month,
             u.used_at, r.reversed_at, u.member_id
           FROM unnest({used_by}, {used_ids}) AS wanted(member_id, external_id)
           JOIN benefit_use u ON u.external_id = wanted.external_id
           LEFT JOIN benefit_reversal r ON (r.member_id, r.external_id) = (u.member_id, u.external_id)
           UNION SELECT u.member_id, u.external_id, u.benefit, u.tier_code, u.amount_fen, u.saved_fen, u.month,
             u.used_at, r.reversed_at, u.member_id
           FROM benefit_use u
           LEFT JOIN benefit_reversal r ON (r.member_id, r.external_id) = (u.member_id, u.external_id)
           WHERE u.member_id = ANY({members}) AND u.month >= {since}""",
    arguments={
        "used_by": ("uuid[]", lambda commands, now: [each.member_id for each in commands]),
        "used_ids": ("text[]", lambda commands, now: [each.external_id for each in commands]),
        "since": ("date", lambda commands, now: (now - timedelta(days=32)).date()),
    },
)
"""Uses under the external ids of a batch, and those of its members in the current month at least."""
_USES = Rows(BenefitUse, UseRow._fields[:-2])
_REVERSALS = Rows(BenefitReversal, ("member_id", "external_id", "reversed_at"))


def _decide_use(book: Book, command: UseBenefit) -> BenefitUsed:
    rows: list[UseRow] = book.loaded(USES.name)
    known = next((row for row in rows if row.external_id == command.external_id), None)
    given, month = benefits_of(book, book.now), month_of(book.on)
    until = add_months(month, 1) - timedelta(days=1)
    allowed = given.allowed(command.benefit)
    used = sum(
        (row.owner_id, row.benefit, row.month, row.reversed_at) == (book.member_id, command.benefit, month, None)
        for row in rows
    )
    if known is not None:
        same = (known.owner_id, known.benefit) == (book.member_id, command.benefit)
        same = same and known.amount_fen == command.amount_fen
        if not same or known.reversed_at is not None:
            raise BenefitUseConflict(external_id=command.external_id)
        return BenefitUsed(
            command.external_id, command.benefit, True, known.saved_fen, used, _left(allowed, used), until
        )
    if allowed == 0:
        raise BenefitNotGiven(benefit=command.benefit, tier=tier_code(book))
    if allowed is not None and used >= allowed:
        raise BenefitUsedUp(benefit=command.benefit, allowed=allowed, used=used, until=until)
    saved_fen = discount_of(command.amount_fen, given.discount_bp) if command.benefit == "DISCOUNT" else 0
    row = UseRow(
        book.member_id, command.external_id, command.benefit, tier_code(book), command.amount_fen, saved_fen, month,
        book.now, None, book.member_id,
    )  # fmt: skip
    rows.append(row)
    book.add(_USES, row[:-2])
    return BenefitUsed(
        command.external_id, command.benefit, False, saved_fen, used + 1, _left(allowed, used + 1), until
    )


def _left(allowed: int | None, used: int) -> int | None:
    return None if allowed is None else max(allowed - used, 0)


def _decide_reversal(book: Book, command: ReverseUse) -> UseReversed:
    rows: list[UseRow] = book.loaded(USES.name)
    row = next(each for each in rows if each.external_id == command.external_id)
    if row.reversed_at is None:
        rows[rows.index(row)] = row._replace(reversed_at=book.now)
        book.add(_REVERSALS, (row.member_id, row.external_id, book.now))
    return UseReversed(row.external_id, row.benefit, row.reversed_at is not None)


USE = Verb("benefits.use", _decide_use, BenefitUsed, loads=(USES, STANDING), points_only=True)
REVERSE = Verb("benefits.reverse", _decide_reversal, UseReversed, loads=(USES,), points_only=True)


async def use_benefit(
    work: Work, *, member: Reference | MemberNumber, external_id: str, benefit: Usable, amount_fen: int, actor: Actor
) -> BenefitUsed:
    """Use a benefit of the member's tier on an amount; the same again changes nothing.

    Refuses: InvalidInput, NotFound (the member), BenefitNotGiven, BenefitUsedUp, BenefitUseConflict. Locks: account.
    """
    return await work.perform(USE, await _command(member, external_id, benefit, amount_fen, actor))


async def preview_use(
    work: Work, *, member: Reference | MemberNumber, external_id: str, benefit: Usable, amount_fen: int, actor: Actor
) -> Preview[BenefitUsed]:
    """What `use_benefit` would answer now, not written; its outcome refuses as that does."""
    return await work.preview(USE, await _command(member, external_id, benefit, amount_fen, actor))


async def reverse_use(work: Work, *, external_id: str, actor: Actor) -> UseReversed:
    """Give a use back: it counts no more in its month. Again it changes nothing. Refuses: NotFound. Locks: account."""
    owner = await fetch_value("SELECT member_id FROM benefit_use WHERE external_id = $1", external_id)
    if owner is None:
        raise NotFound(kind="benefit_use", id=external_id)
    return await work.perform(REVERSE, ReverseUse(member_id=owner, actor=actor, external_id=external_id))


async def _command(
    member: Reference | MemberNumber, external_id: str, benefit: Usable, amount_fen: int, actor: Actor
) -> UseBenefit:
    if not (1 <= len(external_id) <= EXTERNAL_ID_LENGTH_MAX and external_id.isprintable()):
        raise InvalidInput(field="externalId", reason=f"1 to {EXTERNAL_ID_LENGTH_MAX} printable characters")
    if not 0 <= amount_fen <= FEN_MAX:
        raise InvalidInput(field="amountFen", reason=f"0 to {FEN_MAX}")
    member_id = (await known_members([member])).get(member)
    if member_id is None:
        raise NotFound(kind="member", id=member.number if isinstance(member, MemberNumber) else ":".join(member))
    return UseBenefit(member_id=member_id, actor=actor, external_id=external_id, benefit=benefit, amount_fen=amount_fen)
