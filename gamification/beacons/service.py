"""Find a round of a chain: relays are asked in their order, and the first that answers truly is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from gamification.beacons.ports import Relay, relays
from gamification.beacons.rules import Chain, Miss, Round, read_round
from gamification.beacons.signatures import is_signed

log = structlog.get_logger(__name__)


class RoundMissing(Exception):
    """No relay had the round; says of each why not."""

    def __init__(self, number: int, misses: Sequence[Miss]) -> None:
        super().__init__(f"round {number}: " + ("; ".join(map(str, misses)) or "no relay is known"))
        self.misses = misses


async def find_round(chain: Chain, number: int) -> Round:
    """A round of a chain with its checked signature, from the first relay that has it. Raises RoundMissing."""
    misses = []
    for relay in relays():
        try:
            return await _checked(relay, chain, number)
        except Miss as miss:
            tell = log.info if miss.reason == "NOT_THERE" else log.warning
            tell(f"beacon.{miss.reason.lower()}", relay=relay.name, chain=chain.hash, round=number)
            misses.append(miss)
    raise RoundMissing(number, misses)


async def _checked(relay: Relay, chain: Chain, number: int) -> Round:
    found = read_round(await relay.ask(chain.hash, number), number, relay.name)
    if not await asyncio.to_thread(is_signed, chain, number, found.signature):
        raise Miss("WRONG_SIGNATURE", relay.name)
    return found
