"""Members live through anything in any order, and after every step the books are those of a plain model.

`EXAMPLES_TIMES=50` makes the run fifty times as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, precondition, rule

from gamification.core.actors import SYSTEM
from gamification.core.errors import Refusal
from gamification.core.ids import new_id
from gamification.orders import service as orders
from gamification.orders.rules import RefundLine
from gamification.orders.service import NewLine, OrderRecorded, RefundRecorded, intake
from gamification.points import postings, rows, service
from gamification.points.errors import InsufficientPoints
from gamification.points.service import HoldPoints, holds
from tests.adjustments.builders import adjust, waive
from tests.databases import Database
from tests.machines.model import Hold, Member
from tests.machines.running import NAMES, Machine, hold_seqs, run_machine
from tests.machines.shop_model import Line, Order, Parts
from tests.moves import MOVE, Earn, GiveBack, Moved, Spend, move_verb

MEMBERS = st.sampled_from(NAMES)
DAYS_PAID = st.sampled_from(["03-02", "03-03", "02-02"])
LINES = st.lists(
    st.builds(Line, st.integers(1, 30_000), st.integers(1, 2), st.sampled_from([True, True, False])),
    min_size=1,
    max_size=3,
)
PIECES_PAID_BY_POINTS = st.builds(Line, st.integers(1, 300), st.integers(1, 3), st.just(True))


def same_but_ids(seen: Any, outcome: Any) -> bool:
    """Whether a preview foretold an outcome, but for ids drawn on the way."""
    if isinstance(outcome, Refusal):
        return type(seen) is type(outcome) and bool(seen.fields() == outcome.fields())
    drawn = {name: None for name in ("order_id", "refund_id") if hasattr(outcome, name)}
    return bool(replace(seen, **drawn) == replace(outcome, **drawn))


def figures_of(outcome: Any) -> Any:
    """A refusal's code, what a refund placed and gave back, None of an order."""
    if isinstance(outcome, RefundRecorded):
        return outcome.status, outcome.placed_fen, outcome.points_restored
    return outcome.code if isinstance(outcome, Refusal) else None


class PointsMachine(Machine):
    """What moves points by itself: earn, spend, give back, staff's adjustments, time."""

    takings = Bundle("takings")
    move = MOVE

    @rule(name=MEMBERS, points=st.integers(1, 400) | st.integers(400, 3_000))
    def earn(self, name: str, points: int) -> None:
        self.run(self.work.perform(self.move, Earn(member_id=self.ids[name], points=points, source=f"{new_id()}")))
        self.member(name).accrue(self.now, [(None, points)])

    @rule(target=takings, name=MEMBERS, points=st.integers(1, 300))
    def spend(self, name: str, points: int) -> Any:
        command = Spend(member_id=self.ids[name], points=points, source=f"{new_id()}")
        model = self.member(name)
        (outcome,) = self.run(self.outcomes([command]))
        if not spent(model, points, outcome):
            return multiple()
        return name, outcome.seq, len(model.takings) - 1

    async def outcomes(self, commands: Sequence[Any]) -> Sequence[Any]:
        """What becomes of commands that come at once: through lanes side by side, else as one batch."""
        if not self.laned:
            return await self.work.perform_all(self.move, commands)
        return await asyncio.gather(*(self.work.perform(self.move, each) for each in commands), return_exceptions=True)

    @rule(moves=st.lists(st.tuples(MEMBERS, st.booleans(), st.integers(1, 300)), min_size=2, max_size=8))
    def earn_and_spend_at_once(self, moves: list[tuple[str, bool, int]]) -> None:
        commands = [
            (Earn if earns else Spend)(member_id=self.ids[name], points=points, source=f"{new_id()}")
            for name, earns, points in moves
        ]
        for (name, earns, points), outcome in zip(moves, self.run(self.outcomes(commands)), strict=True):
            if earns:
                assert isinstance(outcome, Moved)
                self.member(name).accrue(self.now, [(None, points)])
            else:
                spent(self.member(name), points, outcome)

    @rule(taking=takings, by_member=st.booleans())
    def give_back(self, taking: tuple[str, int, int], by_member: bool) -> None:
        name, seq, place = taking
        model = self.member(name)
        if model.takings[place]:
            command = GiveBack(member_id=self.ids[name], seq=seq, source=f"{seq}", by_member=by_member)
            self.run(self.work.perform(self.move, command))
            model.give_back(self.now, place, by_member)
            model.takings[place] = []

    @rule(name=MEMBERS, points=st.integers(-300, 300).filter(bool), currency=st.sampled_from(["POINTS", "GROWTH"]))
    def adjust(self, name: str, points: int, currency: str) -> None:
        model = self.member(name)
        there = model.available if currency == "POINTS" else model.growth
        outcome = self.outcome(adjust(self.work, self.ids[name], points, self.boss, currency=currency))
        if there + points < 0:
            assert isinstance(outcome, Refusal) and outcome.code == f"INSUFFICIENT_{currency}"
        elif currency == "GROWTH":
            model.growth += points
        elif points > 0:
            model.accrue(self.now, [(None, points)])
        else:
            assert model.take(-points)

    @rule(name=MEMBERS, points=st.integers(1, 200))
    def waive(self, name: str, points: int) -> None:
        model = self.member(name)
        outcome = self.outcome(waive(self.work, self.ids[name], points, self.boss))
        if points > model.debt:
            expected = "WAIVER_EXCEEDS_DEBT" if model.debt else "NOTHING_TO_WAIVE"
            assert isinstance(outcome, Refusal) and outcome.code == expected
        else:
            model.debt -= points

    @rule(hours=st.sampled_from([100, 60, 24, 7, 1, 24 * 40]))
    def wait(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))

    @rule()
    def sweep(self) -> None:
        self.sweep_everything()


