"""Who may call a field. `extensions=[Allow(Member())]` on a field opens it to members, and to nobody else.

Several permissions mean any of them. What is not allowed is an error with a path: UNAUTHENTICATED when nobody is
signed in, FORBIDDEN otherwise; the printed schema shows it as `@allow(to: …)`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import strawberry
from graphql import GraphQLError
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField

from gamification.core.actors import Actor, Role
from schema.context import Context, Info
from schema.execution.gates import Gate

UNAUTHENTICATED_MESSAGES: Mapping[str, str] = {"zh-CN": "请先登录", "en": "Please sign in."}
FORBIDDEN_MESSAGES: Mapping[str, str] = {"zh-CN": "无权执行此操作", "en": "You may not do this."}


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION], name="allow", description="Who may call this field; any of those named."
)
class AllowDirective:
    to: list[str] = strawberry.directive_field(name="to")


class Permission(ABC):
    """A kind of caller."""

    @abstractmethod
    def admits(self, actor: Actor) -> bool:
        """Whether this caller is one of those."""

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """How the printed schema calls this kind of caller."""


class Member(Permission):
    """Any signed-in member."""

    @property
    def names(self) -> list[str]:
        return ["member"]

    def admits(self, actor: Actor) -> bool:
        return actor.kind == "member" and actor.id is not None


class Staff(Permission):
    """Staff of the named roles; of any role when none is named."""

    def __init__(self, *roles: Role) -> None:
        self.roles = frozenset(roles)

    @property
    def names(self) -> list[str]:
        return [f"staff:{role}" for role in sorted(self.roles)] or ["staff"]

    def admits(self, actor: Actor) -> bool:
        return actor.kind == "staff" and (not self.roles or actor.role in self.roles)


@dataclass(frozen=True, slots=True)
class Integration(Permission):
    """An integration whose token carries the scope, such as `orders:write`."""

    scope: str

    @property
    def names(self) -> list[str]:
        return [f"integration:{self.scope}"]

    def admits(self, actor: Actor) -> bool:
        return actor.kind == "integration" and self.scope in actor.scopes


class Allow(Gate):
    """Opens a field to the callers named, and closes it to all others."""

    def __init__(self, *permissions: Permission) -> None:
        if not permissions:
            raise TypeError("Allow needs at least one permission")
        self.permissions = permissions

    def apply(self, field: StrawberryField) -> None:
        """Print who may call the field as its directive."""
        names = [name for permission in self.permissions for name in permission.names]
        others = [each for each in field.directives if not isinstance(each, AllowDirective)]  # of another schema
        field.directives = [*others, AllowDirective(to=names)]

    def check(self, context: Context) -> None:
        """Raises UNAUTHENTICATED or FORBIDDEN in the caller's language."""
        actor = context.actor
        if not any(permission.admits(actor) for permission in self.permissions):
            raise access_error(actor, context.locale)

    def admit(self, info: Info) -> None:
        """Raises UNAUTHENTICATED or FORBIDDEN for whoever is not admitted."""
        self.check(info.context)


def access_error(actor: Actor, locale: str) -> GraphQLError:
    """The error that a caller who is not admitted reads."""
    signed_out = actor.kind == "anonymous"
    code, messages = ("UNAUTHENTICATED", UNAUTHENTICATED_MESSAGES) if signed_out else ("FORBIDDEN", FORBIDDEN_MESSAGES)
    return GraphQLError(messages[locale], extensions={"code": code})
