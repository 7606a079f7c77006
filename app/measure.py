"""What one operation asks for, measured in one pass over the document before graphql-core validates it.

A fragment is measured once, however often it is spread, so the work is linear in the document; what the fragments
expand to is computed, never walked. The stock depth and alias rules walk every spread again: a fragment bomb of 600
characters costs them seconds. Lists weigh by their page size, so the cost is about the number of values an answer
may hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

PAGE_DEFAULT = 20
PAGE_MAX = 100
LIST_SIZE = 10
INTROSPECTION_LIST_SIZE = 3


@dataclass(slots=True)
class Profile:
    """What a selection set amounts to with its fragments expanded.

    `per_item` is the part of the cost that the page size of the enclosing connection multiplies. What lies below
    `__schema` and `__type` is kept apart: it nests deeper than any query, and whoever may not ask is refused anyway.
    """

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    roots: int = 0
    cost: int = 0
    per_item: int = 0
    schema_depth: int = 0
    schema_cost: int = 0

    def include(self, other: Profile) -> None:
        """Add a fragment: its selections stand beside these."""
        self.depth = max(self.depth, other.depth)
        self.fields += other.fields
        self.aliases += other.aliases
        self.directives += other.directives
        self.roots += other.roots
        self.cost += other.cost
        self.per_item += other.per_item
        self.schema_depth = max(self.schema_depth, other.schema_depth)
        self.schema_cost += other.schema_cost


@dataclass(frozen=True, slots=True)
class Usage:
    """A document's figures, the highest of its operations, and how many selections were looked at to get them."""

    depth: int
    fields: int
    aliases: int
    directives: int
    root_fields: int
    mutations: int
    cost: int
    schema_depth: int
    schema_cost: int
    visited: int
    size_variables: tuple[str, ...]


@dataclass(slots=True)
class _Measure:
    schema: GraphQLSchema
    variables: Mapping[str, Any]
    fragments: dict[str, FragmentDefinitionNode]
    profiles: dict[str, Profile] = field(default_factory=dict)
    size_variables: dict[str, None] = field(default_factory=dict)
    visited: int = 0

    def fragment(self, name: str) -> None:
        node = self.fragments[name]
        parent = self.schema.type_map.get(node.type_condition.name.value)
        self.profiles[name] = self.selections(node.selection_set, parent)

    def selections(self, selection_set: SelectionSetNode, parent: GraphQLNamedType | None) -> Profile:
        total = Profile()
        for node in selection_set.selections:
            self.visited += 1
            total.directives += len(node.directives or ())
            if isinstance(node, FieldNode):
                self.field(total, node, parent)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                narrowed = self.schema.type_map.get(condition.name.value) if condition else parent
                total.include(self.selections(node.selection_set, narrowed))
            elif isinstance(node, FragmentSpreadNode):
                total.include(self.profiles.get(node.name.value, Profile()))
        return total

    def field(self, total: Profile, node: FieldNode, parent: GraphQLNamedType | None) -> None:
        name = node.name.value
        definition = self.definition(parent, name)
        inner = Profile()
        if node.selection_set:
            inner = self.selections(node.selection_set, get_named_type(definition.type) if definition else None)
        if name in ("__schema", "__type"):
            inner = Profile(
                aliases=inner.aliases,
                directives=inner.directives,
                schema_depth=1 + inner.depth,
                schema_cost=1 + inner.cost,
            )
        total.depth = max(total.depth, 1 + inner.depth)
        total.fields += 1 + inner.fields
        total.aliases += (node.alias is not None) + inner.aliases
        total.directives += inner.directives
        total.roots += 1
        total.schema_depth = max(total.schema_depth, inner.schema_depth)
        total.schema_cost += inner.schema_cost
        self.weigh(total, inner, node, parent, definition)

    def weigh(
        self,
        total: Profile,
        inner: Profile,
        node: FieldNode,
        parent: GraphQLNamedType | None,
        definition: GraphQLField | None,
    ) -> None:
        """A connection's items weigh by its page size, any other list by an assumed length, all else once."""
        if definition and "first" in definition.args:
            total.cost += 1 + inner.cost + inner.per_item * self.page_size(node, definition)
        elif definition and is_list_type(get_nullable_type(definition.type)):
            once = 1 + inner.cost + inner.per_item * PAGE_DEFAULT
            if parent and parent.name.endswith("Connection"):
                total.per_item += once
            else:
                total.cost += once * (INTROSPECTION_LIST_SIZE if parent and parent.name[:2] == "__" else LIST_SIZE)
        else:
            total.cost += 1 + inner.cost + inner.per_item * PAGE_DEFAULT

    def definition(self, parent: GraphQLNamedType | None, name: str) -> GraphQLField | None:
        if name in ("__schema", "__type"):
            named = self.schema.type_map["__Schema" if name == "__schema" else "__Type"]
            return GraphQLField(named) if isinstance(named, GraphQLObjectType) else None
        if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            found: GraphQLField | None = parent.fields.get(name)
            return found
        return None

    def page_size(self, node: FieldNode, definition: GraphQLField) -> int:
        """The page that is asked for; one that is too large is refused by the field itself, so it weighs the most."""
        value: Any = definition.args["first"].default_value
        for argument in node.arguments or ():
            if argument.name.value != "first":
                continue
            if isinstance(argument.value, VariableNode):
                self.size_variables[argument.value.name.value] = None
                value = self.variables.get(argument.value.name.value, PAGE_MAX)
            elif isinstance(argument.value, IntValueNode):
                value = int(argument.value.value) if len(argument.value.value) < 10 else PAGE_MAX
        return min(max(value, 0), PAGE_MAX) if type(value) is int else PAGE_DEFAULT


