"""Value completion (GraphQL specification, section 6.4.3) for values that the written functions do not recognise.

Those handle what nearly every value is: a text where a text is due, an object of the expected class, a list of those.
Everything else comes here: exceptions, nulls, lists in lists, values to be coerced, types to be found out, awaitables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import WrapperDescriptorType
from typing import Any, Literal

from graphql import (
    GraphQLError,
    GraphQLLeafType,
    GraphQLObjectType,
    Undefined,
    default_type_resolver,
    is_object_type,
)
from graphql.pyutils import inspect, is_iterable
from graphql.pyutils.is_awaitable import is_async_iterable, is_awaitable

from schema.execution.info import FieldInfo
from schema.execution.plans import Answer, FieldPlan, Found, ObjectPlan, Waiting
from schema.execution.running import Execution, wait_for

KNOWN_CLASSES_MAX = 64


@dataclass(eq=False, slots=True)
class Spot:
    """Where a value goes: a field of `answer`, or an item of its lists, which stands under `key` in `holder`."""

    answer: Answer
    holder: Any
    key: str | int
    indices: tuple[int, ...] = ()

    def put(self, value: Any) -> None:
        """Put what the answer shows."""
        self.holder[self.key] = value


@dataclass(eq=False, slots=True)
class Pending:
    """Something to be awaited for one spot: the value itself, its items, the name of its type, whether it fits one."""

    awaitable: Any
    kind: Literal["value", "items", "type", "fit"]
    spot: Spot
    source: Any = None
    plan: ObjectPlan | None = None


def complete_leaf(run: Execution, field: FieldPlan, answer: Answer, value: Any, waiting: Waiting) -> None:
    """A leaf, just resolved, that is not simply what its type holds."""
    if is_awaitable(value):
        wait_for(waiting, field.values, (answer, value))
    else:
        complete(run, field, answer, value, waiting, {})


def complete(run: Execution, field: FieldPlan, answer: Answer, value: Any, waiting: Waiting, found: Found) -> None:
    """The value of a field, awaited already if it had to be."""
    Completion(run, field, waiting, found).complete(Spot(answer, answer, field.key), value)


def complete_item(
    run: Execution, field: FieldPlan, answer: Answer, items: list[Any], value: Any, waiting: Waiting, found: Found
) -> None:
    """The next item of a field's list."""
    Completion(run, field, waiting, found).add_item(Spot(answer, answer, field.key), items, value)


def finish_each(
    field: FieldPlan, run: Execution, answers: Sequence[Answer], values: Sequence[Any], waiting: Waiting
) -> None:
    """Complete a field of many answers, value by value."""
    for answer, value in zip(answers, values, strict=True):
        complete(run, field, answer, value, waiting, {})


