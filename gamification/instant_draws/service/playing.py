"""Members play: price, outcome, stock and prize in one statement.

The outcome follows from the day's seed and the play's number before anything is asked of the stock; what is scarce is
claimed last. Lock order: the member's POINTS account, then the draw FOR KEY SHARE, which plays share and a publication
waits for, then the counters of stock and budget by id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.draft import Command, Verb
from gamification.core.errors import NotFound
from gamification.core.ids import new_id
from gamification.core.work import Preview, Work
from gamification.gates.service import ENTRANTS, admit, opens_at_for
from gamification.instant_draws.errors import InstantDrawNotOpen, PlayLimitReached, PlaySeedMissing
from gamification.instant_draws.models import InstantPlay
from gamification.instant_draws.rules import (
    SHARDS,
    Given,
    Odds,
    Outcome,
    Reason,
    given,
    is_pity,
    limit_reached,
    outcome,
)
from gamification.instant_draws.service.loads import (
    DRAWS,
    LAST,
    PLAYABLE,
    PRICE,
    SEEDS,
    WON,
    DrawRow,
    LastPlay,
    SeedRow,
    WonRow,
    stock_of,
)
from gamification.instant_draws.service.seeds import make_seeds
from gamification.instant_draws.service.stocks import Stocks
from gamification.points.book import Book
from gamification.points.rows import Posted
from gamification.prizes.service import grant

LOTS_MAX = 16
K = TypeVar("K", UUID, int)


@dataclass(frozen=True, kw_only=True)
class Play(Command):
    """One play of a draw for a member."""

    draw_id: UUID
    play_id: UUID = field(default_factory=new_id, metadata={"fingerprint": False})


@dataclass(frozen=True, slots=True)
class Played:
    """A play: what chance gave and what was given, and the commitment and terms (SHA-256, hexadecimal) it stands under.

    `price_seq` is None for a free play, `grant_seq` for a miss; `available` is the balance after it.
    """

    play_id: UUID
    draw_id: UUID
    number: int
    business_date: date
    version: int
    pity: bool
    roll: int
    nominal: int
    given: int
    reason: Reason | None
    points: int
    price_points: int
    price_seq: int | None
    grant_seq: int | None
    available: int
    misses: int
    commitment: str
    terms_hash: str
    played_at: datetime
    is_replay: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class PlayQuote:
    """What a play now would cost and stand under, and how many more are allowed after it (None: any number).

    `price_points` is 0 for a free play. Nothing about its outcome is known.
    """

    draw_id: UUID
    price_points: int
    available: int
    free_plays_left: int
    plays_left: int | None
    plays_left_today: int | None
    pity: bool
    commitment: str
    terms_hash: str


class _Turn(NamedTuple):
    """Where a play stands among the member's: its number, that of the day, free ones before it, misses before it."""

    number: int
    day_number: int
    free_before: int
    misses: int


def _turn(book: Book, draw_id: UUID) -> _Turn:
    """A day that is moved back by the programme goes on counting as the latest day played."""
    plays: list[LastPlay] = book.loaded(LAST.name)
    last = next((row for row in plays if row.draw_id == draw_id), None)
    if last is None:
        return _Turn(1, 1, 0, 0)
    if last.business_date < book.on:
        return _Turn(last.number + 1, 1, 0, last.misses)
    return _Turn(last.number + 1, last.day_number + 1, last.free_number, last.misses)


def _open_draw(book: Book, draw_id: UUID) -> DrawRow:
    draw: DrawRow | None = book.shared(DRAWS.name, draw_id)
    if draw is None:
        raise NotFound(kind="instant_draw", id=str(draw_id))
    opens_at = opens_at_for(book, draw.gate, draw.opens_at)
    if draw.state != "OPEN" or not opens_at <= book.now < draw.closes_at:
        raise InstantDrawNotOpen(state=draw.state, opens_at=opens_at, closes_at=draw.closes_at)
    admit(book, draw.gate)
    return draw


