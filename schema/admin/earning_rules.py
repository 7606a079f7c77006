"""Earning rules as staff work on them: drafted, previewed, published, retired."""

from dataclasses import replace
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import strawberry

from gamification.core import policy as core
from gamification.earning import errors, rule_queries, rulebook, service
from schema.admin.earning_rule_inputs import EarningRuleInput
from schema.admin.policy_inputs import value_of
from schema.admin.policy_versions import READERS
from schema.admin.programme import OPERATORS, IsPreview, PolicyInvalid, input_path
from schema.context import Info
from schema.earning_rules import Code, RuleDefinition
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.refusals import Refusal
from schema.scalars import Points

RULES = Keyset("earningRules", Key("code", str), Key("revision", int))


@strawberry.enum(description="Where a revision of an earning rule stands.")
class RuleState(Enum):
    DRAFT = strawberry.enum_value("DRAFT", description="It may change and pays nothing.")
    PUBLISHED = strawberry.enum_value("PUBLISHED", description="It pays, and never changes.")
    RETIRED = strawberry.enum_value("RETIRED", description="It pays no more; what it paid stays.")
    DISCARDED = strawberry.enum_value("DISCARDED", description="It was a draft and is gone.")


@strawberry.type(description="A revision of an earning rule.")
class EarningRule:
    revision: int = strawberry.field(description="Its number among those of its code: 1, 2, 3 …")
    state: RuleState = strawberry.field(description="Where it stands.")
    definition: RuleDefinition = strawberry.field(description="What it says.")
    saved_by: str = strawberry.field(description="Who saved it last, such as staff:0198….")
    saved_at: datetime = strawberry.field(description="When.")
    published_at: datetime | None = strawberry.field(description="When it was published.")
    retired_at: datetime | None = strawberry.field(description="When it ceased to pay.")
    policy_version: int | None = strawberry.field(description="The version of the rules that it came with.")
    spent_points: Points | None = strawberry.field(
        description="What all members have had of its code's budget; null where it never had one."
    )

    @classmethod
    def of(cls, row: rule_queries.RuleRow) -> "EarningRule":
        rule: rulebook.Rule = service.adapter_of_rule().validate_json(row.body)
        return cls(
            revision=row.revision,
            state=RuleState(row.state),
            definition=RuleDefinition.of(rule),
            saved_by=row.saved_by,
            saved_at=row.saved_at,
            published_at=row.published_at,
            retired_at=row.retired_at,
            policy_version=row.policy_version,
            spent_points=None if row.spent_points is None else Points(row.spent_points),
        )


@strawberry.type(description="What became of an earning rule.")
class EarningRuleChanged:
    rule_code: str = strawberry.field(description="The rule's code.")
    revision: int = strawberry.field(description="The revision.")
    state: RuleState = strawberry.field(description="Where it stands now.")
    policy_version: int | None = strawberry.field(
        description="The version of all rules that holds from now on, or would; null where none was made."
    )
    is_preview: bool = strawberry.field(description="Whether this only says what would become of it.")

    @classmethod
    def of(cls, saved: service.RuleSaved, *, is_preview: bool = False) -> "EarningRuleChanged":
        return cls(
            rule_code=saved.code,
            revision=saved.revision,
            state=RuleState(saved.state),
            policy_version=saved.policy.version if saved.policy else None,
            is_preview=is_preview,
        )


class RuleStateRefused(
    Refusal,
    of=errors.RuleStateRefused,
    enums={"needed": RuleState},
    describe={"rule_code": "The rule's code.", "needed": "The state that a revision of it would have to be in."},
):
    pass


SaveEarningRuleResult = Annotated[
    EarningRuleChanged | PolicyInvalid,
    strawberry.union("SaveEarningRuleResult", description="Saved, or what is wrong with it."),
]
ChangeEarningRuleResult = Annotated[
    EarningRuleChanged | RuleStateRefused | PolicyInvalid,
    strawberry.union("ChangeEarningRuleResult", description="Done, or why not."),
]


@strawberry.type
class EarningRulesQuery:
    @strawberry.field(description="Revisions of earning rules by code, the latest of each first.", extensions=[READERS])
    async def earning_rules(
        self,
        info: Info,
        code: Annotated[str | None, strawberry.argument(description="Of this code; all if left out.")] = None,
        state: Annotated[RuleState | None, strawberry.argument(description="In this state; all if left out.")] = None,
        first: First = PAGE_DEFAULT,
        after: After = None,
    ) -> Connection[EarningRule]:
        page = RULES.page(first, after)
        behind: Any = page.after
        rows = await rule_queries.rule_page(code, value_of(state) if state else None, behind, page.limit)
        return page.connection(rows, EarningRule.of)


@strawberry.type
class EarningRulesMutation:
    @strawberry.mutation(
        description="Save an earning rule as the draft of its code; it pays nothing yet.", extensions=[OPERATORS]
    )
    async def save_earning_rule(
        self, info: Info, input: Annotated[EarningRuleInput, strawberry.argument(description="The rule.")]
    ) -> SaveEarningRuleResult:
        context = info.context
        try:
            saved = await service.save_rule(input.body(), actor=context.actor, now=context.clock.now())
        except core.PolicyInvalid as invalid:
            raise replace(invalid, path=input_path(invalid.path)) from None
        return EarningRuleChanged.of(saved)

    @strawberry.mutation(
        description="Publish the draft of a code: from now on it pays, in place of what was published of it.",
        extensions=[OPERATORS],
    )
    async def publish_earning_rule(
        self,
        info: Info,
        code: Code,
        preview: IsPreview = False,
    ) -> ChangeEarningRuleResult:
        context = info.context
        now = context.clock.now()
        if preview:
            return EarningRuleChanged.of(await service.preview_rule(code, now=now), is_preview=True)
        saved = await service.publish_rule(code, actor=context.actor, now=now)
        await context.work.policies.refresh()
        return EarningRuleChanged.of(saved)

    @strawberry.mutation(
        description="Let a published rule pay no more from now on; what it paid stays.", extensions=[OPERATORS]
    )
    async def retire_earning_rule(self, info: Info, code: Code) -> ChangeEarningRuleResult:
        context = info.context
        saved = await service.retire_rule(code, actor=context.actor, now=context.clock.now())
        await context.work.policies.refresh()
        return EarningRuleChanged.of(saved)

    @strawberry.mutation(description="Throw the draft of a code away.", extensions=[OPERATORS])
    async def discard_earning_rule(self, info: Info, code: Code) -> ChangeEarningRuleResult:
        context = info.context
        return EarningRuleChanged.of(await service.discard_rule(code, actor=context.actor, now=context.clock.now()))
