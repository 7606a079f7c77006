"""All plays of a member in an instant draw as one JSON document for the stand-alone verifiers, written page by page.

No connection is held between two pages. The format is told in docs/draws-algorithm.md. Read-only.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import orjson

from gamification.instant_draws.queries import (
    PlayRow,
    SeedRow,
    VersionRow,
    plays_from_first,
    seeds_by_days,
    versions_by_numbers,
)

FORMAT = "jifen-play-export-1"
PLAYS_PER_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class PlayExport:
    """A document that can be written; seeds of `hidden_from` and later days stay secret in it."""

    draw_id: UUID
    member_id: UUID
    hidden_from: date

    @property
    def filename(self) -> str:
        """What the file is called when it is kept."""
        return f"plays-{self.draw_id}.json"

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The document as UTF-8, a page of plays at a time; then the days and the terms that they stand under."""
        head = {"format": FORMAT, "draw": str(self.draw_id), "member": str(self.member_id)}
        yield orjson.dumps(head)[:-1] + b',\n"plays":['
        days, versions, number = set[date](), set[int](), 0
        while plays := await plays_from_first(self.member_id, self.draw_id, number, PLAYS_PER_PAGE):
            text = b",\n".join(orjson.dumps(_play(play)) for play in plays)
            yield text if number == 0 else b",\n" + text
            days |= {play.business_date for play in plays}
            versions |= {play.version for play in plays}
            number = plays[-1].number
        yield b'],\n"days":' + orjson.dumps(await self._days(days))
        yield b',\n"terms":' + orjson.dumps(await self._terms(versions)) + b"}\n"

    async def _days(self, days: set[date]) -> list[dict[str, Any]]:
        found = await seeds_by_days(sorted(days), self.hidden_from)
        return [_day(found[on]) for on in sorted(days)]

    async def _terms(self, versions: set[int]) -> list[dict[str, Any]]:
        found = await versions_by_numbers([(self.draw_id, version) for version in sorted(versions)])
        return [_terms(found[key]) for key in sorted(found)]


async def export_of(draw_id: UUID, member_id: UUID, hidden_from: date) -> PlayExport | None:
    """The document of a member's plays in a draw; None where there are none."""
    played = await plays_from_first(member_id, draw_id, 0, 1)
    return PlayExport(draw_id, member_id, hidden_from) if played else None


def _terms(version: VersionRow) -> dict[str, Any]:
    assert version.terms_hash is not None, "what is played is published"
    return {"version": version.version, "terms": version.terms, "terms_hash": version.terms_hash.hex()}


def _day(seed: SeedRow) -> dict[str, Any]:
    return {
        "business_date": seed.business_date.isoformat(),
        "commitment": seed.commitment.hex(),
        "seed": seed.seed.hex() if seed.seed else None,
    }


def _play(play: PlayRow) -> dict[str, Any]:
    return {
        "number": play.number, "business_date": play.business_date.isoformat(), "version": play.version,
        "roll": play.roll, "nominal": play.nominal, "given": play.given, "reason": play.reason, "pity": play.pity,
    }  # fmt: skip
