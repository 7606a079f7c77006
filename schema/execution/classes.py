"""Which Python classes are known to stand for which type, so that an object's type need not be asked for.

An object of exactly the class that strawberry made a type of is of that type, unless somebody cast it to another
(`strawberry.cast` leaves a mark on the object). Everything else asks `resolve_type` and `is_type_of`.
"""

from __future__ import annotations

from typing import Any

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLUnionType
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

from schema.execution.plans import FieldPlan, ObjectPlan

OWN_TYPE_RESOLVERS = {
    "GraphQLCoreConverter.from_interface.<locals>._get_resolve_type.<locals>.resolve_type",
    "StrawberryUnion.get_type_resolver.<locals>._resolve_union_type",
}
OWN_IS_TYPE_OF = "GraphQLCoreConverter.from_object.<locals>._get_is_type_of.<locals>.is_type_of"
NOT_CAST = f"getattr(v, {TYPE_CAST_ATTRIBUTE!r}, None) is None"
"""The condition on a value `v` that nobody cast."""


def class_of(object_type: GraphQLObjectType) -> type[Any] | None:
    """The class that alone stands for a type, if objects of it can be taken as they are."""
    found = object_type.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if not isinstance(found, StrawberryObjectDefinition) or found.is_type_of is not None:
        return None
    definition: StrawberryObjectDefinition = found
    if getattr(object_type.is_type_of, "__qualname__", OWN_IS_TYPE_OF) != OWN_IS_TYPE_OF:
        return None
    origin: Any = definition.origin
    plain = (
        isinstance(origin, type)
        and origin.__dict__.get("__strawberry_definition__") is definition
        and not definition.is_graphql_generic
        and definition.concrete_of is None
        and definition.name == object_type.name
        and not issubclass(origin, Exception)
        and not hasattr(origin, "__await__")
        and not hasattr(origin, "__getattr__")
    )
    return origin if plain else None


def classes_of(field: FieldPlan) -> dict[type[Any], ObjectPlan]:
    """The plans of an abstract field's objects by their class, for classes that leave no doubt."""
    abstract: Any = field.named
    definition = abstract.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    if getattr(abstract.resolve_type, "__qualname__", "") not in OWN_TYPE_RESOLVERS:
        return {}
    if isinstance(abstract, GraphQLInterfaceType) and not isinstance(definition, StrawberryObjectDefinition):
        return {}
    found: dict[type[Any], ObjectPlan] = {}
    for plan in field.children.values():
        origin = class_of(plan.type)
        if origin is None or (isinstance(abstract, GraphQLInterfaceType) and not issubclass(origin, definition.origin)):
            continue
        found[origin] = plan
    assert isinstance(abstract, GraphQLUnionType | GraphQLInterfaceType)
    return found
