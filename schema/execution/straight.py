"""Executes a query for which nothing is waited: one function per selection, called for one object after the other.

    def show_2(run, o):
        d = T2()
        v = o.name
        if type(v) is str: d["name"] = v
        else: raise NotStraight
        v = now(M5([o], I5(run, F5, d), **A5)[0]
        …
        return d

Where everything that resolvers read is at hand, collecting the objects of a level costs more than it saves. The written
Python knows the usual values only. At anything else (an exception, a null where none may stand, a resolver that waits
after all, a value to be looked at twice) it gives up, and the operation is executed level by level as if nothing had
been tried: for queries, executing a resolver twice is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import CoroutineType
from typing import Any

from graphql import OperationType, Undefined
from graphql.pyutils.is_awaitable import is_awaitable

from schema.execution.leaves import recognition_of
from schema.execution.plans import Answer, FieldPlan, ObjectPlan, OperationPlan
from schema.execution.resolvers import Attribute, Batch, Constant, Guarded, Method, RelayId, Resolver
from schema.execution.running import Execution
from schema.execution.writing import Texts, called_directly

Show = Callable[[Execution, Any], Answer]


class NotStraight(Exception):
    """Something came up that the execution level by level has to deal with."""


def straight(plan: OperationPlan) -> Show | None:
    """The function that executes a query straight on; none for what it never could."""
    if plan.operation.operation is not OperationType.QUERY:
        return None
    (root,) = plan.steps
    writer = _StraightWriter(f"{plan.title}, straight")
    try:
        return writer.show(root)
    except NotStraight:
        return None


def now(value: Any) -> Any:
    """What a resolver gave, if it does not wait for anything. Raises NotStraight when it does."""
    if type(value) is CoroutineType:
        try:
            value.send(None)
        except StopIteration as end:
            return end.value
        value.close()
        raise NotStraight
    if is_awaitable(value):
        raise NotStraight
    return value


def only(answers: Sequence[Any]) -> Any:
    """The answer of a batch resolver to a single source."""
    (answer,) = answers
    return answer


def given(run: Execution, field: FieldPlan, info: Any) -> dict[str, Any]:
    """The arguments of one call."""
    shared = field.arguments.shared(run.variables)
    return field.arguments.own(run.variables, info) if shared is None else shared


class _StraightWriter(Texts):
    """Writes the functions of one operation."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.names.update(NotStraight=NotStraight, Undefined=Undefined, given=given, now=now, only=only)
        self._written: set[int] = set()

    def show(self, root: ObjectPlan) -> Show:
        """The function of the root. Raises NotStraight for a selection that may lead to several types."""
        self._object(root)
        self.install()
        function: Show = self.names[f"show_{root.number}"]
        return function

    def _object(self, plan: ObjectPlan) -> None:
        if plan.number in self._written:
            return
        self._written.add(plan.number)
        fields = [each for each in plan.fields if not isinstance(each.resolution, Constant)]
        for each in fields:
            if each.is_abstract or each.lists > 1:
                raise NotStraight
            if not each.is_leaf:
                self._object(each.children[each.named.name])
        self.names[f"T{plan.number}"] = plan.template.copy
        self.add(0, f"def show_{plan.number}(run, o):", f"    d = T{plan.number}()")
        for each in fields:
            self.names[f"F{each.number}"] = each
            self._field(each)
        self.add(1, "return d")

    def _field(self, field: FieldPlan) -> None:
        self._value(field)
        place = f"d[{field.key!r}]"
        if field.lists == 0:
            self._one(1, field, f"{place} = {{}}", nullable=field.nullable[0])
            return
        self.add(1, "if type(v) is list or type(v) is tuple:", f"    {place} = items = []", "    for v in v:")
        self._one(3, field, "items.append({})", nullable=field.nullable[1])
        self._otherwise(1, nullable=field.nullable[0], none="pass")

    def _value(self, field: FieldPlan) -> None:
        """Statements that make `v` the field's value."""
        number, resolution = field.number, field.resolution
        if isinstance(resolution, Attribute):
            self.add(1, self.attribute(resolution))
        elif isinstance(resolution, RelayId):
            self.relay_id(1, field, resolution, otherwise="raise NotStraight")
        elif isinstance(resolution, Method) and called_directly(field):
            self.add(1, f"v = {self.direct_call(field, resolution)}", "if type(v) is CoroutineType: v = now(v)")
        elif isinstance(resolution, Guarded):
            self.names[f"R{number}"] = resolution
            self.add(1, f"v = now(R{number}.caller(run, F{number})(o, d))")
        elif isinstance(resolution, Method | Batch | Resolver):
            self._call(field, resolution)
        else:
            raise NotStraight

    def _call(self, field: FieldPlan, resolution: Method | Batch | Resolver) -> None:
        """A call with arguments: those that no variable decides are read once."""
        number, constant = field.number, field.arguments.constant
        self.names[f"A{number}"] = constant
        arguments = f"**A{number}" if constant is not None else f"**given(run, F{number}, i)"
        if constant == {}:
            arguments = ""
        if isinstance(resolution, Resolver):
            self.names[f"M{number}"] = resolution.resolve
            self.add(1, f"i = FieldInfo(run, F{number}, d)", f"v = now(M{number}(o, i, {arguments}))")
            return
        method = resolution.method if isinstance(resolution, Batch) else resolution
        self.names[f"I{number}"] = method.info
        self.add(1, f"i = I{number}(run, F{number}, d)")
        if isinstance(resolution, Batch):
            self.names[f"M{number}"] = resolution.extension.function
            self.add(1, f"v = only(now(M{number}([o], i, {arguments})))")
        else:
            self.names[f"M{number}"] = method.function
            taken = ["o"] if method.takes_self else []
            taken += [f"{name}=o" for name in method.source_names]
            taken += [f"{method.info_name}=i"] if method.info_name else []
            self.add(1, f"v = now(M{number}({', '.join([*taken, arguments])}))")

    def _one(self, depth: int, field: FieldPlan, put: str, *, nullable: bool) -> None:
        """Put a value `v` that is no list into its place."""
        if field.is_leaf:
            known = recognition_of(field.named, field.number)
            self.names.update(known.names)
            self.add(depth, f"if {known.condition}:", f"    x = {known.shown}")
            if known.coerces:
                self.add(depth + 1, "if x is None or x is Undefined: raise NotStraight")
            self.add(depth + 1, put.format("x"))
        else:
            plan = field.children[field.named.name]
            condition = self.is_of(field, plan)
            if condition == "False":
                raise NotStraight
            self.add(depth, f"if {condition}:", f"    {put.format(f'show_{plan.number}(run, v)')}")
        self._otherwise(depth, nullable=nullable, none="pass" if field.lists == 0 else "items.append(None)")

    def _otherwise(self, depth: int, *, nullable: bool, none: str) -> None:
        if nullable:
            self.add(depth, f"elif v is None: {none}")
        self.add(depth, "else: raise NotStraight")