class Completion:
    """Completes values of one field; objects they lead to are added to `found`, what must be awaited to `waiting`."""

    __slots__ = ("field", "found", "run", "waiting")

    def __init__(self, run: Execution, field: FieldPlan, waiting: Waiting, found: Found) -> None:
        self.run = run
        self.field = field
        self.waiting = waiting
        self.found = found

    def complete(self, spot: Spot, value: Any) -> None:
        """Complete a value into its spot; what goes wrong is kept, and the spot is null."""
        field = self.field
        try:
            if isinstance(value, Exception):
                raise value
            if value is None or value is Undefined:
                if not field.nullable[len(spot.indices)]:
                    raise TypeError(f"Cannot return null for non-nullable field {field.parent}.{field.name}.")
                spot.put(None)
            elif len(spot.indices) < field.lists:
                self._list(spot, value)
            elif field.is_leaf:
                spot.put(shown(field.named, value))
            else:
                self._object(spot, value)
        except Exception as error:  # noqa: BLE001 - answered with its path
            self.fail(spot, error)

    def fail(self, spot: Spot, error: Exception) -> None:
        """Null, because of this."""
        spot.put(None)
        self.run.fail(self.field, spot.answer, error, spot.indices)

    def add_item(self, spot: Spot, items: list[Any], value: Any) -> None:
        """Complete the next item of the list at a spot; an item, unlike what was awaited, may be awaitable."""
        place = Spot(spot.answer, items, len(items), (*spot.indices, len(items)))
        items.append(None)
        if is_awaitable(value):
            self.wait(Pending(value, "value", place))
        else:
            self.complete(place, value)

    def add_items(self, spot: Spot, values: Any) -> None:
        """Complete the list at a spot. When it ends with an exception, items that came before have their own errors."""
        items: list[Any] = []
        spot.put(items)
        try:
            for value in values:
                self.add_item(spot, items, value)
        except Exception as error:  # noqa: BLE001 - answered with its path
            self.fail_after_items(spot, error)

    def fail_after_items(self, spot: Spot, error: Exception) -> None:
        """The list at a spot could not be read to its end."""
        self.run.fail(self.field, spot.answer, error, spot.indices, after_items=True)

    def add_object(self, spot: Spot, plan: ObjectPlan, source: Any) -> None:
        """Put an object's answer into its spot, to be filled."""
        answer = plan.template.copy()
        spot.put(answer)
        if plan.fill:
            sources, answers = self.found.setdefault(plan, ([], []))
            sources.append(source)
            answers.append(answer)

    def wait(self, pending: Pending) -> None:
        """Leave something to be awaited."""
        wait_for(self.waiting, self.field.places, pending)

    def checked(self, spot: Spot, plan: ObjectPlan, source: Any) -> None:
        """An object of a known type, if the type agrees. Raises what `is_type_of` raises, and GraphQLError."""
        if plan.type.is_type_of is not None:
            fits = plan.type.is_type_of(source, self._info(spot))
            if is_awaitable(fits):
                self.wait(Pending(fits, "fit", spot, source, plan))
                return
            if not fits:
                raise self.unfit(plan.type, source)
        self.add_object(spot, plan, source)

    def unfit(self, wanted: GraphQLObjectType, source: Any) -> GraphQLError:
        """The error of an object that its type's `is_type_of` does not know."""
        return GraphQLError(f"Expected value of type '{wanted}' but got: {inspect(source)}.", self.field.nodes)

    def _list(self, spot: Spot, value: Any) -> None:
        field = self.field
        if is_async_iterable(value):
            self.wait(Pending(_drained(value), "items", spot))
        elif is_iterable(value):
            self.add_items(spot, iter(value))
        else:
            raise GraphQLError(f"Expected Iterable, but did not find one for field '{field.parent}.{field.name}'.")

    def _object(self, spot: Spot, source: Any) -> None:
        field = self.field
        if not field.is_abstract:
            plan = field.children[field.named.name]
            if plan.type.is_type_of is None:
                _learn(field, type(source))
            self.checked(spot, plan, source)
            return
        abstract: Any = field.named
        name = (abstract.resolve_type or default_type_resolver)(source, self._info(spot), abstract)
        if is_awaitable(name):
            self.wait(Pending(name, "type", spot, source))
        else:
            self.checked(spot, self.plan_of(name, source), source)

    def _info(self, spot: Spot) -> Any:
        return FieldInfo(self.run, self.field, spot.answer)

    def plan_of(self, name: Any, source: Any) -> ObjectPlan:
        """The plan for the type that an abstract type resolved to. Raises GraphQLError for none of its types."""
        field = self.field
        if isinstance(name, str) and name in field.children:
            return field.children[name]
        must = f"Abstract type '{field.named}' must resolve to an Object type at runtime for field"
        must = f"{must} '{field.parent}.{field.name}'"
        named = self.run.plan.schema.get_type(name) if isinstance(name, str) else None
        if name is None:
            text = (
                f"{must}. Either the '{field.named}' type should provide a 'resolve_type' function"
                " or each possible type should provide an 'is_type_of' function."
            )
        elif not isinstance(name, str):
            received = f"received '{inspect(name)}', which is not a valid Object type name."
            text = f"{must} with value {inspect(source)}, {received}"
        elif named is None:
            text = (
                f"Abstract type '{field.named}' was resolved to a type '{name}' that does not exist inside the schema."
            )
        elif not is_object_type(named):
            text = f"Abstract type '{field.named}' was resolved to a non-object type '{name}'."
        else:
            text = f"Runtime Object type '{named}' is not a possible type for '{field.named}'."
        raise GraphQLError(text, field.nodes)


def shown(leaf: Any, value: Any) -> Any:
    """A leaf's value as the answer shows it. Raises what coercion raises, and TypeError for nothing."""
    return not_nothing(leaf, value, leaf.coerce_output_value(value))


def not_nothing(leaf: GraphQLLeafType, value: Any, coerced: Any) -> Any:
    """A coerced value. Raises TypeError when coercion left nothing of it."""
    if coerced is None or coerced is Undefined:
        call = f"`{inspect(leaf)}.coerce_output_value({inspect(value)})`"
        raise TypeError(f"Expected {call} to return non-nullable value, returned: {inspect(coerced)}")
    return coerced


async def _drained(iterable: Any) -> tuple[list[Any], Exception | None]:
    """Everything an asynchronous iterable yields, and what it ended with if it failed."""
    items: list[Any] = []
    try:
        async for item in iterable:
            items.append(item)  # noqa: PERF401 - what came before a failure is kept
    except Exception as error:  # noqa: BLE001 - handed on
        return items, error
    return items, None


def _learn(field: FieldPlan, kind: type) -> None:
    """Know a class whose objects the written function may take as they are: neither exceptions nor awaitables."""
    plain = isinstance(kind.__getattribute__, WrapperDescriptorType) and not hasattr(kind, "__getattr__")
    waits = hasattr(kind, "__await__") or hasattr(kind, "gi_code")
    if plain and not waits and len(field.known) < KNOWN_CLASSES_MAX:
        field.known.add(kind)
