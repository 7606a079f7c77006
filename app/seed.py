"""The demonstration programme: what an empty database is given, so that everything can be tried at once.

Every step looks first whether its part is there; a start that was cut short goes on with the next one. All of it is
made by the product's own verbs.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from tortoise import Tortoise

from app.auth import access_of, vault_of
from app.database import database_config
from app.local.endpoints import Tokens
from app.settings import Settings
from app.tokens import integration_token, member_token, staff_token
from app.wiring import open_work
from gamification.adjustments.rules import AdjustmentsPolicy
from gamification.charity import queries as charity_queries
from gamification.charity import service as charity
from gamification.charity.rules import CampaignTerms
from gamification.checkins.rules import CheckInPolicy
from gamification.core.actors import SYSTEM, Role
from gamification.core.policy import Policy, publish_policy
from gamification.core.work import Work
from gamification.draws import queries as draw_queries
from gamification.draws import service as draws
from gamification.draws.rules import DrawsPolicy, Plan, Prize
from gamification.earning.rules import EarningPolicy, LadderStep
from gamification.instant_draws import queries as wheel_queries
from gamification.instant_draws import service as wheels
from gamification.instant_draws.rules import Line, Odds
from gamification.instant_draws.rules import Plan as WheelPlan
from gamification.members import queries as members_queries
from gamification.members import service as members
from gamification.members.credentials import Passwords
from gamification.members.phones import PhoneVault
from gamification.members.references import MemberNumber, Origin, Reference
from gamification.orders import service as orders
from gamification.points import liability
from gamification.points.rules import DeductionPolicy, Expiry, PointsPolicy
from gamification.tiers.rules import Tier, TierPolicy

TOKEN_LIFETIME = timedelta(days=30)
STORE = "shanghai-1"
INTEGRATION = "till"
SCOPES = ("orders:write", "orders:read", "members:read", "events:write")
MEMBER = Reference("external", "demo-xiaohong")
POLICIES: Sequence[Policy] = (
    PointsPolicy(expiry=Expiry(12, "month", "month")),
    DeductionPolicy(),
    EarningPolicy(
        growth_rate_bp=100,
        ladder=(LadderStep(10_000, 100), LadderStep(30_000, 150), LadderStep(50_000, 200)),
    ),
    TierPolicy(
        (
            Tier("BASIC", "普通会员", "Basic", 0),
            Tier("SILVER", "银卡会员", "Silver", 500),
            Tier("GOLD", "金卡会员", "Gold", 2_000),
            Tier("DIAMOND", "钻石会员", "Diamond", 10_000),
        )
    ),
    CheckInPolicy(),
    DrawsPolicy(),
    AdjustmentsPolicy(),
)


async def ensure_demonstration(settings: Settings) -> Tokens:
    """Whatever of the demonstration is missing is made; returns fresh tokens of its people."""
    config = await database_config(settings, application_name="jifen seed")
    await Tortoise.init(config=config, _enable_global_fallback=True)
    try:
        work = await open_work(settings)
        await _publish(work)
        await _hire(work, vault_of(settings))
        number = await _welcome(work)
        await _open_draw(work)
        await _open_wheel(work)
        await _open_campaign(work)
        await _report_liability(work)
        return await _tokens(settings, work, number)
    finally:
        await Tortoise.close_connections()


async def _publish(work: Work) -> None:
    for policy in POLICIES:
        if work.policies.latest(type(policy)) is None:
            await publish_policy(policy, actor=SYSTEM, now=work.clock.now())
    await work.policies.refresh()


async def _hire(work: Work, vault: PhoneVault) -> None:
    passwords, now = Passwords(), work.clock.now()
    people: tuple[tuple[str, str, Role, tuple[str, ...]], ...] = (
        ("owner", "店主 Owner", "owner", ()),
        ("operator", "运营 Operator", "operator", ()),
        ("cashier", "收银员 Cashier", "cashier", (STORE,)),
    )
    for login, name, role, stores in people:
        if await members_queries.staff_by_login(login) is None:
            await members.create_staff(
                login=login, name=name, password=secrets.token_urlsafe(24), role=role, stores=stores,
                actor=SYSTEM, passwords=passwords, vault=vault, now=now,
            )  # fmt: skip
    if await members_queries.integration_by_name(INTEGRATION) is None:
        await members.create_integration(name=INTEGRATION, scopes=SCOPES, actor=SYSTEM, now=now)


async def _welcome(work: Work) -> str:
    """The demonstration member with a few orders of this month; returns the member number."""
    now = work.clock.now()
    member_id = await members.find_member(MEMBER)
    if member_id is None:
        origin = Origin("store", STORE)
        member_id = (await members.register(origin=origin, now=now, references=[MEMBER], nickname="小红")).id
    (member,) = await members_queries.members_by_ids([member_id])
    assert member is not None, "found or made above"
    await members.declare_adult(member_id=member.id, now=now)
    outcomes = await orders.record(work, _orders(member.number, now), actor=SYSTEM)
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, orders.OrderConflict):
            raise outcome
    return member.number


def _orders(number: str, now: datetime) -> list[orders.NewOrder]:
    """Three orders: 100 + 250 + 200 yuan, which climb the ladder. Made again on a later day they conflict, and stay."""
    member = MemberNumber(number)
    lines = [("拿铁咖啡豆 Coffee beans", 10_000), ("手冲壶 Kettle", 25_000), ("磨豆机 Grinder", 20_000)]
    return [
        orders.NewOrder(
            external_id=f"demo-{index}", member=member, paid_at=now.replace(microsecond=0), paid_fen=fen,
            lines=(orders.NewLine(sku=f"sku-{index}", category=name, quantity=1, net_fen=fen),), store=STORE,
        )
        for index, (name, fen) in enumerate(lines, start=1)
    ]  # fmt: skip


async def _open_draw(work: Work) -> None:
    """A weekly draw, closing at the programme's next Sunday evening; the next one when that has closed."""
    now = work.clock.now()
    if any(draw.closes_at > now for draw in await draw_queries.draws_page(None, 1, ("OPEN",))):
        return
    today = work.calendar.business_date(now)
    sunday = work.calendar.starts_at(today + timedelta(days=7 - today.isoweekday())) + timedelta(hours=20)
    closes_at = sunday if sunday > now else sunday + timedelta(days=7)
    plan = Plan(
        title_zh="每周幸运抽奖", title_en="Weekly lucky draw", ticket_points=50, opens_at=now, closes_at=closes_at,
        tickets_per_member=20,
        prizes=(
            _prize("一等奖", "First prize", points=5_000, quantity=1, per_member=1),
            _prize("二等奖", "Second prize", points=1_000, quantity=5, per_member=1),
            _prize("三等奖", "Third prize", points=100, quantity=50, per_member=3),
        ),
    )  # fmt: skip
    draw_id = await draws.plan_draw(work, plan, actor=SYSTEM)
    await draws.open_draw(work, draw_id=draw_id, actor=SYSTEM)


