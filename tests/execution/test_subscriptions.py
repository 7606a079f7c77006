"""Subscriptions: each event is answered by the plan, as graphql-core would answer it."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import ExecutionResult, parse
from graphql import subscribe as core_subscribe

from schema.execution.operations import Operation
from schema.execution.resolvers import Resolvers
from schema.execution.subscriptions import subscribe
from tests.execution.comparison import operation_of, told
from tests.execution.shop import schema

core = schema._schema


async def answers(source: Any) -> list[tuple[Any, list[Any]]]:
    """Everything a subscription answers, and what it ends with when it fails."""
    source = await source if hasattr(source, "__await__") else source
    found: list[tuple[Any, list[Any]]] = []
    if isinstance(source, ExecutionResult):
        return [(source.data, [told(error) for error in source.errors or ()])]
    try:
        async for result in source:
            found.append((result.data, [told(error) for error in result.errors or ()]))  # noqa: PERF401
    except ValueError as error:
        found.append((str(error), []))
    return found


async def both_answer(text: str, variables: dict[str, Any] | None = None) -> list[tuple[Any, list[Any]]]:
    document = parse(text)
    operation = Operation(Resolvers(core), document, operation_of(document))
    ours = await answers(
        subscribe(
            operation,
            core,
            document,
            variables=variables,
            context=None,
            executor_class=schema.execution_context_class,
            operation_extensions={},
        )
    )
    theirs = core_subscribe(
        core,
        document,
        variable_values=variables,
        executor_class=schema.execution_context_class,
        operation_extensions={},
    )
    assert ours == await answers(theirs)
    return ours


async def test_each_event_is_answered() -> None:
    """An event is the root of an answer of its own, with fragments, batches and waiting below it."""
    found = await both_answer(
        "subscription ($n: Int!) { arrivals(number: $n) { name maker { motto } ... on Named { again: name } } }",
        {"n": 2},
    )
    assert found == [
        ({"arrivals": {"name": f"thing {n}", "maker": {"motto": f"maker {n} made it"}, "again": f"thing {n}"}}, [])
        for n in range(2)
    ]


async def test_an_event_may_fail_alone() -> None:
    """Errors of one event are told with it; a null that rises to the root makes that answer null, and no other."""
    found = await both_answer('subscription { arrivals { name fails must(how: "fine") } }')
    assert [data and data["arrivals"]["fails"] for data, _ in found] == [None, None]
    assert [len(errors) for _, errors in found] == [1, 1]
    assert [data for data, _ in await both_answer("subscription { arrivals { must } }")] == [None, None]


async def test_a_feed_that_breaks() -> None:
    """What the source raises comes after the answers that were given."""
    found = await both_answer("subscription { arrivals(number: 1, breaks: true) { name } }")
    assert found == [({"arrivals": {"name": "thing 0"}}, []), ("the feed broke", [])]


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("subscription ($n: Int!) { arrivals(number: $n) { name } }", {"n": "x"}),
        ("subscription { nothing }", None),
    ],
)
async def test_a_feed_that_does_not_begin(text: str, variables: dict[str, Any] | None) -> None:
    """Variables that cannot be read, and a source that fails, are answered once."""
    (only,) = await both_answer(text, variables)
    assert only[0] is None or isinstance(only[0], str)


async def test_an_operation_that_is_not_compiled_is_not_begun() -> None:
    """Where graphql-core has to execute, the source is not opened here."""
    document = parse("subscription @experimental_disableErrorPropagation { arrivals { name } }")
    operation = Operation(Resolvers(core), document, operation_of(document))
    assert await subscribe(operation, core, document, variables=None, context=None) is None
