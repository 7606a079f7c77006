"""What anyone needs to recompute plays: one play with its verdict, or all plays of a member in a draw as a document.

Read-only. No seed is shown before it is revealed; until then nothing about a play of that day can be recomputed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from gamification.core.chance import commitment
from gamification.instant_draws.queries import (
    PlayRow,
    SeedRow,
    VersionRow,
    plays_by_ids,
    plays_from_first,
    seeds_by_days,
    versions_by_numbers,
)
from gamification.instant_draws.rules import is_pity, message, outcome

EXPORT_FORMAT = "jifen-play-export-1"
PLAYS_PER_READ = 1_000


@dataclass(frozen=True, slots=True)
class PlayProof:
    """A play with the odds and the seed that it stands under. `holds` is None until the seed is revealed."""

    play: PlayRow
    version: VersionRow
    seed: SeedRow
    holds: bool | None

    @property
    def message(self) -> str:
        """What chance was asked: the text under the seed, to which the attempt is added."""
        return message(self.play.draw_id, self.play.member_id, self.play.number)


async def proof_of(member_id: UUID, play_id: UUID, hidden_from: date) -> PlayProof | None:
    """A member's play, recomputed; None for what is not this member's. Seeds of `hidden_from` and later are secret."""
    play = (await plays_by_ids(member_id, [play_id])).get(play_id)
    if play is None:
        return None
    version = (await versions_by_numbers([(play.draw_id, play.version)]))[play.draw_id, play.version]
    seed = (await seeds_by_days([play.business_date], hidden_from))[play.business_date]
    before = await plays_from_first(member_id, play.draw_id, play.number - 2, 1) if play.number > 1 else []
    misses = before[0].misses if before else 0
    return PlayProof(play, version, seed, _holds(play, version, seed, misses))


def _holds(play: PlayRow, version: VersionRow, seed: SeedRow, misses_before: int) -> bool | None:
    if seed.seed is None:
        return None
    pity = is_pity(version.pity_after, misses_before)
    chance = outcome(seed.seed, play.draw_id, play.member_id, play.number, version.odds, pity=pity)
    if commitment(seed.seed) != seed.commitment or chance != (play.roll, play.nominal) or pity != play.pity:
        return False
    return play.given in _chain(version, play.nominal) and (play.reason is None) == (play.given == play.nominal)


def _chain(version: VersionRow, place: int | None) -> Sequence[int]:
    places: list[int] = []
    while place is not None:
        places.append(place)
        place = version.lines[place - 1].fallback
    return places


async def export_of(draw_id: UUID, member_id: UUID, hidden_from: date) -> dict[str, Any] | None:
    """All plays of a member in a draw as one document for the verifiers; None where there are none.

    Days whose seed is still secret are listed with their commitment and no seed.
    """
    plays = await _all_plays(draw_id, member_id)
    if not plays:
        return None
    versions = await versions_by_numbers(sorted({(draw_id, play.version) for play in plays}))
    days = await seeds_by_days(sorted({play.business_date for play in plays}), hidden_from)
    return {
        "format": EXPORT_FORMAT,
        "draw": str(draw_id),
        "member": str(member_id),
        "terms": [_terms(versions[key]) for key in sorted(versions)],
        "days": [_day(days[on]) for on in sorted(days)],
        "plays": [_play(play) for play in plays],
    }


async def _all_plays(draw_id: UUID, member_id: UUID) -> list[PlayRow]:
    plays: list[PlayRow] = []
    while run := await plays_from_first(member_id, draw_id, len(plays), PLAYS_PER_READ):
        plays += run
    return plays


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
