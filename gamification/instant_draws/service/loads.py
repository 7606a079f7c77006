"""What the decision about a play rests on: the draw with its odds and stock, the days' seeds, the member's plays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from gamification.core.draft import Guard, Load, Price
from gamification.gates.rules import Gate
from gamification.instant_draws.rules import SHARDS, Line, Odds


class DrawRow(NamedTuple):
    """A published draw with the odds in force, and its counters, as they were read."""

    id: UUID
    state: str
    opens_at: datetime
    closes_at: datetime
    tier_min: str | None
    early_tier_min: str | None
    early_seconds: int
    odds_id: UUID
    version: int
    terms_hash: bytes
    play_points: int
    free_plays_per_day: int
    plays_per_member: int | None
    plays_per_member_day: int | None
    budget_points: int | None
    pity_after: int | None
    lines: tuple[tuple[Any, ...], ...]
    counters: tuple[tuple[Any, ...], ...] | None

    @property
    def gate(self) -> Gate:
        """Who may play, and from when."""
        return Gate(tier_min=self.tier_min, early_tier_min=self.early_tier_min, early_seconds=self.early_seconds)

    @property
    def odds(self) -> Odds:
        """The version's odds as rules know them."""
        return _odds(
            self.play_points, self.free_plays_per_day, self.plays_per_member, self.plays_per_member_day,
            self.budget_points, self.pity_after, tuple(tuple(line) for line in self.lines),
        )  # fmt: skip


class StockCounter(NamedTuple):
    """One of the counters of a prize's stock, or of the budget (place 0)."""

    id: UUID
    place: int
    shard: int
    first_on: date
    given: int


@lru_cache(maxsize=256)
def _odds(
    play_points: int, free: int, total: int | None, daily: int | None, budget: int | None, pity: int | None,
    lines: tuple[tuple[Any, ...], ...],
) -> Odds:  # fmt: skip
    """A version's odds: read by each of a batch, put together once."""
    return Odds(
        play_points=play_points, free_plays_per_day=free, plays_per_member=total, plays_per_member_day=daily,
        budget_points=budget, pity_after=pity, lines=tuple(_line(*line) for line in lines),
    )  # fmt: skip


def _line(kind: str, points: int, odds: int, pity: int | None, stock: int | None, most: int | None,
          release: int | None, fallback: int | None) -> Line:  # fmt: skip
    """A line without its names, which decide nothing."""
    return Line(
        name_zh="", name_en="", kind=kind, points=points, odds_ppm=odds, pity_ppm=pity, stock=stock,  # type: ignore[arg-type]
        per_member=most, daily_release=release, fallback=fallback,
    )  # fmt: skip


class SeedRow(NamedTuple):
    """The seed of a business day and what was published of it."""

    business_date: date
    commitment: bytes
    seed: bytes


class LastPlay(NamedTuple):
    """A member's latest play of a draw, which counts those before it."""

    member_id: UUID
    draw_id: UUID
    number: int
    business_date: date
    day_number: int
    free_number: int
    misses: int


class WonRow(NamedTuple):
    """How often a member was given the prize at a place, where that is limited."""

    member_id: UUID
    draw_id: UUID
    place: int
    times: int


def _draws_of(commands: Sequence[Any], now: datetime) -> list[UUID]:
    return list({command.draw_id for command in commands})


def _most_of_one_member(commands: Sequence[Any], now: datetime) -> int:
    return max(Counter(command.member_id for command in commands).values(), default=1)


_DRAWS = {"draws": ("uuid[]", _draws_of)}

