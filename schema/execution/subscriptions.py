"""Subscriptions: graphql-core makes the source of events, the plan answers each of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from graphql import DocumentNode, ExecutionResult, Executor, GraphQLSchema, create_source_event_stream
from graphql.execution import map_source_to_response_event

from schema.execution.operations import Operation, execute_plan
from schema.execution.running import Execution


async def subscribe(
    operation: Operation,
    schema: GraphQLSchema,
    document: DocumentNode,
    *,
    variables: dict[str, Any] | None,
    context: Any,
    root_value: Any = None,
    executor_class: type[Executor[Any]] = Executor,
    **more: Any,
) -> AsyncGenerator[ExecutionResult, None] | ExecutionResult | None:
    """The answers to a subscription's events, or a single result when it cannot begin.

    None when graphql-core has to do it; nothing was begun then. What else is given goes to the executor, which
    resolves the field's source of events.
    """
    name = operation.node.name.value if operation.node.name else None
    executor = executor_class.build(schema, document, root_value, context, variables, name, **more)
    if isinstance(executor, list):
        return ExecutionResult(None, executor)
    plan = operation.plan(executor.variable_values)
    if plan is None:
        return None
    source: Any = create_source_event_stream(executor)
    if hasattr(source, "__await__"):
        source = await source
    if isinstance(source, ExecutionResult):
        return source

    async def answer(event: Executor[Any]) -> ExecutionResult:
        run = Execution(
            plan,
            root_value=event.root_value,
            context=context,
            variables=event.variable_values,
            extensions=more.get("operation_extensions"),
        )
        return await execute_plan(run)

    return map_source_to_response_event(executor, source, answer)
