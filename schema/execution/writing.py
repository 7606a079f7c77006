"""Writes the Python of a compiled operation: for each kind of object a function that fills the answers of many of them,
and for each field with something below it, or to be awaited, a function that finishes it.

    def fill_2(run, sources, answers, waiting):       def finish_5(run, answers, values, waiting):
        run.filled.append((P2, answers))                  below, children = [], []
        a5, v5 = [], []                                   found = {P3: (below, children)}
        for o, d in zip(sources, answers):                for d, v in zip(answers, values):
            try: v = o.name                                   if type(v) in K5:
            except Exception as error: v = error                  d["tier"] = c = T3()
            if type(v) is str: d["name"] = v                      below.append(v); children.append(c)
            else: complete_leaf(run, F4, d, v, waiting)       else: complete(run, F5, d, v, waiting, found)
            …                                             if below: fill_3(run, below, children, waiting)

The text decides nothing about errors, nulls or types: what it does not recognise goes to `completion.py`. An exception
travels as a value, since a resolver may return one as well.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable
from functools import partial
from keyword import iskeyword
from types import CoroutineType
from typing import Any
from uuid import UUID

from graphql import Undefined
from graphql.pyutils.is_awaitable import is_awaitable

from schema.execution.classes import NOT_CAST, class_of, classes_of
from schema.execution.completion import complete, complete_item, complete_leaf, finish_each, not_nothing
from schema.execution.info import FieldInfo
from schema.execution.leaves import Recognition, recognition_of
from schema.execution.plans import FieldPlan, ObjectPlan
from schema.execution.resolvers import Attribute, Batch, Constant, Guarded, Method, RelayId
from schema.execution.running import wait_for
from schema.execution.settling import fill

NAMES: dict[str, Any] = {
    "CoroutineType": CoroutineType,
    "FieldInfo": FieldInfo,
    "KEYS": (str, int, UUID),
    "Undefined": Undefined,
    "b2a_base64": b2a_base64,
    "complete": complete,
    "complete_item": complete_item,
    "complete_leaf": complete_leaf,
    "fill_all": fill,
    "is_awaitable": is_awaitable,
    "not_nothing": not_nothing,
    "wait_for": wait_for,
}


def dynamic_fields(plan: ObjectPlan) -> list[FieldPlan]:
    """The fields that differ from one object to the next."""
    return [each for each in plan.fields if not isinstance(each.resolution, Constant)]


def needs_finish(field: FieldPlan) -> bool:
    """Whether a field's values are collected first and finished together."""
    return not field.is_leaf or field.lists > 0 or _is_async(field) or isinstance(field.resolution, Batch)


def _is_async(field: FieldPlan) -> bool:
    return isinstance(field.resolution, Method | Guarded) and field.resolution.is_async


class Texts:
    """Python that is being written, the names that it needs, and what all written functions have in common."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.texts: list[str] = []
        self.lines: list[str] = []
        self.names = dict(NAMES)

    def add(self, depth: int, *lines: str) -> None:
        """Lines at an indentation."""
        self.lines += ["    " * depth + line for line in lines]

    def install(self) -> None:
        """Compile the lines, and define their functions among the names."""
        text = "\n".join(self.lines) + "\n"
        exec(compile(text, f"<{self.title}>", "exec"), self.names)
        self.texts.append(text)
        self.lines = []

    def attribute(self, resolution: Attribute) -> str:
        """A statement that reads `v` off the object `o`."""
        name = resolution.name
        plain = name.isidentifier() and not iskeyword(name)
        return f"v = o.{name}" if plain else f"v = getattr(o, {name!r})"

    def relay_id(self, depth: int, field: FieldPlan, resolution: RelayId, *, otherwise: str) -> None:
        """Statements that make `v` the global id of the object `o`."""
        number = field.number
        self.names[f"C{number}"] = resolution.origin
        self.add(depth, f"if type(o) is C{number} and isinstance(k := getattr(o, {resolution.attribute!r}), KEYS):")
        text = f'f"{resolution.type_name}:{{k!s}}".encode()'
        self.add(depth + 1, f"v = b2a_base64({text}, newline=False).decode()")
        self.add(depth, "else:", f"    {otherwise}")

    def direct_call(self, field: FieldPlan, resolution: Method) -> str:
        """The call of a method without arguments."""
        number = field.number
        self.names[f"M{number}"] = resolution.function
        self.names[f"I{number}"] = resolution.info
        given = ["o"] if resolution.takes_self else []
        given += [f"{name}=o" for name in resolution.source_names]
        if resolution.info_name:
            given.append(f"{resolution.info_name}=I{number}(run, F{number}, d)")
        return f"M{number}({', '.join(given)})"

    def is_of(self, field: FieldPlan, plan: ObjectPlan) -> str:
        """The condition under which an object `v` is of the plan's type without asking it."""
        origin = class_of(plan.type)
        if origin is not None:
            field.known.add(origin)
        if plan.type.is_type_of is None:
            self.names[f"K{field.number}"] = field.known
            return f"type(v) in K{field.number}"
        if origin is None:
            return "False"
        self.names[f"C{field.number}"] = origin
        return f"type(v) is C{field.number} and {NOT_CAST}"


