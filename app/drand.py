"""drand's HTTP relays: `GET {base}/{chain}/public/{round}` answers round, randomness and signature as JSON.

A relay answers 404 (some of them 425) for a round that is not signed yet. Nothing it says is believed here: the slice
checks the signature.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import httpx
import orjson

from app.settings import Settings
from gamification.beacons.rules import Miss

ANSWER_BYTES_MAX = 16_384
"""A round is about 260 bytes of JSON."""
NOT_THERE = frozenset({404, 425})

logging.getLogger("httpx").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class HttpRelay:
    """Implements the `Relay` port of beacons. A client for each question: one is asked when a draw is due, not often.

    `seconds_max` bounds the whole answer, `connect_seconds_max` the connecting within it.
    """

    name: str
    seconds_max: float
    connect_seconds_max: float

    async def ask(self, chain_hash: str, number: int) -> object:
        """Raises Miss."""
        try:
            async with asyncio.timeout(self.seconds_max):
                status, content = await self._get(f"{self.name}/{chain_hash}/public/{number}")
        except (TimeoutError, httpx.TimeoutException):
            raise Miss("TIMED_OUT", self.name) from None
        except httpx.TransportError:
            raise Miss("UNREACHABLE", self.name) from None
        except httpx.HTTPError:
            raise Miss("JUNK", self.name) from None
        return self._read(status, content)

    async def _get(self, url: str) -> tuple[int, bytes]:
        """Status and body, no more of it than a round may have; as it comes, so that nothing unfolds in our memory."""
        timeout = httpx.Timeout(self.seconds_max, connect=self.connect_seconds_max)
        content = b""
        plain = {"accept-encoding": "identity"}
        async with httpx.AsyncClient(timeout=timeout, headers=plain) as http, http.stream("GET", url) as response:
            async for part in response.aiter_raw():
                content += part
                if len(content) > ANSWER_BYTES_MAX:
                    raise Miss("JUNK", self.name)
        return response.status_code, content

    def _read(self, status: int, content: bytes) -> object:
        if status in NOT_THERE:
            raise Miss("NOT_THERE", self.name)
        if status != 200:
            raise Miss("UNWELL", self.name)
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            raise Miss("JUNK", self.name) from None


def relays_of(settings: Settings) -> list[HttpRelay]:
    """The relays that the settings name, in their order."""
    return [
        HttpRelay(address, settings.drand_timeout_seconds, settings.drand_connect_timeout_seconds)
        for address in settings.drand_relays.split(",")
    ]
