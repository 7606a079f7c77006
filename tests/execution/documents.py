"""Generated operations: valid for their schema, with everything that the language has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.execution.blueprints import ARGUMENTS, Blueprint, choices

DEPTH_MAX = 4
PARTS_MAX = 40
LITERALS: dict[str, list[str]] = {
    "n": ["1", "null", "-3"],
    "m": ["2"],
    "text": ['"t"', "null", '""'],
    "colour": ["RED", "BLUE", "null"],
    "ids": ["[]", '["a", 5]', '"single"', "null"],
    "grid": ["[[1, null]]", "[]", "3"],
    "filter": [
        '{name: "x"}',
        '{name: "y", low: null, colours: []}',
        '{name: "z", high: 2, inner: {name: "w", colours: BLUE}}',
        "null",
    ],
    "choice": ["{number: 4}", '{text: "a"}', '{filter: {name: "f"}}'],
    "stamp": ['"morning"', '"evening"', "null"],
}
VALUES: dict[str, list[Any]] = {
    "n": [1, None, 2**40, "no", 3.0],
    "m": [9, None, "no"],
    "text": ["v", None, 3],
    "colour": ["GREEN", "PINK", None],
    "ids": [["a", 1], "one", None, [None]],
    "grid": [[[1, 2]], [None], None, 4],
    "filter": [
        {"name": "v"},
        {"name": "v", "inner": {"name": "u", "low": 1}},
        {"low": 1},
        None,
        {"name": "v", "odd": 1},
    ],
    "choice": [{"number": 1}, {"text": "t"}, {"number": 1, "text": "t"}, {}, {"number": None}, None],
    "stamp": ["noon", "bad!", 5, None],
}


@dataclass(frozen=True)
class Asked:
    """An operation as a client sends it."""

    text: str
    variables: dict[str, Any]


@dataclass
class _Writing:
    blueprint: Blueprint
    random: Random
    variables: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)
    spreadable: list[tuple[str, str]] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)
    aliases: Iterator[int] = field(default_factory=lambda: iter(range(10**6)))
    left: int = PARTS_MAX

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def selection(self, owner: str, depth: int) -> str:
        """A selection set on a type, braces included."""
        parts = [self.part(owner, depth) for _ in range(self.random.randint(1, 4 if depth else 6))]
        return f"{{ {' '.join(parts)} }}"

    def part(self, owner: str, depth: int) -> str:
        names = self.blueprint.fields_of(owner)
        usable = [each for each in names if self.blueprint.fields[each].is_leaf or depth < DEPTH_MAX]
        self.left -= 1
        if not usable or self.left < 0 or self.chance(0.08):
            return self.aliased("__typename") + self.condition()
        if self.chance(0.12):
            return f"...{self.condition()} {self.selection(owner, depth)}"
        if self.chance(0.25):
            return self.fragment(owner, depth)
        return self.selected(self.random.choice(usable), depth)

    def aliased(self, name: str) -> str:
        return f"a{next(self.aliases)}: {name}" if self.chance(0.3) else name

    def selected(self, name: str, depth: int) -> str:
        """A field. Without an alias it has the same arguments wherever it stands, so that its selections merge."""
        described = self.blueprint.fields[name]
        alias = f"a{next(self.aliases)}: " if self.chance(0.25) else ""
        if alias:
            arguments = self.given(described.arguments)
        else:
            if name not in self.arguments:
                self.arguments[name] = self.given(described.arguments)
            arguments = self.arguments[name]
        below = "" if described.is_leaf else " " + self.selection(described.named, depth + 1)
        return f"{alias}{name}{arguments}{self.condition()}{below}"

    def given(self, names: tuple[str, ...]) -> str:
        parts = []
        for name in names:
            way = self.random.random()
            if way < 0.4:
                parts.append(f"{name}: {self.random.choice(LITERALS[name])}")
            elif way < 0.75:
                parts.append(f"{name}: ${self.variable(name)}")
        return f"({', '.join(parts)})" if parts else ""

    def variable(self, argument: str) -> str:
        """A variable for an argument, with or without a default, given or not, of the right kind or not."""
        kind, default = ARGUMENTS[argument]
        name = f"{argument}{self.random.randint(0, 1)}"
        if name not in self.variables:
            required = self.chance(0.2) or argument == "choice"  # a oneOf argument takes no null
            declared = kind if kind.endswith("!") else kind + ("!" if required and argument != "choice" else "")
            literal = next((each for each in LITERALS[argument] if each != "null" and "!" not in each), "")
            given = f" = {literal}" if self.chance(0.3) and not declared.endswith("!") else ""
            if kind.endswith("!") and default is not None and self.chance(0.5):
                declared, given = kind.removesuffix("!"), ""
            self.variables[name] = f"${name}: {declared}{given}"
            right = self.chance(0.85)
            if self.chance(0.75) or declared.endswith("!"):
                self.values[name] = VALUES[argument][0] if right else self.random.choice(VALUES[argument])
        return name

    def condition(self) -> str:
        if not self.chance(0.12):
            return ""
        directive = self.random.choice(["include", "skip"])
        if self.chance(0.4):
            return f" @{directive}(if: {self.random.choice(['true', 'false'])})"
        name = f"if{self.random.randint(0, 2)}"
        if name not in self.variables:
            default = self.random.choice(["", " = true"])
            self.variables[name] = f"${name}: Boolean{default or '!'}"
            if not default or self.chance(0.5):
                self.values[name] = self.chance(0.6)
            if default and self.chance(0.05):
                self.values[name] = None
        return f" @{directive}(if: ${name})"

    def fragment(self, owner: str, depth: int) -> str:
        """An inline fragment or a spread, on the type itself or on one that shares an object type with it."""
        possible = set(self.blueprint.possible(owner))
        every = [*self.blueprint.objects, *self.blueprint.interfaces, *self.blueprint.unions]
        on = self.random.choice([each for each in every if possible & set(self.blueprint.possible(each))])
        known = [name for name, at in self.spreadable if at == on]
        if known and self.chance(0.3):
            return f"...{self.random.choice(known)}{self.condition()}"
        body = self.selection(on, depth)
        if self.chance(0.6):
            return f"... on {on}{self.condition()} {body}"
        name = f"F{len(self.fragments)}"
        self.fragments.append(f"fragment {name} on {on} {body}")
        self.spreadable.append((name, on))
        return f"...{name}{self.condition()}"


@st.composite
def operations(draw: st.DrawFn, blueprint: Blueprint) -> Asked:
    """A query or a mutation with its variables."""
    writing = _Writing(blueprint, draw(choices()))
    mutates = writing.chance(0.15)
    body = writing.selection("Mutation" if mutates else "Query", 0)
    declared = f"({', '.join(writing.variables.values())})" if writing.variables else ""
    text = f"{'mutation' if mutates else 'query'} Generated{declared} {body}"
    return Asked("\n".join([text, *writing.fragments]), writing.values)
