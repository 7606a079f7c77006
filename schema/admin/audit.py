"""The audit trail as owners and auditors read it: who did what to whom, when and why."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
import strawberry
from strawberry import relay
from strawberry.scalars import JSON

from gamification.core import audit
from schema.context import Info
from schema.nodes import read_id
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow
from schema.permissions import Staff as IsStaff
from schema.refusals import BadInput
from schema.sessions import admits

RECORDS = Keyset("audit", Key("at", datetime), Key("id", UUID))
READERS = Allow(IsStaff("owner", "auditor"))
PLACE_LENGTH_MAX = 200
SYSTEM = "system"


@strawberry.type(description="A line of the audit trail; it never changes.")
class AuditRecord(relay.Node):
    id: relay.NodeID[UUID]
    at: datetime = strawberry.field(description="When it was done.")
    actor: str = strawberry.field(description="Who did it, such as staff:0198… or system.")
    action: str = strawberry.field(description="What was done, such as member.blocked or policy.published.")
    subject: str = strawberry.field(description="To whom or what, such as member:0198… or policy:earning.")
    before: JSON | None = strawberry.field(description="The values before it.")
    after: JSON | None = strawberry.field(description="The values after it.")
    reason: str | None = strawberry.field(description="Why, in the words of who did it.")

    @classmethod
    def of(cls, row: audit.AuditLine) -> "AuditRecord":
        return cls(
            id=row.id,
            at=row.at,
            actor=row.actor,
            action=row.action,
            subject=row.subject,
            before=orjson.loads(row.before) if row.before else None,
            after=orjson.loads(row.after) if row.after else None,
            reason=row.reason,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        ids = [UUID(each) for each in node_ids]
        if not admits(READERS, info):
            return [None for _ in ids]
        found = [await info.context.load(audit.audit_lines_by_ids, each) for each in ids]
        return [cls.of(row) if row is not None else None for row in found]


@strawberry.input(description="Which lines; what is left out does not narrow.")
class AuditSearch:
    subject: str | None = strawberry.field(
        default=None,
        description="To whom or what: as lines show it, such as policy:earning, or the global id of a member, a member"
        " of staff, an integration.",
    )
    actor: str | None = strawberry.field(
        default=None, description="Who: as lines show it, or the global id of a member of staff or an integration."
    )
    action: str | None = strawberry.field(default=None, description="What was done, such as policy.published.")
    since: datetime | None = strawberry.field(default=None, description="From this instant on.")
    until: datetime | None = strawberry.field(default=None, description="Before this instant.")


def wanted_records(search: AuditSearch | None) -> audit.AuditFilter:
    """A search as the product understands it. Raises BadInput."""
    if search is None:
        return audit.AuditFilter()
    return audit.AuditFilter(
        subject=_place(search.subject, "subject"),
        actor=_place(search.actor, "actor"),
        action=_text(search.action, "action"),
        since=search.since,
        until=search.until,
    )


def _place(value: str | None, argument: str) -> str | None:
    """`kind:key` as lines show it, read from that or from a global id; a type's name becomes its kind."""
    if value is None or value == SYSTEM or ":" in value:
        return _text(value, argument)
    type_name, key = read_id(value, argument=argument)
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type_name).lower()
    return _text(f"{kind}:{key}", argument)


def _text(value: str | None, argument: str) -> str | None:
    if value is not None and not (0 < len(value) <= PLACE_LENGTH_MAX and value.isprintable()):
        raise BadInput(f"`{argument}` is 1 to {PLACE_LENGTH_MAX} characters that can be shown.", argument=argument)
    return value


@strawberry.type
class AuditQuery:
    @strawberry.field(description="The audit trail, the latest first.", extensions=[READERS])
    async def audit_records(
        self,
        info: Info,
        search: Annotated[AuditSearch | None, strawberry.argument(description="Which; all when left out.")] = None,
        first: First = PAGE_DEFAULT,
        after: After = None,
    ) -> Connection[AuditRecord]:
        page = RECORDS.page(first, after)
        behind: Any = page.after
        rows = await audit.audit_page(wanted_records(search), after=behind, limit=page.limit)
        return page.connection(rows, AuditRecord.of)
