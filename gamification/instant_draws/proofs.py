"""What anyone needs to recompute a play, and the verdict.

Read-only. No seed is shown before it is revealed; until then nothing about a play of that day can be recomputed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
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