class TillMachine(PointsMachine):
    """Points held for orders that may come or not: captured, released, timed out, cancelled."""

    def an_order_name(self, data: st.DataObject) -> str:
        """One that is new, held for, captured for, or recorded."""
        known = {hold.order for name in NAMES for hold in self.member(name).holds} | set(self.books.orders)
        return data.draw(st.sampled_from([f"{next(self.numbers)}", *sorted(known)]))

    def a_hold(self, name: str, data: st.DataObject) -> tuple[Hold, int]:
        """A hold of the model, and the product's entry of it."""
        place = data.draw(st.integers(0, len(self.member(name).holds) - 1))
        return self.member(name).holds[place], self.run(hold_seqs(self, name))[place]

    @staticmethod
    def about(points: int) -> st.SearchStrategy[int]:
        """So many, fewer, seldom a few more."""
        return st.integers(1, points // 2 + 1) | st.integers(1, max(points, 1)) | st.integers(1, points + 20)

    def someone_holds(self) -> Any:
        return [name for name in NAMES if self.books.members[name].holds]

    def compare(self, outcome: Any, refused: str | None) -> None:
        """The product refuses what the model refuses, with the same code."""
        assert (outcome.code if isinstance(outcome, Refusal) else None) == refused

    def someone_has_points(self) -> Any:
        return [name for name in NAMES if self.member(name).available]

    @precondition(someone_has_points)
    @rule(minutes=st.sampled_from([30, 60 * 50, 60 * 168]), data=st.data())
    def hold(self, minutes: int, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.someone_has_points()))
        points = data.draw(self.about(self.member(name).available))
        self.send_hold(name, self.an_order_name(data), points, minutes)

    def send_hold(self, name: str, order: str, points: int, minutes: int) -> None:
        """Hold, in a preview and in earnest, as the model does."""
        command = HoldPoints(
            member_id=self.ids[name], actor=SYSTEM, key=f"{new_id()}", order_external_id=self.shop.named(order),
            points=points, minutes=minutes,
        )  # fmt: skip
        seen = self.outcome(self.preview_hold(command))
        outcome = self.outcome(service.hold_points(self.work, command))
        assert same_but_ids(seen, outcome)
        self.compare(outcome, self.books.hold(self.now, name, order, points, minutes))

    async def preview_hold(self, command: HoldPoints) -> Any:
        return (await service.preview_hold(self.work, command)).outcome()

    @precondition(someone_holds)
    @rule(data=st.data(), times=st.integers(1, 2))
    def capture(self, data: st.DataObject, times: int) -> None:
        name = data.draw(st.sampled_from(self.someone_holds()))
        hold, seq = self.a_hold(name, data)
        points = data.draw(st.none() | st.integers(1, hold.points + 1))
        for _ in range(times):
            self.send_capture(name, hold, seq, points)

    def send_capture(self, name: str, hold: Hold, seq: int, points: int | None) -> None:
        """Capture, in a preview and in earnest, as the model does."""
        ending: Any = {"member_id": self.ids[name], "seq": seq, "points": points, "actor": SYSTEM}
        seen = self.outcome(self.preview_capture(ending))
        outcome = self.outcome(service.capture_hold(self.work, **ending))
        assert same_but_ids(seen, outcome)
        self.compare(outcome, self.books.capture(self.now, name, hold, points))

    async def preview_capture(self, ending: Any) -> Any:
        return (await service.preview_capture(self.work, **ending)).outcome()

    @precondition(someone_holds)
    @rule(data=st.data(), times=st.integers(1, 2))
    def release(self, data: st.DataObject, times: int) -> None:
        name = data.draw(st.sampled_from(self.someone_holds()))
        hold, seq = self.a_hold(name, data)
        for _ in range(times):
            self.send_release(name, hold, seq)

    def send_release(self, name: str, hold: Hold, seq: int) -> None:
        outcome = self.outcome(service.release_hold(self.work, member_id=self.ids[name], seq=seq, actor=SYSTEM))
        self.compare(outcome, self.books.release(self.now, name, hold))

    @precondition(someone_holds)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        hold, _ = self.a_hold(data.draw(st.sampled_from(self.someone_holds())), data)
        self.send_cancellation(hold.order)

    def send_cancellation(self, order: str) -> None:
        name = self.shop.named(order)
        outcome = self.outcome(orders.cancel_deduction(self.work, order_external_id=name, actor=SYSTEM))
        self.compare(outcome, self.books.cancel(self.now, order))


