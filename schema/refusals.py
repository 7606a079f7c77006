"""A slice's refusals as GraphQL types, and the one handler that turns a raised refusal into a member of the union.

    class InsufficientPoints(Refusal, of=errors.InsufficientPoints, points=("required", "available", "missing")):
        pass

    BuyDrawTicketResult = Annotated[DrawTicket | InsufficientPoints | DrawNotOpen, strawberry.union("…")]

The type's fields, description and code come from the product's class. A resolver does not catch anything: it lets the
refusal rise, the transaction rolls back, and the field answers with the type. A refusal that the field's union does
not name is a fault: it is logged and the caller reads no more than that.
"""

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import strawberry
from graphql import GraphQLError
from strawberry.types.field import StrawberryField

from gamification.core import errors
from schema.scalars import Fen, Points

USUAL_DESCRIPTIONS = {
    "required": "What it takes.",
    "available": "What there is.",
    "missing": "What is missing.",
    "limit": "The most that is allowed.",
    "used": "What is used up already.",
    "resets_at": "When the limit starts anew.",
    "reason": "Why, as a code.",
    "field": "The input that it is about.",
    "kind": "What was looked for.",
    "id": "Under which id.",
    "key": "Under which key.",
    "status": "The status that stands in the way.",
    "retry_after_seconds": "Seconds to wait before another attempt.",
}


class BadInput(GraphQLError):
    """An argument that cannot be worked with; the extensions name it."""

    def __init__(self, message: str, *, argument: str) -> None:
        super().__init__(message, extensions={"code": "BAD_USER_INPUT", "argument": argument})


@strawberry.interface(description="An expected no: why, as a code and in the caller's language.")
class Refusal:
    code: str = strawberry.field(description="What stands in the way; stable, for programs.")
    message: str = strawberry.field(description="The same for people, in the language of Accept-Language.")

    of_domain: ClassVar[dict[type[errors.Refusal], type["Refusal"]]] = {}

    def __init_subclass__(
        cls,
        *,
        of: type[errors.Refusal],
        points: Sequence[str] = (),
        fen: Sequence[str] = (),
        enums: Mapping[str, Any] | None = None,
        describe: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init_subclass__(**options)
        known = Refusal.of_domain.setdefault(of, cls)
        if known is not cls:
            raise TypeError(f"{of.__name__} has a GraphQL type already: {known.__qualname__}")
        scalars = {**dict.fromkeys(points, Points), **dict.fromkeys(fen, Fen), **(enums or {})}
        _take_fields(cls, of, scalars, {**USUAL_DESCRIPTIONS, **(describe or {})})
        strawberry.type(cls, description=_first_paragraph(of))


def _take_fields(
    cls: type[Refusal], of: type[errors.Refusal], scalars: Mapping[str, Any], describe: Mapping[str, str]
) -> None:
    """Give a GraphQL type the fields of a refusal. Amounts and enums are named, or end in `_fen`, `_points`."""
    names = [each.name for each in dataclasses.fields(typing.cast(Any, of))]
    if stray := scalars.keys() - set(names):
        raise TypeError(f"{of.__name__} has no field {', '.join(sorted(stray))}")
    hints = typing.get_type_hints(of)
    cls.__annotations__ = {name: _graphql_type(name, hints[name], scalars) for name in names}
    for name in names:
        if name not in describe:
            raise TypeError(f"{cls.__name__}.{name} needs a description")
        setattr(cls, name, strawberry.field(description=describe[name]))


def _graphql_type(name: str, hint: Any, scalars: Mapping[str, Any]) -> Any:
    scalar = scalars.get(name) or (Fen if name.endswith("_fen") else Points if name.endswith("_points") else None)
    if scalar is None:
        return str if typing.get_origin(hint) is typing.Literal else hint
    return scalar | None if type(None) in typing.get_args(hint) else scalar


def _first_paragraph(of: type[errors.Refusal]) -> str:
    return " ".join((of.__doc__ or "").split("\n\n")[0].split())


class RefusalHandler(strawberry.ExceptionHandler):  # type: ignore[type-arg]  # the types are attributes
    """Answers a raised refusal with its GraphQL type, in the caller's language, where the field's union names it."""

    def __init__(self, of: type[errors.Refusal], graphql_type: type[Refusal]) -> None:
        self.exception_type = of
        self.error_type = graphql_type

    def handle(self, exception: errors.Refusal, *, field: StrawberryField, info: strawberry.Info) -> Refusal:
        """The refusal as its GraphQL type."""
        return to_graphql(exception, info.context.locale)


def refusal_handlers() -> list[RefusalHandler]:
    """A handler for each refusal that has a GraphQL type, the most particular classes first."""
    found = sorted(Refusal.of_domain.items(), key=lambda pair: -len(pair[0].__mro__))
    return [RefusalHandler(of, graphql_type) for of, graphql_type in found]


def to_graphql(refusal: errors.Refusal, locale: str) -> Refusal:
    """The GraphQL value of a refusal; for batch verbs that hand back refusals beside their answers."""
    graphql_type = typing.cast(Any, Refusal.of_domain[type(refusal)])
    answer: Refusal = graphql_type(code=refusal.code, message=refusal.message(locale), **refusal.fields())
    return answer
