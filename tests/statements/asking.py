"""Both endpoints without HTTP: what every kind of caller is answered about statements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from strawberry import relay

from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.work import Work
from schema.admin.root import schema as admin
from schema.context import Context
from schema.root import schema as member

OWNER = Actor("staff", UUID(int=1), role="owner")
CALLERS = {
    "anonymous": ANONYMOUS,
    "owner": OWNER,
    "operator": replace(OWNER, role="operator"),
    "auditor": replace(OWNER, role="auditor"),
    "cashier": replace(OWNER, role="cashier", stores=frozenset({"SH-01"})),
    "reader": Actor("integration", UUID(int=2), scopes=frozenset({"members:read"})),
    "till": Actor("integration", UUID(int=2), scopes=frozenset({"orders:write"})),
    "member": Actor("member", UUID(int=3)),
}


class Refused(Exception):
    """An answer with an error: its code, and the argument that it names."""

    def __init__(self, code: str | None, argument: str | None) -> None:
        super().__init__(code, argument)
        self.code = code
        self.argument = argument


async def _run(schema: Any, work: Work, text: str, actor: Actor, locale: str, variables: dict[str, Any]) -> Any:
    context = Context(work=work, clock=work.clock, actor=actor, locale=locale)
    result = await schema.execute(text, variable_values=variables, context_value=context)
    if result.errors:
        extensions = result.errors[0].extensions or {}
        if "code" not in extensions and result.errors[0].original_error is not None:
            raise result.errors[0].original_error
        raise Refused(extensions.get("code"), extensions.get("argument"))
    return result.data


async def as_member(work: Work, member_id: UUID, fields: str, *, locale: str = "en", **variables: Any) -> Any:
    """What a member reads of themselves. `fields` stand inside `me`; variables are declared in front, after a `|`."""
    declared, _, asked = fields.rpartition("|")
    text = f"query {declared.strip()} {{ me {{ {asked} }} }}"
    return (await _run(member, work, text, Actor("member", member_id), locale, variables))["me"]


async def as_staff(work: Work, text: str, actor: Actor = OWNER, *, locale: str = "en", **variables: Any) -> Any:
    """What the staff's endpoint answers."""
    return await _run(admin, work, text, actor, locale, variables)


async def at_members_door(work: Work, text: str, actor: Actor) -> Any:
    """What the members' endpoint answers to anybody."""
    return await _run(member, work, text, actor, "en", {})


def member_key(member_id: UUID) -> str:
    return relay.to_base64("Member", str(member_id))