class LedgerMachine(TillMachine):
    """Orders that cash and points pay, and their refunds, before or after them, of lines, amounts, or all."""

    def has_orders(self) -> bool:
        return bool(self.books.orders)

    def request(self, order: Order, pays: int) -> Any:
        """The order as the shop sends it."""
        lines = tuple(
            NewLine(f"sku-{place}", None, line.pieces, line.cost, line.eligible)
            for place, line in enumerate(order.lines)
        )
        cash = sum(line.cost for line in order.lines) - pays
        return self.shop.order(
            order.name, paid=order.paid, member=order.owner, lines=lines, paid_fen=cash, deduction_points=pays
        )

    def new_order(self, data: st.DataObject, name: str | None = None) -> tuple[Order, int]:
        """An order that is not recorded, and how many points are to pay for it."""
        held = [
            (hold.order, each) for each in NAMES for hold in self.member(each).holds
            if hold.order not in self.books.orders
        ]  # fmt: skip
        fresh = (f"{next(self.numbers)}", data.draw(MEMBERS))
        name, owner = (name, fresh[1]) if name else data.draw(st.sampled_from([fresh, *held]))
        if data.draw(st.integers(0, 9)) == 0:
            owner = data.draw(MEMBERS)
        lines = data.draw(LINES | st.lists(PIECES_PAID_BY_POINTS, min_size=1, max_size=3))
        there = self.member(owner).available
        most = min(sum(line.cost for line in lines), there + 20 * (there > 0))
        of_holds = [
            points for hold in self.member(owner).holds if hold.order == name
            for points in (hold.points, hold.captured, hold.points // 2) if 0 < points <= most
        ]  # fmt: skip
        pays = data.draw(st.just(0) | st.just(most) | st.integers(0, most) | st.sampled_from(of_holds or [0]))
        return Order(name, owner, data.draw(DAYS_PAID), lines), pays

    @rule(data=st.data())
    def buy(self, data: st.DataObject) -> None:
        self.send_order(*self.new_order(data))

    def send_order(self, order: Order, pays: int) -> None:
        """Record an order, in a preview and in earnest, as the model does."""
        request = self.request(order, pays)
        seen = self.outcome(self.preview(request))
        (outcome,) = self.run(self.shop.send(request))
        assert same_but_ids(seen, outcome)
        self.compare(outcome, self.books.buy(self.now, order, pays))
        if isinstance(outcome, OrderRecorded):
            self.sent.append(request)

    async def preview(self, request: Any) -> Any:
        return (await orders.preview(self.work, request)).outcome()

    @precondition(has_orders)
    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(list(self.books.orders.values())))
        what = self.what_comes_back(order, data)
        if what not in ({}, 0):
            self.send_refund(order, what)

    def send_refund(self, order: Order, what: Parts | int | None) -> None:
        """Record a refund, in a preview and in earnest, as the model does."""
        request = self.refund_request(order.name, what)
        seen = self.outcome(self.preview(request))
        (outcome,) = self.run(self.shop.sent(request))
        assert same_but_ids(seen, outcome)
        assert figures_of(outcome) == ("PLACED", *self.expected(order, what))
        self.sent.append(request)

    def expected(self, order: Order, what: Parts | int | None) -> tuple[int, int]:
        """The cash that the model places, and the points that it gives back."""
        now, before = self.now, order.restored
        return self.books.refund(now, order, what), order.restored - before

    @rule(data=st.data(), number=st.integers(2, 4))
    def deliver_several_at_once(self, data: st.DataObject, number: int) -> None:
        """Orders and refunds of both members in one batch, each member's in their order."""
        requests: list[Any] = []
        expected: list[Any] = []
        named: set[str] = set()
        for _ in range(number):
            known = list(self.books.orders.values())
            is_refund: bool = data.draw(st.booleans())
            order: Order | None = data.draw(st.sampled_from(known)) if known and is_refund else None
            if order is not None and (what := self.what_comes_back(order, data)) not in ({}, 0):
                requests.append(self.refund_request(order.name, what))
                expected.append(("PLACED", *self.expected(order, what)))
                continue
            new, pays = self.new_order(data)
            if new.name not in named:  # what one member's holds of an order leave to another is told of single calls
                named.add(new.name)
                requests.append(self.request(new, pays))
                expected.append(self.books.buy(self.now, new, pays))
        outcomes = self.run(self.shop.send(*requests))
        assert [figures_of(each) for each in outcomes] == expected
        done = [place for place, outcome in enumerate(outcomes) if not isinstance(outcome, Refusal)]
        self.sent += [requests[place] for place in done]

    @precondition(TillMachine.someone_has_points)
    @rule(
        data=st.data(),
        hours=st.sampled_from([0, 1, 60]),
        owing=st.booleans(),
        end=st.sampled_from(["capture", "release", "cancel", "buy", "in cash", "time out"]),
    )
    def hold_for_a_new_order_and_end_it(self, data: st.DataObject, hours: int, owing: bool, end: str) -> None:
        """A hold's usual life, with refunds in between that find too little and may leave a debt."""
        name, order = data.draw(st.sampled_from(self.someone_has_points())), f"{next(self.numbers)}"
        there = self.member(name).available
        self.send_hold(name, order, data.draw(st.just(there) | st.integers(1, there)), 60 * 50)
        hold, seq = self.member(name).holds[-1], self.run(hold_seqs(self, name))[-1]
        for bought in [each for each in self.books.orders.values() if owing and each.owner == name]:
            self.send_refund(bought, None)
        self.clock.advance(timedelta(hours=hours))
        points = data.draw(st.integers(1, hold.points))
        match end:
            case "capture":
                self.send_capture(name, hold, seq, points)
            case "release":
                self.send_release(name, hold, seq)
            case "cancel":
                self.send_cancellation(order)
            case "buy" | "in cash":
                lines = [Line(points, 1, True), Line(3_000, 2, True)]
                self.send_order(Order(order, name, "03-03", lines), points if end == "buy" else 0)
            case _:
                self.clock.advance(timedelta(hours=50))

    def what_comes_back(self, order: Order, data: st.DataObject) -> Parts | int | None:
        draw = data.draw(st.sampled_from([self.some_lines, self.some_lines, self.an_amount, None]))
        return draw(order, data) if draw else None

    def some_lines(self, order: Order, data: st.DataObject) -> Parts:
        parts: Parts = {}
        for place, line in enumerate(order.lines):
            fen = data.draw(st.just(line.fen_left) | st.integers(0, line.fen_left))
            points = data.draw(st.none() | st.integers(0, line.points_left)) if line.points_left else None
            pieces = data.draw(st.integers(0, line.pieces_left))
            if fen or pieces or points:
                parts[place] = (fen, pieces, points)
        return parts

    def an_amount(self, order: Order, data: st.DataObject) -> int:
        return data.draw(st.just(order.fen_left) | st.integers(0, order.fen_left))

    def refund_request(self, order: str, what: Parts | int | None) -> Any:
        request = self.shop.refund(f"r{next(self.numbers)}", order, what if isinstance(what, int) else None)
        if isinstance(what, dict):
            lines = [RefundLine(place, pieces, fen, points) for place, (fen, pieces, points) in what.items()]
            request = replace(request, lines=tuple(lines))
        return request

    @precondition(has_orders)
    @rule(data=st.data(), what=st.sampled_from(["fen", "amount", "pieces", "points", "line"]))
    def refund_more_than_there_is(self, data: st.DataObject, what: str) -> None:
        order = data.draw(st.sampled_from(list(self.books.orders.values())))
        place = data.draw(st.integers(0, len(order.lines) - 1))
        line = order.lines[place]
        asked: Any = {
            "fen": {place: (line.fen_left + 1, 0, None)},
            "amount": order.fen_left + 1,
            "pieces": {place: (0, line.pieces_left + 1, None)},
            "points": {place: (0, 0, line.points_left + 1)},
            "line": {len(order.lines): (1, 0, None)},
        }[what]
        expected = {
            "fen": "REFUND_EXCEEDS_PAID", "amount": "REFUND_EXCEEDS_PAID", "pieces": "QUANTITY_EXCEEDS_BOUGHT",
            "points": "RESTORATION_EXCEEDS_DEDUCTION", "line": "LINE_UNKNOWN",
        }  # fmt: skip
        (outcome,) = self.run(self.shop.send(self.refund_request(order.name, asked)))
        self.compare(outcome, expected[what])

    @rule(name=MEMBERS, fen=st.integers(1, 40_000))
    def refund_without_an_order(self, name: str, fen: int) -> None:
        request = self.shop.refund(f"r{next(self.numbers)}", None, fen, member=name)
        (outcome,) = self.run(self.shop.sent(request))
        assert outcome.matched and outcome.requested_fen - outcome.placed_fen == self.books.match(self.now, name, fen)
        self.sent.append(request)

    @rule(data=st.data(), at_once=st.booleans(), back=st.none() | st.integers(1, 20_000))
    def buy_and_return_the_other_way_round(self, data: st.DataObject, at_once: bool, back: int | None) -> None:
        order, pays = self.new_order(data, f"{next(self.numbers)}")
        refund, request = self.refund_request(order.name, back), self.request(order, pays)
        batches = [[refund, request]] if at_once else [[refund], [request]]
        outcomes = [each for batch in batches for each in self.run(self.shop.send(*batch))]
        assert outcomes[0].status == "WAITING"
        self.books.waiting[order.name] = [back]
        self.compare(outcomes[1], self.books.buy(self.now, order, pays))
        self.sent += [refund, request] if isinstance(outcomes[1], OrderRecorded) else [refund]

    @rule(name=MEMBERS, cost=st.integers(5_000, 30_000), data=st.data(), hours=st.sampled_from([100, 60]))
    def buy_and_return_half_of_it_later(self, name: str, cost: int, data: st.DataObject, hours: int) -> None:
        pays = data.draw(st.just(0) | self.about(min(self.member(name).available, cost - 20)))
        order = Order(f"{next(self.numbers)}", name, "03-02", [Line(cost, 1, True)])
        (outcome,) = self.run(self.shop.send(self.request(order, pays)))
        self.compare(outcome, self.books.buy(self.now, order, pays))
        self.clock.advance(timedelta(hours=hours))
        if isinstance(outcome, OrderRecorded):
            fen = (order.fen_left + 1) // 2
            self.run(self.shop.sent(self.refund_request(order.name, fen or None)))
            self.books.refund(self.now, order, fen or None)

    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        if self.sent:
            repeated = data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=3))
            assert all(answer.already_recorded for answer in self.run(self.shop.sent(*repeated)))


