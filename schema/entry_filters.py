"""Which entries of a statement are asked for: by kind, direction, business day and order."""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import Enum
from typing import Annotated, cast

import strawberry

from gamification.core.errors import DEFAULT_LOCALE
from gamification.orders import queries as order_queries
from gamification.orders.service.requests import EXTERNAL_ID_LENGTH_MAX
from gamification.points.models import KINDS
from gamification.points.rows import Source
from gamification.points.statements import EVERYTHING, Direction, EntryFilter
from schema.context import Info
from schema.refusals import BadInput


@strawberry.enum(description="What an entry did.")
class EntryKind(Enum):
    ACCRUAL = strawberry.enum_value("ACCRUAL", description="Points in for an activity, or growth.")
    BONUS = strawberry.enum_value("BONUS", description="Points or growth that an earning rule or a benefit added.")
    LADDER = strawberry.enum_value("LADDER", description="What an order added to its month's ladder points.")
    LADDER_REVERSAL = strawberry.enum_value("LADDER_REVERSAL", description="What a refund took from them again.")
    REDEMPTION = strawberry.enum_value("REDEMPTION", description="Points out for something.")
    DONATION = strawberry.enum_value("DONATION", description="Points out for a charity campaign.")
    EXPIRY = strawberry.enum_value("EXPIRY", description="Points that reached their end.")
    ACTIVATION = strawberry.enum_value("ACTIVATION", description="Pending points that became usable.")
    CLAW_BACK = strawberry.enum_value("CLAW_BACK", description="What a refunded order had earned, taken back.")
    RESTORATION = strawberry.enum_value("RESTORATION", description="What had been used, given back.")
    HOLD = strawberry.enum_value("HOLD", description="Points reserved for an order.")
    CAPTURE = strawberry.enum_value("CAPTURE", description="Reserved points that were used.")
    RELEASE = strawberry.enum_value("RELEASE", description="Reserved points that became free again.")
    ADJUSTMENT = strawberry.enum_value("ADJUSTMENT", description="Points put in or taken out by staff.")
    DEBT_WAIVER = strawberry.enum_value("DEBT_WAIVER", description="Points owed that staff waived.")


@strawberry.enum(description="Whether an entry brought points in or took them out, all buckets together.")
class EntryDirection(Enum):
    IN = strawberry.enum_value("IN", description="`points` above 0.")
    OUT = strawberry.enum_value("OUT", description="`points` below 0.")


@strawberry.input(description="Which entries; what is left out does not narrow.")
class EntryFilterInput:
    kinds: list[EntryKind] | None = strawberry.field(
        default=None, description=f"Of one of these kinds: 1 to {len(KINDS)} of them."
    )
    direction: EntryDirection | None = strawberry.field(default=None, description="In or out.")
    since: date | None = strawberry.field(default=None, description="Booked on this business day or later.")
    until: date | None = strawberry.field(default=None, description="Booked on this business day or earlier.")
    order: str | None = strawberry.field(
        default=None,
        description="Posted for the order with this external id, or for its refunds: 1 to "
        f"{EXTERNAL_ID_LENGTH_MAX} characters.",
    )


WhichEntries = Annotated[EntryFilterInput | None, strawberry.argument(description="Which entries; all when left out.")]


async def wanted_entries(given: EntryFilterInput | None, info: Info) -> EntryFilter:
    """A filter as the product understands it; an order that is not known stands behind no entry. Raises BadInput."""
    if given is None:
        return EVERYTHING
    return EntryFilter(
        kinds=_kinds(given.kinds),
        direction=cast("Direction", str(given.direction.value)) if given.direction else None,
        since=given.since,
        until=_until(given),
        sources=await _sources(given.order, info),
    )


def _kinds(given: Sequence[EntryKind] | None) -> frozenset[str] | None:
    if given is not None and not 1 <= len(given) <= len(KINDS):
        raise BadInput(f"`kinds` names 1 to {len(KINDS)} kinds.", argument="kinds")
    return None if given is None else frozenset(str(each.value) for each in given)


def _until(given: EntryFilterInput) -> date | None:
    if given.since is not None and given.until is not None and given.until < given.since:
        raise BadInput("`until` must not lie before `since`.", argument="until")
    return given.until


async def _sources(order: str | None, info: Info) -> tuple[Source, ...] | None:
    if order is None:
        return None
    if not (1 <= len(order) <= EXTERNAL_ID_LENGTH_MAX and order.isprintable()):
        raise BadInput(f"`order` is 1 to {EXTERNAL_ID_LENGTH_MAX} characters that can be shown.", argument="order")
    return tuple(await info.context.load(order_queries.entry_sources_by_orders, order))


def kind_label(kind: str, locale: str) -> str:
    """What a kind is called in the caller's language; one that is not listed, which is drift, by its name."""
    known = KINDS.get(kind)
    labels: Mapping[str, str] = {DEFAULT_LOCALE: known.zh, "en": known.en} if known else {}
    return labels.get(locale, kind)
