"""A generated schema as strawberry knows it: classes, written as a program would be and run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from types import ModuleType
from typing import Any

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema.execution.batches import batched
from tests.execution import strawberry_parts as parts
from tests.execution.blueprints import Blueprint, Field
from tests.execution.outcomes import Fault, Outcomes

PYTHON = {"Int": "int", "Float": "float", "String": "str", "Boolean": "bool", "ID": "strawberry.ID"}
ARGUMENTS = {
    "n": "n: int | None = None",
    "m": "m: int = 7",
    "text": 'text: str | None = "plain"',
    "colour": "colour: Colour | None = Colour.GREEN",
    "ids": "ids: list[strawberry.ID] | None = None",
    "grid": "grid: list[list[int | None]] | None = None",
    "filter": "filter: Filter | None = None",
    "choice": "choice: Choice | None = None",
    "stamp": "stamp: Stamp | None = None",
}
HEADING = """
from collections.abc import Sequence
from typing import Annotated, Any
import strawberry
from schema.execution.batches import Answers, batched
from tests.execution.strawberry_parts import Choice, Colour, Filter, Gate, Keeper, Stamp
"""
_numbers = count()


@dataclass
class Surroundings:
    """A context with room for loaders."""

    loaders: dict[Any, Any] = field(default_factory=dict)


def strawberry_world(blueprint: Blueprint, seed: int, trouble: float) -> tuple[strawberry.Schema, Any]:
    """The schema, and its root value."""
    module = ModuleType(f"tests.execution.generated_{next(_numbers)}")

    def make(name: str, key: str) -> Any:
        made = object.__new__(getattr(module, name))
        made.key = key
        return made

    outcomes = Outcomes(blueprint, seed, trouble, make, colour=lambda name: parts.Colour[name])
    vars(module).update(give=_giver(outcomes), later=_giver_later(outcomes), many=_giver_of_many(outcomes))
    sys.modules[module.__name__] = module
    try:
        exec(compile(program(blueprint), module.__name__, "exec", dont_inherit=True), vars(module))
        for owner, names in blueprint.objects.items():
            for name in names:
                if blueprint.styles[owner, name] == "attribute":
                    setattr(getattr(module, owner), name, _read(outcomes, owner, name))
            getattr(module, owner).__repr__ = lambda made: f"{type(made).__name__} {made.key}"
        schema = strawberry.Schema(
            query=module.Query,
            mutation=module.Mutation,
            types=[getattr(module, name) for name in blueprint.objects],
            config=StrawberryConfig(scalar_map=parts.SCALARS),
        )
    finally:
        del sys.modules[module.__name__]
    return schema, make("Query", "root")


def program(blueprint: Blueprint) -> str:
    """The text of the module."""
    lines = [HEADING]
    for name, names in blueprint.interfaces.items():
        lines += ["@strawberry.interface", f"class {name}:"]
        for each in names:
            style = "sync" if blueprint.fields[each].arguments else "attribute"
            lines += _field(blueprint, name, blueprint.fields[each], style)
        if blueprint.abstract_style == "resolve":
            lines += ["    @classmethod", "    def resolve_type(cls, obj, info, abstract):"]
            lines += ["        return type(obj).__name__"]
    for name, names in blueprint.objects.items():
        lines += ["@strawberry.type", f"class {name}({', '.join(blueprint.implements.get(name, ()))}):"]
        for each in names:
            lines += _field(blueprint, name, blueprint.fields[each], blueprint.styles[name, each])
        if blueprint.abstract_style == "fit" and name not in ("Query", "Mutation"):
            lines += ["    @classmethod", "    def is_type_of(cls, obj, info):", "        return isinstance(obj, cls)"]
    return "\n".join(lines) + "\n"


def _field(blueprint: Blueprint, owner: str, described: Field, style: str) -> list[str]:
    answer = annotation(blueprint, described.name)
    if style == "attribute":
        return [f"    {described.name}: {answer}"]
    given = ", ".join(ARGUMENTS[each] for each in described.arguments)
    many = f"sources: Sequence[Any], info: strawberry.Info, {given}"
    passed = "dict(" + ", ".join(f"{each}={each}" for each in described.arguments) + ")"
    where = f"{owner!r}, {described.name!r}"
    if style == "batch":
        return [
            '    @batched(description="many")',
            "    @staticmethod",
            f"    async def {described.name}({many}) -> Answers[{answer}]:",
            f"        return await many({where}, sources, {passed})",
        ]
    info = "info: strawberry.Info, " if Random(where).random() < 0.5 else ""
    chance = Random(where + "?").random()
    guard = "extensions=[Gate()]" if chance < 0.2 else "extensions=[Keeper()]" if chance < 0.4 else ""
    waits = style == "async"
    return [
        f"    @strawberry.field({guard})",
        f"    {'async ' if waits else ''}def {described.name}(self, {info}{given}) -> {answer}:",
        f"        {'info.path, info.variable_values' if info else 'pass'}",
        f"        return {'await later' if waits else 'give'}({where}, self, {passed})",
    ]


def annotation(blueprint: Blueprint, name: str) -> str:
    """A field's type in Python, quoted."""
    written = _python(blueprint, blueprint.fields[name].type)
    return f'"{written}"'


def _python(blueprint: Blueprint, kind: str) -> str:
    inner = kind.removesuffix("!")
    if inner.startswith("["):
        text = f"list[{_python(blueprint, inner[1:-1])}]"
    elif inner in blueprint.unions:
        text = f"Annotated[{' | '.join(blueprint.unions[inner])}, strawberry.union('{inner}')]"
        if len(blueprint.unions[inner]) == 1:
            text = f"Annotated[{blueprint.unions[inner][0]}, strawberry.union('{inner}')]"
    else:
        text = PYTHON.get(inner, inner)
    return text if kind.endswith("!") else f"{text} | None"


def _spoil(arguments: dict[str, Any]) -> str:
    """What was given, as text; what was given is then changed, which nobody else may notice."""
    text = repr(sorted(arguments.items())) if arguments else ""
    for name, value in arguments.items():
        if isinstance(value, list) and name != "stamp":  # what a scalar's variable was read as is one value for all
            value.append("spoiled")
        elif isinstance(value, parts.Filter):
            value.name = "spoiled"
    return text


def _giver(outcomes: Outcomes) -> Any:
    def give(owner: str, name: str, source: Any, arguments: dict[str, Any]) -> Any:
        return outcomes.of(owner, name, getattr(source, "key", "none"), _spoil(arguments))

    return give


def _giver_later(outcomes: Outcomes) -> Any:
    async def later(owner: str, name: str, source: Any, arguments: dict[str, Any]) -> Any:
        return await outcomes.later(owner, name, getattr(source, "key", "none"), _spoil(arguments))

    return later


def _giver_of_many(outcomes: Outcomes) -> Any:
    async def many(owner: str, name: str, sources: Sequence[Any], arguments: dict[str, Any]) -> list[Any]:
        fate = Random(f"{outcomes.seed} {owner}.{name}").random()
        if fate < outcomes.trouble / 4:
            raise Fault(f"no batch of {owner}.{name}")
        text, answers = _spoil(arguments), []
        for source in sources:
            try:
                answers.append(outcomes.of(owner, name, getattr(source, "key", "none"), text))
            except Exception as error:  # noqa: BLE001 - the answer of one source
                answers.append(error)
        return answers

    return many


def _read(outcomes: Outcomes, owner: str, name: str) -> Any:
    return property(lambda made: outcomes.of(owner, name, made.key))


__all__ = ["Surroundings", "batched", "strawberry_world"]
