"""Gates: extensions of a field that let a caller through, or raise, and do nothing else.

Compiled execution asks them itself and calls the resolver at once, where strawberry wraps a call for every extension in
several others. To graphql-core they are extensions like any.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from inspect import isawaitable
from typing import Any

from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import AsyncExtensionResolver, SyncExtensionResolver


class Gate(FieldExtension):
    """An extension that only decides whether the field is resolved."""

    @abstractmethod
    def admit(self, info: Any) -> None:
        """Let the caller through. Raises what the field is then answered with."""

    def resolve(self, next_: SyncExtensionResolver, source: Any, info: Any, **arguments: Any) -> Any:
        """Resolve for whoever is admitted."""
        self.admit(info)
        return next_(source, info, **arguments)

    async def resolve_async(self, next_: AsyncExtensionResolver, source: Any, info: Any, **arguments: Any) -> Any:
        """The same for a resolver that may wait."""
        self.admit(info)
        found = next_(source, info, **arguments)
        return await found if isawaitable(found) else found


def gates_of(extensions: Sequence[FieldExtension]) -> tuple[Gate, ...] | None:
    """The extensions of a field, if all of them are gates that do nothing besides admitting; none otherwise."""
    gates = tuple(each for each in extensions if isinstance(each, Gate) and _only_admits(type(each)))
    return gates if len(gates) == len(extensions) else None


def _only_admits(kind: type[Gate]) -> bool:
    own: list[Any] = [kind.resolve, kind.resolve_async, kind.map_arguments]
    return own == [Gate.resolve, Gate.resolve_async, FieldExtension.map_arguments]
