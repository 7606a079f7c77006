"""What members do beside buying, as the brand's systems tell it."""

from datetime import datetime
from enum import Enum
from typing import Annotated, cast

import strawberry

from gamification.interactions import errors, service
from schema.admin.orders import MemberRef, name_of
from schema.context import Info
from schema.earning_rules import RuleVerdict
from schema.permissions import Allow, Integration, Staff
from schema.previews import SHOWN, PreviewedEntry, previewed_entries
from schema.refusals import Refusal
from schema.scalars import Points
from schema.usual_refusals import InvalidInput, NotFound

WRITERS = Allow(Integration("events:write"), Staff("owner", "operator"))


@strawberry.enum(description="What a member did.")
class InteractionType(Enum):
    REVIEW = strawberry.enum_value("REVIEW", description="Wrote a review.")
    SHARE = strawberry.enum_value("SHARE", description="Shared something.")
    PROFILE_COMPLETED = strawberry.enum_value("PROFILE_COMPLETED", description="Filled in the profile.")
    CUSTOM = strawberry.enum_value("CUSTOM", description="An event of the brand's own, by its name.")


class InteractionConflict(
    Refusal, of=errors.InteractionConflict, describe={"external_id": "The sender's id of the interaction."}
):
    pass


@strawberry.input(description="Something that a member did. Its external id is unique per type and event.")
class RecordEventInput:
    type: InteractionType = strawberry.field(description="What it was.")
    external_id: str = strawberry.field(description="The sender's id: 1 to 100 printable characters.")
    member: MemberRef = strawberry.field(description="Who did it.")
    occurred_at: datetime = strawberry.field(description="When; not in the future.")
    event: str | None = strawberry.field(default=None, description="The name of a CUSTOM event, such as `quiz.passed`.")

    def body(self) -> service.NewInteraction:
        """The interaction as the product takes it."""
        return service.NewInteraction(
            cast(service.InteractionType, self.type.value), self.external_id, self.occurred_at, self.event
        )


@strawberry.type(description="An interaction was recorded, now or before.")
class EventRecorded:
    external_id: str = strawberry.field(description="The sender's id.")
    already_recorded: bool = strawberry.field(description="Whether it had been recorded before: nothing changed then.")
    points: Points = strawberry.field(description="Points that it paid.")
    growth: Points = strawberry.field(description="Growth that it paid.")
    raised_to: str | None = strawberry.field(description="The code of the tier that it raised the member to.")
    available: Points = strawberry.field(description="Points usable now.")
    rules: list[RuleVerdict] = strawberry.field(
        description="What each earning rule did, those that pay first; empty where it had been recorded before."
    )


@strawberry.type(description="What an interaction would pay; nothing was changed.")
class EventPreview:
    already_recorded: bool = strawberry.field(description="Whether it is recorded already and would change nothing.")
    points: Points = strawberry.field(description="Points that it would pay.")
    growth: Points = strawberry.field(description="Growth that it would pay.")
    available: Points = strawberry.field(description="Points usable afterwards.")
    rules: list[RuleVerdict] = strawberry.field(description="What each earning rule would do, those that pay first.")
    entries: list[PreviewedEntry] = strawberry.field(description=SHOWN)


RecordEventResult = Annotated[
    EventRecorded | InteractionConflict | NotFound | InvalidInput,
    strawberry.union("RecordEventResult", description="Recorded, or why not."),
]
PreviewEventResult = Annotated[
    EventPreview | InteractionConflict | NotFound | InvalidInput,
    strawberry.union("PreviewEventResult", description="What it would pay, or why it would be refused."),
]


@strawberry.type
class InteractionsQuery:
    @strawberry.field(description="What recordEvent would pay now, without doing it.", extensions=[WRITERS])
    async def preview_event(
        self, info: Info, input: Annotated[RecordEventInput, strawberry.argument(description="What happened.")]
    ) -> PreviewEventResult:
        preview = await service.preview_interaction(
            info.context.work, member=name_of(input.member), interaction=input.body(), actor=info.context.actor
        )
        seen = preview.outcome()
        return EventPreview(
            already_recorded=seen.already_recorded,
            points=Points(seen.points),
            growth=Points(seen.growth),
            available=Points(seen.available),
            rules=[RuleVerdict.of(each) for each in seen.rules],
            entries=previewed_entries(preview, info.context.locale),
        )


@strawberry.type
class InteractionsMutation:
    @strawberry.mutation(description="Record what a member did; safe to send again.", extensions=[WRITERS])
    async def record_event(
        self, info: Info, input: Annotated[RecordEventInput, strawberry.argument(description="What happened.")]
    ) -> RecordEventResult:
        recorded = await service.record_interaction(
            info.context.work, member=name_of(input.member), interaction=input.body(), actor=info.context.actor
        )
        return EventRecorded(
            external_id=recorded.external_id,
            already_recorded=recorded.already_recorded,
            points=Points(recorded.points),
            growth=Points(recorded.growth),
            raised_to=recorded.raised_to,
            available=Points(recorded.available),
            rules=[RuleVerdict.of(each) for each in recorded.rules],
        )
