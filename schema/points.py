"""A member's points: the balance and the statement."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, cast
from uuid import UUID

import orjson
import strawberry
from strawberry import relay
from strawberry.scalars import JSON

from gamification.core.work import Work
from gamification.points import errors, explanations, queries, statements
from gamification.points.models import GROWTH, POINTS
from schema.context import Context, Info
from schema.entry_filters import EntryKind, WhichEntries, kind_label, wanted_entries
from schema.execution.batches import Answers, batched
from schema.explanations import EntryExplanation
from schema.live import Live, News
from schema.nodes import number_of
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow, Member
from schema.points_ahead import PointsAhead
from schema.refusals import Refusal
from schema.scalars import Points

ENTRIES = Keyset("entries", Key("seq", int))
Account = tuple[UUID, str]
LIVE_MAX = 100
"""Entries of one account that one poll hands out."""


class InsufficientPoints(
    Refusal,
    of=errors.InsufficientPoints,
    points=("required", "available", "debt", "missing"),
    describe={"debt": "Points owed from refunded orders, to be repaid first."},
):
    pass


@strawberry.enum(description="What an account counts.")
class Currency(Enum):
    POINTS = strawberry.enum_value(POINTS, description="Spendable points.")
    GROWTH = strawberry.enum_value(GROWTH, description="Growth: what tiers are measured by; never spent.")


WhichAccount = Annotated[Currency | None, strawberry.argument(description="Which account; POINTS when left out.")]


def account_of(currency: Currency | None) -> str:
    """The account's currency; POINTS when none is named."""
    return str((currency or Currency.POINTS).value)


@strawberry.type(description="A member's points at this moment, whether or not what fell due has been booked.")
class PointsBalance(PointsAhead):
    available: Points = strawberry.field(description="Usable now.")
    pending: Points = strawberry.field(description="Accrued, usable later.")
    held: Points = strawberry.field(description="Reserved for an order.")
    debt: Points = strawberry.field(description="Owed from refunded orders; later points repay it first.")
    growth: Points = strawberry.field(description="The growth value, which tiers are measured by.")
    accrued: Points = strawberry.field(description="Points accrued in all.")
    redeemed: Points = strawberry.field(description="Points used in all.")
    expired: Points = strawberry.field(description="Points that expired in all.")
    revoked: Points = strawberry.field(
        description="Points taken back in all, for refunds or by staff, less the debt that was waived."
    )


@strawberry.type(description="One immutable line of a member's ledger.")
class PointsEntry(relay.Node):
    id: relay.NodeID[str]
    seq: int = strawberry.field(description="The place of the entry in its account: 1, 2, 3 … without gaps.")
    currency: Currency = strawberry.field(description="The account it belongs to.")
    kind: EntryKind = strawberry.field(description="What happened.")
    points: Points = strawberry.field(description="What the entry moved: in (positive) or out (negative).")
    available: Points = strawberry.field(description="Usable after it.")
    pending: Points = strawberry.field(description="Pending after it.")
    held: Points = strawberry.field(description="Held after it.")
    debt: Points = strawberry.field(description="Owed after it.")
    occurred_at: datetime = strawberry.field(description="When it took effect.")
    booked_at: datetime = strawberry.field(description="When it was written.")
    trace: JSON = strawberry.field(description="How the figure came about: rule, version, base, rate, rounding.")
    source_type: strawberry.Private[str]

    @classmethod
    def of(cls, row: queries.EntryLine) -> "PointsEntry":
        return cls(
            id=f"{row.member_id}.{row.currency}.{row.seq}",
            seq=row.seq,
            currency=Currency(row.currency),
            kind=EntryKind(row.kind),
            points=Points(row.points),
            available=Points(row.available),
            pending=Points(row.pending),
            held=Points(row.held),
            debt=Points(row.debt),
            occurred_at=row.occurred_at,
            booked_at=row.booked_at,
            trace=orjson.loads(row.trace),
            source_type=row.source_type,
        )

    @strawberry.field(description="What happened in a few words, in the caller's language.")
    def kind_label(self, info: Info) -> str:
        return kind_label(str(self.kind.value), info.context.locale)

    @strawberry.field(description="The same as a sentence, in the caller's language.")
    def explanation(self, info: Info) -> str:
        trace = cast(dict[str, Any], self.trace)
        return explanations.explain(str(self.kind.value), self.source_type, trace, info.context.locale)

    @strawberry.field(description="How the figure came about, step by step, in the caller's language.")
    def explain(self, info: Info) -> EntryExplanation:
        trace = cast(dict[str, Any], self.trace)
        locale = info.context.locale
        return EntryExplanation.of(explanations.explained(str(self.kind.value), self.source_type, trace, locale))

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        return [await entry_of(each, info.context) for each in node_ids]


