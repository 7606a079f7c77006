"""What a shop's orders, refunds and holds should do to its members, on top of the plain ledger.

Each verb returns nothing when it is done, or the code of its refusal, and then has changed nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tests.machines.model import Hold, Member, Terms, shares

LADDER = ((50_000, 200), (30_000, 150), (10_000, 100))
Parts = dict[int, tuple[int, int, int | None]]
"""What comes back of which line: fen, pieces, points (None: in proportion)."""


@dataclass(eq=False)
class Line:
    """`fen` was paid in cash, `pays` in points; `cost` is both."""

    cost: int
    pieces: int
    eligible: bool
    pays: int = 0
    earned: int = 0
    growth: int = 0
    back_fen: int = 0
    back_pieces: int = 0
    revoked: int = 0
    growth_revoked: int = 0
    expired: int = 0
    restored: int = 0

    @property
    def fen(self) -> int:
        return self.cost - self.pays

    @property
    def fen_left(self) -> int:
        return self.fen - self.back_fen

    @property
    def pieces_left(self) -> int:
        return self.pieces - self.back_pieces

    @property
    def points_left(self) -> int:
        return self.pays - self.restored

    def target(self, whole: int) -> int:
        """How much of something is due back by now, in proportion to the cash."""
        return whole if self.back_fen == self.fen else whole * self.back_fen // self.fen


@dataclass(eq=False)
class Order:
    name: str
    owner: str
    paid: str
    lines: list[Line]

    @property
    def month(self) -> str:
        return self.paid[:2]

    @property
    def pays(self) -> int:
        return sum(line.pays for line in self.lines)

    @property
    def fen_left(self) -> int:
        return sum(line.fen_left for line in self.lines)


@dataclass
class Books:
    """A shop with members; orders stand in the order in which they came."""

    terms: Terms
    names: tuple[str, ...]
    members: dict[str, Member] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    months: dict[tuple[str, str], int] = field(default_factory=dict)
    waiting: dict[str, list[Parts | int | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.members = {name: Member(self.terms, self._expire) for name in self.names}

    def _expire(self, order: str, line: int, points: int) -> None:
        self.orders[order].lines[line].expired += points

    def pass_time(self, now: datetime) -> None:
        for member in self.members.values():
            member.pass_time(now)

    # -- holds ---------------------------------------------------------------------------------------------------------

    def _refuse_hold(self, order: str) -> str | None:
        holds = [hold for member in self.members.values() for hold in member.holds if hold.order == order]
        if any(hold.state == "ACTIVE" for hold in holds):
            return "ORDER_ALREADY_HELD"
        return "HOLD_CAPTURED" if any(hold.owed for hold in holds) else None

    def hold(self, now: datetime, name: str, order: str, points: int, minutes: int) -> str | None:
        member = self.members[name]
        refused = self._refuse_hold(order)
        if refused is None and member.hold(now, order, points, minutes) is None:
            return "INSUFFICIENT_POINTS"
        return refused

    def capture(self, now: datetime, name: str, hold: Hold, points: int | None) -> str | None:
        points = hold.points if points is None else points
        if points > hold.points:
            return "CAPTURE_EXCEEDS_HOLD"
        hold = hold.heir or hold
        if hold.state == "CAPTURED":
            return None if (hold.captured, hold.restored) == (points, 0) else "HOLD_CAPTURED"
        if hold.state != "ACTIVE":
            refused = self.hold(now, name, hold.order, points, 30)
            if refused is not None:
                return refused
            hold.heir = self.members[name].holds[-1]
            hold = hold.heir
        self.members[name].capture(now, hold, points)
        return None

    def release(self, now: datetime, name: str, hold: Hold) -> str | None:
        hold = hold.heir or hold
        if hold.state == "CAPTURED":
            return "HOLD_CAPTURED"
        if hold.state == "ACTIVE":
            self.members[name].end_hold(hold, "RELEASED", now)
        return None

    def cancel(self, now: datetime, order: str) -> str | None:
        """Of whoever's points were captured for it, or else are held."""
        holds = {name: [each for each in self.members[name].holds if each.order == order] for name in self.names}
        paid = [name for name in self.names if any(each.owed for each in holds[name])]
        held = [name for name in self.names if any(each.state == "ACTIVE" for each in holds[name])]
        name = [*paid, *held, *(each for each in self.names if holds[each])][0]
        known = self.orders.get(order)
        if known is not None and known.owner == name and any(line.points_left for line in known.lines):
            return "ORDER_RECORDED_ALREADY"
        for hold in holds[name]:
            if hold.state == "ACTIVE":
                self.members[name].end_hold(hold, "RELEASED", now)
            elif hold.owed:
                self.members[name].restore(now, hold, hold.owed)
        return None

    # -- orders --------------------------------------------------------------------------------------------------------

    def buy(self, now: datetime, order: Order, pays: int) -> str | None:
        """An order that points pay a part of; then what waited for it."""
        refused = self._settle(now, order, pays)
        if refused is not None:
            return refused
        member = self.members[order.owner]
        for line, part in zip(order.lines, shares(pays, [line.cost for line in order.lines]), strict=True):
            line.pays = part
        earning = [line.fen if line.eligible else 0 for line in order.lines]
        points, growth = shares(sum(earning) // 100, earning), shares(sum(earning) * 50 // 10_000, earning)
        for line, earned, grown in zip(order.lines, points, growth, strict=True):
            line.earned, line.growth = earned, grown
        self.orders[order.name] = order
        member.accrue(now, list(enumerate(points)), order.name)
        member.growth += sum(growth)
        change = self._month(order, sum(earning))
        member.accrue(now, [(None, change)], order.name)
        for waited in self.waiting.pop(order.name, []):
            self.refund(now, order, waited)
        return None

    def _settle(self, now: datetime, order: Order, pays: int) -> str | None:
        member = self.members[order.owner]
        holds = [hold for hold in member.holds if hold.order == order.name]
        active = next((hold for hold in holds if hold.state == "ACTIVE"), None)
        paid = next((hold for hold in holds if hold.owed), None)
        if not pays:
            if paid is not None:
                return "HOLD_CAPTURED"
            if active is not None:
                member.end_hold(active, "RELEASED", now)
            return None
        known = active or paid
        if known is None and holds and not holds[-1].captured and pays <= holds[-1].points:
            known = holds[-1]
        if known is not None:
            return self.capture(now, order.owner, known, pays)
        refused = self.hold(now, order.owner, order.name, pays, 30)
        return refused or self.capture(now, order.owner, member.holds[-1], None)

    def _month(self, order: Order, fen: int) -> int:
        """Move a month's spend; what its ladder points change by."""
        key = (order.owner, order.month)
        before = self.months.get(key, 0)
        self.months[key] = before + fen
        return _worth(before + fen) - _worth(before)

    # -- refunds -------------------------------------------------------------------------------------------------------

    def refund(self, now: datetime, order: Order, what: Parts | int | None) -> int:
        """Lines, an amount, or all that is left: as far as it goes; returns the cash that was placed."""
        if what is None:
            parts: Parts = {
                place: (line.fen_left, line.pieces_left, line.points_left) for place, line in enumerate(order.lines)
            }
        elif isinstance(what, int):
            parts = self._amount(order, min(what, order.fen_left))
        else:
            parts = self._as_far_as_it_goes(order, what)
        self._take_back(now, order, parts)
        return sum(fen for fen, _, _ in parts.values())

    def _amount(self, order: Order, fen: int) -> Parts:
        split = shares(fen, [line.fen_left for line in order.lines])
        last = 0 < fen == order.fen_left
        return {
            place: (part, line.pieces_left if part == line.fen_left else 0, None if line.fen else line.points_left)
            for place, (line, part) in enumerate(zip(order.lines, split, strict=True))
            if part or (last and not line.fen and line.points_left)
        }

    def _as_far_as_it_goes(self, order: Order, what: Parts) -> Parts:
        lines = dict(enumerate(order.lines))
        return {
            place: (
                min(fen, lines[place].fen_left),
                min(pieces, lines[place].pieces_left),
                None if points is None else min(points, lines[place].points_left),
            )
            for place, (fen, pieces, points) in what.items()
            if place in lines
        }

    def _take_back(self, now: datetime, order: Order, parts: Parts) -> None:
        member, given_back, eligible = self.members[order.owner], 0, 0
        for place, (fen, pieces, points) in parts.items():
            line = order.lines[place]
            line.back_fen += fen
            line.back_pieces += pieces
            eligible += fen if line.eligible else 0
            if line.fen:
                revoked = max(line.target(line.earned) - line.revoked - line.expired, 0)
                line.revoked += revoked
                member.claw_back(revoked, order.name, place)
                lost = line.target(line.growth) - line.growth_revoked
                line.growth_revoked += lost
                member.growth = max(member.growth - lost, 0)
            if points is None:
                due = line.target(line.pays) if line.fen else line.pays * line.back_pieces // line.pieces
                points = max(due - line.restored, 0)
            line.restored += points
            given_back += points
        change = -self._month(order, -eligible)
        member.claw_back(change, order.name, None)
        if given_back:
            paid = next(hold for hold in member.holds if hold.order == order.name and hold.owed)
            member.restore(now, paid, given_back)

    def match(self, now: datetime, name: str, fen: int) -> int:
        """A refund that names no order: the latest first, then as the orders came; returns what found no place."""
        mine = [order for order in self.orders.values() if order.owner == name]
        for order in sorted(mine, key=lambda order: order.paid, reverse=True):
            fen -= self.refund(now, order, fen) if fen and order.fen_left else 0
        return fen


def _worth(fen: int) -> int:
    return next((fen * rate // 10_000 for start, rate in LADDER if fen >= start), 0)
