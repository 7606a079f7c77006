"""The programme as staff run it: policies published as immutable versions, each in force from an instant on."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry.utils.str_converters import to_camel_case

from gamification.core import policy as core
from gamification.core import publications
from schema.admin.policy_inputs import (
    AdjustmentsPolicyInput,
    BenefitsPolicyInput,
    CheckInPolicyInput,
    DeductionPolicyInput,
    DrawsPolicyInput,
    EarningPolicyInput,
    PointsPolicyInput,
    TierPolicyInput,
)
from schema.admin.policy_versions import FORMS, KINDS, READERS, PolicyKind, PolicyVersion
from schema.context import Info
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow
from schema.permissions import Staff as IsStaff
from schema.refusals import Refusal

VERSIONS = Keyset("policies", Key("revision", int))
OPERATORS = Allow(IsStaff("owner", "operator"))


@strawberry.type(description="A version that was published, or would be.")
class PolicyPublished:
    kind: PolicyKind = strawberry.field(description="What it is about.")
    version: int = strawberry.field(description="Its number among its kind.")
    effective_from: datetime | None = strawberry.field(
        description="When it takes effect; null for the first of a kind, which holds since ever."
    )
    hash: str = strawberry.field(description="SHA-256 of its body, 64 hexadecimal digits.")
    is_preview: bool = strawberry.field(description="Whether this only says what publishing would do.")

    @classmethod
    def of(cls, made: core.Publication, *, is_preview: bool) -> "PolicyPublished":
        return cls(
            kind=PolicyKind(made.kind),
            version=made.version,
            effective_from=made.effective_from,
            hash=made.hash.hex(),
            is_preview=is_preview,
        )


class PolicyInvalid(
    Refusal,
    of=core.PolicyInvalid,
    enums={"kind": PolicyKind},
    describe={
        "kind": "What the policy is about.",
        "path": "The first node of the arguments that is wrong, such as input.tiers.1.threshold; lists count from 0.",
        "reason": "What it should be, in English.",
        "problems": "How many nodes are wrong in all.",
    },
):
    pass


class PolicyInThePast(
    Refusal,
    of=core.PolicyInThePast,
    enums={"kind": PolicyKind},
    describe={"kind": "What the policy is about.", "earliest": "The first instant that is allowed."},
):
    pass


PublishPolicyResult = Annotated[
    PolicyPublished | PolicyInvalid | PolicyInThePast,
    strawberry.union("PublishPolicyResult", description="Published, or why not."),
]
EffectiveFrom = Annotated[
    datetime | None,
    strawberry.argument(
        description="When it takes effect, now at the earliest; now when left out. The first holds since ever."
    ),
]
IsPreview = Annotated[bool, strawberry.argument(description="Whether to decide only, and publish nothing.")]


async def publish(info: Info, body: core.Policy, effective_from: datetime | None, preview: bool) -> PolicyPublished:
    """Publish a body, or only say what that would do. Refuses: PolicyInvalid, PolicyInThePast."""
    context = info.context
    now = context.clock.now()
    try:
        if preview:
            made = await core.preview_policy(body, now=now, effective_from=effective_from)
        else:
            made = await core.publish_policy(body, actor=context.actor, now=now, effective_from=effective_from)
            await context.work.policies.refresh()
    except core.PolicyInvalid as invalid:
        raise replace(invalid, path=input_path(invalid.path)) from None
    return PolicyPublished.of(made, is_preview=preview)


def input_path(path: str) -> str:
    """A place in a body as a place in the arguments, which mirror it."""
    return ".".join(["input", *(to_camel_case(part) for part in path.split("."))])


@strawberry.type
class ProgrammeQuery:
    @strawberry.field(description="Published versions of policies, the latest published first.", extensions=[READERS])
    async def policies(
        self,
        info: Info,
        kind: Annotated[PolicyKind | None, strawberry.argument(description="Of this kind; all if left out.")] = None,
        first: First = PAGE_DEFAULT,
        after: After = None,
    ) -> Connection[PolicyVersion]:
        page = VERSIONS.page(first, after)
        before: Any = page.after[0] if page.after else None
        kinds = [FORMS[kind].body.kind] if kind else KINDS
        return page.connection(await publications.policy_page(kinds, before=before, limit=page.limit), PolicyVersion.of)

    @strawberry.field(
        description="The version that holds at an instant, as far as is published now; null when there is none.",
        extensions=[READERS],
    )
    async def policy_in_force(
        self,
        info: Info,
        kind: Annotated[PolicyKind, strawberry.argument(description="What it is about.")],
        at: Annotated[datetime | None, strawberry.argument(description="The instant; now when left out.")] = None,
    ) -> PolicyVersion | None:
        row = await publications.policy_in_force(FORMS[kind].body.kind, at or info.context.now)
        return PolicyVersion.of(row) if row else None


@strawberry.type
class ProgrammeMutation:
    @strawberry.mutation(description="Publish how points live and die; lots that exist stay.", extensions=[OPERATORS])
    async def publish_points_policy(
        self,
        info: Info,
        input: Annotated[PointsPolicyInput, strawberry.argument(description="The policy.")],
        effective_from: EffectiveFrom = None,
        preview: IsPreview = False,
    ) -> PublishPolicyResult:
        return await publish(info, input.body(), effective_from, preview)

    @strawberry.mutation(
        description="Publish how points pay for orders; quotes and holds that stand stay.", extensions=[OPERATORS]
    )
    async def publish_deduction_policy(
        self,
        info: Info,
        input: Annotated[DeductionPolicyInput, strawberry.argument(description="The policy.")],
        effective_from: EffectiveFrom = None,
        preview: IsPreview = False,
    ) -> PublishPolicyResult:
        return await publish(info, input.body(), effective_from, preview)

    @strawberry.mutation(
        description="Publish what spending earns. A month keeps the ladder that it began with.", extensions=[OPERATORS]
    )
    async def publish_earning_policy(
        self,
        info: Info,
        input: Annotated[EarningPolicyInput, strawberry.argument(description="The policy.")],
        effective_from: EffectiveFrom = None,
        preview: IsPreview = False,
    ) -> PublishPolicyResult:
        return await publish(info, input.body(), effective_from, preview)

    @strawberry.mutation(description="Publish which tiers there are.", extensions=[OPERATORS])
    async def publish_tier_policy(
        self,
        info: Info,
        input: Annotated[TierPolicyInput, strawberry.argument(description="The policy.")],
        effective_from: EffectiveFrom = None,
        preview: IsPreview = False,
    ) -> PublishPolicyResult:
        return await publish(info, input.body(), effective_from, preview)

    @strawberry.mutation(description="Publish what each tier gives.", extensions=[OPERATORS])
    async def publish_benefits_policy(
        self,
        info: Info,
        input: Annotated[BenefitsPolicyInput, strawberry.argument(description="The policy.")],
        effective_from: EffectiveFrom = None,
        preview: IsPreview = False,
    ) -> PublishPolicyResult:
        return await publish(info, input.body(), effective_from, preview)

    @strawberry.mutation(description="Publish what checking in pays.", extensions=[OPERATORS])
    async def publish_check_in_policy(
        self,
        info: Info,
        input: Annotated[CheckInPolicyInput, strawberry.argument(description="The policy.")],
        effective_from: EffectiveFrom = None,
        preview: IsPreview = False,
    ) -> PublishPolicyResult:
        return await publish(info, input.body(), effective_from, preview)

    @strawberry.mutation(description="Publish what tickets of draws cost.", extensions=[OPERATORS])
    async def publish_draws_policy(
        self,
        info: Info,
        input: Annotated[DrawsPolicyInput, strawberry.argument(description="The policy.")],
        effective_from: EffectiveFrom = None,
        preview: IsPreview = False,
    ) -> PublishPolicyResult:
        return await publish(info, input.body(), effective_from, preview)

    @strawberry.mutation(description="Publish how far staff adjust alone; proposals stay.", extensions=[OPERATORS])
    async def publish_adjustments_policy(
        self,
        info: Info,
        input: Annotated[AdjustmentsPolicyInput, strawberry.argument(description="The policy.")],
        effective_from: EffectiveFrom = None,
        preview: IsPreview = False,
    ) -> PublishPolicyResult:
        return await publish(info, input.body(), effective_from, preview)