def _check_limits(book: Book, odds: Odds, turn: _Turn) -> None:
    total, today = turn.number - 1, turn.day_number - 1
    if odds.plays_per_member is not None and limit_reached(odds.plays_per_member, total):
        raise PlayLimitReached(scope="TOTAL", limit=odds.plays_per_member, used=total, resets_at=None)
    if odds.plays_per_member_day is not None and limit_reached(odds.plays_per_member_day, today):
        resets_at = book.calendar.ends_at(book.on)
        raise PlayLimitReached(scope="DAY", limit=odds.plays_per_member_day, used=today, resets_at=resets_at)


def _seed(book: Book) -> SeedRow:
    seed: SeedRow | None = book.shared(SEEDS.name, book.on)
    if seed is None:
        raise PlaySeedMissing(business_date=book.on)
    return seed


class _Begun(NamedTuple):
    """A play that is admitted and paid for; chance has not been asked."""

    draw: DrawRow
    odds: Odds
    turn: _Turn
    seed: SeedRow
    is_free: bool
    price: Posted | None

    @property
    def price_points(self) -> int:
        return 0 if self.is_free else self.odds.play_points

    @property
    def pity(self) -> bool:
        return is_pity(self.odds.pity_after, self.turn.misses)


def _begin(book: Book, draw_id: UUID) -> _Begun:
    draw = _open_draw(book, draw_id)
    odds: Odds = book.common(("instant_odds", draw.id), lambda: draw.odds)
    turn = _turn(book, draw_id)
    _check_limits(book, odds, turn)
    seed = _seed(book)
    is_free = turn.free_before < odds.free_plays_per_day
    price = None if is_free else _take_price(book, draw, odds, turn)
    return _Begun(draw, odds, turn, seed, is_free, price)


def _take_price(book: Book, draw: DrawRow, odds: Odds, turn: _Turn) -> Posted:
    trace = {
        "rule": "play", "draw": str(draw.id), "number": turn.number, "version": draw.version,
        "terms": draw.terms_hash.hex(), "result": odds.play_points,
    }  # fmt: skip
    return book.take(odds.play_points, source=("play", f"{draw.id}:{turn.number}"), trace=trace)


def _decide(book: Book, command: Play) -> Played:
    begun = _begin(book, command.draw_id)
    draw, turn = begun.draw, begun.turn
    chance = outcome(begun.seed.seed, draw.id, book.member_id, turn.number, begun.odds, pity=begun.pity)
    gives = _give(book, begun, chance.place)
    grant_seq = _grant(book, begun, gives.place)
    book.claim(PLAYABLE, draw.odds_id)
    return _write(book, command, begun, chance, gives, grant_seq)


def _give(book: Book, begun: _Begun, nominal: int) -> Given:
    """What is given in the end, claimed of the counters where it is scarce."""
    draw, odds = begun.draw, begun.odds
    stocks: Stocks = book.common(("instant_stocks", draw.id), lambda: Stocks(draw, odds, book.on))
    guard = stock_of(book.on)
    own = _summed((key, amount) for claimed, key, amount in book.claims if claimed is guard)
    won = _summed((row.place, row.times) for row in book.loaded(WON.name) if row.draw_id == draw.id)

    def obstacle(place: int) -> Reason | None:
        if limit_reached(odds.line(place).per_member, won[place]):
            return "MEMBER_LIMIT"
        return stocks.obstacle(place, own)

    gives = given(odds.lines, nominal, obstacle)
    if odds.line(gives.place).wins:
        for key, amount in stocks.claim(gives.place, own, (book.member_id.int + begun.turn.number) % SHARDS):
            book.claim(guard, key, amount)
    return gives


def _summed(pairs: Iterable[tuple[K, int]]) -> Counter[K]:
    sums = Counter[K]()
    for key, amount in pairs:
        sums[key] += amount
    return sums


def _grant(book: Book, begun: _Begun, place: int) -> int | None:
    line, draw, number = begun.odds.line(place), begun.draw, begun.turn.number
    trace = {"rule": "play_prize", "draw": str(draw.id), "number": number, "version": draw.version, "prize": place}
    return grant(book, line.kind, points=line.points, source=("play_prize", f"{draw.id}:{number}"), trace=trace)


