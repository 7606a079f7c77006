"""What a verb asks before it lets a member in. Locks: nothing of its own."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from gamification.core.draft import Load
from gamification.gates.errors import AdultDeclarationMissing, StaffExcluded, TierTooLow
from gamification.gates.rules import Gate, reaches
from gamification.points.book import Book
from gamification.tiers.rules import TierPolicy


class Entrant(NamedTuple):
    """What a gate asks of a member; `tier` is None for whoever never rose from the lowest."""

    member_id: UUID
    adult_declared_at: datetime | None
    is_staff: bool
    tier: str | None


ENTRANTS = Load(
    name="gates.entrants",
    row=Entrant,
    sql="""SELECT m.id, m.adult_declared_at,
                  EXISTS (SELECT FROM member_reference r JOIN staff s ON s.phone_index = r.value
                          WHERE r.member_id = m.id AND r.namespace = 'phone' AND s.disabled_at IS NULL),
                  t.tier_code
           FROM member m LEFT JOIN tier_standing t ON t.member_id = m.id WHERE m.id = ANY({members})""",
)
"""A declaration is never withdrawn; a tier or a phone that changes meanwhile is as if the entry had come before it."""


def admit(book: Book, gate: Gate, *, adults_only: bool = True) -> None:
    """Let the member in, or not. Refuses: AdultDeclarationMissing, StaffExcluded, TierTooLow."""
    entrant = _entrant(book)
    if entrant.is_staff:
        raise StaffExcluded()
    if adults_only and entrant.adult_declared_at is None:
        raise AdultDeclarationMissing()
    if gate.tier_min is not None:
        tiers = book.policy(TierPolicy).body
        if not reaches(entrant.tier, gate.tier_min, tiers):
            raise TierTooLow(required=gate.tier_min, tier=entrant.tier or tiers.tiers[0].code)


def opens_at_for(book: Book, gate: Gate, opens_at: datetime) -> datetime:
    """From when this member may enter what opens for the others at an instant."""
    if gate.early_tier_min is None:
        return opens_at
    return gate.opens_at(opens_at, _entrant(book).tier, book.policy(TierPolicy).body)


def _entrant(book: Book) -> Entrant:
    rows: list[Entrant] = book.loaded(ENTRANTS.name)
    (entrant,) = rows
    return entrant
