"""Adjustments as they are read: what was asked for, by whom and why, what became of it, what it left behind."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from pydantic import TypeAdapter
from strawberry import relay

from gamification.adjustments import queries, rules
from gamification.members.queries import staff_by_ids
from schema.context import Info
from schema.nodes import read_id
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow
from schema.permissions import Staff as IsStaff
from schema.points import Currency
from schema.refusals import BadInput
from schema.scalars import Points
from schema.sessions import admits

if TYPE_CHECKING:
    from schema.admin.members import Member

BALANCES: TypeAdapter[rules.Balances] = TypeAdapter(rules.Balances)
READERS = Allow(IsStaff("owner", "operator", "auditor"))
ADJUSTMENTS = Keyset("adjustments", Key("id", UUID))


@strawberry.enum(description="What an adjustment does.")
class AdjustmentKind(Enum):
    ADJUSTMENT = strawberry.enum_value("ADJUSTMENT", description="Moves points or growth, up or down.")
    DEBT_WAIVER = strawberry.enum_value("DEBT_WAIVER", description="Waives points that are owed.")


@strawberry.enum(description="What became of an adjustment.")
class AdjustmentState(Enum):
    PROPOSED = strawberry.enum_value("PROPOSED", description="Waits for a second person; nothing has moved.")
    POSTED = strawberry.enum_value("POSTED", description="Its entry is in the ledger.")
    REJECTED = strawberry.enum_value("REJECTED", description="A second person said no.")
    WITHDRAWN = strawberry.enum_value("WITHDRAWN", description="Who proposed it took it back.")
    LAPSED = strawberry.enum_value("LAPSED", description="Nobody decided in time.")


@strawberry.enum(description="Why an adjustment needs a second person.")
class ApprovalReason(Enum):
    ABOVE_LIMIT = strawberry.enum_value("ABOVE_LIMIT", description="More than one person adjusts alone at once.")
    DAY_ALLOWANCE_USED = strawberry.enum_value(
        "DAY_ALLOWANCE_USED", description="More than this person may move alone in a business day."
    )


@strawberry.type(description="What a member has around an adjustment.")
class AdjustmentBalances:
    available: Points = strawberry.field(description="Usable.")
    pending: Points = strawberry.field(description="Accrued, usable later.")
    held: Points = strawberry.field(description="Reserved for an order.")
    debt: Points = strawberry.field(description="Owed.")
    growth: Points = strawberry.field(description="The growth value.")

    @classmethod
    def of(cls, row: rules.Balances) -> "AdjustmentBalances":
        return cls(
            available=Points(row.available),
            pending=Points(row.pending),
            held=Points(row.held),
            debt=Points(row.debt),
            growth=Points(row.growth),
        )


@strawberry.type(description="A member of staff as colleagues see one.")
class Colleague:
    id: strawberry.ID = strawberry.field(description="The global id of the account.")
    name: str = strawberry.field(description="The person's name.")


@strawberry.type(description="A change of a member's points or growth by staff, made or proposed.")
class Adjustment(relay.Node):
    id: relay.NodeID[str]
    kind: AdjustmentKind = strawberry.field(description="What it does.")
    currency: Currency = strawberry.field(description="The account that it changes.")
    points: Points = strawberry.field(
        description="How much: in (positive) or out (negative); of a waiver, what it waives."
    )
    reason: str | None = strawberry.field(description="Why, in the words of who made it; null once erased.")
    state: AdjustmentState = strawberry.field(description="What became of it, at this moment.")
    because: ApprovalReason | None = strawberry.field(
        description="Why it needed a second person; null for what was posted at once."
    )
    policy_version: int = strawberry.field(description="The version of the policy under which it was made.")
    made_at: datetime = strawberry.field(description="When it was made or proposed.")
    lapses_at: datetime | None = strawberry.field(
        description="The first instant at which nobody can approve it any more; null for what was posted at once."
    )
    decided_at: datetime | None = strawberry.field(
        description="When a proposal was approved, rejected or withdrawn, or lapsed."
    )
    decision_reason: str | None = strawberry.field(description="Why it was rejected; null once erased.")
    entry_seq: int | None = strawberry.field(description="Its entry in that account, once posted.")
    before: AdjustmentBalances | None = strawberry.field(description="What the member had before it was posted.")
    after: AdjustmentBalances | None = strawberry.field(description="What the member had after it was posted.")
    member_id: strawberry.Private[UUID]
    made_by_id: strawberry.Private[UUID]
    decided_by_id: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, row: queries.AdjustmentLine, now: datetime) -> "Adjustment":
        lapsed = row.state == "PROPOSED" and rules.state_at(row.state, row.lapses_at, now) == "LAPSED"
        return cls(
            id=f"{row.member_id}.{row.id}",
            kind=AdjustmentKind(row.kind),
            currency=Currency(row.currency),
            points=Points(row.points),
            reason=row.reason,
            state=AdjustmentState("LAPSED" if lapsed else row.state),
            because=ApprovalReason(row.because) if row.because else None,
            policy_version=row.policy_version,
            made_at=row.made_at,
            lapses_at=row.lapses_at,
            decided_at=row.lapses_at if lapsed else row.decided_at,
            decision_reason=row.decision_reason,
            entry_seq=row.entry_seq,
            before=balances_in(row.before),
            after=balances_in(row.after),
            member_id=row.member_id,
            made_by_id=row.made_by,
            decided_by_id=row.decided_by,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        keys = [parts_of(each) for each in node_ids]
        return [await adjustment_of(each, info) if admits(READERS, info) else None for each in keys]

    @strawberry.field(description="Whose account.")
    async def member(self, info: Info) -> Annotated["Member", strawberry.lazy("schema.admin.members")]:
        from schema.admin.members import member_of  # each type leads to the other

        found = await member_of(self.member_id, info)
        assert found is not None, "an adjustment is of a member"
        return found

    @strawberry.field(description="Who made or proposed it; null for an account that is gone.")
    async def made_by(self, info: Info) -> Colleague | None:
        return await colleague_of(self.made_by_id, info)

    @strawberry.field(description="Who approved, rejected or withdrew it.")
    async def decided_by(self, info: Info) -> Colleague | None:
        return await colleague_of(self.decided_by_id, info) if self.decided_by_id else None


def balances_in(text: str | None) -> AdjustmentBalances | None:
    """Balances that were stored beside an adjustment."""
    return AdjustmentBalances.of(BALANCES.validate_json(text)) if text else None


def parts_of(key: str) -> queries.Key:
    """The member and the id inside an adjustment's key. Raises ValueError for a key of another shape."""
    member, adjustment = key.split(".")
    return UUID(member), UUID(adjustment)


