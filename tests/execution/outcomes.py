"""What the fields of generated schemas give: decided by a key alone, so that every execution meets the same.

Values are mostly right. Some are null, of a wrong kind, or exceptions: raised, raised after waiting, or returned.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from graphql import GraphQLError

from tests.execution.blueprints import COLOURS, Blueprint

MakeObject = Callable[[str, str], Any]
"""Makes an object of a type under a key."""


class Fault(Exception):
    """What resolvers of generated schemas raise."""


class Later:
    """Something to be awaited that is no coroutine, so that nobody minds when it is not."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._make = make

    def __repr__(self) -> str:
        return "later"

    def __await__(self) -> Generator[Any, None, Any]:
        return self._make().__await__()


@dataclass
class Outcomes:
    """The outcomes of one generated case. `trouble` is the share of values with which something is wrong."""

    blueprint: Blueprint
    seed: int
    trouble: float
    make: MakeObject
    colour: Callable[[str], Any]

    def of(self, owner: str, name: str, key: str, arguments: str = "") -> Any:
        """What a field of an object gives; it may raise, and what it gives may have to be awaited."""
        where = f"{self.seed}/{key}/{owner}.{name}({arguments})"
        random = Random(where)
        if random.random() < self.trouble:
            return self._trouble(random, where)
        described = self.blueprint.fields[name]
        if described.type in ("String", "String!") and random.random() < 0.8:
            return f"{owner}.{name}({arguments})"
        return self._value(random, described.type, where)

    async def later(self, owner: str, name: str, key: str, arguments: str = "") -> Any:
        """The same after waiting for a while."""
        for _ in range(Random(f"{self.seed}/{key}/{name}").randint(0, 3)):
            await asyncio.sleep(0)
        return self.of(owner, name, key, arguments)

    def _trouble(self, random: Random, where: str) -> Any:
        kind = random.randint(0, 5)
        if kind == 0:
            raise Fault(f"raised at {where}")
        if kind == 1:
            raise GraphQLError(f"told at {where}", extensions={"code": "TOLD", "at": where})
        if kind == 2:
            return Fault(f"returned at {where}")
        if kind == 3 and not self.blueprint.asynchronous:
            raise GraphQLError(f"located at {where}", path=["elsewhere", 1])
        return None if kind == 4 else object

    def _value(self, random: Random, kind: str, where: str) -> Any:
        required = kind.endswith("!")
        inner = kind.removesuffix("!")
        if random.random() < (self.trouble / 3 if required else 0.12):
            return None
        if inner.startswith("["):
            return self._list(random, inner[1:-1], where)
        if self.blueprint.asynchronous and random.random() < self.trouble / 4:
            return Later(lambda: self._awaited(inner, where))
        if inner in self.blueprint.objects or inner in self.blueprint.interfaces or inner in self.blueprint.unions:
            names = list(self.blueprint.possible(inner))
            if random.random() < self.trouble / 3:
                names = [each for each in self.blueprint.objects if each not in ("Query", "Mutation")]
            return self.make(random.choice(names), f"{random.randrange(10**9)}")
        wrong = random.random() < self.trouble / 2
        return random.choice([object(), [], -1.5, 2**40, "text", float("nan")]) if wrong else self._leaf(random, inner)

    def _list(self, random: Random, item: str, where: str) -> Any:
        if random.random() < self.trouble / 6:
            return random.choice([5, "text", {"a": 1}])
        values = [self._item(random, item, f"{where}[{number}]") for number in range(random.randint(0, 3))]
        shape = random.random()
        if shape < 0.75:
            return values
        if shape < 0.85:
            return tuple(values)
        failing = random.random() < self.trouble * 2
        if failing and self.blueprint.asynchronous:
            values = []  # graphql-core tells of awaited items of a broken list now and then
        if shape > 0.95 and self.blueprint.asynchronous:
            return _given_later(values, failing=failing)
        return _given(values, failing=failing)

    def _item(self, random: Random, item: str, where: str) -> Any:
        if random.random() < self.trouble / 3:
            return Fault(f"item at {where}")
        return self._value(random, item, where)

    def _leaf(self, random: Random, named: str) -> Any:
        if named == "Int":
            return random.choice([0, -5, 17, 2**31 - 1])
        if named == "Float":
            return random.choice([0.5, -3.25, 7.0, 2])
        if named == "Boolean":
            return random.random() < 0.5
        if named == "ID":
            return random.choice(["a", "b7", 12])
        if named == "Colour":
            return self.colour(random.choice(COLOURS))
        return f"{named} {random.randrange(100)}"

    async def _awaited(self, inner: str, where: str) -> Any:
        random = Random(f"awaited {where}")
        await asyncio.sleep(0)
        if random.random() < self.trouble:
            raise Fault(f"awaited at {where}")
        return self._value(random, inner, f"{where}~")


def _given(values: list[Any], *, failing: bool) -> Iterator[Any]:
    yield from values
    if failing:
        raise Fault("the list broke")


async def _given_later(values: list[Any], *, failing: bool) -> AsyncIterator[Any]:
    for value in values:
        await asyncio.sleep(0)
        yield value
    if failing:
        raise Fault("the list broke later")
