"""Strawberry and Tortoise put together as their documentation shows: a resolver per field, a query per object.

Run as a program, on the address that DATABASE_URL, PORT and the rest of its environment say.
"""

from __future__ import annotations

import os
import signal
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any, NewType
from uuid import UUID

import jwt
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig
from tortoise import Tortoise
from tortoise.expressions import F
from tortoise.functions import Sum
from tortoise.transactions import in_transaction

from gamification.checkins import rules as checkin_rules
from gamification.checkins.models import CheckIn
from gamification.core.calendar import Calendar, month_of
from gamification.core.clock import OffsetClock
from gamification.core.ids import new_id
from gamification.core.models import Receipt
from gamification.draws.models import Draw, Ticket
from gamification.earning import rules as earning_rules
from gamification.earning.models import MonthSpend
from gamification.members.models import Member, Session
from gamification.models import MODEL_MODULES
from gamification.points import explanations
from gamification.points.models import Account, Allocation, Entry, Lot
from gamification.points.rules import PointsPolicy, lifetime
from gamification.tiers.models import TierStanding
from gamification.tiers.rules import TierPolicy
from tests.bench.seeding import policy_of

CLOCK = OffsetClock(offset=timedelta(seconds=int(os.environ["CLOCK_OFFSET_SECONDS"])))
KEYS = {door: bytes.fromhex(os.environ[f"{door.upper()}_TOKEN_KEY"]) for door in ("member", "staff")}
CALENDAR = Calendar()
TIERS = policy_of(TierPolicy)
LADDER = policy_of(earning_rules.EarningPolicy).ladder
BigInt = NewType("BigInt", int)
Info = strawberry.Info[Any, None]


def instant() -> datetime:
    """Now, on the benchmark's clock."""
    return CLOCK.now()


def today() -> date:
    """The business day."""
    return CALENDAR.business_date(instant())


def global_id(kind: str, key: object) -> strawberry.ID:
    """Relay's id."""
    return strawberry.ID(b64encode(f"{kind}:{key}".encode()).decode())


