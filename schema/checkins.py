"""Check-ins: the day's state, the days by page, what a check-in would pay, and the check-in itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.checkins import queries, rules, service
from gamification.core.work import Work
from schema.context import Context, Info, own_id
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow, Member
from schema.previews import SHOWN, PreviewedEntry, previewed_entries
from schema.refusals import BadInput
from schema.scalars import Points
from schema.usual_refusals import NotFound

CHECK_INS = Keyset("checkIns", Key("business_date", date))
MEMBERS = Allow(Member())
REWARDS_MAX = rules.CYCLE_DAYS_MAX


@strawberry.type(description="A day on which a member checked in.")
class CheckIn(relay.Node):
    id: relay.NodeID[str]
    business_date: date = strawberry.field(description="The programme's day.")
    streak: int = strawberry.field(description="Which day of its run of consecutive days it is, from 1.")
    points: Points = strawberry.field(description="What it paid.")
    checked_in_at: datetime = strawberry.field(description="When.")

    @classmethod
    def of(cls, row: queries.CheckInLine) -> "CheckIn":
        return cls(
            id=f"{row.member_id}.{row.business_date}",
            business_date=row.business_date,
            streak=row.streak,
            points=Points(row.points),
            checked_in_at=row.checked_in_at,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        return [await check_in_of(each, info.context) for each in node_ids]


async def check_in_of(key: str, context: Context) -> CheckIn | None:
    """A check-in by its key: a member sees their own, staff see all. Raises ValueError for a key of another shape."""
    member, _, day = key.partition(".")
    member_id, on = UUID(member), date.fromisoformat(day)
    if context.actor.member_id != member_id and context.actor.kind != "staff":
        return None
    row = (await queries.check_ins_by_dates([(member_id, on)])).get((member_id, on))
    return CheckIn.of(row) if row else None


@strawberry.type(description="What a check-in on a day pays, if none is missed until then.")
class CheckInReward:
    on: date = strawberry.field(description="The programme's day.")
    streak: int = strawberry.field(description="The streak with that day.")
    cycle_day: int = strawberry.field(description="The day of the cycle, from 1.")
    points: Points = strawberry.field(description="What it pays.")


@strawberry.type(description="Where a member stands with check-ins today.")
class CheckInState:
    today: date = strawberry.field(description="The programme's day.")
    is_checked_in: bool = strawberry.field(description="Whether today's check-in is done.")
    streak: int = strawberry.field(description="Consecutive days up to today, or up to yesterday while today is open.")
    cycle_day: int = strawberry.field(description="The day of the cycle that the streak has reached; 0 without one.")
    cycle_days: int = strawberry.field(description="How many days the cycle of rewards has.")
    state: strawberry.Private[queries.CheckInState]

    @strawberry.field(description="What the next check-ins pay, the first that is still open first.")
    def next_rewards(
        self,
        count: Annotated[int, strawberry.argument(description=f"How many, 1 to {REWARDS_MAX}.")] = 7,
    ) -> list[CheckInReward]:
        if not 1 <= count <= REWARDS_MAX:
            raise BadInput(f"`count` must lie between 1 and {REWARDS_MAX}.", argument="count")
        return [
            CheckInReward(on=each.on, streak=each.streak, cycle_day=each.cycle_day, points=Points(each.points))
            for each in self.state.next_rewards(count)
        ]


@strawberry.type(description="The day's check-in, done now or before.")
class CheckedIn:
    business_date: date = strawberry.field(description="The programme's day.")
    streak: int = strawberry.field(description="The streak with it.")
    cycle_day: int = strawberry.field(description="The day of the cycle, from 1.")
    points: Points = strawberry.field(description="What it paid.")
    bonus_points: Points = strawberry.field(description="What earning rules added.")
    entry_seq: int | None = strawberry.field(description="The ledger entry that paid; null where the day pays nothing.")
    available: Points = strawberry.field(description="Points usable now.")
    already_checked_in: bool = strawberry.field(description="Whether it had been done before: nothing changed then.")


@strawberry.type(description="What a check-in now would do; nothing was changed.")
class CheckInPreview:
    business_date: date = strawberry.field(description="The programme's day.")
    streak: int = strawberry.field(description="The streak with it.")
    cycle_day: int = strawberry.field(description="The day of the cycle, from 1.")
    points: Points = strawberry.field(description="What it pays.")
    bonus_points: Points = strawberry.field(description="What earning rules would add.")
    available: Points = strawberry.field(description="Points usable after it.")
    already_checked_in: bool = strawberry.field(description="Whether it is done already and would change nothing.")
    entries: list[PreviewedEntry] = strawberry.field(description=SHOWN)


CheckInResult = Annotated[
    CheckedIn | NotFound, strawberry.union("CheckInResult", description="Checked in, or why not.")
]
PreviewCheckInResult = Annotated[
    CheckInPreview | NotFound, strawberry.union("PreviewCheckInResult", description="What it would do, or why not.")
]


@dataclass(frozen=True)
class States:
    """The day of many members, for the loader."""

    work: Work
    now: datetime

    async def __call__(self, member_ids: list[UUID]) -> Sequence[queries.CheckInState]:
        found = await queries.states_by_member_ids(member_ids, self.now, self.work.policies, self.work.calendar)
        return [found[each] for each in member_ids]


@dataclass(frozen=True)
class CheckInPages:
    """One page of the check-ins of many members, for the loader."""

    before: date | None
    limit: int

    async def __call__(self, member_ids: list[UUID]) -> Sequence[list[queries.CheckInLine]]:
        found = await queries.check_in_pages(member_ids, self.before, self.limit)
        return [found.get(each, []) for each in member_ids]


async def state_of(member_id: UUID, info: Info) -> CheckInState:
    """A member's day, read together with others."""
    context = info.context
    state: queries.CheckInState = await context.load(States(context.work, context.now), member_id)
    return CheckInState(
        today=state.today,
        is_checked_in=state.is_checked_in,
        streak=state.streak,
        cycle_day=state.cycle_day,
        cycle_days=state.policy.cycle_days,
        state=state,
    )


