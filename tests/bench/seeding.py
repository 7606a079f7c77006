"""Members with a history, written set by set into the product's own tables, so that every invariant holds.

Each member has joined with an opening balance, placed two orders this month (growth, ladder), checked in on the last
days without a gap, and bought one ticket: `ENTRIES_BESIDES_CHECK_INS` entries and one per check-in. Ids are made of the
member's number in the benchmark, 1 to `members`, so that every contender can name anybody without a look-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from app.seed import POLICIES
from gamification.checkins.rules import CheckInPolicy
from gamification.core.calendar import Calendar
from gamification.earning.rules import BASIS, EarningPolicy
from gamification.points.rules import PointsPolicy, lifetime
from gamification.tiers.rules import TierPolicy

TODAY = datetime.fromisoformat("2027-03-10T12:00:00+08:00")
"""Where the clock of every process of the benchmark begins: a Wednesday, with three weeks of its month to come."""
JOINED = TODAY - timedelta(days=100)
ORDERED = (TODAY - timedelta(days=8), TODAY - timedelta(days=5))
SESSIONS_END = TODAY + timedelta(days=400)
OPENING_POINTS = 1_000_000
TICKET_POINTS = 50
ENTRIES_BESIDES_CHECK_INS = 6
CHECK_INS_MIN = 4
"""So that a home page of five entries shows a ticket and check-ins, whose sentences the peers know."""
CALENDAR = Calendar()

MEMBER, SESSION, FIRST_ORDER, SECOND_ORDER, TICKET = range(1, 6)
"""What the first digits of an id say it is the id of."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is seeded. Raises ValueError where the entries are too few for the members' histories."""

    members: int
    entries: int

    def __post_init__(self) -> None:
        if self.members < 1 or self.check_ins < CHECK_INS_MIN:
            least = ENTRIES_BESIDES_CHECK_INS + CHECK_INS_MIN
            raise ValueError(f"at least one member, and at least {least} entries for each")

    @property
    def check_ins(self) -> int:
        """Check-ins of each member, the last of them yesterday."""
        return self.entries // self.members - ENTRIES_BESIDES_CHECK_INS


def id_of(kind: int, number: int) -> UUID:
    """The id of a member, or of one of its things, by the member's number."""
    return UUID(f"019d4c{kind:02d}-0000-7000-8000-{number:012x}")


def id_sql(kind: int, number: str) -> str:
    """The same as an SQL expression over a column or parameter."""
    return f"('019d4c{kind:02d}-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid"


def policy_of(kind: type[Any]) -> Any:
    """The body of the demonstration's policy of a kind, under which the history came about."""
    return next(each for each in POLICIES if isinstance(each, kind))


def ladder_sql(net: str) -> str:
    """What the monthly ladder makes of a net amount, as SQL."""
    steps = sorted(policy_of(EarningPolicy).ladder, key=lambda step: -step.from_fen)
    rates = " ".join(f"WHEN {net} >= {step.from_fen} THEN {step.rate_bp}" for step in steps)
    return f"({net} * CASE {rates} ELSE 0 END / {BASIS})"


def rate_sql(net: str) -> str:
    """The rate of the ladder at a net amount, as SQL."""
    steps = sorted(policy_of(EarningPolicy).ladder, key=lambda step: -step.from_fen)
    return f"CASE {' '.join(f'WHEN {net} >= {step.from_fen} THEN {step.rate_bp}' for step in steps)} ELSE 0 END"


def tier_sql(growth: str) -> str:
    """The tier that a growth value reaches, as SQL; NULL for the lowest, which is held without a line."""
    tiers = sorted(policy_of(TierPolicy).tiers[1:], key=lambda tier: -tier.threshold)
    return f"CASE {' '.join(f'WHEN {growth} >= {tier.threshold} THEN {tier.code!r}' for tier in tiers)} END"


def _expires_at(booked_at: datetime) -> datetime | None:
    return lifetime(policy_of(PointsPolicy), booked_at, CALENDAR)[1]


def check_in_days(size: Size) -> list[date]:
    """The days of everybody's check-ins, the first of the run first."""
    today = CALENDAR.business_date(TODAY)
    return [today - timedelta(days=size.check_ins - place) for place in range(size.check_ins)]