async def holder_of(request: Request | WebSocket, door: str) -> UUID | None:
    """Who asks: the holder of a genuine token whose session is live."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        options: Any = {"verify_exp": False, "verify_iat": False}
        claims = jwt.decode(token, KEYS[door], algorithms=["HS256"], audience=f"jifen:{door}", options=options)
    except jwt.PyJWTError:
        return None
    session = await Session.get_or_none(id=claims["sid"], revoked_at=None, expires_at__gt=instant())
    if session is None or claims["exp"] <= instant().timestamp():
        return None
    return session.member_id if door == "member" else session.staff_id


@strawberry.type
class ExpiringPoints:
    expires_at: datetime
    points: BigInt


@strawberry.type
class PointsBalance:
    member_id: strawberry.Private[UUID]
    available: BigInt
    pending: BigInt
    held: BigInt
    debt: BigInt

    @strawberry.field
    async def growth(self) -> BigInt:
        return BigInt((await Account.get(member_id=self.member_id, currency="GROWTH")).available)

    @strawberry.field
    async def expiring(self) -> list[ExpiringPoints]:
        lots = Lot.filter(member_id=self.member_id, currency="POINTS", open=True, expires_at__gt=instant())
        rows = await lots.annotate(points=Sum("remaining")).group_by("expires_at").values("expires_at", "points")
        rows.sort(key=lambda row: row["expires_at"])
        return [ExpiringPoints(expires_at=row["expires_at"], points=BigInt(row["points"])) for row in rows]


@strawberry.type
class Tier:
    code: str
    name: str


@strawberry.type
class TierProgress:
    current: Tier
    since: datetime | None
    next: Tier | None
    missing: BigInt | None


@strawberry.type
class LadderStepAhead:
    missing_fen: BigInt
    rate_bp: int
    gain: BigInt


@strawberry.type
class LadderMonth:
    month: date
    net_fen: BigInt
    rate_bp: int
    points: BigInt

    @strawberry.field
    def next_step(self) -> LadderStepAhead | None:
        ahead = earning_rules.next_step(LADDER, self.net_fen)
        if ahead is None:
            return None
        return LadderStepAhead(missing_fen=BigInt(ahead.missing_fen), rate_bp=ahead.rate_bp, gain=BigInt(ahead.gain))


@strawberry.type
class PointsEntry:
    row: strawberry.Private[Entry]
    kind: str
    available: BigInt
    occurred_at: datetime

    @strawberry.field
    def id(self) -> strawberry.ID:
        return global_id("PointsEntry", f"{self.row.member_id}.{self.row.currency}.{self.row.seq}")

    @strawberry.field
    def points(self) -> BigInt:
        row = self.row
        return BigInt(row.available_delta + row.pending_delta + row.held_delta - row.debt_delta)

    @strawberry.field
    def explanation(self) -> str:
        return explanations.explain(self.row.kind, self.row.source_type, self.row.trace, "zh-CN")


@strawberry.type
class PointsEntryEdge:
    node: PointsEntry


@strawberry.type
class PointsEntryConnection:
    edges: list[PointsEntryEdge]


@strawberry.type(name="Member")
class MemberType:
    key: strawberry.Private[UUID]
    number: str
    nickname: str | None
    status: str
    joined_at: datetime

    @strawberry.field
    def id(self) -> strawberry.ID:
        return global_id("Member", self.key)

    @strawberry.field
    async def points(self) -> PointsBalance:
        row = await Account.get(member_id=self.key, currency="POINTS")
        figures = {name: BigInt(getattr(row, name)) for name in ("available", "pending", "held", "debt")}
        return PointsBalance(member_id=self.key, **figures)

    @strawberry.field
    async def tier_progress(self) -> TierProgress:
        account = await Account.get(member_id=self.key, currency="GROWTH")
        standing = await TierStanding.get_or_none(member_id=self.key)
        current = TIERS.tiers[TIERS.rank(standing.tier_code)] if standing else TIERS.tiers[0]
        following = TIERS.after(current.code)
        return TierProgress(
            current=Tier(code=current.code, name=current.name_zh),
            since=standing.since if standing else None,
            next=Tier(code=following.code, name=following.name_zh) if following else None,
            missing=BigInt(max(following.threshold - account.available, 0)) if following else None,
        )

    @strawberry.field
    async def ladder(self) -> LadderMonth:
        month = month_of(today())
        row = await MonthSpend.get_or_none(member_id=self.key, month=month)
        net, points = (row.net_fen, row.ladder_points) if row else (0, 0)
        rate = earning_rules.ladder_rate(LADDER, net)
        return LadderMonth(month=month, net_fen=BigInt(net), rate_bp=rate, points=BigInt(points))

    @strawberry.field
    async def entries(self, first: int) -> PointsEntryConnection:
        rows = await Entry.filter(member_id=self.key, currency="POINTS").order_by("-seq").limit(first)
        nodes = [
            PointsEntry(row=row, kind=row.kind, available=BigInt(row.available), occurred_at=row.occurred_at)
            for row in rows
        ]
        return PointsEntryConnection(edges=[PointsEntryEdge(node=node) for node in nodes])

    @classmethod
    def of(cls, row: Member) -> MemberType:
        return cls(key=row.id, number=row.number, nickname=row.nickname, status=row.status, joined_at=row.joined_at)


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class MemberEdge:
    node: MemberType


@strawberry.type
class MemberConnection:
    edges: list[MemberEdge]
    page_info: PageInfo


@strawberry.type
class CheckInReward:
    on: date
    points: BigInt


@strawberry.type
class CheckInState:
    today: date
    is_checked_in: bool
    streak: int
    run: strawberry.Private[checkin_rules.Run | None]

    @strawberry.field
    def next_rewards(self, count: int) -> list[CheckInReward]:
        rewards = checkin_rules.next_rewards(CHECK_INS, self.run, self.today, count)
        return [CheckInReward(on=each.on, points=BigInt(each.points)) for each in rewards]


CHECK_INS = policy_of(checkin_rules.CheckInPolicy)


@strawberry.type
class Query:
    @strawberry.field
    async def me(self, info: Info) -> MemberType | None:
        row = await Member.get_or_none(id=info.context["holder"])
        return MemberType.of(row) if row else None

    @strawberry.field
    async def members(self, first: int, after: str | None = None) -> MemberConnection:
        rows = Member.all().order_by("-id").limit(first + 1)
        if after is not None:
            rows = rows.filter(id__lt=UUID(b64decode(after).decode()))
        found = await rows
        shown = found[:first]
        cursor = b64encode(str(shown[-1].id).encode()).decode() if shown else None
        return MemberConnection(
            edges=[MemberEdge(node=MemberType.of(row)) for row in shown],
            page_info=PageInfo(has_next_page=len(found) > first, end_cursor=cursor),
        )

    @strawberry.field
    async def check_in_state(self, info: Info) -> CheckInState:
        row = await CheckIn.filter(member_id=info.context["holder"]).order_by("-business_date").first()
        run = checkin_rules.Run(row.run_first_on, row.business_date) if row else None
        on = today()
        done = run is not None and run.last_on == on
        return CheckInState(today=on, is_checked_in=done, streak=checkin_rules.streak_of(run, on), run=run)


@strawberry.interface
class Refusal:
    code: str
    message: str


@strawberry.type
class InsufficientPoints(Refusal):
    required: BigInt
    available: BigInt
    missing: BigInt


@strawberry.type
class CheckedIn:
    business_date: date
    streak: int
    cycle_day: int
    points: BigInt
    available: BigInt
    already_checked_in: bool


@strawberry.type
class DrawTicket:
    id: strawberry.ID


@strawberry.type
class DrawTicketBought:
    points: BigInt
    available: BigInt
    ticket: DrawTicket


async def locked_account(member_id: UUID) -> Account:
    """The member's points under a lock."""
    return await Account.filter(member_id=member_id, currency="POINTS").select_for_update().get()