async def entry_of(key: str, context: Context) -> PointsEntry | None:
    """An entry by its key: a member sees their own, staff see all. Raises ValueError for a key of another shape."""
    member, currency, seq = key.split(".")
    member_id = UUID(member)
    if context.actor.member_id != member_id and context.actor.kind != "staff":
        return None
    row = await queries.entry(member_id, str(Currency(currency).value), number_of(seq))
    return PointsEntry.of(row) if row else None


@dataclass(frozen=True)
class Balances:
    """Balances of many members at one instant, for the loader."""

    work: Work
    now: datetime

    async def __call__(self, member_ids: list[UUID]) -> Sequence[queries.Balance]:
        found = await queries.balances_by_member_ids(member_ids, self.now, self.work.policies, self.work.calendar)
        return [found[each] for each in member_ids]


@dataclass(frozen=True)
class EntryPages:
    """One page of the entries of many members, for the loader."""

    currency: str
    before_seq: int | None
    limit: int
    wanted: statements.EntryFilter

    async def __call__(self, member_ids: list[UUID]) -> Sequence[list[queries.EntryLine]]:
        found = await statements.entry_pages(member_ids, self.currency, self.before_seq, self.limit, self.wanted)
        return [found.get(each, []) for each in member_ids]


async def balance_of(member_id: UUID, info: Info) -> PointsBalance:
    """A member's balance, read together with others."""
    return shown_balance(await info.context.load(Balances(info.context.work, info.context.now), member_id))


def shown_balance(row: queries.Balance) -> PointsBalance:
    """A balance as it is shown."""
    return PointsBalance(
        available=Points(row.available),
        pending=Points(row.pending),
        held=Points(row.held),
        debt=Points(row.debt),
        growth=Points(row.growth),
        accrued=Points(row.accrued),
        redeemed=Points(row.redeemed),
        expired=Points(row.expired),
        revoked=Points(row.revoked),
        member_id=row.member_id,
    )


@strawberry.type
class PointsOfMember:
    """What a member type of either schema gains from this slice."""

    @batched(description="The member's points and growth at this moment.")
    @staticmethod
    async def points(members: Sequence[Any], info: Info) -> Answers[PointsBalance]:
        reading = Balances(info.context.work, info.context.now)
        found = await info.context.load_many(reading, [member.id for member in members])
        return [shown_balance(row) for row in found]

    @batched(description="The statement: entries of one account, the newest first, with running balance.")
    @staticmethod
    async def entries(
        members: Sequence[Any],
        info: Info,
        currency: WhichAccount = None,
        first: First = PAGE_DEFAULT,
        after: After = None,
        filter: WhichEntries = None,
    ) -> Answers[Connection[PointsEntry]]:
        page = ENTRIES.page(first, after)
        before: Any = page.after[0] if page.after else None
        reading = EntryPages(account_of(currency), before, page.limit, await wanted_entries(filter, info))
        found = await info.context.load_many(reading, [member.id for member in members])
        return [page.connection(rows, PointsEntry.of) for rows in found]


async def posted_behind(
    cursors: Mapping[tuple[UUID, str], int],
) -> list[News[tuple[UUID, str], int, queries.EntryLine]]:
    """Entries behind each account's cursor: the poll of `pointsPosted`."""
    rows = await queries.entries_after([(*account, seq) for account, seq in cursors.items()], LIVE_MAX)
    return [News((row.member_id, row.currency), row.seq, row) for row in rows]


POSTED: Live[Account, int, queries.EntryLine] = Live(posted_behind)


@strawberry.type
class PointsSubscription:
    @strawberry.subscription(
        description="Every entry that is posted to the caller's account from now on, or behind an entry.",
        extensions=[Allow(Member())],
    )
    async def points_posted(
        self,
        info: Info,
        currency: WhichAccount = None,
        after_seq: Annotated[
            int | None, strawberry.argument(description="The last entry that is known; the newest when left out.")
        ] = None,
    ) -> AsyncGenerator[PointsEntry, None]:
        member_id = cast(UUID, info.context.actor.member_id)
        account = (member_id, account_of(currency))
        behind = (await queries.last_seqs(member_id))[account[1]] if after_seq is None else after_seq
        async for row in POSTED.follow(account, behind):
            yield PointsEntry.of(row)