GROWTH_BP = policy_of(EarningPolicy).growth_rate_bp
PLAN = f"""CREATE TEMPORARY TABLE plan AS
SELECT i, {id_sql(MEMBER, "i")} AS id, first, second, first + second AS net,
       {ladder_sql("first")} AS ladder_first, {ladder_sql("(first + second)")} AS ladder_both,
       first * {GROWTH_BP} / {BASIS} AS growth_first, second * {GROWTH_BP} / {BASIS} AS growth_second
FROM (SELECT i, 10000 + i * 7919 % 40 * 1000 AS first, 5000 + i * 104729 % 60 * 1000 AS second
      FROM generate_series(1::bigint, $1) AS i) amounts"""

MEMBERS = """INSERT INTO member (id, number, nickname, locale, status, joined_at, claimed_at, origin_channel,
                    adult_declared_at)
SELECT id, (100000000000 + i)::text, '会员' || i, 'zh-CN', 'ACTIVE', $1, $1, 'wechat', $1 FROM plan"""

SESSIONS = f"""INSERT INTO session (id, member_id, device, opened_at, rotated_at, expires_at)
SELECT {id_sql(SESSION, "i")}, id, 'benchmark', $1, $1, $2 FROM plan"""
STAFF_SESSION = """INSERT INTO session (id, staff_id, device, opened_at, rotated_at, expires_at)
SELECT $3, id, 'benchmark', $1, $1, $2 FROM staff WHERE login = 'owner'"""
REFRESH_TOKENS = """INSERT INTO refresh_token (hash, session_id, issued_at)
SELECT sha256(convert_to(id::text, 'UTF8')), id, opened_at FROM session s
WHERE NOT EXISTS (SELECT FROM refresh_token t WHERE t.session_id = s.id)"""

ENTRY = """INSERT INTO entry (member_id, currency, seq, kind, source_type, source_id, available_delta, pending_delta,
    held_delta, debt_delta, available, pending, held, debt, occurred_at, booked_at, business_date, trace)"""
OPENING_ENTRIES = f"""{ENTRY}
SELECT id, 'POINTS', 1, 'ACCRUAL', 'opening', 'balance', {OPENING_POINTS}, 0, 0, 0, {OPENING_POINTS}, 0, 0, 0,
       $1, $1, $2, jsonb_build_object('rule', 'opening', 'result', {OPENING_POINTS}) FROM plan"""
GROWTH_ENTRIES = f"""{ENTRY}
SELECT id, 'GROWTH', seq, 'ACCRUAL', 'order', source, growth, 0, 0, 0, growth + before, 0, 0, 0, at, at, $3,
       jsonb_build_object('rule', 'growth_rate', 'policy', jsonb_build_array('earning', 1), 'base_fen', fen,
                          'rate_bp', {GROWTH_BP}, 'result', growth, 'rounding', 'floor')
FROM plan CROSS JOIN LATERAL (VALUES
    (1, {id_sql(FIRST_ORDER, "i")}::text, growth_first, 0::bigint, first, $1::timestamptz),
    (2, {id_sql(SECOND_ORDER, "i")}::text, growth_second, growth_first, second, $2::timestamptz)
) AS orders(seq, source, growth, before, fen, at)"""
LADDER_ENTRIES = f"""{ENTRY}
SELECT id, 'POINTS', seq, 'LADDER', 'order', source, points, 0, 0, 0, {OPENING_POINTS} + before + points, 0, 0, 0,
       at, at, $3, jsonb_build_object('rule', 'ladder', 'policy', jsonb_build_array('earning', 1), 'month', $4::date,
           'net_before_fen', net_before, 'net_after_fen', net_after, 'points_before', before,
           'points_after', before + points, 'rate_before_bp', {rate_sql("net_before")},
           'rate_after_bp', {rate_sql("net_after")})
FROM plan CROSS JOIN LATERAL (VALUES
    (2, {id_sql(FIRST_ORDER, "i")}::text, ladder_first, 0::bigint, 0::bigint, first, $1::timestamptz),
    (3, {id_sql(SECOND_ORDER, "i")}::text, ladder_both - ladder_first, ladder_first, first, net, $2::timestamptz)
) AS orders(seq, source, points, before, net_before, net_after, at)"""
CHECK_IN_ENTRIES = f"""{ENTRY}
SELECT id, 'POINTS', 3 + place, 'ACCRUAL', 'check_in', day::text, points, 0, 0, 0,
       {OPENING_POINTS} + ladder_both + running, 0, 0, 0, at, at, day,
       jsonb_build_object('rule', 'check_in', 'policy', jsonb_build_array('checkins', 1), 'streak', place,
                          'cycle_day', (place - 1) % cardinality($4::int[]) + 1, 'result', points)
FROM plan CROSS JOIN LATERAL (
    SELECT place, day, at, points, sum(points) OVER (ORDER BY place) AS running FROM
    (SELECT place, day, at, ($4::int[])[(place - 1) % cardinality($4::int[]) + 1] AS points
     FROM unnest($1::date[], $2::timestamptz[], $3::bigint[]) AS days(day, at, place)) paid) AS days"""
