"""A schema of this house: printed in order, with our scalars, and refusals answered as union members."""

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any

import strawberry
from graphql import GraphQLError, lexicographic_sort_schema
from strawberry.extensions import SchemaExtension
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from schema.context import Context
from schema.paging import PAGE_MAX
from schema.refusals import refusal_handlers
from schema.scalars import SCALARS


class PreparedDocument(SchemaExtension):
    """Runs the document that was parsed, measured and validated before execution, so that it is not done again."""

    def on_operation(self) -> Iterator[None]:
        context = self.execution_context.context
        if isinstance(context, Context) and context.prepared is not None:
            self.execution_context.graphql_document = context.prepared
            self.execution_context.validation_rules = ()
        yield


class Schema(strawberry.Schema):
    """A strawberry schema whose faults are logged by the caller, who knows what may be shown of them."""

    def as_str(self) -> str:
        """The printed schema, in order of names.

        Only the print is sorted: strawberry's `sort_schema` executes on sorted copies of the types, and a union then
        no longer knows its own members.
        """
        printed = copy(self)
        printed._schema = lexicographic_sort_schema(self._schema)
        return print_schema(printed)

    __str__ = as_str

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing here: the engine does, once, with the correlation id."""


def make_schema(
    *, query: type, mutation: type | None = None, subscription: type | None = None, types: Iterable[Any] = ()
) -> Schema:
    """A schema over these root types. Import the modules that declare refusals first: handlers are taken now."""
    config = StrawberryConfig(
        disable_field_suggestions=True,
        relay_max_results=PAGE_MAX,
        scalar_map=SCALARS,
    )
    return Schema(
        query=query,
        mutation=mutation,
        subscription=subscription,
        types=types,
        config=config,
        extensions=[PreparedDocument],
        exception_handlers=refusal_handlers(),
    )
