"""Where instants come from: one clock is injected and read once per unit of work."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of aware UTC instants."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock; what production runs on."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(slots=True)
class OffsetClock:
    """Another clock moved by an offset, so that staff can live through days in development."""

    base: Clock = field(default_factory=SystemClock)
    offset: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.base.now() + self.offset


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until told otherwise; what tests run on."""

    at: datetime

    def now(self) -> datetime:
        return self.at.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.at += by

    def set(self, at: datetime) -> None:
        """Stand at another instant."""
        self.at = at