TICKET_ENTRIES = f"""{ENTRY}
SELECT id, 'POINTS', $2::bigint, 'REDEMPTION', 'ticket', {id_sql(TICKET, "i")}::text, -{TICKET_POINTS}, 0, 0, 0,
       {OPENING_POINTS} + ladder_both + $3::bigint - {TICKET_POINTS}, 0, 0, 0, $1, $1, $4,
       jsonb_build_object('rule', 'draw_ticket', 'draw', $5::uuid, 'terms', $6::text, 'result', {TICKET_POINTS})
FROM plan"""

LOTS = f"""INSERT INTO lot (member_id, currency, seq, line, original, remaining, expired, open, pending, activates_at,
    expires_at, order_id, policy_version)
SELECT e.member_id, e.currency, e.seq, 0, e.available_delta,
       e.available_delta - CASE e.seq WHEN 1 THEN {TICKET_POINTS} ELSE 0 END, 0, true, false, e.booked_at, x.expires_at,
       CASE WHEN e.kind = 'LADDER' THEN e.source_id::uuid END, 1
FROM entry e JOIN unnest($1::timestamptz[], $2::timestamptz[]) AS x(booked_at, expires_at) USING (booked_at)
WHERE e.currency = 'POINTS' AND e.available_delta > 0 AND e.member_id IN (SELECT id FROM plan)"""
ALLOCATIONS = f"""INSERT INTO allocation (member_id, currency, entry_seq, lot_seq, lot_line, points, place)
SELECT id, 'POINTS', $1::bigint, 1, 0, {TICKET_POINTS}, 0 FROM plan"""
POINTS_ACCOUNTS = f"""INSERT INTO account (member_id, currency, version, seq, available, accrued, redeemed, next_due_at)
SELECT id, 'POINTS', $1::bigint, $1::bigint, {OPENING_POINTS} + ladder_both + $2::bigint - {TICKET_POINTS},
       {OPENING_POINTS} + ladder_both + $2::bigint, {TICKET_POINTS}, $3::timestamptz FROM plan"""
GROWTH_ACCOUNTS = """INSERT INTO account (member_id, currency, version, seq, available, accrued)
SELECT id, 'GROWTH', 2, 2, growth_first + growth_second, growth_first + growth_second FROM plan"""

ORDERS = f"""INSERT INTO sales_order (member_id, id, external_id, channel, store, currency, paid_at, booked_at, month,
    paid_fen, eligible_fen, refunded_fen, ladder_points, fingerprint)
SELECT id, order_id, external_id, 'store', 'SH-01', 'CNY', at, at, $3, fen, fen, 0, points, ''
FROM plan CROSS JOIN LATERAL (VALUES
    ({id_sql(FIRST_ORDER, "i")}, 'bench-' || i || '-1', first, ladder_first, $1::timestamptz),
    ({id_sql(SECOND_ORDER, "i")}, 'bench-' || i || '-2', second, ladder_both - ladder_first, $2::timestamptz)
) AS orders(order_id, external_id, fen, points, at)"""
ORDER_LINES = f"""INSERT INTO order_line (member_id, order_id, line, sku, category, quantity, paid_fen, eligible,
    refunded_fen, refunded_quantity, points_earned, points_revoked, growth_earned, growth_revoked)
SELECT member_id, id, 0, 'sku-1', 'beans', 1, paid_fen, true, 0, 0, 0, 0, paid_fen * {GROWTH_BP} / {BASIS}, 0
FROM sales_order WHERE external_id LIKE 'bench-%'"""
ORDER_DIRECTORY = """INSERT INTO order_directory (external_id, member_id, order_id)
SELECT external_id, member_id, id FROM sales_order WHERE external_id LIKE 'bench-%'"""
MONTHS = """INSERT INTO month_spend (member_id, month, net_fen, ladder_points, policy_version)
SELECT id, $1, net, ladder_both, 1 FROM plan"""
TIERS = f"""INSERT INTO tier_standing (member_id, tier_code, earned_code, since, policy_version, changes)
SELECT id, tier, tier, $1, 1, 1 FROM (SELECT id, {tier_sql("(growth_first + growth_second)")} AS tier FROM plan) t
WHERE tier IS NOT NULL"""
TIER_CHANGES = """INSERT INTO tier_change (member_id, number, to_code, cause, growth, policy_version, changed_at)
SELECT id, 1, tier_code, 'UPGRADE', growth_first + growth_second, 1, since
FROM plan JOIN tier_standing ON member_id = id"""

