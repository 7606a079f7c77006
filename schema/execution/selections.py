"""What a selection set comes to for one type: fields by response name, fragments expanded, conditions decided.

It is graphql-core's `collect_fields` (GraphQL specification, section 6.3.2), run once per plan and not once per object:
a plan belongs to fixed values of the variables that `@skip` and `@include` ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
    type_from_ast,
)

SKIP, INCLUDE = "skip", "include"
CONDITIONS_MAX = 8
"""Variables that conditions of one operation may ask for; each may double its plans."""


class UnsupportedOperation(Exception):
    """An operation that graphql-core executes as a whole; the text says why."""


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """A document's fragments by name."""
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def condition_variables(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> tuple[str, ...]:
    """The variables that `@skip` and `@include` ask for.

    Raises UnsupportedOperation for any other directive, for fragments with variables, and for too many conditions.
    """
    found: dict[str, None] = {}
    for directive in _directives(operation, fragments):
        value = _condition(directive)
        if isinstance(value, VariableNode):
            found[value.name.value] = None
    if len(found) > CONDITIONS_MAX:
        raise UnsupportedOperation(f"more than {CONDITIONS_MAX} variables decide what is selected")
    return tuple(found)


def _directives(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[DirectiveNode]:
    if operation.directives:
        raise UnsupportedOperation("a directive on the operation")
    sets = [operation.selection_set, *(fragment.selection_set for fragment in fragments.values())]
    if any(fragment.variable_definitions for fragment in fragments.values()):
        raise UnsupportedOperation("a fragment with variables")
    while sets:
        for node in sets.pop().selections:
            yield from node.directives or ()
            if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set:
                sets.append(node.selection_set)


def _condition(directive: DirectiveNode) -> BooleanValueNode | VariableNode:
    if directive.name.value not in (SKIP, INCLUDE):
        raise UnsupportedOperation(f"the directive @{directive.name.value}")
    for argument in directive.arguments or ():
        if argument.name.value == "if" and isinstance(argument.value, BooleanValueNode | VariableNode):
            return argument.value
    raise UnsupportedOperation(f"@{directive.name.value} without a truth value")


class Selections:
    """Collects the fields of one operation under fixed conditions."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        conditions: Mapping[str, bool],
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._conditions = conditions

    def of(
        self, object_type: GraphQLObjectType, sets: Iterable[SelectionSetNode | None]
    ) -> dict[str, tuple[FieldNode, ...]]:
        """The fields that are selected on this type, by response name, in order; each with all its nodes."""
        grouped: dict[str, list[FieldNode]] = {}
        visited: set[str] = set()
        for selection_set in sets:
            if selection_set:
                self._collect(object_type, selection_set.selections, grouped, visited)
        return {name: tuple(nodes) for name, nodes in grouped.items()}

    def _collect(
        self,
        object_type: GraphQLObjectType,
        selections: Sequence[SelectionNode],
        grouped: dict[str, list[FieldNode]],
        visited: set[str],
    ) -> None:
        for node in selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                grouped.setdefault((node.alias or node.name).value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if self._applies(node, object_type):
                    self._collect(object_type, node.selection_set.selections, grouped, visited)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in visited:
                fragment = self._fragments.get(node.name.value)
                if fragment and self._applies(fragment, object_type):
                    visited.add(node.name.value)
                    self._collect(object_type, fragment.selection_set.selections, grouped, visited)

    def _included(self, node: SelectionNode) -> bool:
        """`@skip` goes before `@include`."""
        for name in (SKIP, INCLUDE):
            for directive in node.directives or ():
                if directive.name.value == name and self._holds(directive) is (name == SKIP):
                    return False
        return True

    def _holds(self, directive: DirectiveNode) -> bool:
        value = _condition(directive)
        return value.value if isinstance(value, BooleanValueNode) else self._conditions[value.name.value]

    def _applies(self, fragment: InlineFragmentNode | FragmentDefinitionNode, object_type: GraphQLObjectType) -> bool:
        if fragment.type_condition is None:
            return True
        wanted = type_from_ast(self._schema, fragment.type_condition)
        return wanted is object_type or (is_abstract_type(wanted) and self._schema.is_sub_type(wanted, object_type))