DRAWS = Load(
    name="instant_draws.open",
    row=DrawRow,
    sql="""SELECT d.id, d.state, d.opens_at, d.closes_at, d.tier_min, d.early_tier_min, d.early_seconds,
                  v.id AS odds_id, v.version, v.terms_hash, v.play_points, v.free_plays_per_day, v.plays_per_member,
                  v.plays_per_member_day, v.budget_points, v.pity_after,
                  (SELECT array_agg(ROW(l.kind, l.points, l.odds_ppm, l.pity_ppm, l.stock, l.per_member,
                                        l.daily_release, l.fallback) ORDER BY l.place)
                   FROM odds_line l WHERE l.odds_id = v.id),
                  (SELECT array_agg(ROW(s.id, s.place, s.shard, s.first_on, s.given))
                   FROM instant_stock s WHERE s.draw_id = d.id AND s.stock IS NOT NULL)
           FROM instant_draw d JOIN odds_version v ON v.id = d.odds_id WHERE d.id = ANY({draws})""",
    arguments=_DRAWS,
    shared=True,
)
SEEDS = Load(
    name="instant_draws.seeds",
    row=SeedRow,
    sql="""SELECT business_date, commitment, seed FROM play_seed
           WHERE business_date BETWEEN ({now} - interval '3 days')::date AND ({now} + interval '2 days')::date""",
    shared=True,
)
"""The business day is the programme's, so those around the instant are read; the decision takes its own."""
LAST = Load(
    name="instant_draws.last",
    row=LastPlay,
    sql="""SELECT p.* FROM unnest({members}) AS m(id) CROSS JOIN unnest({draws}) AS d(id) CROSS JOIN LATERAL (
             SELECT member_id, draw_id, number, business_date, day_number, free_number, misses FROM instant_play
             WHERE member_id = m.id AND draw_id = d.id ORDER BY number DESC LIMIT 1) p""",
    arguments=_DRAWS,
)
WON = Load(
    name="instant_draws.won",
    row=WonRow,
    sql="""SELECT p.* FROM (SELECT DISTINCT d.id FROM instant_draw d JOIN odds_line l ON l.odds_id = d.odds_id
                            WHERE d.id = ANY({draws}) AND l.per_member IS NOT NULL) AS limited
           CROSS JOIN LATERAL (SELECT member_id, draw_id, given, count(*) FROM instant_play
                               WHERE member_id = ANY({members}) AND draw_id = limited.id
                               GROUP BY member_id, draw_id, given) p""",
    arguments=_DRAWS,
)
"""Of draws whose prizes have no limit per member nobody's prizes are counted."""
PRICE = Price(
    """(SELECT max(v.play_points)::numeric * {most} FROM instant_draw d JOIN odds_version v ON v.id = d.odds_id
        WHERE d.id = ANY({draws}))""",
    {**_DRAWS, "most": ("bigint", _most_of_one_member)},
)
PLAYABLE = Guard(
    name="instant_draw_playable",
    sql="""SELECT d.odds_id FROM instant_draw d JOIN {claims} c ON c.key = d.odds_id
           WHERE d.state = 'OPEN' AND d.opens_at - make_interval(secs => d.early_seconds) <= {now}
             AND d.closes_at > {now}
           ORDER BY d.id FOR KEY SHARE OF d{skip}""",
)
"""The odds that decided are still in force. Plays share the draw; publishing odds, pausing and ending wait for them."""


@cache
def stock_of(on: date) -> Guard:
    """What may be given of stocks and budgets by the end of a business day; its capacities are those of `released`.

    The rows are locked in order before any is changed. The day is in the text, since a guard has no further arguments:
    one text a day.
    """
    total = f"""CASE WHEN s.daily_release IS NULL THEN s.stock
                ELSE least(s.stock, (greatest(DATE '{on.isoformat()}' - s.first_on, 0) + 1) * s.daily_release) END"""
    return Guard(
        name="instant_stock",
        sql=f"""WITH held AS MATERIALIZED (
                  SELECT s.id FROM instant_stock s JOIN {{claims}} k ON k.key = s.id
                  ORDER BY s.id FOR NO KEY UPDATE OF s)
                UPDATE instant_stock s SET given = s.given + k.amount FROM {{claims}} k JOIN held h ON h.id = k.key
                WHERE s.id = k.key AND (s.stock IS NULL
                  OR s.given + k.amount <= ({total}) / {SHARDS} + (s.shard < ({total}) % {SHARDS})::int)
                RETURNING s.id""",
    )
