"""Each part of the query language, compiled: exact answers, which are graphql-core's as well."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_introspection_query

from tests.execution.both import both, data_of, errors_of
from tests.execution.shop import Till, schema


async def test_fields_and_aliases() -> None:
    """A field answers under its alias, in the order of the document (specification 2.7, 7.1.1)."""
    data = await data_of(schema, "{ thing(place: 1) { b: name a: name name } }")
    assert list(data["thing"].items()) == [("b", "thing 1"), ("a", "thing 1"), ("name", "thing 1")]


async def test_fields_of_one_name_are_merged() -> None:
    """The same field in several places is resolved once, with the selections of all of them (6.3.2)."""
    data = await data_of(
        schema, "{ thing { maker { name } } ... on Query { thing { maker { country } size } } thing { name } }"
    )
    assert data == {"thing": {"maker": {"name": "maker 1", "country": "CN"}, "size": "LARGE", "name": "thing 1"}}


async def test_fragments_on_an_interface() -> None:
    """Below an interface each object gets the fields of the fragments that apply to its type (5.5.2, 6.3.2)."""
    text = """{ named { __typename name ...Own ... on Thing { size } ... on Named { again: name } } }
              fragment Own on Maker { country motto }"""
    assert await data_of(schema, text) == {
        "named": [
            {"__typename": "Maker", "name": "Ann", "country": None, "motto": "Ann made it", "again": "Ann"},
            None,
            {"__typename": "Thing", "name": "thing 0", "size": "SMALL", "again": "thing 0"},
        ]
    }


async def test_fragments_on_a_union_in_lists() -> None:
    """Objects of a union keep their places in nested lists (6.4.3)."""
    text = "{ visits { __typename ... on Thing { name } ... on ClosedProblem { until } } }"
    assert await data_of(schema, text) == {
        "visits": [
            [{"__typename": "Thing", "name": "thing 0"}, {"__typename": "ClosedProblem", "until": 3}],
            [],
            [{"__typename": "Maker"}],
        ]
    }


async def test_a_fragment_is_spread_once_per_selection_set() -> None:
    """A second spread adds nothing, and a fragment may spread others (2.8)."""
    text = """{ thing { ...A ...A ...B } } fragment C on Named { name }
              fragment A on Thing { name ...B } fragment B on Thing { price maker { ...C } }"""
    assert await data_of(schema, text) == {"thing": {"name": "thing 1", "price": 1.5, "maker": {"name": "maker 1"}}}


async def test_typename() -> None:
    """`__typename` is answered everywhere, the roots included (4.1)."""
    data = await data_of(schema, "{ t: __typename thing { __typename maker { __typename } } }")
    assert data == {"t": "Query", "thing": {"__typename": "Thing", "maker": {"__typename": "Maker"}}}


@pytest.mark.parametrize(
    ("variables", "shown"),
    [
        ({"yes": True, "no": False}, {"name", "price", "kept"}),
        ({"yes": False, "no": False}, {"kept"}),
        ({"yes": True, "no": True}, {"name", "kept"}),
    ],
)
async def test_skip_and_include(variables: dict[str, bool], shown: set[str]) -> None:
    """Directives decide by variable what is selected; of two on a field both must let it in (3.13.1, 3.13.2)."""
    text = """query ($yes: Boolean!, $no: Boolean!) { thing {
        name @include(if: $yes) price @include(if: $yes) @skip(if: $no) size @skip(if: true)
        kept: name @include(if: true) ... @skip(if: true) { made: madeAt } ...Never @include(if: false) } }
        fragment Never on Thing { tags }"""
    assert set((await data_of(schema, text, variables))["thing"]) == shown


async def test_an_object_of_which_nothing_is_selected() -> None:
    """When directives leave nothing of a selection set, the object is empty (6.3)."""
    assert await data_of(schema, "{ thing { name @skip(if: true) } }") == {"thing": {}}


ECHO = """query ($n: Int, $text: String, $ids: [ID!], $filter: Filter, $choice: Choice, $size: Size, $stamp: Stamp) {
    echo(n: $n, text: $text, ids: $ids, filter: $filter, choice: $choice, size: $size, stamp: $stamp) }"""


async def test_arguments_by_literal() -> None:
    """Literals of every kind; a single value is taken for a list of it, and defaults fill what is left out (6.4.1)."""
    text = """{ echo(ids: "a", filter: {name: "f", inner: {name: "g", low: null}}, choice: {number: 3}, size: LARGE,
                     stamp: "noon", text: null) }"""
    inner = "Filter(name='g', low=None, high=UNSET, colours=[<Colour.RED: 'r'>], inner=None)"
    written = f"Filter(name='f', low=3, high=UNSET, colours=[<Colour.RED: 'r'>], inner={inner})"
    chosen = "Choice(number=3, text=UNSET, filter=UNSET)"
    assert await data_of(schema, text) == {"echo": f"7 None ['a'] {written} {chosen} Size.LARGE ['stamp', 'noon']"}


async def test_arguments_by_variable() -> None:
    """A variable that is missing leaves the argument out; one that is null gives null (6.4.1)."""
    assert await data_of(schema, ECHO, {"n": 5, "text": None, "ids": [1, "b"]}) == {
        "echo": "5 None ['1', 'b'] None None None None"
    }
    assert await data_of(schema, ECHO, {"size": "SMALL"}) == {"echo": "7 plain None None None Size.SMALL None"}


async def test_defaults_of_variables() -> None:
    """A variable's default holds when it is missing, not when it is null (6.1.2)."""
    text = 'query ($text: String = "default") { echo(text: $text) }'
    assert (await data_of(schema, text))["echo"].startswith("7 default ")
    assert (await data_of(schema, text, {"text": None}))["echo"].startswith("7 None ")


