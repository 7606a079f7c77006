"""What all generated strawberry schemas share: an enum, a scalar, input objects, an extension that may refuse."""

from __future__ import annotations

from enum import Enum
from random import Random
from typing import Any, NewType

import strawberry
from strawberry.extensions import FieldExtension

from schema.execution import gates
from tests.execution.outcomes import Fault


@strawberry.enum
class Colour(Enum):
    RED = "r"
    GREEN = "g"
    BLUE = "b"


Stamp = NewType("Stamp", str)


def show_stamp(value: Any) -> Any:
    if not isinstance(value, str):
        raise TypeError("no stamp")
    return None if value.endswith("7") else f"<{value}>"


def read_stamp(value: Any) -> Any:
    if not isinstance(value, str) or "!" in value:
        raise ValueError("a stamp is a text without !")
    return ["stamp", value]


SCALARS: dict[object, Any] = {Stamp: strawberry.scalar(name="Stamp", serialize=show_stamp, parse_value=read_stamp)}


@strawberry.input
class Filter:
    name: str
    low: int | None = 3
    high: float | None = strawberry.UNSET
    colours: list[Colour] | None = strawberry.field(default_factory=lambda: [Colour.RED])
    inner: Filter | None = None


@strawberry.input(one_of=True)
class Choice:
    number: int | None = strawberry.UNSET
    text: str | None = strawberry.UNSET
    filter: Filter | None = strawberry.UNSET


class Keeper(gates.Gate):
    """Lets in whom the place in the answer lets in: about nine of ten."""

    def admit(self, info: Any) -> None:
        assert info.field_name and info.selected_fields
        if Random(f"{info.path.as_list()}").random() < 0.1:
            raise Fault(f"kept out of {info.field_name} at {info.path.as_list()}")


class Gate(FieldExtension):
    """Lets most sources through, and says so in what it lets through."""

    def _check(self, source: Any, info: strawberry.Info) -> None:
        assert info.path.key and info.field_name and info.selected_fields
        if Random(f"{getattr(source, 'key', '')}{info.field_name}").random() < 0.1:
            raise Fault(f"not admitted to {info.field_name} at {info.path.as_list()}")

    def resolve(self, next_: Any, source: Any, info: strawberry.Info, **arguments: Any) -> Any:
        self._check(source, info)
        return next_(source, info, **arguments)

    async def resolve_async(self, next_: Any, source: Any, info: strawberry.Info, **arguments: Any) -> Any:
        self._check(source, info)
        found = next_(source, info, **arguments)
        return await found if hasattr(found, "__await__") else found
