"""What draws tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DrawOpened:
    """A draw's terms and commitment were published."""

    name: ClassVar[str] = "draw.opened"
    draw_id: UUID


@dataclass(frozen=True, slots=True)
class DrawClosed:
    """The tickets of a draw are numbered and none is sold any more."""

    name: ClassVar[str] = "draw.closed"
    draw_id: UUID
    tickets: int


@dataclass(frozen=True, slots=True)
class DrawSettled:
    """Every win of a draw is granted."""

    name: ClassVar[str] = "draw.settled"
    draw_id: UUID
    wins: int


@dataclass(frozen=True, slots=True)
class DrawVoided:
    """A draw was called off; the price of its tickets goes back."""

    name: ClassVar[str] = "draw.voided"
    draw_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class DrawWon:
    """A member won a prize when the winners were drawn; where it has to be claimed, before `claim_until`."""

    name: ClassVar[str] = "draw.won"
    draw_id: UUID
    member_id: UUID
    rank: int
    claim_until: datetime | None


@dataclass(frozen=True, slots=True)
class DrawPromoted:
    """A member who stood in line got a prize that nobody had claimed; it has to be claimed before `claim_until`."""

    name: ClassVar[str] = "draw.promoted"
    draw_id: UUID
    member_id: UUID
    rank: int
    claim_until: datetime