async def posted(account: Account, points: int, *, kind: str, source: tuple[str, str], trace: dict[str, Any]) -> int:
    """Write an entry and the balance after it; returns its seq."""
    account.seq, account.available = account.seq + 1, account.available + points
    lifetime_figure = {"accrued": F("accrued") + points} if points > 0 else {"redeemed": F("redeemed") - points}
    await Account.filter(member_id=account.member_id, currency="POINTS").update(
        seq=account.seq, version=F("version") + 1, available=account.available, next_due_at=account.next_due_at,
        **lifetime_figure,
    )  # fmt: skip
    await Entry.create(
        member_id=account.member_id, currency="POINTS", seq=account.seq, kind=kind, source_type=source[0],
        source_id=source[1], available_delta=points, pending_delta=0, held_delta=0, debt_delta=0,
        available=account.available, pending=account.pending, held=account.held, debt=account.debt,
        occurred_at=instant(), booked_at=instant(), business_date=today(), trace=trace,
    )  # fmt: skip
    return account.seq


async def take_from_lots(member_id: UUID, points: int, entry_seq: int) -> None:
    """Soonest expiry first, an update and an allocation per lot."""
    lots = Lot.filter(member_id=member_id, currency="POINTS", open=True, pending=False)
    place = 0
    for lot in await lots.order_by("expires_at", "activates_at", "seq", "line"):
        part = min(lot.remaining, points)
        left = lot.remaining - part
        where = Lot.filter(member_id=member_id, currency="POINTS", seq=lot.seq, line=lot.line)
        await where.update(remaining=left, open=left > 0)
        await Allocation.create(
            member_id=member_id, currency="POINTS", entry_seq=entry_seq, lot_seq=lot.seq, lot_line=lot.line,
            points=part, place=place,
        )  # fmt: skip
        points, place = points - part, place + 1
        if points == 0:
            return


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def check_in(self, info: Info) -> CheckedIn | InsufficientPoints:
        async with in_transaction():
            return await check_in_of(info.context["holder"])

    @strawberry.mutation
    async def buy_draw_ticket(
        self, info: Info, draw_id: strawberry.ID, idempotency_key: str
    ) -> DrawTicketBought | InsufficientPoints:
        draw = UUID(b64decode(draw_id).decode().removeprefix("Draw:"))
        async with in_transaction():
            return await buy_ticket_of(info.context["holder"], draw, idempotency_key)


