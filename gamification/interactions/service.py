"""Record what members do beside buying, and post what rules pay for it, in one transaction.

Lock order: the member's POINTS account, then the budgets of rules by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.draft import Command, Load, Rows, Verb
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.ids import new_id
from gamification.core.work import Preview, Work
from gamification.earning.conditions import Activity
from gamification.earning.rulebook import EVENT
from gamification.earning.service import Verdict, award_for_activity, rule_loads
from gamification.interactions.errors import InteractionConflict
from gamification.interactions.models import Interaction
from gamification.members.references import MemberNumber, Reference
from gamification.members.service import known_members
from gamification.points.book import Book
from gamification.tiers.service import TIER_LOADS, count, raise_tier

InteractionType = Literal["REVIEW", "SHARE", "PROFILE_COMPLETED", "CUSTOM"]
EXTERNAL_ID_LENGTH_MAX = 100


@dataclass(frozen=True, slots=True)
class NewInteraction:
    """Something that a member did. `event` names a custom one; `external_id` is the sender's, unique per type."""

    type: InteractionType
    external_id: str
    occurred_at: datetime
    event: str | None = None

    def check(self, now: datetime) -> None:
        """Refuses: InvalidInput."""
        if not (1 <= len(self.external_id) <= EXTERNAL_ID_LENGTH_MAX and self.external_id.isprintable()):
            raise InvalidInput(field="externalId", reason=f"1 to {EXTERNAL_ID_LENGTH_MAX} printable characters")
        if (self.type == "CUSTOM") != (self.event is not None):
            raise InvalidInput(field="event", reason="named for CUSTOM, and for it alone")
        if self.event is not None and not EVENT.fullmatch(self.event):
            raise InvalidInput(field="event", reason="1 to 40 small letters, digits, _ or dots, a letter first")
        if self.occurred_at.tzinfo is None or self.occurred_at.year < 1970:
            raise InvalidInput(field="occurredAt", reason="an instant with its offset, from 1970 on")
        if self.occurred_at > now:
            raise InvalidInput(field="occurredAt", reason="not in the future")

    @property
    def key(self) -> tuple[str, str, str]:
        """What names it."""
        return self.type, self.event or "", self.external_id


@dataclass(frozen=True, kw_only=True)
class RecordInteraction(Command):
    """An interaction of a resolved member; `on` is its business day."""

    interaction: NewInteraction
    interaction_id: UUID
    on: date


@dataclass(frozen=True, slots=True)
class InteractionRecorded:
    """What an interaction paid, and the balance after it; `rules` tells what each rule did with a new one."""

    type: str
    event: str | None
    external_id: str
    already_recorded: bool
    points: int
    growth: int
    raised_to: str | None
    available: int
    rules: tuple[Verdict, ...] = ()


class KnownRow(NamedTuple):
    """An interaction that is here already, as the member of a command meets it: it may be another member's."""

    member_id: UUID
    type: str
    event: str
    external_id: str
    owner_id: UUID
    occurred_at: datetime
    points: int
    growth: int

    @property
    def key(self) -> tuple[str, str, str]:
        """What names it."""
        return self.type, self.event, self.external_id


KNOWN = Load(
    name="interactions.known",
    row=KnownRow,
    sql="""SELECT wanted.member_id, i.type, i.event, i.external_id, i.member_id, i.occurred_at, i.points, i.growth
           FROM unnest({told_by}, {types}, {events}, {told_ids}) AS wanted(member_id, type, event, external_id)
           JOIN interaction i ON i.type = wanted.type AND i.event = wanted.event
             AND i.external_id = wanted.external_id""",
    arguments={
        "told_by": ("uuid[]", lambda commands, now: [each.member_id for each in commands]),
        "types": ("text[]", lambda commands, now: [each.interaction.key[0] for each in commands]),
        "events": ("text[]", lambda commands, now: [each.interaction.key[1] for each in commands]),
        "told_ids": ("text[]", lambda commands, now: [each.interaction.key[2] for each in commands]),
    },
)
_ROWS = Rows(
    Interaction,
    ("member_id", "id", "type", "event", "external_id", "occurred_at", "recorded_at", "points", "growth"),
)


def _decide(book: Book, command: RecordInteraction) -> InteractionRecorded:
    """Record an interaction and post what rules pay. The same again changes nothing. Refuses: InteractionConflict."""
    new = command.interaction
    rows: list[KnownRow] = book.loaded(KNOWN.name)
    known = next((row for row in rows if row.key == new.key), None)
    if known is not None:
        if (known.owner_id, known.occurred_at) != (book.member_id, new.occurred_at):
            raise InteractionConflict(external_id=new.external_id)
        return InteractionRecorded(
            new.type, new.event, new.external_id, True, known.points, known.growth, None, book.points.available
        )
    activity = Activity(new.type, command.on, book.calendar.local(new.occurred_at), new.event)
    source = ("interaction", str(command.interaction_id))
    outcome, verdicts = award_for_activity(book, activity, at=new.occurred_at, source=source)
    points = sum(award.points for award in outcome.awards if award.rule.currency == "POINTS")
    growth = sum(award.points for award in outcome.awards if award.rule.currency == "GROWTH")
    count(book, new.occurred_at, growth=growth)
    raised = raise_tier(book, new.occurred_at) if growth else None
    book.add(_ROWS, (book.member_id, command.interaction_id, *new.key, new.occurred_at, book.now, points, growth))
    rows.append(KnownRow(book.member_id, *new.key, book.member_id, new.occurred_at, points, growth))
    return InteractionRecorded(
        new.type, new.event, new.external_id, False, points, growth, raised.code if raised else None,
        book.points.available, verdicts,
    )  # fmt: skip


RECORD = Verb(
    "interactions.record",
    _decide,
    InteractionRecorded,
    loads=(KNOWN, *TIER_LOADS, *rule_loads(lambda commands, now: min(each.on for each in commands))),
)


async def record_interaction(
    work: Work, *, member: Reference | MemberNumber, interaction: NewInteraction, actor: Actor
) -> InteractionRecorded:
    """Record what a member did; the same again changes nothing.

    Refuses: InvalidInput, NotFound (the member), InteractionConflict. Locks: account, budgets.
    """
    return await work.perform(RECORD, await _command(work, member, interaction, actor))


async def preview_interaction(
    work: Work, *, member: Reference | MemberNumber, interaction: NewInteraction, actor: Actor
) -> Preview[InteractionRecorded]:
    """What `record_interaction` would post now, not written; its outcome refuses as that does."""
    return await work.preview(RECORD, await _command(work, member, interaction, actor))


async def _command(
    work: Work, member: Reference | MemberNumber, interaction: NewInteraction, actor: Actor
) -> RecordInteraction:
    interaction.check(work.clock.now())
    member_id = (await known_members([member])).get(member)
    if member_id is None:
        raise NotFound(kind="member", id=member.number if isinstance(member, MemberNumber) else ":".join(member))
    on = work.calendar.business_date(interaction.occurred_at)
    return RecordInteraction(member_id=member_id, actor=actor, interaction=interaction, interaction_id=new_id(), on=on)