class ShortSightedMachine(LedgerMachine):
    """The same where tests' verbs load one lot at a time."""

    move = move_verb(1)


class LanedMachine(LedgerMachine):
    """The same through lanes, as in the web process."""

    laned: ClassVar[bool] = True


def spent(model: Member, points: int, outcome: Any) -> bool:
    """Let the model spend as well: it is refused where the ledger refused, with the same figures."""
    if model.take(points):
        assert isinstance(outcome, Moved)
        return True
    assert isinstance(outcome, InsufficientPoints)
    assert (outcome.available, outcome.debt) == (model.available, model.debt)
    assert outcome.missing == points - model.available + model.debt
    return False


@pytest.mark.parametrize(("machine", "examples"), [(LedgerMachine, 10), (LanedMachine, 4)], ids=["alone", "in lanes"])
def test_the_ledger_keeps_the_books_of_a_plain_model(
    database: Database, machine: type[LedgerMachine], examples: int
) -> None:
    """Whatever two members, their tills and staff do and in whatever order, alone and through lanes: balances, debts,
    growth, lots, holds and order lines are the model's, refusals too, and all invariants hold after each step."""
    run_machine(machine, database, examples=examples, steps=40)


def test_the_books_are_the_same_however_few_lots_are_loaded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every verb loads one lot at first: what it decides does not depend on how far it sees."""
    for module in (rows, postings):
        monkeypatch.setattr(module, "LOTS_WHEN_DUE", 1)
    for module, names in (
        (holds, ("HOLD", "HOLD_PREVIEW", "CAPTURE")),
        (intake, ("INTAKE_WITH_LOTS", "INTAKE_PREVIEW")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, replace(getattr(module, name), lots_max=1))
    rows.lots_load.cache_clear()
    try:
        run_machine(ShortSightedMachine, database, examples=4, steps=40)
    finally:
        rows.lots_load.cache_clear()
