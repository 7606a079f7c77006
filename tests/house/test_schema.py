"""Both GraphQL schemas as their clients see them: printed under review, described throughout, bounded everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    is_introspection_type,
    is_specified_scalar_type,
)

from app import print_schema
from gamification.audits.queries import CHECKS_MAX
from gamification.checkins.rules import CYCLE_DAYS_MAX
from gamification.core.errors import Refusal
from gamification.draws.disclosure import CONDITIONS_MAX
from gamification.draws.rules import PRIZES_MAX, TICKETS_MAX
from gamification.draws.verification import DISCREPANCIES
from gamification.earning.conditions import LISTED_MAX, NODES_MAX
from gamification.earning.rulebook import RULES_MAX, Period
from gamification.earning.rulebook import STEPS_MAX as AMOUNT_STEPS_MAX
from gamification.earning.rules import STEPS_MAX
from gamification.instant_draws.rules import LINES_MAX as ODDS_LINES_MAX
from gamification.members.queries import REFERENCES_MAX
from gamification.members.service.integrations import SCOPES_MAX
from gamification.members.service.staff import STORES_MAX
from gamification.orders.service.requests import LINES_MAX
from gamification.points.explanations import STEPS_MAX as EXPLANATION_STEPS_MAX
from gamification.points.liability import MONTHS_AHEAD_MAX
from gamification.points.models import KINDS
from gamification.points.months import MONTHS_MAX
from gamification.points.rules import DATES_MAX, NOTICES_MAX
from gamification.programmes.files import BODIES
from gamification.tiers.rules import TIERS_MAX
from schema.admin.root import schema as admin
from schema.benefits import BenefitType
from schema.checkins import REWARDS_MAX
from schema.extensions import Schema
from schema.paging import PAGE_MAX
from schema.points_ahead import EXPIRING_MAX
from schema.previews import PREVIEWED_MAX
from schema.refusals import Refusal as RefusalType
from schema.root import schema as member
from tests.house.sources import sources

LOG_DEPTH_MAX = 63
"""A log's size is a bigint, so a way from a leaf to the root has no more steps."""

BOUNDS = {
    "BenefitsPolicy.tiers": TIERS_MAX,
    "CheckInPreview.entries": PREVIEWED_MAX,
    "CheckInPolicy.rewards": CYCLE_DAYS_MAX,
    "CheckInState.nextRewards": REWARDS_MAX,
    "ConsistencyProof.hashes": LOG_DEPTH_MAX + 1,
    "DeductionQuote.linePoints": LINES_MAX,
    "DonationPreview.entries": PREVIEWED_MAX,
    "DrawDisclosure.conditions": CONDITIONS_MAX,
    "DrawDisclosure.prizes": PRIZES_MAX,
    "DrawTicketPreview.entries": PREVIEWED_MAX,
    "Draw.prizes": PRIZES_MAX,
    "VerifiedDraw.discrepancies": len(DISCREPANCIES),
    "DrawInclusionProof.siblings": TICKETS_MAX.bit_length(),
    "EarningPolicy.ladder": STEPS_MAX,
    "EntryExplanation.steps": EXPLANATION_STEPS_MAX,
    "EntryProof.auditPath": LOG_DEPTH_MAX,
    "HoldPreview.entries": PREVIEWED_MAX,
    "InstantDraw.prizesLeft": ODDS_LINES_MAX,
    "InstantDrawFigures.given": ODDS_LINES_MAX,
    "InstantOdds.lines": ODDS_LINES_MAX,
    "Integration.scopes": SCOPES_MAX,
    "InvariantRun.checks": CHECKS_MAX,
    "LiabilityReport.buckets": MONTHS_AHEAD_MAX + 1,
    "Member.benefits": len(BenefitType),
    "Member.references": REFERENCES_MAX,
    "Member.statementMonths": MONTHS_MAX,
    "MonthlyStatement.lines": len(KINDS),
    "Order.lines": LINES_MAX,
    "OrderEventPreview.entries": PREVIEWED_MAX,
    "OrderPreview.entries": PREVIEWED_MAX,
    "PlayPreview.entries": PREVIEWED_MAX,
    "PointsBalance.expiring": EXPIRING_MAX,
    "PointsExpiry.dates": DATES_MAX,
    "PointsPolicy.activationDates": DATES_MAX,
    "PointsPolicy.noticeDays": NOTICES_MAX,
    "RefundPreview.entries": PREVIEWED_MAX,
    "CartEarnings.rules": RULES_MAX,
    "EventPreview.entries": PREVIEWED_MAX,
    "EventPreview.rules": RULES_MAX,
    "EventRecorded.rules": RULES_MAX,
    "OrderPreview.rules": RULES_MAX,
    "OrderRecorded.rules": RULES_MAX,
    "Query.earningRules": RULES_MAX,
    "RuleCondition.all": NODES_MAX,
    "RuleCondition.any": NODES_MAX,
    "RuleCondition.none": NODES_MAX,
    "RuleCondition.categoryIn": LISTED_MAX,
    "RuleCondition.channelIn": LISTED_MAX,
    "RuleCondition.skuIn": LISTED_MAX,
    "RuleCondition.storeIn": LISTED_MAX,
    "RuleCondition.tierIn": LISTED_MAX,
    "RuleDefinition.caps": len(get_args(Period)),
    "RuleDefinition.tiers": LISTED_MAX,
    "RuleEffect.steps": AMOUNT_STEPS_MAX,
    "RuleLineBonus.categoryIn": LISTED_MAX,
    "RuleLineBonus.skuIn": LISTED_MAX,
    "RuleWindow.daysOfMonth": 31,
    "RuleWindow.weekdays": 7,
    "RulesPolicy.rules": RULES_MAX,
    "Programme.tiers": TIERS_MAX,
    "ProgrammePublished.leftAlone": len(BODIES),
    "ProgrammePublished.published": len(BODIES),
    "ProgrammePublished.unchanged": len(BODIES),
    "Staff.stores": STORES_MAX,
    "TierPolicy.tiers": TIERS_MAX,
    "TierProgress.opportunities": TIERS_MAX,
    "TierProgress.risks": 4,
}
"""Lists that are no pages, each with what bounds it."""

