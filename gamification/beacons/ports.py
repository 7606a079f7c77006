"""What this slice needs from outside: relays that pass rounds on. They are asked, never trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Relay(Protocol):
    """One place that answers for rounds of drand chains."""

    @property
    def name(self) -> str:
        """How it stands in logs and beside a value: its address."""
        ...

    async def ask(self, chain_hash: str, number: int) -> object:
        """What it says about a round, as decoded JSON of whatever shape, within a bounded time and size.

        Raises Miss: NOT_THERE, TIMED_OUT, UNREACHABLE, UNWELL or JUNK.
        """
        ...


class RelaysMissing(RuntimeError):
    """The process has not been told which relays there are."""


@dataclass(slots=True)
class _Appointed:
    relays: Sequence[Relay] | None = None


_appointed = _Appointed()


def appoint(relays: Sequence[Relay] | None) -> None:
    """Say once, where the process is wired, which relays are asked, in this order; a later call replaces them."""
    _appointed.relays = relays


def relays() -> Sequence[Relay]:
    """The relays of this process. Raises RelaysMissing."""
    if _appointed.relays is None:
        raise RelaysMissing("no relays were appointed: see app.drand.relays_of")
    return _appointed.relays