def _prize(name_zh: str, name_en: str, *, points: int, quantity: int, per_member: int) -> Prize:
    return Prize(
        name_zh=f"{name_zh} {points} 积分", name_en=f"{name_en}, {points} points",
        points=points, quantity=quantity, per_member=per_member,
    )  # fmt: skip


async def _open_wheel(work: Work) -> None:
    """An instant draw of thirty days with one free play a day; the next one when that has ended."""
    now = work.clock.now()
    if any(wheel.closes_at > now for wheel in await wheel_queries.draws_page(None, 1, ("OPEN",))):
        return
    lines = (
        Line(
            name_zh="大奖 1000 积分",
            name_en="1,000 points",
            points=1_000,
            odds_ppm=1_000,
            pity_ppm=1_000,
            stock=30,
            daily_release=1,
            per_member=1,
            fallback=2,
        ),
        Line(name_zh="100 积分", name_en="100 points", points=100, odds_ppm=99_000, pity_ppm=99_000, fallback=3),
        Line(name_zh="20 积分", name_en="20 points", points=20, odds_ppm=400_000, pity_ppm=900_000, fallback=4),
        Line(name_zh="谢谢参与", name_en="No luck this time", kind="NONE", odds_ppm=500_000, pity_ppm=0),
    )
    odds = Odds(play_points=50, lines=lines, free_plays_per_day=1, plays_per_member_day=20, pity_after=5)
    plan = WheelPlan(
        title_zh="每日转盘", title_en="Daily wheel", opens_at=now, closes_at=now + timedelta(days=30), odds=odds
    )
    wheel_id = await wheels.plan_draw(work, plan, actor=SYSTEM)
    await wheels.publish_draw(work, draw_id=wheel_id, actor=SYSTEM)


async def _open_campaign(work: Work) -> None:
    if await charity_queries.campaigns_page(after=None, limit=1):
        return
    now = work.clock.now()
    terms = CampaignTerms(
        title_zh="乡村图书角", title_en="Village book corners",
        description_zh="每 1000 积分,品牌向乡村小学图书角捐赠 10 元。",
        description_en="For every 1,000 points the brand gives 10 yuan to book corners of village schools.",
        beneficiary="示例公益基金会", agreement_reference="DEMO-2026-001", opens_at=now, goal_units=10_000,
        monthly_units_max=100,
    )  # fmt: skip
    campaign = await charity.create_campaign(terms, actor=SYSTEM, now=now)
    await charity.open_campaign(campaign_id=campaign.id, actor=SYSTEM, now=now)


async def _report_liability(work: Work) -> None:
    """The first night's report, so that there is one to look at."""
    if await liability.newest() is None:
        await liability.keep(await liability.compute(work.clock.now(), work.calendar))


async def _tokens(settings: Settings, work: Work, number: str) -> Tokens:
    access, now = access_of(settings, clock=work.clock, calendar=work.calendar), work.clock.now()
    member = await member_token(access, number, now=now, lifetime=TOKEN_LIFETIME)
    owner = await staff_token(access, "owner", now=now, lifetime=TOKEN_LIFETIME)
    cashier = await staff_token(access, "cashier", now=now, lifetime=TOKEN_LIFETIME)
    integration = await integration_token(INTEGRATION, now=now, lifetime=TOKEN_LIFETIME)
    return Tokens(member=member.value, owner=owner.value, cashier=cashier.value, integration=integration.value)
