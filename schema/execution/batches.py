"""Batch resolvers: a field of many objects resolved by one call.

    @strawberry.type
    class Member:
        @batched(description="The member's points.")
        async def points(members: Sequence["Member"], info: Info) -> Answers[PointsBalance]:
            found = await balances_of([member.id for member in members])
            return [found[member.id] for member in members]

The answers come in the order of the sources; an exception among them is the error of that source alone. To compiled
execution a batch resolver is what a level of the answer calls once. graphql-core, which resolves one object after the
other, goes through a data loader that collects the sources of a tick; both give the same answer.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from types import UnionType
from typing import Any, TypeVar, Union, cast

import strawberry
from strawberry.dataloader import DataLoader
from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import AsyncExtensionResolver

SOURCES_MAX = 1_000
"""Sources of one call; more are resolved by several calls."""

V = TypeVar("V")
Answers = Sequence[V | Exception]
"""What a batch resolver answers: for each source a value, or what went wrong with it."""

BatchFunction = Callable[..., Any]


class BatchExtension(FieldExtension):
    """Marks a field as resolved in batches; to graphql-core it is the way through a data loader."""

    def __init__(self, function: BatchFunction, sources_max: int) -> None:
        self.function = function
        self.sources_max = sources_max

    async def resolve_async(self, next_: AsyncExtensionResolver, source: Any, info: Any, **arguments: Any) -> Any:
        """One source, resolved together with the others that are asked for in the same tick at the same place."""
        loaders = _loaders_of(info.context)
        key = (self, id(info._raw_info.field_nodes[0]))
        loader = loaders.get(key)
        if loader is None:
            loader = DataLoader(load_fn=self._together, cache=False, max_batch_size=self.sources_max)
            loaders[key] = loader
        return await loader.load((source, info, arguments))

    async def _together(self, asked: list[tuple[Any, Any, dict[str, Any]]]) -> Sequence[Any]:
        """At one place of a document all sources have the same arguments; the first one's are given."""
        _, info, given = asked[0]
        return await answers_of(self.function, [source for source, _, _ in asked], info, given)


async def answers_of(
    function: BatchFunction, sources: Sequence[Any], info: Any, given: Mapping[str, Any]
) -> Sequence[Any]:
    """What a batch resolver answers for the sources; what it raises is the answer for each of them."""
    try:
        answers = function(sources, info, **given)
        answers = await answers if inspect.isawaitable(answers) else answers
        if len(answers) != len(sources):
            raise TypeError(f"A batch resolver answered {len(answers)} times for {len(sources)} sources.")
    except Exception as error:  # noqa: BLE001 - the answer of every source
        return [error] * len(sources)
    return cast(Sequence[Any], answers)


def batched(*, description: str, sources_max: int = SOURCES_MAX, **options: Any) -> Callable[[BatchFunction], Any]:
    """A field whose resolver is called with all sources of a level: `(sources, info, **arguments) -> Answers[…]`."""

    def decorate(function: BatchFunction) -> Any:
        plain = function.__func__ if isinstance(function, staticmethod) else function
        extension = BatchExtension(plain, sources_max)
        return strawberry.field(description=description, extensions=[extension], **options)(_single(plain))

    return decorate


def _single(function: BatchFunction) -> Callable[..., Any]:
    """The same resolver for one source, with the signature that strawberry reads the field's type from."""
    parameters = list(inspect.signature(function).parameters.values())

    async def single(self: Any, info: Any, **given: Any) -> Any:
        (answer,) = await answers_of(function, [self], info, given)
        if isinstance(answer, Exception):
            raise answer
        return answer

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    answer = _answer_type(inspect.signature(function).return_annotation)
    single.__name__, single.__qualname__ = function.__name__, function.__qualname__
    single.__module__, single.__doc__ = function.__module__, function.__doc__
    single.__signature__ = inspect.Signature([own, *parameters[1:]], return_annotation=answer)  # type: ignore[attr-defined]
    single.__annotations__ = {each.name: each.annotation for each in parameters[1:]} | {"return": answer}
    return single


def _answer_type(annotation: Any) -> Any:
    """What stands in `Answers[…]`, which a module with postponed annotations hands over as text."""
    if isinstance(annotation, str) and (written := re.fullmatch(r"(?:\w+\.)*Answers\[(.*)\]", annotation, re.DOTALL)):
        return written[1]
    (item,) = typing.get_args(annotation) or (None,)
    if typing.get_origin(item) in (Union, UnionType):
        kept = tuple(each for each in typing.get_args(item) if each is not Exception)
        return Union[kept]  # noqa: UP007 - the members are known at run time only
    raise TypeError("a batch resolver answers Answers[…]")


def _loaders_of(context: Any) -> MutableMapping[Any, Any]:
    """Where the loaders of one operation are kept: `loaders` of the context, an attribute or an item."""
    if isinstance(context, MutableMapping):
        return cast(MutableMapping[Any, Any], context.setdefault("loaders", {}))
    return cast(MutableMapping[Any, Any], context.loaders)