NEVER_REFUSED = {"signOut"}
"""Mutations that always succeed: whoever signs out is signed out."""

FAULTS_OF_OPERATION = {"OVERLOADED", "PLAY_SEED_MISSING", "POLICY_MISSING"}
"""Refusals of no verb: the installation was never set up, the process has too much to do. They come as coded errors."""

both = pytest.mark.parametrize("schema", [member, admin], ids=["member", "admin"])


def types_of(schema: Schema) -> Iterator[GraphQLNamedType]:
    """The types of our own."""
    graphql: GraphQLSchema = schema._schema
    for each in graphql.type_map.values():
        if not is_introspection_type(each) and not is_specified_scalar_type(each):
            yield each


def fields_of(schema: Schema) -> Iterator[tuple[str, GraphQLField]]:
    """Every field of every type as `Type.field`."""
    for each in types_of(schema):
        if isinstance(each, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in each.fields.items():
                yield f"{each.name}.{name}", field


def parts_of(schema: Schema) -> Iterator[tuple[str, Any]]:
    """Everything that a client reads a description of."""
    for each in types_of(schema):
        yield each.name, each
        members: Mapping[str, Any] = {}
        if isinstance(each, GraphQLInputObjectType):
            members = each.fields
        elif isinstance(each, GraphQLEnumType):
            members = each.values
        yield from ((f"{each.name}.{name}", part) for name, part in members.items())
    for place, field in fields_of(schema):
        yield place, field
        yield from ((f"{place}({name})", argument) for name, argument in field.args.items())


@both
def test_everything_is_described(schema: Schema) -> None:
    """Each type, field, argument, input and enum value says what it is."""
    described = list(parts_of(schema))
    assert len(described) > 100
    assert [place for place, part in described if not (part.description or "").strip()] == []


def is_list(field: GraphQLField) -> bool:
    inner = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
    return isinstance(inner, GraphQLList)


@both
def test_every_list_is_bounded(schema: Schema) -> None:
    """A list is a page, whose `first` is bounded, or one that the product keeps short by a limit of its own."""
    lists = {place for place, field in fields_of(schema) if is_list(field)}
    pages = {place for place in lists if place.endswith("Connection.edges")}
    assert lists - pages - BOUNDS.keys() == set()
    assert all(0 < limit <= 1_000 for limit in BOUNDS.values())


def test_every_bound_is_of_a_list_that_exists() -> None:
    """The table of bounds names nothing that the schemas no longer have."""
    lists = {place for schema in (member, admin) for place, field in fields_of(schema) if is_list(field)}
    assert BOUNDS.keys() - lists == set()


@both
def test_every_page_has_a_size_and_a_cursor(schema: Schema) -> None:
    """A field that answers with a connection takes `first`, which has a default within bounds, and `after`."""
    for place, field in fields_of(schema):
        kind = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
        if isinstance(kind, GraphQLObjectType) and kind.name.endswith("Connection"):
            assert {"first", "after"} <= field.args.keys(), place
            assert default_of(field.args["first"]) in range(1, PAGE_MAX + 1), place


def default_of(argument: GraphQLArgument) -> Any:
    """The value that an absent argument stands for."""
    default = argument.default
    return getattr(default, "value", default) if default is not None else argument.default_value


@both
def test_every_mutation_answers_with_its_result_or_a_refusal(schema: Schema) -> None:
    """An expected no is a member of the union that a mutation returns, and every such member is a `Refusal`."""
    graphql: GraphQLSchema = schema._schema
    assert graphql.mutation_type is not None
    refusal = graphql.type_map["Refusal"]
    assert graphql.mutation_type.fields.keys() >= NEVER_REFUSED
    for name in graphql.mutation_type.fields.keys() - NEVER_REFUSED:
        field = graphql.mutation_type.fields[name]
        kind = field.type.of_type if isinstance(field.type, GraphQLNonNull) else field.type
        members = getattr(kind, "types", ())
        refusals = [each for each in members if refusal in each.interfaces]
        assert len(members) > len(refusals) > 0, name
        assert kind.name.endswith("Result"), name


def test_every_refusal_has_a_type() -> None:
    """Whatever the product refuses can be answered as data: none of its refusals would reach a client as a fault."""
    ours = {each for each in Refusal.by_code.values() if each.__module__.startswith("gamification.")}
    leaves = {each for each in ours if each.messages}
    assert {each.code for each in leaves - RefusalType.of_domain.keys()} == FAULTS_OF_OPERATION


@pytest.mark.parametrize("path", list(print_schema.printed_schemas()), ids=lambda path: path.name)
def test_the_printed_schema_is_the_one_under_review(path: Path) -> None:
    """`schema/*.graphql` say what the schemas are; `python -m app print-schema --write` writes them anew."""
    assert path.read_text(encoding="utf-8") == print_schema.printed_schemas()[path]


def test_a_changed_schema_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--check` fails and names what differs until `--write` has written it; both at once are refused."""
    monkeypatch.setattr(print_schema, "FOLDER", tmp_path)
    run = CliRunner().invoke
    missing = run(print_schema.command, ["--check"])
    assert (missing.exit_code, missing.output) == (
        1,
        "Error: member.graphql, admin.graphql: write anew with --write.\n",
    )
    written = run(print_schema.command, ["--write"])
    assert (written.exit_code, written.output) == (0, "Wrote member.graphql.\nWrote admin.graphql.\n")
    assert run(print_schema.command, ["--check"]).exit_code == 0
    (tmp_path / "admin.graphql").write_text("type Query { stale: Int }\n", encoding="utf-8")
    assert run(print_schema.command, ["--check"]).output == "Error: admin.graphql: write anew with --write.\n"
    assert run(print_schema.command, ["--check", "--write"]).exit_code == 2


def test_the_schemas_are_printed_to_the_terminal() -> None:
    """Without an option both are printed, each under the name of its file."""
    printed = CliRunner().invoke(print_schema.command, [])
    assert printed.exit_code == 0
    assert [line for line in printed.output.splitlines() if line.startswith("# ")] == [
        "# member.graphql",
        "# admin.graphql",
    ]


def test_every_file_of_types_is_reached_from_a_root() -> None:
    """A module of `schema/` that no root and no process imports would be a feature that nobody can ask for."""
    files = {file.module: file for file in sources("schema")}
    elsewhere = {module for file in sources("app") for module in file.imported}
    reached, waiting = set(), ["schema.root", "schema.admin.root", *elsewhere]
    while waiting:
        module = waiting.pop()
        if module in files and module not in reached:
            reached.add(module)
            waiting += files[module].imported
    lonely = {name for name in files if name not in reached and files[name].path.name != "__init__.py"}
    assert lonely == set()
