"""Executes a text in both ways and answers with what they agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strawberry
from graphql import ExecutionResult, parse

from app.documents import validation_errors
from tests.execution.comparison import compare
from tests.execution.strawberry_worlds import Surroundings


async def both(
    schema: strawberry.Schema,
    text: str,
    variables: dict[str, Any] | None = None,
    *,
    root: Any = None,
    context: Callable[[], Any] = Surroundings,
) -> ExecutionResult:
    """The compiled answer, which is graphql-core's as well."""
    document = parse(text)
    assert validation_errors(schema._schema, document) == []
    found = await compare(
        schema._schema,
        document,
        variables or {},
        root=root,
        context=context,
        waits=True,
        executor_class=schema.execution_context_class,
    )
    assert found is not None, "it was compiled"
    return found


async def data_of(schema: strawberry.Schema, text: str, variables: dict[str, Any] | None = None, **more: Any) -> Any:
    """The data of an answer without errors."""
    found = await both(schema, text, variables, **more)
    assert found.errors is None, found.errors
    return found.data


def errors_of(found: ExecutionResult) -> list[tuple[str, list[str | int] | None]]:
    """Each error's message and path."""
    return [(error.message, error.path) for error in found.errors or ()]