def _write(book: Book, command: Play, begun: _Begun, chance: Outcome, gives: Given, grant_seq: int | None) -> Played:
    draw, turn, line = begun.draw, begun.turn, begun.odds.line(gives.place)
    price_seq = begun.price.seq if begun.price else None
    free_number, misses = turn.free_before + begun.is_free, 0 if line.wins else turn.misses + 1
    book.insert(
        InstantPlay, draw_id=draw.id, number=turn.number, id=command.play_id, version=draw.version,
        business_date=book.on, day_number=turn.day_number, free_number=free_number, roll=chance.roll, pity=begun.pity,
        nominal=chance.place, given=gives.place, reason=gives.reason, misses=misses, points=line.points,
        price_points=begun.price_points, price_seq=price_seq, grant_seq=grant_seq, played_at=book.now,
    )  # fmt: skip
    _remember(book, LastPlay(
        book.member_id, draw.id, turn.number, book.on, turn.day_number, free_number, misses
    ), gives.place)  # fmt: skip
    return Played(
        command.play_id, draw.id, turn.number, book.on, draw.version, begun.pity, chance.roll, chance.place,
        gives.place, gives.reason, line.points, begun.price_points, price_seq, grant_seq, book.points.available, misses,
        begun.seed.commitment.hex(), draw.terms_hash.hex(), book.now,
    )  # fmt: skip


def _remember(book: Book, play: LastPlay, place: int) -> None:
    """What later plays of the same batch rest on."""
    plays: list[LastPlay] = book.loaded(LAST.name)
    plays[:] = [row for row in plays if row.draw_id != play.draw_id] + [play]
    book.loaded(WON.name).append(WonRow(book.member_id, play.draw_id, place, 1))


def _quote(book: Book, command: Play) -> PlayQuote:
    begun = _begin(book, command.draw_id)
    odds, turn = begun.odds, begun.turn
    return PlayQuote(
        begun.draw.id, begun.price_points, book.points.available,
        max(odds.free_plays_per_day - turn.free_before - begun.is_free, 0),
        None if odds.plays_per_member is None else odds.plays_per_member - turn.number,
        None if odds.plays_per_member_day is None else odds.plays_per_member_day - turn.day_number,
        begun.pity, begun.seed.commitment.hex(), begun.draw.terms_hash.hex(),
    )  # fmt: skip


LOADS = (DRAWS, SEEDS, LAST, WON, ENTRANTS)
PLAY = Verb("instant_draws.play", _decide, Played, loads=LOADS, lots_max=LOTS_MAX, price=PRICE, points_only=True)
QUOTE = Verb("instant_draws.quote", _quote, PlayQuote, loads=LOADS, lots_max=LOTS_MAX, price=PRICE, points_only=True)


async def play(work: Work, *, draw_id: UUID, member_id: UUID, actor: Actor, key: str) -> Played:
    """Play once; the same key again answers the same play.

    Refuses: NotFound, InstantDrawNotOpen, AdultDeclarationMissing, StaffExcluded, TierTooLow, PlayLimitReached,
    InsufficientPoints, IdempotencyConflict, InvalidInput (the key).
    Locks: account, then the draw (shared), then counters of what is scarce.
    """
    command = Play(member_id=member_id, actor=actor, key=key, draw_id=draw_id)
    try:
        return await work.perform(PLAY, command)
    except PlaySeedMissing as missing:
        await make_seeds(work, first=missing.business_date)
        return await work.perform(PLAY, command)


async def preview_play(work: Work, *, draw_id: UUID, member_id: UUID, actor: Actor) -> Preview[PlayQuote]:
    """What a play now would cost, not written; its outcome refuses as `play` does, and tells nothing of chance."""
    command = Play(member_id=member_id, actor=actor, draw_id=draw_id)
    preview = await work.preview(QUOTE, command)
    if isinstance(preview.refusal, PlaySeedMissing):
        await make_seeds(work, first=preview.refusal.business_date)
        return await work.preview(QUOTE, command)
    return preview
