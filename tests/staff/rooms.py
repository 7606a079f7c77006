"""The staff's rooms without HTTP: every kind of caller asks, the answer is what GraphQL says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import strawberry
from graphql import GraphQLError
from strawberry import relay

from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.work import Work
from schema.admin.audit import AuditQuery
from schema.admin.jobs import JobsMutation, JobsQuery
from schema.admin.programme import ProgrammeMutation, ProgrammeQuery
from schema.context import Context
from schema.extensions import make_schema
from schema.nodes import resolve_node
from schema.programme import ProgrammeQuery as MembersProgramme

OWNER = Actor("staff", UUID(int=1), role="owner")
OPERATOR = replace(OWNER, role="operator")
AUDITOR = replace(OWNER, role="auditor")
CASHIER = replace(OWNER, role="cashier", stores=frozenset({"SH-01"}))
TILL = Actor("integration", UUID(int=2), scopes=frozenset({"orders:write", "members:read"}))
MEMBER = Actor("member", UUID(int=3))
CALLERS = {
    "owner": OWNER,
    "operator": OPERATOR,
    "auditor": AUDITOR,
    "cashier": CASHIER,
    "integration": TILL,
    "member": MEMBER,
    "anonymous": ANONYMOUS,
}


@strawberry.type
class Root(ProgrammeQuery, JobsQuery, AuditQuery):
    node: relay.Node | None = strawberry.field(resolver=resolve_node)


@strawberry.type
class Changes(ProgrammeMutation, JobsMutation):
    pass


ADMIN = make_schema(query=Root, mutation=Changes)
MEMBERS = make_schema(query=MembersProgramme)


class Refused(Exception):
    """An answer with an error: its code and the argument that it names; no code for a request that is malformed."""

    def __init__(self, code: str | None, argument: str | None) -> None:
        super().__init__(code, argument)
        self.code = code
        self.argument = argument


@dataclass
class Office:
    """The staff's endpoint over one process' work."""

    work: Work
    clock: FixedClock

    async def ask(self, text: str, actor: Actor = OWNER, *, locale: str = "en", **variables: Any) -> Any:
        """What staff are answered. Raises Refused, or the fault itself."""
        return await self._run(ADMIN, text, actor, locale, variables)

    async def ask_as_member(self, text: str, actor: Actor = ANONYMOUS, *, locale: str = "en") -> Any:
        """What the members' endpoint answers. Raises Refused."""
        return await self._run(MEMBERS, text, actor, locale, {})

    async def _run(self, schema: Any, text: str, actor: Actor, locale: str, variables: dict[str, Any]) -> Any:
        context = Context(work=self.work, clock=self.clock, actor=actor, locale=locale)
        result = await schema.execute(text, variable_values=variables, context_value=context)
        if result.errors:
            first = result.errors[0]
            fault = first.original_error
            if fault is not None and not isinstance(fault, GraphQLError):
                raise fault
            raise Refused((first.extensions or {}).get("code"), (first.extensions or {}).get("argument"))
        return result.data

    async def code_for(self, text: str, actor: Actor, **variables: Any) -> str | None:
        """The code that a caller is turned away with; None for one who is answered."""
        try:
            await self.ask(text, actor, **variables)
        except Refused as refused:
            return refused.code
        return None


def turned_away(caller: str) -> str:
    """The code for a caller who is not admitted."""
    return "UNAUTHENTICATED" if caller == "anonymous" else "FORBIDDEN"


async def rows_in(table: str) -> int:
    found: int = await fetch_value(f'SELECT count(*) FROM "{table}"')
    return found
