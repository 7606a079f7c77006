"""Reads of instant draws: lists, versions of odds, stock, a member's plays, seeds once they may be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.database import fetch
from gamification.gates.rules import Gate
from gamification.instant_draws.rules import Line, Odds, Plan, Reason
from gamification.prizes.rules import PrizeKind


class DrawRow(NamedTuple):
    """An instant draw as everyone may see it; `published_at` is None for a draft, and for one thrown away as such."""

    id: UUID
    state: str
    title_zh: str
    title_en: str
    opens_at: datetime
    closes_at: datetime
    tier_min: str | None
    early_tier_min: str | None
    early_seconds: int
    created_at: datetime
    published_at: datetime | None
    ended_at: datetime | None

    @property
    def gate(self) -> Gate:
        """Who may play, and from when."""
        return Gate(tier_min=self.tier_min, early_tier_min=self.early_tier_min, early_seconds=self.early_seconds)


class LineRow(NamedTuple):
    """A line of a version's odds table."""

    odds_id: UUID
    place: int
    kind: PrizeKind
    name_zh: str
    name_en: str
    points: int
    odds_ppm: int
    pity_ppm: int | None
    stock: int | None
    per_member: int | None
    daily_release: int | None
    fallback: int | None

    @property
    def line(self) -> Line:
        """The line as rules know it."""
        values = self._asdict()
        del values["odds_id"], values["place"]
        return Line(**values)


class VersionRow(NamedTuple):
    """A version of a draw's odds with its lines; unpublished while the draw is a draft."""

    id: UUID
    draw_id: UUID
    version: int
    play_points: int
    free_plays_per_day: int
    plays_per_member: int | None
    plays_per_member_day: int | None
    budget_points: int | None
    pity_after: int | None
    published_at: datetime | None
    terms: str | None
    terms_hash: bytes | None
    lines: tuple[LineRow, ...]

    @property
    def odds(self) -> Odds:
        """The odds as rules know them."""
        return Odds(
            play_points=self.play_points, free_plays_per_day=self.free_plays_per_day,
            plays_per_member=self.plays_per_member, plays_per_member_day=self.plays_per_member_day,
            budget_points=self.budget_points, pity_after=self.pity_after, lines=tuple(row.line for row in self.lines),
        )  # fmt: skip


class StockRow(NamedTuple):
    """What was given of a prize's stock, or of the budget in points (place 0), since the first business day."""

    draw_id: UUID
    place: int
    stock: int
    daily_release: int | None
    first_on: date
    given: int


class PlayRow(NamedTuple):
    """A member's play."""

    member_id: UUID
    draw_id: UUID
    number: int
    id: UUID
    version: int
    business_date: date
    day_number: int
    free_number: int
    roll: int
    pity: bool
    nominal: int
    given: int
    reason: Reason | None
    misses: int
    points: int
    price_points: int
    price_seq: int | None
    grant_seq: int | None
    played_at: datetime


class SeedRow(NamedTuple):
    """What is known of a business day's seed; the seed itself is None before it is revealed."""

    business_date: date
    commitment: bytes
    seed: bytes | None


class GivenRow(NamedTuple):
    """How often a prize was given in a draw, how often instead of another, and the points of it."""

    draw_id: UUID
    place: int
    times: int
    substituted: int
    points: int
    price_points: int
    free_plays: int


_DRAW = ", ".join(DrawRow._fields)
_LINE = ", ".join(LineRow._fields)
_VERSION = ", ".join(f"v.{name}" for name in VersionRow._fields[:-1])
_PLAY = ", ".join(PlayRow._fields)


async def draws_page(
    after: tuple[datetime, UUID] | None, limit: int, states: Sequence[str] | None = None
) -> list[DrawRow]:
    """Published draws, the one that closes last first, behind a (closes_at, id); drafts too where states are named."""
    rows = await fetch(
        f"""SELECT {_DRAW} FROM instant_draw
            WHERE ($1::text[] IS NULL AND published_at IS NOT NULL OR state = ANY($1))
              AND ($2::timestamptz IS NULL OR (closes_at, id) < ($2, $3))
            ORDER BY closes_at DESC, id DESC LIMIT $4""",
        None if states is None else list(states), *(after or (None, None)), limit,
    )  # fmt: skip
    return [DrawRow(*row) for row in rows]