async def check_ins_of(member_id: UUID, info: Info, first: int, after: str | None) -> Connection[CheckIn]:
    """A page of a member's check-ins, read together with others."""
    page = CHECK_INS.page(first, after)
    before: Any = page.after[0] if page.after else None
    rows = await info.context.load(CheckInPages(before, page.limit), member_id)
    return page.connection(rows, CheckIn.of)


@strawberry.type
class CheckInsQuery:
    @strawberry.field(description="Where the member who asks stands today.", extensions=[MEMBERS])
    async def check_in_state(self, info: Info) -> CheckInState:
        return await state_of(own_id(info), info)

    @strawberry.field(description="The check-ins of the member who asks, the latest first.", extensions=[MEMBERS])
    async def check_ins(self, info: Info, first: First = PAGE_DEFAULT, after: After = None) -> Connection[CheckIn]:
        return await check_ins_of(own_id(info), info, first, after)

    @strawberry.field(description="What a check-in now would do, without doing it.", extensions=[MEMBERS])
    async def preview_check_in(self, info: Info) -> PreviewCheckInResult:
        preview = await service.preview_check_in(info.context.work, member_id=own_id(info))
        seen = preview.outcome()
        return CheckInPreview(
            business_date=seen.business_date,
            streak=seen.streak,
            cycle_day=seen.cycle_day,
            points=Points(seen.points),
            bonus_points=Points(seen.bonus_points),
            available=Points(seen.available),
            already_checked_in=seen.already_checked_in,
            entries=previewed_entries(preview, info.context.locale),
        )


@strawberry.type
class CheckInsMutation:
    @strawberry.mutation(description="Check in for today; again the same day changes nothing.", extensions=[MEMBERS])
    async def check_in(self, info: Info) -> CheckInResult:
        done = await service.check_in(info.context.work, member_id=own_id(info))
        return CheckedIn(
            business_date=done.business_date,
            streak=done.streak,
            cycle_day=done.cycle_day,
            points=Points(done.points),
            bonus_points=Points(done.bonus_points),
            entry_seq=done.entry_seq,
            available=Points(done.available),
            already_checked_in=done.already_checked_in,
        )
