"""Executes an operation compiled and by graphql-core, and says whether both answer the same.

Data is always the same, the order of its keys included. Without awaiting, errors are the same in the same order.

With awaiting, graphql-core cancels what stands beside a failed non-null field, and which errors it has met until then
is a matter of time; the specification leaves it open. There, each side may tell any of the errors below a position
that became null for one of them, and tells at least one; every other error is told by both. Which errors there can be
is found by executing once more without error propagation.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson
from graphql import (
    DirectiveNode,
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    NameNode,
    OperationDefinitionNode,
    OperationType,
    execute,
)

from schema.execution.operations import Operation
from schema.execution.resolvers import Resolvers

Told = tuple[str, str, str, str, str]


def told(error: GraphQLError) -> Told:
    """Everything of an error that a caller or a log can see."""
    places = [(each.line, each.column) for each in error.locations or ()]
    kind = type(error.original_error).__name__
    return repr(error.path), error.message, repr(places), repr(sorted((error.extensions or {}).items())), kind


def operation_of(document: DocumentNode) -> OperationDefinitionNode:
    (node,) = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    return node


async def by_core(
    schema: GraphQLSchema, document: DocumentNode, root: Any, context: Any, variables: Mapping[str, Any], **more: Any
) -> ExecutionResult:
    result: Any = execute(schema, document, root, context, dict(variables), **more)
    found: ExecutionResult = await result if hasattr(result, "__await__") else result
    return found


def without_propagation(document: DocumentNode) -> DocumentNode:
    """The same operation, in which an error makes nothing null but its own position."""
    directive = DirectiveNode(name=NameNode(value="experimental_disableErrorPropagation"))
    changed = replace(operation_of(document), directives=(directive,))
    others = [each for each in document.definitions if not isinstance(each, OperationDefinitionNode)]
    return DocumentNode(definitions=(changed, *others))


async def compare(
    schema: GraphQLSchema,
    document: DocumentNode,
    variables: Mapping[str, Any],
    *,
    root: Any = None,
    context: Callable[[], Any] = dict,
    waits: bool,
    **more: Any,
) -> ExecutionResult | None:
    """Raises AssertionError when the answers differ; the compiled answer, or nothing when it was not compiled.

    Compiled execution is asked level by level, and with the hint that all is at hand, which changes no answer. (A
    mutation takes no such hint, and is executed once.)
    """
    operation = Operation(Resolvers(schema), document, operation_of(document))
    levels = await operation.execute(variables=dict(variables), context=context(), root_value=root)
    core = await by_core(schema, document, root, context(), variables, **more)
    await _quiet()
    if levels is None:
        return None
    answers = [levels]
    if operation.node.operation is OperationType.QUERY:
        hinted = await operation.execute(variables=dict(variables), context=context(), root_value=root, at_hand=True)
        await _quiet()
        assert hinted is not None
        answers.append(hinted)
    for ours in answers:
        assert orjson.dumps(ours.data) == orjson.dumps(core.data), difference(ours.data, core.data)
        our_errors, core_errors = [list(map(told, each.errors or ())) for each in (ours, core)]
        if our_errors != core_errors:
            assert waits and core.errors, (our_errors, core_errors)
            raw = await by_core(schema, without_propagation(document), root, context(), variables, **more)
            await _quiet()
            _assert_allowed(ours, core, raw)
    return levels


def _assert_allowed(ours: ExecutionResult, core: ExecutionResult, raw: ExecutionResult) -> None:
    every = Counter(map(told, raw.errors or ()))
    our_errors, core_errors = [Counter(map(told, each.errors or ())) for each in (ours, core)]
    assert our_errors <= every, ("not an error of the operation", our_errors - every)
    assert core_errors <= every, ("graphql-core tells what is none", core_errors - every)
    for error in raw.errors or ():
        position = nulled_at(ours.data, error)
        below = [each for each in raw.errors or () if each is not error and starts(each, position)]
        if not below:
            assert our_errors[told(error)] == core_errors[told(error)] == every[told(error)], told(error)
        for each in (ours, core):
            assert any(starts(one, position) for one in each.errors or ()), ("nothing told at", position)


def difference(ours: Any, core: Any, path: tuple[str | int, ...] = ()) -> tuple[tuple[str | int, ...], Any, Any]:
    """Where two answers differ first, and what stands there."""
    if type(ours) is type(core) is dict and list(ours) == list(core):
        return next(difference(ours[key], core[key], (*path, key)) for key in ours if ours[key] != core[key])
    if type(ours) is type(core) is list and len(ours) == len(core):
        pairs = enumerate(zip(ours, core, strict=True))
        return next(difference(*each, (*path, place)) for place, each in pairs if each[0] != each[1])
    return path, ours, core


def starts(error: GraphQLError, position: list[str | int]) -> bool:
    return (error.path or [])[: len(position)] == position


def nulled_at(data: Any, error: GraphQLError) -> list[str | int]:
    """The position that is null in the answer, at or above an error."""
    position: list[str | int] = []
    for key in error.path or ():
        if data is None:
            break
        position.append(key)
        data = data[key]
    return position


async def _quiet() -> None:
    """Until nothing runs any more that an execution left behind."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.gather(*others, return_exceptions=True)
