"""Documents made to hurt, each refused in work that is counted, not timed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from graphql import GraphQLError, build_schema, get_introspection_query, parse

from app import graphql_engine
from app.comparisons import count_comparisons
from app.documents import TrustedDocuments, validation_errors
from app.graphql_engine import CACHED_DOCUMENTS_MAX, Engine, Policy
from app.graphql_requests import OperationRequest, RequestRejected
from app.limits import LIMITS, SAFE_INTEGER_MAX, LimitExceeded, Limits, check_usage
from app.measure import measure
from gamification.core.actors import Actor
from tests.http.contexts import context_for
from tests.http.toy import MEMBER, OWNER, SHELF, ask, toy_app
from tests.http.toy_schema import toy_schema

CORE = toy_schema._schema
WIDE = replace(LIMITS["staff"], tokens_max=100_000)


def refusal(query: str, limits: Limits = WIDE) -> dict[str, object]:
    """The extensions with which a document is refused."""
    engine = Engine(toy_schema, TrustedDocuments(), Policy(limits=dict.fromkeys(LIMITS, limits)))
    with pytest.raises(RequestRejected) as rejection:
        engine.prepare(OperationRequest(query=query), context_for(MEMBER))
    (error,) = rejection.value.errors
    return dict(error.extensions or {})


def bomb(levels: int) -> str:
    """Fragments that each spread the next one twice: 2^levels fields in a few hundred letters."""
    fragments = [
        f"fragment F{n} on Toy {{ a: similar {{ ...F{n + 1} }} b: similar {{ ...F{n + 1} }} }}" for n in range(levels)
    ]
    return "{ toys { edges { node { ...F0 } } } }" + " ".join(fragments) + f" fragment F{levels} on Toy {{ name }}"


def flat_bomb(levels: int) -> str:
    """The same without depth."""
    fragments = [f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels)]
    return "{ ...F0 }" + " ".join(fragments) + f" fragment F{levels} on Query {{ tooMany }}"


def test_a_fragment_bomb_is_measured_in_linear_work() -> None:
    """2^150 fields are known to be that many after looking at four selections for each fragment."""
    usage = measure(CORE, parse(flat_bomb(150)))
    assert usage.fields == 2**150
    assert usage.visited == 2 * 150 + 2


@pytest.mark.parametrize(("query", "code"), [(bomb(150), "TOO_DEEP"), (flat_bomb(150), "TOO_MANY_FIELDS")])
def test_a_fragment_bomb_is_refused(query: str, code: str) -> None:
    """The refusal names the figure, as large as JSON can hold exactly."""
    extensions = refusal(query)
    assert extensions["code"] == code
    assert extensions["used"] == (SAFE_INTEGER_MAX if code == "TOO_MANY_FIELDS" else 154)


def test_ten_thousand_aliases_are_refused() -> None:
    """By their tokens for a member, by their number where the text may be long."""
    query = "{" + " ".join(f"a{n}: __typename" for n in range(10_000)) + "}"
    assert refusal(query, LIMITS["member"]) == {"code": "TOO_MANY_TOKENS", "limit": 2_000, "used": 2_001}
    roomy = replace(WIDE, fields_max=20_000)
    assert refusal(query, roomy) == {"code": "TOO_MANY_ALIASES", "limit": 120, "used": 10_000}


def test_aliases_are_counted_through_fragments() -> None:
    """Eleven spreads of four aliases are forty-four."""
    query = "{" + "...F " * 11 + "} fragment F on Query { a: __typename b: __typename c: __typename d: __typename }"
    assert refusal(query, LIMITS["member"]) == {"code": "TOO_MANY_ALIASES", "limit": 40, "used": 44}


def test_repetitions_of_one_field_are_refused_before_validation() -> None:
    """2,452 bytes of one field are 1,226 times 1,225 / 2 comparisons; counting stops at the ceiling."""
    query = "{" + "a " * 1_225 + "}"
    assert len(query) == 2_452
    assert count_comparisons(parse(query), 5_001) == 5_050
    extensions = refusal(query, replace(WIDE, root_fields_max=2_000, fields_max=2_000))
    assert extensions["code"] == "TOO_MANY_REPEATED_FIELDS"


def test_repetitions_inside_repetitions_are_counted_where_they_meet() -> None:
    """Four times four nested fields meet under one path: they are sixteen there, which makes 120 pairs."""
    once = "{ toys { " + "edges { cursor } " * 4 + "} }"
    flat = "{" + ("toys { " + "edges { cursor } " * 4 + "} ") * 4 + "}"
    assert count_comparisons(parse(once), 10_000) == 1 + (4 + 6) + (4 + 6)
    assert count_comparisons(parse(flat), 10_000) == (4 + 6) + (16 + 120) + (16 + 120)


def test_one_fragment_spread_often_is_compared_once() -> None:
    """Clients that compose fragments repeat them; that costs nothing."""
    query = "{" + "...F " * 50 + "} fragment F on Query { tooMany }"
    assert count_comparisons(parse(query), 10_000) == 2


def test_a_bomb_of_comparisons_stops_at_the_ceiling() -> None:
    """Counting never goes on after the ceiling is passed, whatever the document expands to."""
    fragments = " ".join(
        f"fragment F{n} on Toy {{ a: similar {{ ...F{n + 1} }} b: similar {{ ...F{n + 1} }} }}" for n in range(40)
    )
    document = parse("{ toys { edges { node { ...F0 } } } }" + fragments + " fragment F40 on Toy { name }")
    assert count_comparisons(document, 5_000) in (5_001, 5_002)


@pytest.mark.parametrize(
    "query",
    [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { tooMany ...C } fragment C on Query { ...A }",
        "{ __typename } fragment A on Toy { similar { ...A } }",
    ],
)
def test_fragments_in_a_circle_are_refused(query: str) -> None:
    """Also when nothing spreads them."""
    with pytest.raises(GraphQLError, match="within itself"):
        measure(CORE, parse(query))
    assert refusal(query) == {"code": "GRAPHQL_VALIDATION_FAILED"}


def test_a_long_chain_of_fragments_needs_no_recursion() -> None:
    """A thousand fragments, each spreading the next, are measured like any other."""
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(1_000))
    usage = measure(CORE, parse("{ ...F0 } " + chain + " fragment F1000 on Query { tooMany }"))
    assert (usage.fields, usage.depth, usage.visited) == (1, 1, 1_002)


@pytest.mark.parametrize("query", ["{ echo(points: " + "[" * 900 + "]" * 900 + ") }", "{ a" * 500 + "}" * 500])
async def test_deep_nesting_is_refused_and_never_a_fault(query: str) -> None:
    """Lists in lists and fields in fields end in the parser or at the depth limit."""
    (error,) = (await ask(toy_app(), query, "owner"))["errors"]
    assert error["extensions"]["code"] in ("GRAPHQL_PARSE_FAILED", "TOO_DEEP", "TOO_MANY_TOKENS")


def test_lists_weigh_by_their_page() -> None:
    """A page of n items of m values costs about n × m; a list without a page counts as ten."""

    def cost(query: str, **variables: int) -> int:
        return measure(CORE, parse(query), variables).cost

    assert cost("{ toys(first: 2) { edges { node { name } } } }") == 1 + 2 * (1 + 1 + 1)
    assert cost("{ toys { edges { node { name } } } }") == 1 + 20 * 3
    assert cost("{ toys(first: 3) { edges { node { similar { name } } } } }") == 1 + 3 * (1 + 1 + 10 * 2)
    assert cost(SHELF, first=7) == 1 + 7 * 3
    assert cost(SHELF) == cost(SHELF, first=1_000) == 1 + 100 * 3
    assert cost("{ toys(first: 5) { ...E } } fragment E on ToyConnection { edges { cursor } }") == 1 + 5 * 2
    assert cost("{ toys(first: -1) { edges { cursor } } }") == 1
    assert cost("{ toys(first: 99999999999) { edges { cursor } } }") == 1 + 100 * 2


def test_nested_pages_multiply_until_they_are_too_costly() -> None:
    """A hundred beside a hundred beside a hundred is a million."""
    inner = "edges { cursor }"
    for _ in range(2):
        inner = f"edges {{ node {{ beside(first: 100) {{ {inner} }} }} }}"
    extensions = refusal(f"{{ toys(first: 100) {{ {inner} }} }}", LIMITS["staff"])
    assert (extensions["code"], extensions["limit"]) == ("TOO_COSTLY", 100_000)
    assert extensions["used"] == 1 + 100 * (2 + 1 + 100 * (2 + 1 + 100 * 2))


@pytest.mark.parametrize(
    ("query", "code", "limit", "used"),
    [
        (
            "mutation {" + "".join(f'm{n}: buyToy(name: "x") {{ __typename }} ' for n in range(4)) + "}",
            "TOO_MANY_MUTATIONS",
            3,
            4,
        ),
        ("{" + "toys { edges { cursor } } " * 16 + "}", "TOO_MANY_ROOT_FIELDS", 15, 16),
        ("{ __typename " + "@include(if: true) " * 41 + "}", "TOO_MANY_DIRECTIVES", 40, 41),
        ("{ __typename }" + " #" * 2_100 + "\n#" * 2_100, "TOO_MANY_TOKENS", 2_000, 2_001),
    ],
)
def test_each_limit_names_itself(query: str, code: str, limit: int, used: int) -> None:
    """Code, limit and what was used stand in the extensions."""
    assert refusal(query, LIMITS["member"]) == {"code": code, "limit": limit, "used": used}


def test_each_audience_has_figures_of_its_own() -> None:
    """Anonymous callers may ask for least, staff for most."""
    costs = {audience: LIMITS[audience].cost_max for audience in LIMITS}
    assert costs == {"anonymous": 2_000, "member": 10_000, "integration": 50_000, "staff": 100_000}


def test_the_question_of_tools_for_the_schema_is_within_the_limits() -> None:
    """What GraphiQL asks passes for everyone who may ask; a question that multiplies itself does not."""
    usage = measure(CORE, parse(get_introspection_query(input_value_deprecation=True, schema_description=True)))
    check_usage(usage, LIMITS["anonymous"])
    nested = "fields { type { " * 8 + "name" + " } }" * 8
    with pytest.raises(LimitExceeded, match="values of the schema"):
        check_usage(measure(CORE, parse("{ __schema { types { " + nested + " } } }")), LIMITS["staff"])


def test_fields_that_do_not_exist_are_measured_and_left_to_validation() -> None:
    """Measuring knows no types there and does not fail."""
    schema = build_schema("type Query { a: Int }")
    usage = measure(schema, parse("{ nothing { x { y } } ... on Nowhere { z } ...Missing }"))
    assert (usage.depth, usage.fields, usage.cost) == (3, 4, 4)


def engine_of_counted(monkeypatch: pytest.MonkeyPatch) -> tuple[Engine, list[str]]:
    """An engine, and a list that notes every validation it makes."""
    validated: list[str] = []

    def note(*arguments: object) -> list[GraphQLError]:
        validated.append("")
        return validation_errors(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(graphql_engine, "validation_errors", note)
    return Engine(toy_schema, TrustedDocuments(), Policy()), validated


def test_a_known_document_is_parsed_and_validated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache works beside the limits, which are still checked with each request's variables and caller."""
    engine, validated = engine_of_counted(monkeypatch)
    beside = "beside(first: $first) { edges { node { similar { name } } } }"
    deep = f"query Q($first: Int!) {{ toys(first: $first) {{ edges {{ node {{ {beside} }} }} }} }}"
    request = OperationRequest(query=deep, variables={"first": 2})
    documents = {id(engine.prepare(request, context_for(MEMBER)).document) for _ in range(3)}
    assert (len(documents), len(validated)) == (1, 1)
    with pytest.raises(RequestRejected) as rejection:
        engine.prepare(OperationRequest(query=deep, variables={"first": 100}), context_for(MEMBER))
    assert (rejection.value.errors[0].extensions or {})["code"] == "TOO_COSTLY"
    with pytest.raises(RequestRejected):
        engine.prepare(OperationRequest(query=deep, variables={"first": 90}), context_for(Actor("anonymous")))
    assert len(validated) == 1


def test_the_cache_is_bounded_and_keeps_no_bad_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old documents make room for new ones; documents that are not valid, or very long, are not kept."""
    engine, validated = engine_of_counted(monkeypatch)
    for number in range(CACHED_DOCUMENTS_MAX + 5):
        engine.prepare(OperationRequest(query=f"{{ a{number}: __typename }}"), context_for(MEMBER))
    assert len(engine._known) == CACHED_DOCUMENTS_MAX
    known = len(validated)
    for _ in range(2):
        with pytest.raises(RequestRejected):
            engine.prepare(OperationRequest(query="{ nothing }"), context_for(MEMBER))
        engine.prepare(OperationRequest(query="{ __typename }" + " " * 20_000), context_for(OWNER))
    assert len(validated) == known + 4
    assert len(engine._known) == CACHED_DOCUMENTS_MAX