CHECK_INS = """INSERT INTO check_in (member_id, business_date, run_first_on, points, policy_version, entry_seq,
    checked_in_at)
SELECT member_id, business_date, $1, available_delta, 1, seq, booked_at FROM entry
WHERE source_type = 'check_in' AND member_id IN (SELECT id FROM plan)"""
TICKETS = f"""INSERT INTO ticket (member_id, draw_id, id, points, entry_seq, bought_at, business_date)
SELECT id, $1, {id_sql(TICKET, "i")}, {TICKET_POINTS}, $2::bigint, $3, $4 FROM plan"""


async def seed(connection: asyncpg.Connection, size: Size, draw_id: UUID) -> None:
    """Write everybody's history, as the owner of the database, in one transaction. The draw is open already."""
    async with connection.transaction():
        # Every row is written whole here: accounts with their balances, rows in the order of their references.
        await connection.execute("SET LOCAL session_replication_role = replica; SET LOCAL work_mem = '256MB'")
        await connection.execute(PLAN, size.members)
        await _people(connection)
        await _ledger(connection, size, draw_id)
        await _facts(connection, size, draw_id)
    await connection.execute("VACUUM (ANALYZE)")


async def _people(connection: asyncpg.Connection) -> None:
    await connection.execute(MEMBERS, JOINED)
    await connection.execute(SESSIONS, JOINED, SESSIONS_END)
    await connection.execute(STAFF_SESSION, JOINED, SESSIONS_END, id_of(SESSION, 0))
    await connection.execute(REFRESH_TOKENS)


def _check_in_columns(size: Size) -> tuple[list[date], list[datetime], list[int], list[int]]:
    days = check_in_days(size)
    instants = [CALENDAR.starts_at(day) + timedelta(hours=9) for day in days]
    return days, instants, list(range(1, len(days) + 1)), list(policy_of(CheckInPolicy).daily_points)


def _check_in_points(size: Size) -> int:
    policy = policy_of(CheckInPolicy)
    return sum(policy.points(streak) for streak in range(1, size.check_ins + 1))


async def _ledger(connection: asyncpg.Connection, size: Size, draw_id: UUID) -> None:
    today, month = CALENDAR.business_date(TODAY), CALENDAR.business_date(TODAY).replace(day=1)
    terms = await connection.fetchval("SELECT encode(terms_hash, 'hex') FROM draw WHERE id = $1", draw_id)
    last_seq, checked_in = 4 + size.check_ins, _check_in_columns(size)
    ordered_on = CALENDAR.business_date(ORDERED[0])
    await connection.execute(OPENING_ENTRIES, JOINED, CALENDAR.business_date(JOINED))
    await connection.execute(GROWTH_ENTRIES, *ORDERED, ordered_on)
    await connection.execute(LADDER_ENTRIES, *ORDERED, ordered_on, month)
    await connection.execute(CHECK_IN_ENTRIES, *checked_in)
    await connection.execute(TICKET_ENTRIES, TODAY, last_seq, _check_in_points(size), today, draw_id, terms)
    booked = [JOINED, *ORDERED, *checked_in[1]]
    expiries = [_expires_at(each) for each in booked]
    await connection.execute(LOTS, booked, expiries)
    await connection.execute(ALLOCATIONS, last_seq)
    due_at = min((each for each in expiries if each is not None), default=None)
    await connection.execute(POINTS_ACCOUNTS, last_seq, _check_in_points(size), due_at)
    await connection.execute(GROWTH_ACCOUNTS)


async def _facts(connection: asyncpg.Connection, size: Size, draw_id: UUID) -> None:
    today, month = CALENDAR.business_date(TODAY), CALENDAR.business_date(TODAY).replace(day=1)
    await connection.execute(ORDERS, *ORDERED, month)
    await connection.execute(ORDER_LINES)
    await connection.execute(ORDER_DIRECTORY)
    await connection.execute(MONTHS, month)
    await connection.execute(TIERS, ORDERED[1])
    await connection.execute(TIER_CHANGES)
    await connection.execute(CHECK_INS, check_in_days(size)[0])
    await connection.execute(TICKETS, draw_id, 4 + size.check_ins, TODAY, today)
