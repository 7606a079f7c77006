"""What the ledger should say, in plain Python that shares nothing with the product: one member's points."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from fractions import Fraction

SHANGHAI = timezone(timedelta(hours=8))
NEVER = datetime.max.replace(tzinfo=SHANGHAI)
MONTH = timedelta(days=30)


def midnight(at: datetime, days: int) -> datetime:
    """The start of the day so many days after the day of an instant, in Shanghai."""
    return at.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)


def shares(total: int, weights: list[int]) -> list[int]:
    """Largest remainder, ties to the earlier."""
    exact = [Fraction(total * weight, sum(weights) or 1) for weight in weights]
    parts = [int(each) for each in exact]
    order = sorted(range(len(weights)), key=lambda place: (parts[place] - exact[place], place))
    for place in order[: total - sum(parts)]:
        parts[place] += 1
    return parts


@dataclass(frozen=True)
class Terms:
    """How points live: for so many days (None: for ever) after so many days of waiting; how far a claw-back goes."""

    days: int | None = None
    wait: int = 0
    reach: str = "TO_DEBT"


@dataclass(eq=False)
class Lot:
    points: int
    activates: datetime
    expires: datetime
    waiting: bool
    order: str | None = None
    line: int | None = None
    root: Lot | None = None
    children: list[Lot] = field(default_factory=list)


@dataclass(eq=False)
class Hold:
    """Points kept for an order. `pile` is what was taken from which lot, the last on top."""

    order: str
    points: int
    ends: datetime
    pile: list[tuple[Lot, int]]
    state: str = "ACTIVE"
    captured: int = 0
    released: int = 0
    restored: int = 0
    heir: Hold | None = None

    @property
    def owed(self) -> int:
        """What was captured and has not come back."""
        return self.captured - self.restored

    def off_the_top(self, points: int) -> list[tuple[Lot, int]]:
        taken = []
        while points:
            lot, there = self.pile.pop()
            part = min(points, there)
            if part < there:
                self.pile.append((lot, there - part))
            taken.append((lot, part))
            points -= part
        return taken


@dataclass
class Member:
    """One member's points and growth. `expire` is told of each order's points that end unused."""

    terms: Terms
    expire: Callable[[str, int, int], None]
    debt: int = 0
    growth: int = 0
    lots: list[Lot] = field(default_factory=list)
    takings: list[list[tuple[Lot, int]]] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    @property
    def available(self) -> int:
        return sum(lot.points for lot in self.lots if not lot.waiting)

    @property
    def pending(self) -> int:
        return sum(lot.points for lot in self.lots if lot.waiting)

    @property
    def held(self) -> int:
        return sum(hold.points for hold in self.holds if hold.state == "ACTIVE")

    def pass_time(self, now: datetime) -> None:
        """Everything that falls due up to now, in the order of the instants."""
        while True:
            holds = [(hold.ends, hold) for hold in self.holds if hold.state == "ACTIVE" and hold.ends <= now]
            lots = [(at, lot) for lot in self.lots if lot.points and (at := self._due(lot)) <= now]
            if not holds and not lots:
                return
            if holds and min(at for at, _ in holds) <= min((at for at, _ in lots), default=NEVER):
                at, hold = min(holds, key=lambda each: each[0])
                self.end_hold(hold, "TIMED_OUT", at)
            else:
                _, lot = min(lots, key=lambda each: each[0])
                self._end_of_lot_or_wait(lot)

    def _due(self, lot: Lot) -> datetime:
        return lot.activates if lot.waiting else lot.expires

    def _end_of_lot_or_wait(self, lot: Lot) -> None:
        if lot.waiting:
            lot.waiting = False
            lot.points -= self._repay(lot.points)
        else:
            self._gone(lot, lot.points)
            lot.points = 0

    def _gone(self, lot: Lot, points: int) -> None:
        if lot.order is not None and lot.line is not None:
            self.expire(lot.order, lot.line, points)

    def _repay(self, points: int) -> int:
        repaid = min(points, self.debt)
        self.debt -= repaid
        return repaid

    def accrue(self, now: datetime, portions: Iterable[tuple[int | None, int]], order: str | None = None) -> None:
        wait, days = self.terms.wait, self.terms.days
        activates = midnight(now, wait) if wait else now
        expires = NEVER if days is None else midnight(activates, days + 1)
        for line, points in portions:
            if points:
                lot = Lot(points, activates, expires, bool(wait), order, line)
                self.lots.append(lot)
                if not lot.waiting:
                    lot.points -= self._repay(points)

    def _use(self, points: int, wanted: Callable[[Lot], bool]) -> list[tuple[Lot, int]]:
        used = []
        for lot in sorted(filter(wanted, self.lots), key=lambda lot: (lot.expires, lot.activates)):
            part = min(points, lot.points)
            if part:
                lot.points -= part
                points -= part
                used.append((lot, part))
        return used

    def take(self, points: int) -> bool:
        if points > self.available:
            return False
        self.takings.append(self._use(points, lambda lot: not lot.waiting))
        return True

    def hold(self, now: datetime, order: str, points: int, minutes: int) -> Hold | None:
        if points > self.available:
            return None
        pile = self._use(points, lambda lot: not lot.waiting)
        self.holds.append(Hold(order, points, now + timedelta(minutes=minutes), pile))
        return self.holds[-1]

    def capture(self, now: datetime, hold: Hold, points: int) -> None:
        hold.state, hold.captured, hold.released = "CAPTURED", points, hold.points - points
        self.put_back(now, hold.off_the_top(hold.released), extend=False)

    def end_hold(self, hold: Hold, state: str, at: datetime) -> None:
        hold.state, hold.released = state, hold.points
        self.put_back(at, hold.off_the_top(hold.points), extend=False)

    def restore(self, now: datetime, hold: Hold, points: int) -> None:
        hold.restored += points
        self.put_back(now, hold.off_the_top(points), extend=True)

    def give_back(self, now: datetime, taking: int, by_member: bool) -> None:
        self.put_back(now, list(reversed(self.takings[taking])), extend=not by_member)

    def put_back(self, now: datetime, parts: list[tuple[Lot, int]], extend: bool) -> None:
        for lot, part in parts:
            points = part - self._repay(part)
            short = extend and lot.expires < now + MONTH and lot.root is None
            until = max((child.expires for child in lot.children), default=now + MONTH)
            if short and until > max(now, lot.expires):
                lot.children.append(Lot(points, now, until, False, lot.order, lot.line, lot))
                self.lots.append(lot.children[-1])
            elif lot.expires <= now:
                self._gone(lot, points)
            else:
                lot.points += points

    def claw_back(self, points: int, order: str, line: int | None) -> None:
        def of_order(lot: Lot) -> bool:
            return lot.order == order

        def of_line(lot: Lot) -> bool:
            return of_order(lot) and (line is None or lot.line == line)

        in_turn: list[Callable[[Lot], bool]] = [
            lambda lot: of_line(lot) and lot.waiting,
            lambda lot: of_order(lot) and lot.waiting,
            lambda lot: of_line(lot) and not lot.waiting,
            lambda lot: of_order(lot) and not lot.waiting,
            lambda lot: not lot.waiting,
        ]
        for wanted in in_turn[:1] if self.terms.reach == "PENDING_ONLY" else in_turn:
            points -= sum(part for _, part in self._use(points, wanted))
        if self.terms.reach == "TO_DEBT":
            self.debt += points
