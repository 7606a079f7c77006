"""Compiles an operation: collects its fields for every type they meet, and has the functions written.

What stands below an interface or a union is compiled for a type when the first object of that type comes along: a field
such as `node` may lead to any type of the schema, and an answer meets one or two of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLAbstractType,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    OperationDefinitionNode,
    OperationType,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from schema.execution.arguments import Arguments
from schema.execution.plans import Answer, FieldPlan, ObjectPlan, OperationPlan, Waiting
from schema.execution.resolvers import Batch, Constant, Resolvers
from schema.execution.running import Execution
from schema.execution.selections import Selections, UnsupportedOperation, fragments_of
from schema.execution.settling import Batches, Spots, Values
from schema.execution.straight import straight
from schema.execution.writing import Writer

FIELDS_MAX = 5_000
"""Fields that one operation may come to before it is executed."""

TYPENAME = "__typename"
Grouped = Mapping[str, Sequence[FieldNode]]


def compile_operation(
    resolvers: Resolvers, document: DocumentNode, operation: OperationDefinitionNode, conditions: Mapping[str, bool]
) -> OperationPlan:
    """The plan of an operation for fixed values of the variables that decide what is selected.

    The document is valid. Raises UnsupportedOperation for what graphql-core has to execute.
    """
    schema = resolvers.schema
    root = schema.get_root_type(operation.operation)
    if root is None:
        raise UnsupportedOperation("the schema has no such root type")
    fragments = fragments_of(document)
    selections = Selections(schema, fragments, conditions)
    planner = _Planner(resolvers, selections, operation.name.value if operation.name else "an operation")
    try:
        fields = planner.fields(root, selections.of(root, [operation.selection_set]))
        parts = [[each] for each in fields] if operation.operation is OperationType.MUTATION else [fields]
        steps = [planner.plan(root, _template(part), part) for part in parts]
        planner.write()
    except RecursionError:
        raise UnsupportedOperation("selections are nested too deeply") from None
    writer = planner.writer
    plan = OperationPlan(schema, operation, fragments, _template(fields), steps, writer.texts, writer.title)
    plan.straight = straight(plan)
    return plan


class _Planner:
    """Makes the plans of one operation, those of abstract fields one after the other during its executions."""

    def __init__(self, resolvers: Resolvers, selections: Selections, title: str) -> None:
        self.writer = Writer(title)
        self._resolvers = resolvers
        self._schema = resolvers.schema
        self._selections = selections
        self._known: dict[tuple[str, tuple[int, ...]], ObjectPlan] = {}
        self._unwritten: list[ObjectPlan] = []
        self._plans = 0
        self._fields = 0

    def plan(self, object_type: GraphQLObjectType, template: Answer, fields: list[FieldPlan]) -> ObjectPlan:
        """A plan that is written with the next ones."""
        plan = ObjectPlan(self._next_plan(), object_type, fields, template)
        self._unwritten.append(plan)
        return plan

    def write(self) -> None:
        """Write the functions of the plans that have none."""
        plans, self._unwritten = self._unwritten, []
        self.writer.write(plans)

    def fields(self, object_type: GraphQLObjectType, grouped: Grouped) -> list[FieldPlan]:
        """The plans of the fields that are selected on a type."""
        found = []
        for key, nodes in grouped.items():
            definition = self._schema.get_field(object_type, nodes[0].name.value)
            if definition:
                found.append(self._field(object_type, key, nodes, definition))
        return found

    def _below(self, object_type: GraphQLObjectType, nodes: Sequence[FieldNode], *, at_once: bool) -> ObjectPlan:
        """The plan for what these nodes select on a type; the same for the same nodes, wherever they are met."""
        key = (object_type.name, tuple(map(id, nodes)))
        plan = self._known.get(key)
        if plan is None:
            grouped = self._selections.of(object_type, [node.selection_set for node in nodes])
            plan = self._known[key] = self._made(object_type, grouped, at_once=at_once)
        return plan

    def _made(self, object_type: GraphQLObjectType, grouped: Grouped, *, at_once: bool) -> ObjectPlan:
        if at_once:
            fields = self.fields(object_type, grouped)
            return self.plan(object_type, _template(fields), fields)
        constants = {key for key, nodes in grouped.items() if nodes[0].name.value == TYPENAME}
        template = {key: object_type.name if key in constants else None for key in grouped}
        plan = ObjectPlan(self._next_plan(), object_type, [], template)
        if len(constants) < len(grouped):
            plan.fill = partial(self._fill_first, plan, grouped)
        return plan

    def _fill_first(
        self,
        plan: ObjectPlan,
        grouped: Grouped,
        run: Execution,
        sources: Sequence[Any],
        answers: Sequence[Answer],
        waiting: Waiting,
    ) -> None:
        """Compile a plan when the first objects of its type have come, and fill their answers."""
        if not plan.fields:
            plan.fields = self.fields(plan.type, grouped)
            self._unwritten.append(plan)
            self.write()
        assert plan.fill is not None, "it was written"
        plan.fill(run, sources, answers, waiting)

    def _next_plan(self) -> int:
        self._plans += 1
        return self._plans

    def _field(
        self, parent: GraphQLObjectType, key: str, nodes: Sequence[FieldNode], definition: GraphQLField
    ) -> FieldPlan:
        self._fields += 1
        if self._fields > FIELDS_MAX:
            raise UnsupportedOperation(f"more than {FIELDS_MAX} fields")
        named = get_named_type(definition.type)
        resolution, convert = self._resolvers.of(parent, nodes[0].name.value, definition, named)
        field = FieldPlan(
            number=self._fields,
            key=key,
            nodes=list(nodes),
            parent=parent,
            definition=definition,
            named=named,
            nullable=nullable_levels(definition.type),
            is_leaf=is_leaf_type(named),
            is_abstract=is_abstract_type(named),
            resolution=resolution,
            arguments=Arguments(definition, nodes[0], convert),
        )
        field.values, field.places = Values(field), Spots(field)
        if isinstance(resolution, Batch):
            field.batches = Batches(field, resolution)
        if field.is_abstract:
            possible = self._schema.get_possible_types(cast(GraphQLAbstractType, named))
            field.children = {each.name: self._below(each, nodes, at_once=False) for each in possible}
        elif not field.is_leaf:
            field.children = {named.name: self._below(cast(GraphQLObjectType, named), nodes, at_once=True)}
        return field


def nullable_levels(kind: GraphQLOutputType) -> tuple[bool, ...]:
    """Whether null may stand for the whole, and for the items of each list inside."""
    levels, inner = [], cast(Any, kind)
    while True:
        levels.append(not is_non_null_type(inner))
        if is_non_null_type(inner):
            inner = inner.of_type
        if not is_list_type(inner):
            return tuple(levels)
        inner = inner.of_type


def _template(fields: Iterable[FieldPlan]) -> Answer:
    return {each.key: each.resolution.value if isinstance(each.resolution, Constant) else None for each in fields}