async def draws_by_ids(ids: Sequence[UUID], *, with_drafts: bool = False) -> Mapping[UUID, DrawRow]:
    """Draws by id; drafts are absent unless asked for."""
    rows = await fetch(
        f"SELECT {_DRAW} FROM instant_draw WHERE id = ANY($1) AND ($2 OR published_at IS NOT NULL)",
        list(ids), with_drafts,
    )  # fmt: skip
    return {row["id"]: DrawRow(*row) for row in rows}


async def newest_versions(draw_ids: Sequence[UUID]) -> Mapping[UUID, VersionRow]:
    """The odds in force of each draw (of a draft its planned ones); two statements."""
    rows = await fetch(
        f"""SELECT v.* FROM unnest($1::uuid[]) AS d(id) CROSS JOIN LATERAL (
                SELECT {_VERSION} FROM odds_version v WHERE v.draw_id = d.id ORDER BY v.version DESC LIMIT 1) v""",
        list(draw_ids),
    )
    return {version.draw_id: version for version in await _with_lines(rows)}


async def version_pages(
    draw_ids: Sequence[UUID], before: int | None, limit: int
) -> Mapping[UUID, list[VersionRow]]:  # fmt: skip
    """Of each draw the published versions before one, the newest first; two statements."""
    rows = await fetch(
        f"""SELECT v.* FROM unnest($1::uuid[]) AS d(id) CROSS JOIN LATERAL (
                SELECT {_VERSION} FROM odds_version v WHERE v.draw_id = d.id AND v.published_at IS NOT NULL
                  AND ($2::int IS NULL OR v.version < $2) ORDER BY v.version DESC LIMIT $3) v""",
        list(draw_ids), before, limit,
    )  # fmt: skip
    found: dict[UUID, list[VersionRow]] = {each: [] for each in draw_ids}
    for version in await _with_lines(rows):
        found[version.draw_id].append(version)
    return found


async def versions_by_numbers(keys: Sequence[tuple[UUID, int]]) -> Mapping[tuple[UUID, int], VersionRow]:
    """Published versions by draw and number; two statements."""
    rows = await fetch(
        f"""SELECT {_VERSION} FROM odds_version v WHERE v.published_at IS NOT NULL
            AND (v.draw_id, v.version) IN (SELECT * FROM unnest($1::uuid[], $2::int[]))""",
        [key[0] for key in keys], [key[1] for key in keys],
    )  # fmt: skip
    return {(version.draw_id, version.version): version for version in await _with_lines(rows)}


async def _with_lines(rows: Sequence[Any]) -> list[VersionRow]:
    lines = await fetch(
        f"SELECT {_LINE} FROM odds_line WHERE odds_id = ANY($1) ORDER BY odds_id, place", [row[0] for row in rows]
    )
    by_odds: dict[UUID, list[LineRow]] = {row[0]: [] for row in rows}
    for line in lines:
        by_odds[line["odds_id"]].append(LineRow(*line))
    return [VersionRow._make([*row, tuple(by_odds[row[0]])]) for row in rows]


async def plan_of(draw_id: UUID) -> Plan:
    """A draw with its newest odds as a plan; the caller knows that it is there."""
    draw = (await draws_by_ids([draw_id], with_drafts=True))[draw_id]
    odds = (await newest_versions([draw_id]))[draw_id].odds
    return Plan(
        title_zh=draw.title_zh, title_en=draw.title_en, opens_at=draw.opens_at, closes_at=draw.closes_at,
        gate=draw.gate, odds=odds,
    )  # fmt: skip


async def stocks_by_draw_ids(ids: Sequence[UUID]) -> Mapping[UUID, list[StockRow]]:
    """What was given of each draw's stocks and budget, by place; one statement."""
    rows = await fetch(
        """SELECT draw_id, place, stock, daily_release, first_on, sum(given)::bigint FROM instant_stock
           WHERE draw_id = ANY($1) AND stock IS NOT NULL
           GROUP BY draw_id, place, stock, daily_release, first_on ORDER BY draw_id, place""",
        list(ids),
    )
    found: dict[UUID, list[StockRow]] = {each: [] for each in ids}
    for row in rows:
        found[row["draw_id"]].append(StockRow(*row))
    return found