def adjustment_key(value: str) -> queries.Key:
    """The member and the id inside an adjustment's global id. Raises BadInput."""
    type_name, key = read_id(value)
    try:
        if type_name == "Adjustment":
            return parts_of(key)
    except ValueError:
        pass
    raise BadInput("`id` is no id of an Adjustment.", argument="id")


async def adjustment_of(key: queries.Key, info: Info) -> Adjustment | None:
    """An adjustment, read together with others."""
    row: queries.AdjustmentLine | None = await info.context.load(queries.adjustments_by_keys, key)
    return Adjustment.of(row, info.context.now) if row else None


async def colleague_of(staff_id: UUID, info: Info) -> Colleague | None:
    """A member of staff by name, read together with others."""
    row = await info.context.load(staff_by_ids, staff_id)
    return Colleague(id=strawberry.ID(relay.to_base64("Staff", row.id)), name=row.name) if row else None


@dataclass(frozen=True)
class AdjustmentPages:
    """One page of the adjustments of many members, for the loader."""

    after: UUID | None
    limit: int

    async def __call__(self, member_ids: list[UUID]) -> Sequence[list[queries.AdjustmentLine]]:
        found = await queries.adjustment_pages(member_ids, self.after, self.limit)
        return [found.get(each, []) for each in member_ids]


@strawberry.type
class AdjustmentsOfMember:
    """What the staff's member type gains from this slice."""

    @strawberry.field(description="What staff adjusted or proposed to adjust, the latest first.", extensions=[READERS])
    async def adjustments(
        self: Any, info: Info, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[Adjustment]:
        page = ADJUSTMENTS.page(first, after)
        behind: Any = page.after[0] if page.after else None
        rows = await info.context.load(AdjustmentPages(behind, page.limit), self.id)
        return page.connection(rows, lambda row: Adjustment.of(row, info.context.now))
