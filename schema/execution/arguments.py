"""A field's arguments: read once where all calls may share them, and anew for each call where it may change them.

Literals without variables are read when the plan is made, others once per execution. Only values that nobody can change
are shared between calls: a resolver owns its lists and input objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from graphql import (
    FieldNode,
    GraphQLField,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
    get_argument_values,
)
from graphql.execution.values import VariableValues
from strawberry.relay import GlobalID
from strawberry.types.unset import UNSET

Convert = Callable[[dict[str, Any], Any], dict[str, Any]]
"""What strawberry makes of coerced arguments: Python names, input objects; the second argument is the field's info."""

UNCHANGEABLE = frozenset({str, int, float, bool, bytes, type(None), datetime, date, time, Decimal, UUID, GlobalID})
NO_VARIABLES = VariableValues({}, {})


class Arguments:
    """The arguments of one field of a plan."""

    __slots__ = ("_constant", "_definition", "_has_variables", "_node", "convert", "is_empty")

    def __init__(self, definition: GraphQLField, node: FieldNode, convert: Convert | None) -> None:
        self.is_empty = not definition.args
        self.convert = convert
        self._definition = definition
        self._node = node
        self._has_variables = _names_variables(argument.value for argument in node.arguments or ())
        self._constant: dict[str, Any] | None = None
        if not self.is_empty and not self._has_variables:
            self._constant = self._constant_values()

    @property
    def constant(self) -> dict[str, Any] | None:
        """What every call of every execution may be given; none where variables decide, or a call needs its own."""
        return {} if self.is_empty else self._constant

    def shared(self, variables: VariableValues) -> dict[str, Any] | None:
        """What every call of this execution may be given; none when each needs its own. Raises what coercion raises."""
        if self.is_empty:
            return {}
        if self._constant is not None:
            return self._constant
        return self._unchangeable(self._coerced(variables))

    def own(self, variables: VariableValues, info: Any) -> dict[str, Any]:
        """What one call is given. Raises what coercion and conversion raise."""
        coerced = self._coerced(variables)
        return self.convert(coerced, info) if self.convert else coerced

    def _coerced(self, variables: VariableValues) -> dict[str, Any]:
        if self.is_empty:
            return {}
        values: dict[str, Any] = get_argument_values(self._definition, self._node, variables)
        return values

    def _unchangeable(self, coerced: dict[str, Any]) -> dict[str, Any] | None:
        if not all(map(is_unchangeable, coerced.values())):
            return None
        return self.convert(coerced, None) if self.convert else coerced

    def _constant_values(self) -> dict[str, Any] | None:
        try:
            return self._unchangeable(self._coerced(NO_VARIABLES))
        except Exception:  # noqa: BLE001 - raised again at the field, at each execution
            return None


def is_unchangeable(value: object) -> bool:
    """Whether calls may share this value."""
    return type(value) in UNCHANGEABLE or isinstance(value, Enum) or value is UNSET


def _names_variables(values: Iterable[ValueNode]) -> bool:
    open_ = list(values)
    while open_:
        value = open_.pop()
        if isinstance(value, VariableNode):
            return True
        if isinstance(value, ListValueNode):
            open_.extend(value.values)
        elif isinstance(value, ObjectValueNode):
            open_.extend(each.value for each in value.fields)
    return False
