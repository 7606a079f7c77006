"""Whole programmes: presets that a brand starts with, and a programme as one file."""

from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import Annotated, cast

import strawberry
from strawberry.scalars import JSON

from gamification.core.encoding import encode_sorted
from gamification.programmes import errors, queries, service
from gamification.programmes.files import Programme, document, parse
from gamification.programmes.presets import PRESETS, PresetName
from schema.admin.policy_versions import READERS, PolicyKind
from schema.admin.programme import OPERATORS, IsPreview, PolicyPublished
from schema.context import Info
from schema.refusals import Refusal


@strawberry.enum(description="A programme that a new brand can start with.")
class ProgrammePreset(Enum):
    CONSERVATIVE_RETAIL = strawberry.enum_value(
        "CONSERVATIVE_RETAIL", description="A ladder of 0.5 to 1.5 %, points once goods can no longer be sent back."
    )
    COFFEE_SHOP = strawberry.enum_value(
        "COFFEE_SHOP", description="3 % at once, tiers by visits of three months, mornings and members' days."
    )
    BEAUTY = strawberry.enum_value(
        "BEAUTY", description="0.5 % and a ladder to 2 %, four tiers that multiply, birthdays and reviews."
    )


class ProgrammeInvalid(
    Refusal,
    of=errors.ProgrammeInvalid,
    describe={
        "path": "The first node of the file that is wrong, such as policies.rules.rules.2.tiers.0; lists count from 0.",
        "reason": "What it should be, in English.",
        "problems": "How many nodes are wrong in all.",
    },
):
    pass


@strawberry.type(description="A whole programme as one file.")
class ProgrammeFile:
    document: JSON = strawberry.field(description="What importProgramme takes: a format, and each policy by kind.")
    hash: str = strawberry.field(description="SHA-256 of the document with sorted keys, 64 hexadecimal digits.")

    @classmethod
    def of(cls, programme: Programme) -> "ProgrammeFile":
        body = document(programme)
        return cls(document=JSON(body), hash=sha256(encode_sorted(body)).hexdigest())


@strawberry.type(description="A programme was published, or would be: all of it or nothing.")
class ProgrammePublished:
    published: list[PolicyPublished] = strawberry.field(description="The versions that were made.")
    unchanged: list[PolicyKind] = strawberry.field(description="The kinds that were like that already.")
    left_alone: list[PolicyKind] = strawberry.field(description="The kinds that it does not name: they stay.")
    is_preview: bool = strawberry.field(description="Whether this only says what publishing would do.")

    @classmethod
    def of(cls, done: service.ProgrammePublished, *, is_preview: bool) -> "ProgrammePublished":
        return cls(
            published=[PolicyPublished.of(each, is_preview=is_preview) for each in done.published],
            unchanged=[PolicyKind(kind) for kind in done.unchanged],
            left_alone=[PolicyKind(kind) for kind in done.left_alone],
            is_preview=is_preview,
        )


PublishProgrammeResult = Annotated[
    ProgrammePublished | ProgrammeInvalid,
    strawberry.union("PublishProgrammeResult", description="Published, or what is wrong with it."),
]


@strawberry.type
class ProgrammesQuery:
    @strawberry.field(description="A whole programme as one file, to be reviewed and moved.", extensions=[READERS])
    async def export_programme(
        self,
        info: Info,
        preset: Annotated[
            ProgrammePreset | None, strawberry.argument(description="This preset; the own programme when left out.")
        ] = None,
        at: Annotated[
            datetime | None, strawberry.argument(description="The own programme of this instant; now when left out.")
        ] = None,
    ) -> ProgrammeFile:
        if preset is not None:
            return ProgrammeFile.of(_preset(preset))
        standing = await queries.programme_in_force(at or info.context.now)
        return ProgrammeFile.of(standing.programme)


@strawberry.type
class ProgrammesMutation:
    @strawberry.mutation(
        description="Publish a preset: every policy of it, in place of those in force. Safe to send again.",
        extensions=[OPERATORS],
    )
    async def publish_preset(
        self,
        info: Info,
        name: Annotated[ProgrammePreset, strawberry.argument(description="Which one.")],
        preview: IsPreview = False,
    ) -> PublishProgrammeResult:
        return await _publish(info, _preset(name), f"preset:{name.value}", preview)

    @strawberry.mutation(
        description="Publish a programme from its file, all of it or nothing. Safe to send again.",
        extensions=[OPERATORS],
    )
    async def import_programme(
        self,
        info: Info,
        document: Annotated[JSON, strawberry.argument(description="The document of an exportProgramme.")],
        preview: IsPreview = False,
    ) -> PublishProgrammeResult:
        programme = parse(document)
        return await _publish(info, programme, "import", preview)


def _preset(name: ProgrammePreset) -> Programme:
    return PRESETS[cast(PresetName, name.value)]


async def _publish(info: Info, programme: Programme, name: str, preview: bool) -> ProgrammePublished:
    context = info.context
    now = context.clock.now()
    if preview:
        seen = await service.preview_programme(programme, now=now)
        return ProgrammePublished.of(seen, is_preview=True)
    done = await service.publish_programme(programme, name=name, actor=context.actor, now=now)
    await context.work.policies.refresh()
    return ProgrammePublished.of(done, is_preview=False)
