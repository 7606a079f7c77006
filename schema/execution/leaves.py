"""How written code recognises a leaf's value that needs no more than to be shown.

For each leaf type: a condition on the value, and an expression for what the answer shows. Values that do not meet the
condition are completed by `completion.py`, which asks the type itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from graphql import (
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLNamedType,
    GraphQLString,
)
from graphql.type.scalars import GRAPHQL_MAX_INT, GRAPHQL_MIN_INT
from strawberry.schema.schema_converter import CustomGraphQLEnumType

COERCIBLE = frozenset({str, int, float, bool, bytes, list, dict, tuple, datetime, date, time, Decimal, UUID})
"""Classes whose values are neither null, nor exceptions, nor awaitable: they may be handed to a scalar at once."""

AS_THEY_ARE: dict[GraphQLNamedType, str] = {
    GraphQLString: "type(v) is str",
    GraphQLID: "type(v) is str",
    GraphQLBoolean: "type(v) is bool",
    GraphQLInt: f"type(v) is int and {GRAPHQL_MIN_INT} <= v <= {GRAPHQL_MAX_INT}",
    GraphQLFloat: "type(v) is float and v - v == 0",
}


@dataclass(frozen=True, slots=True)
class Recognition:
    """Python text about a value `v`: when it is recognised, and what is shown then, with the names both need.

    `coerces` says that showing calls the type's own coercion, which may raise and may leave nothing.
    """

    condition: str
    shown: str = "v"
    names: dict[str, Any] = field(default_factory=dict)
    coerces: bool = False


def recognition_of(named: GraphQLNamedType, number: int) -> Recognition:
    """How values of a leaf type are recognised; `number` keeps the names of different fields apart."""
    if named in AS_THEY_ARE:
        return Recognition(AS_THEY_ARE[named])
    if isinstance(named, CustomGraphQLEnumType) and (members := _members(named)):
        return Recognition(f"id(v) in E{number}", f"E{number}[id(v)]", {f"E{number}": members})
    names = {"COERCIBLE": COERCIBLE, f"L{number}": named.coerce_output_value}  # type: ignore[attr-defined]
    return Recognition("type(v) in COERCIBLE", f"L{number}(v)", names, coerces=True)


def _members(named: CustomGraphQLEnumType) -> dict[int, str]:
    """The names of an enum's members by identity: members live as long as their class."""
    if not (isinstance(named.wrapped_cls, type) and issubclass(named.wrapped_cls, Enum)):
        return {}
    return {id(member): named.coerce_output_value(member) for member in named.wrapped_cls.__members__.values()}
