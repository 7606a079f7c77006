"""The same as the jobs in bulk as SQL over whole sets: no rules of anybody's, no versions, nobody else who writes.

What one statement per set costs is what the tables, their indexes and their guards cost. It is the floor that the jobs
are compared with, and no way to write: it is right for these members only, of whom nothing else is due.
"""

from __future__ import annotations

import time
from datetime import datetime
from uuid import UUID

import asyncpg

REWARDED_PER_STATEMENT = 50_000

EXPIRE = """
WITH ended AS MATERIALIZED (
    SELECT l.member_id, l.seq, l.line, l.remaining, l.expires_at, row_number() OVER w AS place,
           sum(l.remaining) OVER w AS running
    FROM account a JOIN lot l ON l.member_id = a.member_id AND l.currency = a.currency AND l.open AND l.expires_at <= $1
    WHERE a.next_due_at <= $1 AND a.currency = 'POINTS'
    WINDOW w AS (PARTITION BY l.member_id ORDER BY l.expires_at, l.activates_at, l.seq, l.line)),
sums AS MATERIALIZED (
    SELECT member_id, count(*) AS entries, sum(remaining)::bigint AS points FROM ended GROUP BY member_id),
closed AS (
    UPDATE lot t SET remaining = 0, open = false, expired = t.expired + t.remaining FROM ended e
    WHERE t.member_id = e.member_id AND t.currency = 'POINTS' AND t.seq = e.seq AND t.line = e.line),
posted AS (
    INSERT INTO entry (member_id, currency, seq, kind, source_type, source_id, available_delta, pending_delta,
        held_delta, debt_delta, available, pending, held, debt, occurred_at, booked_at, business_date, trace)
    SELECT e.member_id, 'POINTS', a.seq + e.place, 'EXPIRY', 'lot', e.seq || '.' || e.line, -e.remaining, 0, 0, 0,
           a.available - e.running, a.pending, a.held, a.debt, e.expires_at, $1,
           ($1 AT TIME ZONE 'Asia/Shanghai')::date, jsonb_build_object('lot', e.seq || '.' || e.line)
    FROM ended e JOIN account a ON a.member_id = e.member_id AND a.currency = 'POINTS'),
taken AS (
    INSERT INTO allocation (member_id, currency, entry_seq, lot_seq, lot_line, points, place)
    SELECT e.member_id, 'POINTS', a.seq + e.place, e.seq, e.line, e.remaining, 0
    FROM ended e JOIN account a ON a.member_id = e.member_id AND a.currency = 'POINTS'),
booked AS (
    UPDATE account a SET version = version + 1, seq = a.seq + s.entries, available = available - s.points,
           expired = expired + s.points, next_due_at = NULL
    FROM sums s WHERE a.member_id = s.member_id AND a.currency = 'POINTS')
SELECT count(*) FROM ended"""

CHOOSE = """
INSERT INTO draw_win (draw_id, rank, number, prize_place, ticket_id, member_id, points, won_at)
SELECT $1, row_number() OVER (ORDER BY place), number, 1, ticket_id, member_id, $2, d.closed_at FROM draw d, (
    SELECT number, ticket_id, member_id, sha256($5 || sha256($4 || convert_to(number::text, 'UTF8'))) AS place
    FROM ticket_number WHERE draw_id = $1 ORDER BY place LIMIT $3) chosen
WHERE d.id = $1"""

GRANT = """
WITH won AS MATERIALIZED (
    SELECT w.*, row_number() OVER s AS place, sum(w.points) OVER s AS running FROM draw_win w
    WHERE w.draw_id = $1 AND w.rank > $2 AND w.rank <= $3 WINDOW s AS (PARTITION BY w.member_id ORDER BY w.rank)),
posted AS MATERIALIZED (
    SELECT w.*, a.seq + w.place AS seq, (a.available + w.running)::bigint AS available, a.pending, a.held, a.debt
    FROM won w JOIN account a ON a.member_id = w.member_id AND a.currency = 'POINTS'),
entries AS (
    INSERT INTO entry (member_id, currency, seq, kind, source_type, source_id, available_delta, pending_delta,
        held_delta, debt_delta, available, pending, held, debt, occurred_at, booked_at, business_date, trace)
    SELECT member_id, 'POINTS', seq, 'ACCRUAL', 'draw_win', draw_id || ':' || rank, points, 0, 0, 0, available, pending,
           held, debt, $4, $4, ($4 AT TIME ZONE 'Asia/Shanghai')::date,
           jsonb_build_object('rule', 'draw_prize', 'draw', draw_id, 'rank', rank, 'prize', 1, 'result', points)
    FROM posted),
lots AS (
    INSERT INTO lot (member_id, currency, seq, line, original, remaining, expired, open, pending, activates_at,
        expires_at, policy_version)
    SELECT member_id, 'POINTS', seq, 0, points, points, 0, true, false, $4, $5, 1 FROM posted),
grants AS (
    INSERT INTO draw_grant (draw_id, rank, member_id, points, entry_seq, granted_at)
    SELECT draw_id, rank, member_id, points, seq, $4 FROM posted),
sums AS (SELECT member_id, count(*) AS entries, sum(points)::bigint AS points FROM won GROUP BY member_id),
booked AS (
    UPDATE account a SET version = version + 1, seq = a.seq + s.entries, available = available + s.points,
           accrued = accrued + s.points
    FROM sums s WHERE a.member_id = s.member_id AND a.currency = 'POINTS')
SELECT count(*) FROM posted"""


async def expire(connection: asyncpg.Connection, at: datetime) -> float:
    """Seconds that expiring everything that is due takes, in one statement."""
    started = time.perf_counter()
    await connection.fetchval(EXPIRE, at)
    return time.perf_counter() - started


async def settle(
    connection: asyncpg.Connection, draw_id: UUID, prizes: int, points: int, at: datetime, ends: datetime | None
) -> float:
    """Seconds that choosing so many winners by the draw's own rule and rewarding them take."""
    seed = await connection.fetchval("SELECT seed FROM draw_secret WHERE draw_id = $1", draw_id)
    inside = bytes(each ^ 0x36 for each in seed.ljust(64, b"\0")) + f"{draw_id}|".encode()
    outside = bytes(each ^ 0x5C for each in seed.ljust(64, b"\0"))
    started = time.perf_counter()
    await connection.execute(CHOOSE, draw_id, points, prizes, inside, outside)
    for rank in range(0, prizes, REWARDED_PER_STATEMENT):
        await connection.fetchval(GRANT, draw_id, rank, min(rank + REWARDED_PER_STATEMENT, prizes), at, ends)
    return time.perf_counter() - started
