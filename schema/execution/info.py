"""What a resolver may ask about its field, found out only when it does ask.

It has the attributes of graphql-core's `GraphQLResolveInfo` and of what strawberry adds to them, so that
`strawberry.Info` and resolvers of plain graphql-core work on it unchanged.
"""

from __future__ import annotations

from asyncio import ensure_future, gather
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfoHelpers,
    GraphQLSchema,
    OperationDefinitionNode,
)
from graphql.pyutils import Path, gather_with_cancel, is_awaitable

from schema.execution.plans import Answer, FieldPlan

if TYPE_CHECKING:
    from schema.execution.running import Execution


def _track(values: Sequence[Any]) -> None:
    """Settle what nobody waits for any more, so that its errors are seen."""
    abandoned = [ensure_future(value) for value in values if is_awaitable(value)]
    if abandoned:
        _settling.add(settled := gather(*abandoned, return_exceptions=True))
        settled.add_done_callback(_settling.discard)


_settling: set[Any] = set()
HELPERS = GraphQLResolveInfoHelpers(gather=lambda values: gather_with_cancel(*values), track=_track)


class FieldInfo:
    """A field of one object of one execution."""

    __slots__ = ("_answer", "_field", "_run")

    is_awaitable = staticmethod(is_awaitable)
    abort_signal = None
    async_helpers = HELPERS

    def __init__(self, run: Execution, field: FieldPlan, answer: Answer) -> None:
        self._run = run
        self._field = field
        self._answer = answer

    @property
    def context(self) -> Any:
        """The context of the execution."""
        return self._run.context

    @property
    def field_name(self) -> str:
        """The name of the field in the schema."""
        return self._field.name

    @property
    def field_nodes(self) -> list[FieldNode]:
        """Every place of the document that selects the field here."""
        return self._field.nodes

    @property
    def return_type(self) -> GraphQLOutputType:
        """The type of the field."""
        return self._field.definition.type

    @property
    def parent_type(self) -> GraphQLObjectType:
        """The type of the object that the field is of."""
        return self._field.parent

    @property
    def path(self) -> Path:
        """Where in the answer the field stands."""
        return self._run.path_of(self._field, self._answer)

    @property
    def schema(self) -> GraphQLSchema:
        """The schema of the execution."""
        return self._run.plan.schema

    @property
    def fragments(self) -> dict[str, FragmentDefinitionNode]:
        """The document's fragments by name."""
        return self._run.plan.fragments

    @property
    def root_value(self) -> Any:
        """What the root fields resolve from."""
        return self._run.root_value

    @property
    def operation(self) -> OperationDefinitionNode:
        """The operation that is executed."""
        return self._run.plan.operation

    @property
    def variable_values(self) -> Any:
        """The variables: a plain mapping for strawberry, graphql-core's own container otherwise."""
        variables = self._run.variables
        return variables.coerced if hasattr(self.schema, "_strawberry_schema") else variables

    @property
    def operation_extensions(self) -> dict[str, Any] | None:
        """The `extensions` of the request."""
        return self._run.extensions
