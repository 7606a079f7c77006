"""Points reserved for orders, as members and staff see them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.points import errors, hold_queries
from schema.context import Context, Info
from schema.nodes import number_of, read_id
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.refusals import BadInput, Refusal
from schema.scalars import Points

HOLDS = Keyset("holds", Key("seq", int))
HoldKey = tuple[UUID, int]


class OrderAlreadyHeld(
    Refusal,
    of=errors.OrderAlreadyHeld,
    points=("points",),
    describe={
        "order_external_id": "The order.",
        "points": "How many are held for it.",
        "expires_at": "When that hold ends by itself.",
    },
):
    pass


class CaptureExceedsHold(
    Refusal,
    of=errors.CaptureExceedsHold,
    points=("requested", "held"),
    describe={"requested": "Points to be captured.", "held": "Points that were held."},
):
    pass


class HoldCaptured(
    Refusal,
    of=errors.HoldCaptured,
    points=("requested", "captured", "restored"),
    describe={
        "requested": "Points that were asked for; 0 for a release and for an order without deduction.",
        "captured": "Points that were captured for the order.",
        "restored": "Of these given back since.",
    },
):
    pass


@strawberry.enum(description="Where a hold stands.")
class HoldState(Enum):
    ACTIVE = strawberry.enum_value("ACTIVE", description="Its points are reserved.")
    CAPTURED = strawberry.enum_value("CAPTURED", description="They paid for the order; the rest was released.")
    RELEASED = strawberry.enum_value("RELEASED", description="They were given back.")
    TIMED_OUT = strawberry.enum_value("TIMED_OUT", description="They came back when its time was up.")


@strawberry.type(description="Points reserved for an order.")
class PointsHold(relay.Node):
    id: relay.NodeID[str]
    order_external_id: str = strawberry.field(description="The sender's id of the order.")
    state: HoldState = strawberry.field(description="Where it stands.")
    points: Points = strawberry.field(description="How many were reserved.")
    captured: Points = strawberry.field(description="How many paid for the order.")
    released: Points = strawberry.field(description="How many came back when it ended.")
    restored: Points = strawberry.field(description="How many of the captured came back by refunds.")
    held_at: datetime = strawberry.field(description="Since when.")
    expires_at: datetime = strawberry.field(description="When it ends by itself.")
    ended_at: datetime | None = strawberry.field(description="When it ended; null while it holds.")

    @classmethod
    def of(cls, row: hold_queries.HoldLine) -> "PointsHold":
        return cls(
            id=f"{row.member_id}.{row.seq}",
            order_external_id=row.order_external_id,
            state=HoldState(row.state),
            points=Points(row.points),
            captured=Points(row.captured),
            released=Points(row.released),
            restored=Points(row.restored),
            held_at=row.held_at,
            expires_at=row.expires_at,
            ended_at=row.ended_at,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        keys = [hold_key(each) for each in node_ids]
        return [await hold_of(key, info) if may_see(key, info.context) else None for key in keys]


def hold_key(key: str) -> HoldKey:
    """The member and the entry that name a hold. Raises ValueError."""
    member, _, seq = key.partition(".")
    return UUID(member), number_of(seq)


def hold_key_of(value: str, *, argument: str = "id") -> HoldKey:
    """The key inside a hold's global id. Raises BadInput."""
    found, key = read_id(value, argument=argument)
    if found == "PointsHold":
        try:
            return hold_key(key)
        except ValueError:
            pass
    raise BadInput(f"`{argument}` is no id of a PointsHold.", argument=argument)


def may_see(key: HoldKey, context: Context) -> bool:
    """A member sees their own holds; staff, and integrations that send orders, see all."""
    actor = context.actor
    return actor.member_id == key[0] or actor.kind == "staff" or "orders:write" in actor.scopes


@dataclass(frozen=True)
class HoldsByKeys:
    """Holds by key as they are at an instant, for the loader."""

    now: datetime

    async def __call__(self, keys: list[HoldKey]) -> Sequence[hold_queries.HoldLine | None]:
        return await hold_queries.holds_by_keys(keys, self.now)


@dataclass(frozen=True)
class HoldPages:
    """One page of the holds of many members, for the loader."""

    now: datetime
    active: bool
    before_seq: int | None
    limit: int

    async def __call__(self, member_ids: list[UUID]) -> Sequence[list[hold_queries.HoldLine]]:
        found = await hold_queries.hold_pages(
            member_ids, self.now, active=self.active, before_seq=self.before_seq, limit=self.limit
        )
        return [found.get(each, []) for each in member_ids]


async def hold_of(key: HoldKey, info: Info) -> PointsHold | None:
    """The hold with that key, read together with others."""
    row: hold_queries.HoldLine | None = await info.context.load(HoldsByKeys(info.context.now), key)
    return PointsHold.of(row) if row else None


@strawberry.type
class HoldsOfMember:
    """What a member type of either schema gains from this module."""

    @strawberry.field(description="Points reserved for orders, the latest first.")
    async def holds(
        self: Any,
        info: Info,
        active_only: Annotated[bool, strawberry.argument(description="Only those that still hold.")] = False,
        first: First = PAGE_DEFAULT,
        after: After = None,
    ) -> Connection[PointsHold]:
        page = HOLDS.page(first, after)
        before: Any = page.after[0] if page.after else None
        pages = HoldPages(info.context.now, active_only, before, page.limit)
        return page.connection(await info.context.load(pages, self.id), PointsHold.of)