async def check_in_of(member_id: UUID) -> CheckedIn:
    """The day's check-in under a lock on the account."""
    account = await locked_account(member_id)
    latest = await CheckIn.filter(member_id=member_id).order_by("-business_date").first()
    on = today()
    run = checkin_rules.Run(latest.run_first_on, latest.business_date) if latest else None
    done = latest is not None and latest.business_date >= on
    run = run if done and run else checkin_rules.continued(run, on)
    streak = checkin_rules.streak_of(run, on)
    points = CHECK_INS.points(streak)
    if not done:
        activates_at, expires_at = lifetime(policy_of(PointsPolicy), instant(), CALENDAR)
        account.next_due_at = min(filter(None, (account.next_due_at, expires_at)), default=None)
        trace = {"rule": "check_in", "policy": ["checkins", 1], "streak": streak,
                 "cycle_day": CHECK_INS.cycle_day(streak), "result": points}  # fmt: skip
        seq = await posted(account, points, kind="ACCRUAL", source=("check_in", on.isoformat()), trace=trace)
        await Lot.create(
            member_id=member_id, currency="POINTS", seq=seq, line=0, original=points, remaining=points, expired=0,
            open=True, pending=False, activates_at=activates_at, expires_at=expires_at, policy_version=1,
        )  # fmt: skip
        await CheckIn.create(
            member_id=member_id, business_date=on, run_first_on=run.first_on, points=points, policy_version=1,
            entry_seq=seq, checked_in_at=instant(),
        )  # fmt: skip
    return CheckedIn(
        business_date=on, streak=streak, cycle_day=CHECK_INS.cycle_day(streak), points=BigInt(points),
        available=BigInt(account.available), already_checked_in=done,
    )  # fmt: skip


async def buy_ticket_of(member_id: UUID, draw_id: UUID, key: str) -> DrawTicketBought | InsufficientPoints:
    """One ticket under a lock on the account; the same key again answers the same."""
    account = await locked_account(member_id)
    actor = f"member:{member_id}"
    stored = await Receipt.get_or_none(actor=actor, operation="draws.buy_ticket", key=key)
    if stored is not None:
        return bought(stored.answer)
    draw = await Draw.filter(id=draw_id, state="OPEN", closes_at__gt=instant()).get()
    price = draw.ticket_points
    if account.available < price:
        missing = price - account.available
        return InsufficientPoints(
            code="INSUFFICIENT_POINTS", message="积分不足", required=BigInt(price),
            available=BigInt(account.available), missing=BigInt(missing),
        )  # fmt: skip
    ticket_id = new_id()
    trace = {"rule": "draw_ticket", "draw": str(draw_id), "terms": (draw.terms_hash or b"").hex(), "result": price}
    seq = await posted(account, -price, kind="REDEMPTION", source=("ticket", str(ticket_id)), trace=trace)
    await take_from_lots(member_id, price, seq)
    await Ticket.create(
        member_id=member_id, draw_id=draw_id, id=ticket_id, points=price, entry_seq=seq, bought_at=instant(),
        business_date=today(),
    )  # fmt: skip
    answer = {"points": price, "available": account.available, "ticket_id": str(ticket_id)}
    await Receipt.create(
        actor=actor, operation="draws.buy_ticket", key=key, member_id=member_id, fingerprint=draw_id.bytes,
        answer=answer, created_at=instant(),
    )  # fmt: skip
    return bought(answer)


def bought(answer: dict[str, Any]) -> DrawTicketBought:
    """The stored answer as GraphQL shows it."""
    ticket = DrawTicket(id=global_id("DrawTicket", answer["ticket_id"]))
    return DrawTicketBought(points=BigInt(answer["points"]), available=BigInt(answer["available"]), ticket=ticket)


class Endpoint(GraphQL[Any, None]):
    """The stock view, with who asks in its context."""

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Any:
        holder = await holder_of(request, request.headers.get("x-door", "member"))
        if holder is None:
            raise PermissionError("nobody known")
        return {"request": request, "response": response, "holder": holder}


SCALARS: dict[object, Any] = {BigInt: strawberry.scalar(name="BigInt", serialize=int, parse_value=int)}
SCHEMA = strawberry.Schema(query=Query, mutation=Mutation, config=StrawberryConfig(scalar_map=SCALARS))


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """The ORM's own engine on the benchmark's database, with as many connections as everybody."""
    pool = os.environ["DATABASE_POOL_MAX"]
    url = os.environ["DATABASE_URL"].replace("postgres://", "asyncpg://", 1) + f"?minsize=1&maxsize={pool}"
    await Tortoise.init(
        db_url=url, modules={"jifen": MODEL_MODULES}, use_tz=True, timezone="UTC", _enable_global_fallback=True
    )
    yield
    await Tortoise.close_connections()


def next_day(*_: object) -> None:
    """The benchmark's clock goes on by a day."""
    CLOCK.offset += timedelta(days=1)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, next_day)
    application = Starlette(lifespan=lifespan, routes=[Route("/graphql", Endpoint(SCHEMA, graphql_ide=None))])
    uvicorn.run(
        application, port=int(os.environ["PORT"]), loop="uvloop", http="httptools", log_level="warning",
        access_log=False,
    )  # fmt: skip