async def given_by_draw_ids(ids: Sequence[UUID]) -> Mapping[UUID, list[GivenRow]]:
    """What the plays of each draw brought and cost so far, by the place that was given; reads every play of them."""
    rows = await fetch(
        """SELECT draw_id, given, count(*), count(reason), sum(points)::bigint, sum(price_points)::bigint,
                  count(*) FILTER (WHERE price_seq IS NULL)
           FROM instant_play WHERE draw_id = ANY($1) GROUP BY draw_id, given ORDER BY draw_id, given""",
        list(ids),
    )
    found: dict[UUID, list[GivenRow]] = {each: [] for each in ids}
    for row in rows:
        found[row["draw_id"]].append(GivenRow(*row))
    return found


async def plays_page(member_id: UUID, after: UUID | None, limit: int, draw_id: UUID | None = None) -> list[PlayRow]:
    """A member's plays, of one draw or of all, newest first, behind a play's id."""
    rows = await fetch(
        f"""SELECT {_PLAY} FROM instant_play WHERE member_id = $1 AND ($2::uuid IS NULL OR id < $2)
            AND ($4::uuid IS NULL OR draw_id = $4) ORDER BY id DESC LIMIT $3""",
        member_id, after, limit, draw_id,
    )  # fmt: skip
    return [PlayRow(*row) for row in rows]


async def plays_by_ids(member_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, PlayRow]:
    """Plays by id, if they are this member's; others are absent."""
    rows = await fetch(f"SELECT {_PLAY} FROM instant_play WHERE member_id = $1 AND id = ANY($2)", member_id, list(ids))
    return {row["id"]: PlayRow(*row) for row in rows}


async def plays_from_first(member_id: UUID, draw_id: UUID, after_number: int, limit: int) -> list[PlayRow]:
    """A member's plays of a draw in their order, behind a number."""
    rows = await fetch(
        f"""SELECT {_PLAY} FROM instant_play WHERE member_id = $1 AND draw_id = $2 AND number > $3
            ORDER BY number LIMIT $4""",
        member_id, draw_id, after_number, limit,
    )  # fmt: skip
    return [PlayRow(*row) for row in rows]


async def latest_plays(member_id: UUID, draw_ids: Sequence[UUID]) -> Mapping[UUID, PlayRow]:
    """A member's latest play of each draw, which counts those before it."""
    rows = await fetch(
        f"""SELECT p.* FROM unnest($2::uuid[]) AS d(id) CROSS JOIN LATERAL (
                SELECT {_PLAY} FROM instant_play WHERE member_id = $1 AND draw_id = d.id
                ORDER BY number DESC LIMIT 1) p""",
        member_id, list(draw_ids),
    )  # fmt: skip
    return {row["draw_id"]: PlayRow(*row) for row in rows}


async def seeds_by_days(days: Sequence[date], hidden_from: date) -> Mapping[date, SeedRow]:
    """Commitments by business day, and the seeds of those before the first day that is still secret."""
    rows = await fetch(
        """SELECT business_date, commitment, CASE WHEN business_date < $2 THEN seed END FROM play_seed
           WHERE business_date = ANY($1)""",
        list(days), hidden_from,
    )  # fmt: skip
    return {row["business_date"]: SeedRow(*row) for row in rows}


async def seeded_days(days: Sequence[date]) -> set[date]:
    """Which of some business days have a committed seed."""
    rows = await fetch("SELECT business_date FROM play_seed WHERE business_date = ANY($1)", list(days))
    return {row["business_date"] for row in rows}


async def draws_due_to_end(now: datetime, limit: int) -> list[UUID]:
    """Live draws whose time is over, longest first."""
    rows = await fetch(
        "SELECT id FROM instant_draw WHERE state IN ('OPEN', 'PAUSED') AND closes_at <= $1 ORDER BY closes_at LIMIT $2",
        now, limit,
    )  # fmt: skip
    return [row["id"] for row in rows]
