"""What an operation is compiled to: a plan for each kind of object that an answer may hold, and for each field of it.

A plan of objects fills the answers of many objects at once; what it shares with plans elsewhere in the operation (the
same selection on the same type) is compiled once. The functions in the plans are written by `writing.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
)

if TYPE_CHECKING:
    from schema.execution.arguments import Arguments
    from schema.execution.resolvers import Resolution
    from schema.execution.running import Execution

Answer = dict[str, Any]
"""The object of the answer that stands for one source object."""

Waiting = dict["Settling", list[Any]]
"""What has to be awaited before the answer is whole, by who settles it."""

Found = dict["ObjectPlan", tuple[list[Any], list[Answer]]]
"""Objects that a field led to: sources and their answers, by plan."""

Fill = Callable[["Execution", Sequence[Any], Sequence[Answer], Waiting], None]
Finish = Callable[["Execution", Sequence[Answer], Sequence[Any], Waiting], None]


class Settling(Protocol):
    """Awaits what a field left, and finishes the field."""

    def settle(self, run: Execution, entries: list[Any]) -> Awaitable[None]:
        """Await all entries together, then go on with what they became."""


@dataclass(eq=False, slots=True)
class FieldPlan:
    """One field of one type of object, with everything that is known of it before execution.

    `nullable` says for the field, and then for each level of list in it, whether null may stand there. `children`
    holds the plans of what the field may lead to, by the name of the type; a leaf has none.
    """

    number: int
    key: str
    nodes: list[FieldNode]
    parent: GraphQLObjectType
    definition: GraphQLField
    named: GraphQLNamedType
    nullable: tuple[bool, ...]
    is_leaf: bool
    is_abstract: bool
    resolution: Resolution
    arguments: Arguments
    children: dict[str, ObjectPlan] = field(default_factory=dict)
    known: set[type] = field(default_factory=set)
    finish: Finish = field(init=False)
    values: Settling = field(init=False)
    places: Settling = field(init=False)
    batches: Settling = field(init=False)

    @property
    def name(self) -> str:
        """The field's name in the schema; `key` is what the answer calls it."""
        return self.nodes[0].name.value

    @property
    def lists(self) -> int:
        """How many lists stand around the field's values."""
        return len(self.nullable) - 1


@dataclass(eq=False, slots=True)
class ObjectPlan:
    """The selection on one type of object. `template` is an answer with every field null, in order.

    `fill` is missing where the template says it all: nothing, or `__typename` alone, is selected. Below an abstract
    field there are no `fields` until the first object of the type came along.
    """

    number: int
    type: GraphQLObjectType
    fields: list[FieldPlan]
    template: Answer
    fill: Fill | None = None


@dataclass(eq=False, slots=True)
class OperationPlan:
    """A compiled operation. A mutation has a step for each root field, to be taken one after the other.

    `texts` is the Python that was written, for whoever wants to read it, `title` what its frames are called in a
    traceback, `straight` the function that answers a query whose resolvers wait for nothing, if there can be one.
    """

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    template: Answer
    steps: list[ObjectPlan]
    texts: list[str]
    title: str
    straight: Callable[[Execution, Any], Answer] | None = None