async def test_variables_that_cannot_be_read() -> None:
    """Nothing is executed when a variable is of a wrong kind or missing: errors without a path, no data (6.1.2)."""
    text = "query ($n: Int!, $choice: Choice) { echo(n: $n, choice: $choice) }"
    for wrong in ({}, {"n": "x"}, {"n": None}, {"n": 1, "choice": {"number": 1, "text": "t"}}):
        found = await both(schema, text, dict(wrong))
        assert found.data is None and found.errors and all(error.path is None for error in found.errors)


async def test_an_argument_that_cannot_be_read() -> None:
    """What the resolver's own scalar refuses is an error of the field (6.4.1)."""
    found = await both(schema, "query ($s: Stamp) { echo(stamp: $s) thing { name } }", {"s": "fine"})
    assert found.errors is None
    text = 'query ($filter: Filter) { echo(filter: $filter, choice: {text: "t"}) }'
    assert (await data_of(schema, text, {"filter": {"name": "v", "colours": "BLUE"}}))["echo"].count("Colour.BLUE") == 1


async def test_leaves() -> None:
    """Scalars, enums and lists of them, nested ones too, as their types show them (3.5, 3.9, 3.11)."""
    data = await data_of(schema, "{ things { size price madeAt tags grid facts stamp } }")
    assert data["things"][1] == {
        "size": "LARGE",
        "price": 1.5,
        "madeAt": "2026-03-02T01:00:00+00:00",
        "tags": ["a"],
        "grid": [[1, None], []],
        "facts": {"place": 1},
        "stamp": "<at 1>",
    }


async def test_resolvers_of_every_kind() -> None:
    """Attributes, methods, coroutines, methods that give awaitables, iterators, asynchronous iterators (6.4.2)."""
    text = "{ things { priced(times: 3, size: LARGE) later counted streamed maker { motto } } }"
    assert (await data_of(schema, text))["things"][1] == {
        "priced": "4.5 LARGE",
        "later": 1,
        "counted": [1, 2, 3],
        "streamed": [4, 5],
        "maker": {"motto": "maker 1 made it"},
    }


async def test_relay_ids() -> None:
    """A node's global id is the same whether it is read on its type or on the interface."""
    data = await data_of(schema, "{ node { id ... on Thing { again: id } } thing(place: 0) { id } }")
    assert len({data["node"]["id"], data["node"]["again"], data["thing"]["id"]}) == 1


async def test_what_a_resolver_is_told() -> None:
    """A resolver may ask where it stands and with which variables it was called."""
    text = "query ($n: Int = 1) { list: things(number: $n) { again: whole } }"
    assert await data_of(schema, text) == {"list": [{"again": "whole whole ['list', 0, 'again'] {'n': 1}"}]}


async def test_introspection() -> None:
    """The schema itself is answered by compiled execution too (4)."""
    data = await data_of(schema, get_introspection_query(descriptions=True, input_value_deprecation=True))
    assert {"Thing", "Visit", "Filter"} <= {each["name"] for each in data["__schema"]["types"]}
    assert await data_of(schema, '{ __type(name: "Size") { name enumValues { name } } }') == {
        "__type": {"name": "Size", "enumValues": [{"name": "SMALL"}, {"name": "LARGE"}]}
    }


async def test_a_refusal_becomes_a_member_of_the_union() -> None:
    """An exception that a handler of strawberry's knows is answered as data; one that it declines is an error."""
    text = "query ($until: Int!) { visit(until: $until) { ... on ClosedProblem { until } __typename } }"
    assert await data_of(schema, text, {"until": 5}) == {"visit": {"until": 5, "__typename": "ClosedProblem"}}
    found = await both(schema, text, {"until": 0})
    assert (found.data, errors_of(found)) == (None, [("closed until 0", ["visit"])])


async def test_extensions_of_fields_run() -> None:
    """A field's extension is around its resolver, with the arguments converted."""
    assert await data_of(schema, "{ guarded(number: 4) }") == {"guarded": 4}


async def test_mutations_run_one_after_the_other() -> None:
    """A mutation's fields are executed in order, each with all that is below it before the next begins (6.2.2)."""
    tills: list[Till] = []

    def till() -> Till:
        tills.append(Till())
        return tills[-1]

    text = 'mutation { a: sell(name: "a", rounds: 5) { name later } try_: try_ b: sell(name: "b") { maker { motto } } }'
    found = await both(schema, text.replace("try_: try_", "try_"), context=till)
    assert found.data == {
        "a": {"name": "thing 0", "later": 0},
        "try_": None,
        "b": {"maker": {"motto": "maker 0 made it"}},
    }
    assert [each.done for each in tills] == [["a", "tried", "b"]] * len(tills)


async def test_mutations_stop_when_the_answer_is_null() -> None:
    """After a non-null root field failed, later fields of a mutation do not happen (6.2.2, 6.4.4)."""
    tills: list[Till] = []

    def till() -> Till:
        tills.append(Till())
        return tills[-1]

    found = await both(schema, 'mutation { refuse sell(name: "never") { name } }', context=till)
    assert (found.data, errors_of(found)) == (None, [("no", ["refuse"])])
    assert [each.done for each in tills] == [["refused"]] * len(tills)


@pytest.mark.parametrize("place", [-1, 0])
async def test_null_objects(place: int) -> None:
    """A null object has no fields; what would have been below it is not asked for."""
    data: Any = await data_of(schema, f"{{ thing(place: {place}) {{ maker {{ motto }} }} }}")
    assert data == {"thing": None if place < 0 else {"maker": {"motto": "maker 0 made it"}}}
