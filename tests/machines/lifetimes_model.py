"""When points begin and end, in plain Python that counts days one by one and shares nothing with the product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from tests.machines.model import NEVER, SHANGHAI

DAY = timedelta(days=1)


def start_of(day: date) -> datetime:
    """The first instant of a day in Shanghai."""
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI)


def day_of(at: datetime) -> date:
    """The day of an instant in Shanghai."""
    return at.astimezone(SHANGHAI).date()


@dataclass(frozen=True)
class Mode:
    """How points live and wait: `life` and `wait` in days, `ends_on` and `begins_on` days of each month."""

    life: int | None = None
    ends_on: tuple[int, ...] = ()
    to_month_end: bool = False
    sliding: bool = False
    wait: int = 0
    begins_on: tuple[int, ...] = ()
    event: str | None = None
    after_event: int = 0
    latest: int = 0

    def end(self, since: date) -> datetime:
        """From which instant on points are gone whose life begins on a day."""
        if self.life is None:
            return NEVER
        day = since
        for _ in range(self.life):
            day += DAY
        while self.ends_on and not listed(self.ends_on, day):
            day += DAY
        while self.to_month_end and (day + DAY).month == day.month:
            day += DAY
        return start_of(day + DAY)

    def beginning(self, now: datetime, of_order: bool) -> datetime:
        """When points activate that are booked now."""
        wait = self.latest if self.event and of_order else self.wait
        day = day_of(now)
        if self.begins_on:
            day += DAY
            while not listed(self.begins_on, day):
                day += DAY
            return start_of(day)
        return start_of(day + wait * DAY) if wait else now


def listed(days: tuple[int, ...], day: date) -> bool:
    """Whether a day of the month is listed; the last day of a month stands for those that it lacks."""
    is_last = (day + DAY).month != day.month
    return any(day.day == each or (is_last and each > day.day) for each in days)


@dataclass(eq=False)
class Lot:
    points: int
    mode: Mode
    begins: datetime
    ends: datetime
    waiting: bool
    order: str | None


@dataclass
class Order:
    earned: int
    paid: int
    back: int = 0
    revoked: int = 0
    expired: int = 0


@dataclass
class Member:
    """One member's lots and debt."""

    debt: int = 0
    lots: list[Lot] = field(default_factory=list)
    takings: list[list[tuple[Lot, int]]] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    told: dict[str, dict[str, datetime]] = field(default_factory=dict)

    @property
    def available(self) -> int:
        return sum(lot.points for lot in self.lots if not lot.waiting)

    @property
    def pending(self) -> int:
        return sum(lot.points for lot in self.lots if lot.waiting)

    def pass_time(self, now: datetime) -> None:
        """Everything that begins or ends up to now, in the order of the instants."""
        while due := [lot for lot in self.lots if lot.points and self._next(lot) <= now]:
            lot = min(due, key=lambda lot: (self._next(lot), self.lots.index(lot)))
            if lot.waiting:
                self._begin(lot)
            else:
                self._expire(lot)

    @staticmethod
    def _next(lot: Lot) -> datetime:
        return lot.begins if lot.waiting else lot.ends

    def _begin(self, lot: Lot) -> None:
        lot.waiting = False
        lot.points -= self._repay(lot.points)

    def _expire(self, lot: Lot) -> None:
        if lot.order:
            self.orders[lot.order].expired += lot.points
        lot.points = 0

    def _repay(self, points: int) -> int:
        repaid = min(points, self.debt)
        self.debt -= repaid
        return repaid

    def _live_on(self, now: datetime, lots: list[Lot]) -> None:
        for lot in lots:
            if lot.mode.sliding and not lot.waiting:
                lot.ends = max(lot.ends, lot.mode.end(day_of(now)))

    def _alive(self) -> list[Lot]:
        return [lot for lot in self.lots if lot.points]

    def accrue(self, now: datetime, mode: Mode, points: int, order: str | None = None) -> None:
        self._live_on(now, self._alive())
        begins = mode.beginning(now, order is not None)
        lot = Lot(points, mode, begins, mode.end(day_of(begins)), begins > now, order)
        self.lots.append(lot)
        if not lot.waiting:
            lot.points -= self._repay(points)

    def _in_order(self, wanted: Callable[[Lot], bool]) -> list[Lot]:
        return sorted(filter(wanted, self.lots), key=lambda lot: (lot.ends, lot.begins, self.lots.index(lot)))

    def _use(self, points: int, wanted: Callable[[Lot], bool]) -> list[tuple[Lot, int]]:
        used = []
        for lot in self._in_order(wanted):
            part = min(points, lot.points)
            if part:
                lot.points -= part
                points -= part
                used.append((lot, part))
        return used

    def take(self, now: datetime, points: int) -> bool:
        if points > self.available:
            return False
        alive = self._alive()
        self.takings.append(self._use(points, lambda lot: not lot.waiting))
        self._live_on(now, alive)
        return True

    def give_back(self, now: datetime, taking: int) -> None:
        """The member's own cancellation: what comes back shares the fate of its lot."""
        for lot, taken in reversed(self.takings[taking]):
            lot.points += taken - self._repay(taken)
        for lot, _ in self.takings[taking]:
            if lot.points and lot.ends <= now:
                self._expire(lot)

    def buy(self, now: datetime, mode: Mode, name: str, fen: int) -> None:
        points = fen // 100
        self.orders[name] = Order(points, fen)
        if points:
            self.accrue(now, mode, points, name)
        for event, occurred in self.told.get(name, {}).items():
            self.happen(now, name, event, occurred)

    def tell(self, now: datetime, name: str, event: str, occurred: datetime) -> None:
        """An event is told, before its order or after it; the first of its type counts."""
        if event not in self.told.setdefault(name, {}):
            self.told[name][event] = occurred
            self.happen(now, name, event, occurred)

    def happen(self, now: datetime, name: str, event: str, occurred: datetime) -> None:
        for lot in self._in_order(lambda lot: lot.waiting and lot.order == name and lot.mode.event == event):
            after = lot.mode.after_event
            begins = max(now, start_of(day_of(occurred) + after * DAY) if after else occurred)
            if lot.points and begins < lot.begins:
                lot.begins, lot.ends = begins, lot.mode.end(day_of(begins))
                if begins <= now:
                    self._begin(lot)

    def refund(self, name: str, fen: int) -> None:
        order = self.orders[name]
        order.back += fen
        target = order.earned if order.back == order.paid else order.earned * order.back // order.paid
        points = max(target - order.revoked - order.expired, 0)
        order.revoked += points
        for wanted in (
            lambda lot: lot.order == name and lot.waiting,
            lambda lot: lot.order == name and not lot.waiting,
            lambda lot: not lot.waiting,
        ):
            points -= sum(part for _, part in self._use(points, wanted))
        self.debt += points
