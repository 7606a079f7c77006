"""Generated schemas, as plain descriptions that can be built for graphql-core and for strawberry.

A field's name decides its type and arguments in every type that has it, so that generated documents merge fields
without conflicts; which types have it, and how it is resolved there, differs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import strategies as st

LEAVES = ("Int", "Float", "String", "Boolean", "ID", "Colour", "Stamp")
ENUM, COLOURS = "Colour", ("RED", "GREEN", "BLUE")
SCALAR = "Stamp"
INPUTS = """
enum Colour { RED GREEN BLUE }
scalar Stamp
input Filter { low: Int = 3, high: Float, name: String!, colours: [Colour!] = [RED], inner: Filter }
input Choice @oneOf { number: Int, text: String, filter: Filter }
"""
ARGUMENTS = {
    "n": ("Int", None),
    "m": ("Int!", "7"),
    "text": ("String", '"plain"'),
    "colour": ("Colour", "GREEN"),
    "ids": ("[ID!]", None),
    "grid": ("[[Int]!]", "[[1], [2, null]]"),
    "filter": ("Filter", None),
    "choice": ("Choice", None),
    "stamp": ("Stamp", None),
}
"""The arguments that fields may have: their types and their defaults as literals."""


@dataclass(frozen=True)
class Field:
    """A field: its type as it is written, and its arguments by name."""

    name: str
    type: str
    arguments: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        """The name of the type inside all lists."""
        return self.type.strip("[]!")

    @property
    def is_leaf(self) -> bool:
        return self.named in LEAVES


@dataclass
class Blueprint:
    """A schema: the fields of each object type, its interfaces, the members of unions, and how fields are resolved.

    `styles` says for a field of an object type: attribute, sync, async or batch. `abstract_style` says how the type of
    an object is found out. Nothing waits in a schema that is not `asynchronous`.
    """

    fields: dict[str, Field]
    objects: dict[str, tuple[str, ...]]
    interfaces: dict[str, tuple[str, ...]]
    implements: dict[str, tuple[str, ...]]
    unions: dict[str, tuple[str, ...]]
    styles: dict[tuple[str, str], str] = field(default_factory=dict)
    abstract_style: str = "typename"
    asynchronous: bool = False

    def possible(self, name: str) -> tuple[str, ...]:
        """The object types that a type may turn out to be."""
        if name in self.unions:
            return self.unions[name]
        if name in self.interfaces:
            return tuple(each for each, names in self.implements.items() if name in names)
        return (name,)

    def fields_of(self, name: str) -> tuple[str, ...]:
        return self.objects.get(name) or self.interfaces.get(name) or ()

    def sdl(self) -> str:
        """The schema in the definition language."""
        parts = [INPUTS]
        for name, names in self.interfaces.items():
            parts.append(f"interface {name} {{ {self._fields(names)} }}")
        for name, names in self.objects.items():
            implemented = " & ".join(self.implements.get(name, ()))
            heading = f"type {name}" + (f" implements {implemented}" if implemented else "")
            parts.append(f"{heading} {{ {self._fields(names)} }}")
        parts += [f"union {name} = {' | '.join(members)}" for name, members in self.unions.items()]
        return "\n".join(parts)

    def _fields(self, names: tuple[str, ...]) -> str:
        return " ".join(f"{name}{arguments_sdl(self.fields[name])}: {self.fields[name].type}" for name in names)


def arguments_sdl(described: Field) -> str:
    if not described.arguments:
        return ""
    written = []
    for name in described.arguments:
        kind, default = ARGUMENTS[name]
        written.append(f"{name}: {kind}" + (f" = {default}" if default is not None else ""))
    return f"({', '.join(written)})"


def choices() -> st.SearchStrategy[Random]:
    """Where a case gets its choices from: one seed, which is fast, and which Hypothesis names when the case fails."""
    return st.randoms(use_true_random=True)


@st.composite
def blueprints(draw: st.DrawFn, *, batches: bool = False) -> Blueprint:
    """Up to four object types, two interfaces, a union; about a dozen fields."""
    random = draw(choices())
    objects = [f"O{number}" for number in range(random.randint(1, 4))]
    interfaces = [f"I{number}" for number in range(random.randint(0, 2))]
    unions = ["U0"] if random.random() < 0.6 else []
    fields = {each.name: each for each in _fields(random, objects, interfaces, unions)}
    leaves = [each.name for each in fields.values() if each.is_leaf]
    of_interfaces = {name: tuple(_some(random, list(fields), 1, 3)) for name in interfaces}
    implements = {name: tuple(_some(random, interfaces, 0, len(interfaces))) for name in objects}
    for name in interfaces:  # each has someone
        if not any(name in names for names in implements.values()):
            chosen = random.choice(objects)
            implements[chosen] = (*implements[chosen], name)
    of_objects = {}
    for name in objects:
        own = [random.choice(leaves), *_some(random, list(fields), 1, 6)]
        own += [each for interface in implements[name] for each in of_interfaces[interface]]
        of_objects[name] = tuple(dict.fromkeys(own))
    of_objects["Query"] = tuple(dict.fromkeys(_some(random, list(fields), 2, len(fields))))
    of_objects["Mutation"] = tuple(dict.fromkeys(_some(random, list(fields), 2, 5)))
    used = {fields[each].named for names in of_objects.values() for each in names}
    members = {name: tuple(_some(random, objects, 1, 3)) for name in unions if name in used}
    blueprint = Blueprint(fields, of_objects, of_interfaces, implements, members)
    blueprint.asynchronous = random.random() < 0.6
    blueprint.abstract_style = random.choice(["typename", "resolve", "fit"])
    blueprint.styles = _styles(random, blueprint, batches=batches)
    return blueprint


def _styles(random: Random, blueprint: Blueprint, *, batches: bool) -> dict[tuple[str, str], str]:
    known = ["attribute", "attribute", "sync"]
    if blueprint.asynchronous:
        known += ["async", "async"] + (["batch"] if batches else [])
    styles = {}
    for owner, names in blueprint.objects.items():
        for name in names:
            style = random.choice(known)
            needs_call = blueprint.fields[name].arguments or owner in ("Query", "Mutation")
            styles[owner, name] = "sync" if style == "attribute" and needs_call else style
    return styles


def _fields(random: Random, objects: list[str], interfaces: list[str], unions: list[str]) -> list[Field]:
    found = []
    composite = [*objects, *interfaces, *unions]
    for number in range(random.randint(6, 12)):
        leaf = number == 0 or random.random() < 0.5
        named = random.choice(LEAVES) if leaf else random.choice(composite)
        arguments = _some(random, list(ARGUMENTS), 1, 3) if random.random() < 0.3 else []
        found.append(Field(f"f{number}", _wrapped(random, named), tuple(sorted(arguments))))
    return found


def _wrapped(random: Random, named: str) -> str:
    text = named + ("!" if random.random() < 0.4 else "")
    for _ in range(random.choice([0, 0, 0, 0, 1, 1, 1, 2])):
        text = f"[{text}]" + ("!" if random.random() < 0.4 else "")
    return text


def _some(random: Random, names: list[str], least: int, most: int) -> list[str]:
    number = min(random.randint(least, max(least, most)), len(names))
    return random.sample(names, number)
