"""A member's monthly statement, and the months that have one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry

from gamification.core.calendar import Calendar, add_months, month_of
from gamification.points import months
from gamification.points.models import POINTS
from schema.context import Info
from schema.entry_filters import EntryKind, kind_label
from schema.points import Currency, WhichAccount, account_of
from schema.refusals import BadInput
from schema.scalars import Points

MONTH_SHAPE = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])")


@strawberry.type(description="The buckets of an account at the start or the end of a month, as they were booked.")
class StatementBalances:
    available: Points = strawberry.field(description="Usable.")
    pending: Points = strawberry.field(description="Accrued, usable later.")
    held: Points = strawberry.field(description="Reserved for an order.")
    debt: Points = strawberry.field(description="Owed from refunded orders.")
    total: Points = strawberry.field(description="All of them together, debt counted against them.")

    @classmethod
    def of(cls, row: months.Buckets) -> "StatementBalances":
        return cls(**{name: Points(value) for name, value in row._asdict().items()}, total=Points(row.total))


@strawberry.type(description="What the entries of one kind moved in a month.")
class StatementLine:
    kind: EntryKind = strawberry.field(description="The kind.")
    label: str = strawberry.field(description="The same in a few words, in the caller's language.")
    entries: int = strawberry.field(description="How many there were.")
    points_in: Points = strawberry.field(description="What they brought in.")
    points_out: Points = strawberry.field(description="What they took out, as a positive figure.")


@strawberry.type(
    description="A month of one account, by the business day on which entries were booked: the opening total, plus "
    "what came in, less what went out, is the closing total."
)
class MonthlyStatement:
    month: str = strawberry.field(description="The month, such as 2026-03.")
    currency: Currency = strawberry.field(description="The account.")
    first_day: date = strawberry.field(description="Its first business day.")
    last_day: date = strawberry.field(description="Its last business day.")
    opening: StatementBalances = strawberry.field(description="Before its first entry.")
    closing: StatementBalances = strawberry.field(description="After its last entry, or the newest one so far.")
    entries: int = strawberry.field(description="How many entries it has.")
    points_in: Points = strawberry.field(description="What came in.")
    points_out: Points = strawberry.field(description="What went out, as a positive figure.")
    row: strawberry.Private[months.Month]

    @classmethod
    def of(cls, row: months.Month) -> "MonthlyStatement":
        following = add_months(row.first, 1)
        return cls(
            month=row.first.isoformat()[:7],
            currency=Currency(row.currency),
            first_day=row.first,
            last_day=date.fromordinal(following.toordinal() - 1),
            opening=StatementBalances.of(row.opening),
            closing=StatementBalances.of(row.closing),
            entries=row.entries,
            points_in=Points(row.points_in),
            points_out=Points(row.points_out),
            row=row,
        )

    @strawberry.field(description="What each kind of entry moved; kinds without entries are left out.")
    def lines(self, info: Info) -> list[StatementLine]:
        return [
            StatementLine(
                kind=EntryKind(each.kind),
                label=kind_label(each.kind, info.context.locale),
                entries=each.entries,
                points_in=Points(each.points_in),
                points_out=Points(each.points_out),
            )
            for each in self.row.kinds
        ]

    @strawberry.field(
        description="Points the member has at this moment whose last day lies in the month after; null for growth, "
        "which does not expire, and once that month has passed."
    )
    async def expiring_next_month(self, info: Info) -> Points | None:
        context = info.context
        following = add_months(self.row.first, 1)
        if self.row.currency != POINTS or following < month_of(context.work.calendar.business_date(context.now)):
            return None
        expiring = Expiring(following, context.now, context.work.calendar)
        return Points(await context.load(expiring, self.row.member_id))


@dataclass(frozen=True)
class MonthOfMembers:
    """One month of many members, for the loader."""

    currency: str
    first: date

    async def __call__(self, member_ids: list[UUID]) -> Sequence[months.Month]:
        found = await months.months_by_member_ids(member_ids, self.currency, self.first)
        return [found[each] for each in member_ids]


@dataclass(frozen=True)
class ActiveMonths:
    """The months with entries of many members, for the loader."""

    currency: str

    async def __call__(self, member_ids: list[UUID]) -> Sequence[list[date]]:
        found = await months.active_months(member_ids, self.currency)
        return [found.get(each, []) for each in member_ids]


@dataclass(frozen=True)
class Expiring:
    """What expires in a month of many members, for the loader."""

    first: date
    now: datetime
    calendar: Calendar

    async def __call__(self, member_ids: list[UUID]) -> Sequence[int]:
        found = await months.expiring_in_month(member_ids, self.first, self.now, self.calendar)
        return [found.get(each, 0) for each in member_ids]


def month_from(text: str, info: Info) -> date:
    """The first day of a month that has begun, from `YYYY-MM`. Raises BadInput."""
    if not MONTH_SHAPE.fullmatch(text):
        raise BadInput("`month` is a month such as 2026-03.", argument="month")
    first = date.fromisoformat(f"{text}-01")
    if first > info.context.work.calendar.business_date(info.context.now):
        raise BadInput("`month` has not begun.", argument="month")
    return first


@strawberry.type
class StatementsOfMember:
    """What a member type of either schema gains from statements."""

    @strawberry.field(description="The statement of one month.")
    async def monthly_statement(
        self: Any,
        info: Info,
        month: Annotated[str, strawberry.argument(description="The month, such as 2026-03; one that has begun.")],
        currency: WhichAccount = None,
    ) -> MonthlyStatement:
        wanted = MonthOfMembers(account_of(currency), month_from(month, info))
        return MonthlyStatement.of(await info.context.load(wanted, self.id))

    @strawberry.field(
        description="The months with entries, the newest first, such as 2026-03; of the last "
        f"{months.MONTHS_MAX} months up to the newest entry."
    )
    async def statement_months(self: Any, info: Info, currency: WhichAccount = None) -> list[str]:
        found: list[date] = await info.context.load(ActiveMonths(account_of(currency)), self.id)
        return [each.isoformat()[:7] for each in found]