class Writer(Texts):
    """Writes the functions of one operation's plans, and holds the names that they share."""

    def write(self, plans: Iterable[ObjectPlan]) -> None:
        """Write and install the functions of these plans."""
        self.lines = []
        plans = [plan for plan in plans if dynamic_fields(plan)]
        fields = [each for plan in plans for each in dynamic_fields(plan)]
        for plan in plans:
            self.fill(plan)
        for each in fields:
            if needs_finish(each):
                self.finish(each)
        self.install()
        for plan in plans:
            plan.fill = self.names[f"fill_{plan.number}"]
        for each in fields:
            each.finish = self.names.get(f"finish_{each.number}") or partial(finish_each, each)

    def fill(self, plan: ObjectPlan) -> None:
        """The function that fills the answers of objects of one type."""
        fields = dynamic_fields(plan)
        self.names[f"P{plan.number}"] = plan
        self.names[f"T{plan.number}"] = plan.template.copy
        self.add(0, f"def fill_{plan.number}(run, sources, answers, waiting):")
        self.add(1, f"run.filled.append((P{plan.number}, answers))")
        for each in fields:
            self.names[f"F{each.number}"] = each
            self._before(each)
        single = [each for each in fields if not isinstance(each.resolution, Batch)]
        if single:
            self.add(1, "for o, d in zip(sources, answers):")
        for each in single:
            self._resolve(each)
        for each in fields:
            self._after(each)

    def _before(self, field: FieldPlan) -> None:
        """What is made once per level: collections, and callers of resolvers with arguments."""
        number = field.number
        if isinstance(field.resolution, Batch):
            return
        if needs_finish(field):
            self.add(1, f"a{number}, v{number}, w{number} = [], [], []")
        if not isinstance(field.resolution, Attribute) and not called_directly(field):
            self.names[f"R{number}"] = field.resolution
            self.add(1, f"c{number} = R{number}.caller(run, F{number})")

    def _resolve(self, field: FieldPlan) -> None:
        """What happens at one object: its value is put into the answer, or collected."""
        number = field.number
        self.add(2, "try:")
        self._value(field)
        self.add(2, "except Exception as error:", "    v = error")
        if not needs_finish(field):
            slow = f"complete_leaf(run, F{number}, d, v, waiting)"
            self._leaf(2, field, f"d[{field.key!r}]", slow, nullable=field.nullable[0])
            return
        if _is_async(field):
            waits = "type(v) is CoroutineType"
        elif field.lists:
            waits = "type(v) is not list and v is not None and is_awaitable(v)"
        else:
            self.names[f"K{number}"] = field.known
            waits = f"type(v) not in K{number} and v is not None and is_awaitable(v)"
        self.add(2, f"if {waits}:", f"    w{number}.append((d, v))")
        self.add(2, "else:", f"    a{number}.append(d)", f"    v{number}.append(v)")

    def _value(self, field: FieldPlan) -> None:
        """Statements that make `v` the field's value."""
        number, resolution = field.number, field.resolution
        if isinstance(resolution, Attribute):
            self.add(3, self.attribute(resolution))
        elif isinstance(resolution, RelayId):
            self.relay_id(3, field, resolution, otherwise=f"v = c{number}(o, d)")
        elif isinstance(resolution, Method) and called_directly(field):
            self.add(3, f"v = {self.direct_call(field, resolution)}")
        else:
            self.add(3, f"v = c{number}(o, d)")

    def _after(self, field: FieldPlan) -> None:
        """What happens once all objects were looked at: collected values are finished, awaitables left to wait."""
        number = field.number
        if isinstance(field.resolution, Batch):
            self.names[f"B{number}"] = field.batches
            self.add(1, f"wait_for(waiting, B{number}, *zip(answers, sources))")
        elif needs_finish(field):
            self.names[f"W{number}"] = field.values
            self.add(1, f"if v{number}:", f"    finish_{number}(run, a{number}, v{number}, waiting)")
            self.add(1, f"if w{number}:", f"    wait_for(waiting, W{number}, *w{number})")

    def _leaf(self, depth: int, field: FieldPlan, into: str, slow: str, *, nullable: bool) -> None:
        """Put a leaf `v` into its place, as an assignment or (with `into` a call's name) as the call's argument."""
        known = recognition_of(field.named, field.number)
        self.names.update(known.names)
        put = f"{into}({{}})" if into.endswith(".append") else f"{into} = {{}}"
        self.add(depth, f"if {known.condition}:")
        if known.coerces:
            self._coerce(depth + 1, field, known, put, slow)
        else:
            self.add(depth + 1, put.format(known.shown))
        if not nullable:
            self.add(depth, "else:")
        elif into.endswith(".append"):
            self.add(depth, "elif v is None:", f"    {put.format('None')}", "else:")
        else:
            self.add(depth, "elif v is not None:")
        self.add(depth + 1, slow)

    def _coerce(self, depth: int, field: FieldPlan, known: Recognition, put: str, slow: str) -> None:
        self.names[f"Y{field.number}"] = field.named
        self.add(depth, "try:", f"    x = {known.shown}", "    if x is None or x is Undefined:")
        self.add(depth + 2, f"not_nothing(Y{field.number}, v, x)")
        self.add(depth, "except Exception as error:", "    v = error", f"    {slow}")
        self.add(depth, "else:", f"    {put.format('x')}")

    def finish(self, field: FieldPlan) -> None:
        """The function that completes a field's values, and fills what they lead to."""
        number = field.number
        self.add(0, f"def finish_{number}(run, answers, values, waiting):")
        plan = None if field.is_leaf or field.is_abstract else field.children[field.named.name]
        follows = plan is not None and bool(dynamic_fields(plan))
        if plan is not None and follows:
            self.names[f"P{plan.number}"] = plan
            self.add(1, "below, children = [], []", f"found = {{P{plan.number}: (below, children)}}")
        else:
            self.add(1, "found = {}")
        slow = f"complete(run, F{number}, d, {{}}, waiting, found)"
        if field.lists == 0:
            self.add(1, "for d, v in zip(answers, values):")
            self._one(2, field, plan, f"d[{field.key!r}]", slow.format("v"), nullable=field.nullable[0])
        elif field.lists == 1:
            self._items(field, plan, slow.format("u"))
        else:
            self.add(1, "for d, u in zip(answers, values):", f"    {slow.format('u')}")
        if follows and plan is not None:
            self.add(1, "if below:", f"    fill_{plan.number}(run, below, children, waiting)")
        elif not field.is_leaf:
            self.add(1, "fill_all(run, found, waiting)")

    def _items(self, field: FieldPlan, plan: ObjectPlan | None, slow: str) -> None:
        self.add(1, "for d, u in zip(answers, values):")
        self.add(2, "if type(u) is list or type(u) is tuple:")
        self.add(3, f"d[{field.key!r}] = items = []", "for v in u:")
        item = f"complete_item(run, F{field.number}, d, items, v, waiting, found)"
        self._one(4, field, plan, "items.append", item, nullable=field.nullable[1])
        self.add(2, "elif u is not None:" if field.nullable[0] else "else:", f"    {slow}")

    def _one(
        self, depth: int, field: FieldPlan, plan: ObjectPlan | None, into: str, slow: str, *, nullable: bool
    ) -> None:
        """Complete a value `v` that stands for itself, not for a list."""
        if field.is_leaf:
            self._leaf(depth, field, into, slow, nullable=nullable)
            return
        in_list = into.endswith(".append")
        put = [f"{into}(c)"] if in_list else [f"{into} = c"]
        if plan is None:
            self.names[f"G{field.number}"] = known = classes_of(field)
            field.known.update(known)
            condition = f"(p := G{field.number}.get(type(v))) is not None and {NOT_CAST}" if known else "False"
            found = [
                "h = found.get(p)",
                "if h is None:",
                "    h = found[p] = ([], [])",
                "h[0].append(v)",
                "h[1].append(c)",
            ]
            made = ["c = p.template.copy()", *put, *found] if known else ["pass"]
        else:
            condition = self.is_of(field, plan)
            self.names[f"T{plan.number}"] = plan.template.copy
            follow = ["below.append(v)", "children.append(c)"] if dynamic_fields(plan) else []
            made = [f"c = T{plan.number}()", *put, *follow]
        self.add(depth, f"if {condition}:")
        self.add(depth + 1, *made)
        if not nullable:
            self.add(depth, "else:")
        elif in_list:
            self.add(depth, "elif v is None:", "    items.append(None)", "else:")
        else:
            self.add(depth, "elif v is not None:")
        self.add(depth + 1, slow)


def called_directly(field: FieldPlan) -> bool:
    """Whether a field is a method that takes no arguments."""
    return isinstance(field.resolution, Method) and field.arguments.is_empty
