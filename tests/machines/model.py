"""What the books should say, in a hundred lines of plain Python that share nothing with the product."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from fractions import Fraction

SHANGHAI = timezone(timedelta(hours=8))
NEVER = datetime.max.replace(tzinfo=SHANGHAI)
LADDER = ((50_000, 200), (30_000, 150), (10_000, 100))


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


@dataclass(eq=False)
class Lot:
    points: int
    activates: datetime
    expires: datetime
    waiting: bool
    order: str | None = None
    line: int | None = None
    root: Lot | None = None
    life: datetime | None = None  # until when its children live


@dataclass(eq=False)
class Line:
    fen: int
    earned: int
    growth: int
    back_fen: int = 0
    revoked: int = 0
    growth_revoked: int = 0
    expired: int = 0


@dataclass
class Member:
    """One member's books; `days` and `wait` are the life and the waiting time of points."""

    days: int | None
    wait: int
    debt: int = 0
    growth: int = 0
    lots: list[Lot] = field(default_factory=list)
    takings: list[list[tuple[Lot, int]]] = field(default_factory=list)
    orders: dict[str, tuple[str, list[Line]]] = field(default_factory=dict)
    months: dict[str, int] = field(default_factory=dict)

    @property
    def available(self) -> int:
        return sum(lot.points for lot in self.lots if not lot.waiting)

    @property
    def pending(self) -> int:
        return sum(lot.points for lot in self.lots if lot.waiting)

    def pass_time(self, now: datetime) -> None:
        """Everything that falls due up to now, in the order of the instants."""
        while due := [lot for lot in self.lots if lot.points and self._due(lot) <= now]:
            lot = min(due, key=self._due)
            if lot.waiting:
                lot.waiting = False
                lot.points -= self._repay(lot.points)
            else:
                if lot.order and lot.line is not None:
                    self.orders[lot.order][1][lot.line].expired += lot.points
                lot.points = 0

    def _due(self, lot: Lot) -> datetime:
        return lot.activates if lot.waiting else lot.expires

    def _repay(self, points: int) -> int:
        repaid = min(points, self.debt)
        self.debt -= repaid
        return repaid

    def accrue(self, now: datetime, portions: Iterable[tuple[int | None, int]], order: str | None = None) -> None:
        activates = midnight(now, self.wait) if self.wait else now
        expires = NEVER if self.days is None else midnight(activates, self.days + 1)
        for line, points in portions:
            if points:
                lot = Lot(points, activates, expires, bool(self.wait), order, line)
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

    def claw_back(self, points: int, order: str, line: int | None) -> None:
        def of_order(lot: Lot) -> bool:
            return lot.order == order

        def of_line(lot: Lot) -> bool:
            return of_order(lot) and (line is None or lot.line == line)

        for wanted in (
            lambda lot: of_line(lot) and lot.waiting,
            lambda lot: of_order(lot) and lot.waiting,
            lambda lot: of_line(lot) and not lot.waiting,
            lambda lot: of_order(lot) and not lot.waiting,
            lambda lot: not lot.waiting,
        ):
            points -= sum(part for _, part in self._use(points, wanted))
        self.debt += points

    def give_back(self, now: datetime, taking: int, by_member: bool) -> None:
        for lot, taken in reversed(self.takings[taking]):
            points = taken - self._repay(taken)
            short = lot.expires < now + timedelta(days=30) and lot.root is None and not by_member
            if short and lot.life is None:
                lot.life = now + timedelta(days=30)
            if short and lot.life is not None and lot.life > max(now, lot.expires):
                self.lots.append(Lot(points, now, lot.life, False, lot.order, lot.line, lot))
            elif lot.expires <= now:
                if lot.order and lot.line is not None:
                    self.orders[lot.order][1][lot.line].expired += points
            else:
                lot.points += points

    def buy(self, now: datetime, name: str, month: str, fen: list[int]) -> None:
        points, growth = (shares(sum(fen) // 100, fen), shares(sum(fen) * 50 // 10_000, fen))
        lines = [Line(*each) for each in zip(fen, points, growth, strict=True)]
        self.orders[name] = (month, lines)
        self.accrue(now, list(enumerate(points)), name)
        self.growth += sum(growth)
        before = self.worth(month)
        self.months[month] = self.months.get(month, 0) + sum(fen)
        self.accrue(now, [(None, self.worth(month) - before)], name)

    def refund(self, name: str, parts: dict[int, int]) -> None:
        month, lines = self.orders[name]
        for number, fen in parts.items():
            line = lines[number]
            line.back_fen += fen
            whole = line.back_fen == line.fen
            target = line.earned if whole else line.earned * line.back_fen // line.fen
            points = max(target - line.revoked - line.expired, 0)
            line.revoked += points
            if points:
                self.claw_back(points, name, number)
            target = line.growth if whole else line.growth * line.back_fen // line.fen
            self.growth -= target - line.growth_revoked
            line.growth_revoked = target
        before = self.worth(month)
        self.months[month] -= sum(parts.values())
        if before != self.worth(month):
            self.claw_back(before - self.worth(month), name, None)

    def worth(self, month: str) -> int:
        fen = self.months.get(month, 0)
        return next((fen * rate // 10_000 for start, rate in LADDER if fen >= start), 0)
