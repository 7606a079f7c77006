"""A shop that sends orders and refunds for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

from gamification.core.actors import Actor
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.members.service import ensure_members
from gamification.orders.rules import RefundLine
from gamification.orders.service import NewLine, NewOrder, NewRefund, OrderRecorded, RefundRecorded, record
from tests.builders import AT_THE_TILL, balance, card, done

_numbers = count()
TILL = Actor("integration", new_id(), scopes=frozenset({"orders:write"}))


def at(wall: str) -> datetime:
    """An instant of 2026 in Shanghai: `03-02` or `03-02T10:00`."""
    return datetime.fromisoformat(f"2026-{wall}{'' if 'T' in wall else 'T10:00'}+08:00")


@dataclass
class Shop:
    """What one shop sends: the names of its orders, refunds and members are its own."""

    work: Work
    prefix: str = ""

    def __post_init__(self) -> None:
        self.prefix = self.prefix or f"shop-{next(_numbers)}"

    def named(self, name: str) -> str:
        return f"{self.prefix}/{name}"

    def order(self, name: str, *fen: int, paid: str = "03-02", member: str = "mei", **given: Any) -> NewOrder:
        """An order with a line of one piece per amount."""
        lines = tuple(NewLine(f"sku-{number}", None, 1, each) for number, each in enumerate(fen))
        values = {"lines": lines, **given}
        total = sum(line.net_fen for line in values["lines"]) + given.get("excluded_fen", 0)
        values.setdefault("paid_fen", total)
        return NewOrder(self.named(name), card(self.named(member)), at(paid), **values)

    def refund(
        self,
        name: str,
        order: str | None = None,
        fen: int | None = None,
        *lines: tuple[int, int],
        on: str = "03-20",
        member: str = "mei",
        **given: Any,
    ) -> NewRefund:
        """A refund of an order's lines (line, fen), of an amount, of all of it; or of an amount of a member's."""
        return NewRefund(
            self.named(name),
            at(on),
            None if order is None else self.named(order),
            card(self.named(member)) if order is None else None,
            fen,
            tuple(RefundLine(line, 0, each) for line, each in lines),
            **given,
        )

    async def send(self, *requests: NewOrder | NewRefund, **given: Any) -> list[Any]:
        return await record(self.work, requests, actor=TILL, **given)

    async def sent(self, *requests: NewOrder | NewRefund, **given: Any) -> list[Any]:
        """The answers of a batch in which nothing is refused."""
        return done(await self.send(*requests, **given))

    async def member(self, name: str = "mei") -> UUID:
        """The member of that name, known from now on."""
        reference = card(self.named(name))
        now = self.work.clock.now()
        return (await ensure_members([reference], origin=AT_THE_TILL, now=now, claimed_at=now))[reference]

    async def standing(self, name: str = "mei") -> tuple[int, int, int]:
        """Points available, debt and growth."""
        now = await balance(self.work, await self.member(name))
        return now.available, now.debt, now.growth


def figures(outcomes: Sequence[Any]) -> list[Any]:
    """Of each answer what matters most: an order's points and growth; a refund's status, cash, points, growth; a
    refusal's code."""
    return [_figures(each) for each in outcomes]


def _figures(outcome: Any) -> Any:
    match outcome:
        case OrderRecorded():
            return ("again" if outcome.already_recorded else "order", outcome.points, outcome.growth)
        case RefundRecorded():
            again = ("again",) if outcome.already_recorded else ()
            return (outcome.status, *again, outcome.placed_fen, outcome.points_revoked, outcome.growth_revoked)
        case _:
            return getattr(outcome, "code", outcome)