def measure(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any] | None = None) -> Usage:
    """The figures of a document. Raises GraphQLError for fragments that spread each other in a circle."""
    fragments = fragments_of(document)
    measuring = _Measure(schema, variables or {}, fragments)
    for name in _innermost_first(fragments):
        measuring.fragment(name)
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    found = [measuring.selections(each.selection_set, schema.get_root_type(each.operation)) for each in operations]
    mutating = [each for node, each in zip(operations, found, strict=True) if node.operation is OperationType.MUTATION]
    return Usage(
        depth=max((each.depth for each in found), default=0),
        fields=sum(each.fields for each in found),
        aliases=sum(each.aliases for each in found),
        directives=sum(each.directives for each in found) + sum(len(each.directives or ()) for each in operations),
        root_fields=max((each.roots for each in found), default=0),
        mutations=max((each.roots for each in mutating), default=0),
        cost=max((each.cost + each.per_item for each in found), default=0),
        schema_depth=max((each.schema_depth for each in found), default=0),
        schema_cost=sum(each.schema_cost for each in found),
        visited=measuring.visited,
        size_variables=tuple(measuring.size_variables),
    )


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """A document's fragments by name."""
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def _innermost_first(fragments: Mapping[str, FragmentDefinitionNode]) -> Iterator[str]:
    """Fragment names, each after those it spreads; without recursion, since a chain may be long."""
    done: set[str] = set()
    for root in fragments:
        path = [(root, _spreads(fragments[root]))] if root not in done else []
        open_ = {root}
        while path:
            name, spreads = path[-1]
            nearest = next((each for each in spreads if each in fragments and each not in done), None)
            if nearest is None:
                path.pop()
                open_.discard(name)
                done.add(name)
                yield name
            elif nearest in open_:
                message = f"Cannot spread fragment '{nearest}' within itself."
                raise GraphQLError(message, fragments[nearest], extensions={"code": "GRAPHQL_VALIDATION_FAILED"})
            else:
                path.append((nearest, _spreads(fragments[nearest])))
                open_.add(nearest)


def _spreads(fragment: FragmentDefinitionNode) -> Iterator[str]:
    stack = [fragment.selection_set]
    while stack:
        for node in stack.pop().selections:
            if isinstance(node, FragmentSpreadNode):
                yield node.name.value
            elif isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set:
                stack.append(node.selection_set)
