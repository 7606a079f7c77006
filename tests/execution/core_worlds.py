"""A generated schema as graphql-core knows it: the definition language and resolve functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from graphql import GraphQLAbstractType, GraphQLObjectType, GraphQLScalarType, GraphQLSchema, build_schema

from tests.execution.blueprints import SCALAR, Blueprint
from tests.execution.outcomes import Fault, Outcomes


class Thing:
    """An object of a generated type; subclasses read the fields that are attributes."""

    key: str
    type_name: str

    def __repr__(self) -> str:
        return f"{self.type_name} {self.key}"


def core_world(blueprint: Blueprint, seed: int, trouble: float) -> tuple[GraphQLSchema, Any]:
    """The schema, and its root value."""
    classes: dict[str, type[Thing]] = {}

    def make(name: str, key: str) -> Thing:
        thing = classes[name]()
        thing.key, thing.type_name = key, name
        if blueprint.abstract_style == "typename":
            setattr(thing, f"_{classes[name].__name__}__typename", _claimed(name, key, trouble))
        return thing

    outcomes = Outcomes(blueprint, seed, trouble, make, colour=str)
    schema = build_schema(blueprint.sdl(), assume_valid_sdl=True)
    for owner, names in blueprint.objects.items():
        kind = cast(GraphQLObjectType, schema.type_map[owner])
        readers: dict[str, Any] = {}
        for name in names:
            style = blueprint.styles[owner, name]
            if style == "attribute":
                readers[name] = property(_reader(outcomes, owner, name))
            else:
                kind.fields[name].resolve = _resolver(outcomes, owner, name, waits=style == "async")
        classes[owner] = type(f"Thing{owner}", (Thing,), readers)
    _set_type_finders(schema, blueprint, trouble)
    _set_scalar(cast(GraphQLScalarType, schema.type_map[SCALAR]))
    return schema, make("Query", "root")


def _reader(outcomes: Outcomes, owner: str, name: str) -> Callable[[Thing], Any]:
    return lambda thing: outcomes.of(owner, name, thing.key)


def _resolver(outcomes: Outcomes, owner: str, name: str, *, waits: bool) -> Callable[..., Any]:
    give = outcomes.later if waits else outcomes.of

    def resolve(source: Any, info: Any, **arguments: Any) -> Any:
        return give(owner, name, getattr(source, "key", "none"), repr(arguments) if arguments else "")

    return resolve


def _claimed(name: str, key: str, trouble: float) -> Any:
    """The name of the type that an object claims to be of."""
    odd = int(key) % 97 if key.isdigit() else 50
    if trouble and odd < 4:
        return ["Nobody", "Query", "Colour", 7][odd]
    return name


def _set_type_finders(schema: GraphQLSchema, blueprint: Blueprint, trouble: float) -> None:
    if blueprint.abstract_style == "resolve":
        for name in (*blueprint.interfaces, *blueprint.unions):
            cast(GraphQLAbstractType, schema.type_map[name]).resolve_type = _type_of(blueprint, trouble)
    elif blueprint.abstract_style == "fit":
        for name in blueprint.objects:
            cast(GraphQLObjectType, schema.type_map[name]).is_type_of = _fit(blueprint, name)


def _type_of(blueprint: Blueprint, trouble: float) -> Callable[..., Any]:
    def name_of(value: Any) -> Any:
        if trouble and int(value.key) % 101 == 0:
            raise Fault(f"no type for {value.key}")
        return None if trouble and int(value.key) % 103 == 0 else _claimed(value.type_name, value.key, trouble)

    async def name_later(value: Any) -> Any:
        await asyncio.sleep(0)
        return name_of(value)

    def resolve_type(value: Any, info: Any, abstract: Any) -> Any:
        assert info.path is not None and info.field_name
        late = blueprint.asynchronous and int(value.key) % 3 == 0
        return name_later(value) if late else name_of(value)

    return resolve_type


def _fit(blueprint: Blueprint, name: str) -> Callable[..., Any]:
    async def later(fits: bool) -> bool:
        await asyncio.sleep(0)
        return fits

    def is_type_of(value: Any, info: Any) -> Any:
        fits = getattr(value, "type_name", None) == name
        key = getattr(value, "key", "")
        late = blueprint.asynchronous and key.isdigit() and int(key) % 5 == 0
        return later(fits) if late else fits

    return is_type_of


def _set_scalar(scalar: GraphQLScalarType) -> None:
    def show(value: Any) -> Any:
        if not isinstance(value, str):
            raise TypeError("no stamp")
        return None if value.endswith("7") else f"<{value}>"

    def read(value: Any) -> Any:
        if not isinstance(value, str) or "!" in value:
            raise ValueError("a stamp is a text without !")
        return ("stamp", value)

    scalar.coerce_output_value, scalar.serialize = show, show  # type: ignore[method-assign]
    scalar.coerce_input_value, scalar.parse_value = read, read  # type: ignore[method-assign]
