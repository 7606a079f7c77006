"""Plays of instant draws: what a member played, what playing answers, and what it takes to check a play."""

from collections.abc import Iterable
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.instant_draws import errors, proofs, queries, rules
from gamification.instant_draws.service import Played
from schema.context import Info
from schema.draw_proofs import DrawProofLevel
from schema.gates import AdultDeclarationMissing, StaffExcluded, TierTooLow
from schema.instant_odds import OddsLine
from schema.instant_published import InstantDraw, instant_draw_of
from schema.points import InsufficientPoints
from schema.previews import SHOWN, PreviewedEntry
from schema.refusals import Refusal
from schema.scalars import Points
from schema.usual_refusals import IdempotencyConflict, InvalidInput, NotFound


class InstantDrawNotOpen(
    Refusal,
    of=errors.InstantDrawNotOpen,
    describe={
        "state": "How far it is.",
        "opens_at": "From when the member may play.",
        "closes_at": "Until when it is played.",
    },
):
    pass


class PlayLimitReached(
    Refusal,
    of=errors.PlayLimitReached,
    describe={"scope": "TOTAL or DAY.", "resets_at": "When the limit starts anew; null for that of the whole draw."},
):
    pass


@strawberry.enum(description="Why a play gave another prize than chance had said.")
class SubstitutionReason(Enum):
    STOCK = strawberry.enum_value("STOCK", description="All of it had been given.")
    RELEASE = strawberry.enum_value("RELEASE", description="All of it that was released by that day had been given.")
    MEMBER_LIMIT = strawberry.enum_value("MEMBER_LIMIT", description="The member had been given as many as one may.")
    BUDGET = strawberry.enum_value("BUDGET", description="The draw's budget had less left than it takes.")


async def lines_of_versions(keys: list[tuple[UUID, int]]) -> list[queries.VersionRow]:
    """Versions of odds by draw and number, for the loader."""
    found = await queries.versions_by_numbers(keys)
    return [found[each] for each in keys]


@strawberry.type(description="A play of an instant draw.")
class InstantPlay(relay.Node):
    id: relay.NodeID[UUID]
    number: int = strawberry.field(description="The member's plays of this draw, counted from 1 without gaps.")
    business_date: date = strawberry.field(description="The business day whose seed decided it.")
    version: int = strawberry.field(description="The version of the odds that it stands under.")
    is_pity: bool = strawberry.field(description="Whether the pity odds decided it.")
    roll: int = strawberry.field(description="What chance gave: 0 to 999,999.")
    nominal_place: int = strawberry.field(description="The place of the line that the roll stands for.")
    given_place: int = strawberry.field(description="The place of what was given.")
    reason: SubstitutionReason | None = strawberry.field(
        description="Why a fallback was given; null where chance had its way."
    )
    points: Points = strawberry.field(description="The points that it brought.")
    price_points: Points = strawberry.field(description="What it cost; 0 for a free play.")
    price_entry_seq: int | None = strawberry.field(description="The ledger entry of its price; null for a free play.")
    grant_entry_seq: int | None = strawberry.field(description="The ledger entry of its prize; null for a miss.")
    misses: int = strawberry.field(description="Misses in a row, up to and with it.")
    played_at: datetime = strawberry.field(description="When it was played.")
    draw_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: queries.PlayRow) -> "InstantPlay":
        return cls(
            id=row.id,
            number=row.number,
            business_date=row.business_date,
            version=row.version,
            is_pity=row.pity,
            roll=row.roll,
            nominal_place=row.nominal,
            given_place=row.given,
            reason=SubstitutionReason(row.reason) if row.reason else None,
            points=Points(row.points),
            price_points=Points(row.price_points),
            price_entry_seq=row.price_seq,
            grant_entry_seq=row.grant_seq,
            misses=row.misses,
            played_at=row.played_at,
            draw_id=row.draw_id,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        """A member sees nobody else's."""
        ids, own = [UUID(each) for each in node_ids], info.context.actor.member_id
        found = await queries.plays_by_ids(own, ids) if own else {}
        return [cls.of(found[each]) if each in found else None for each in ids]

    @strawberry.field(description="What was given, as its version of the odds declared it.")
    async def prize(self, info: Info) -> OddsLine:
        version = await info.context.load(lines_of_versions, (self.draw_id, self.version))
        return OddsLine.of(version.lines[self.given_place - 1], info)

    @strawberry.field(description="The draw that was played.")
    async def draw(self, info: Info) -> InstantDraw:
        draw = await instant_draw_of(self.draw_id, info)
        assert draw is not None, "a draw that was played has been published"
        return draw


@strawberry.type(description="A play was made, by this request or by the same one before.")
class InstantDrawPlayed:
    play: InstantPlay = strawberry.field(description="The play.")
    available: Points = strawberry.field(description="Points usable after it.")
    commitment: str = strawberry.field(description="The commitment of the day's seed, in hexadecimal: keep it.")
    terms_hash: str = strawberry.field(description="The hash of the terms that it stands under: keep it.")


def instant_draw_played(done: Played) -> InstantDrawPlayed:
    """A play as it is answered: a play never changes, so the receipt tells all of it."""
    play = InstantPlay(
        id=done.play_id,
        number=done.number,
        business_date=done.business_date,
        version=done.version,
        is_pity=done.pity,
        roll=done.roll,
        nominal_place=done.nominal,
        given_place=done.given,
        reason=SubstitutionReason(done.reason) if done.reason else None,
        points=Points(done.points),
        price_points=Points(done.price_points),
        price_entry_seq=done.price_seq,
        grant_entry_seq=done.grant_seq,
        misses=done.misses,
        played_at=done.played_at,
        draw_id=done.draw_id,
    )
    return InstantDrawPlayed(
        play=play, available=Points(done.available), commitment=done.commitment, terms_hash=done.terms_hash
    )


@strawberry.type(description="What a play would cost and stand under; nothing was changed, and chance was not asked.")
class PlayPreview:
    price_points: Points = strawberry.field(description="What it costs; 0 for a free play.")
    available: Points = strawberry.field(description="Points usable after paying for it.")
    free_plays_left: int = strawberry.field(description="Free plays left today after it.")
    plays_left: int | None = strawberry.field(description="Plays left in all after it; null for any number.")
    plays_left_today: int | None = strawberry.field(description="Plays left today after it; null for any number.")
    is_pity: bool = strawberry.field(description="Whether the pity odds would decide it.")
    commitment: str = strawberry.field(description="The commitment of the day's seed, in hexadecimal.")
    terms_hash: str = strawberry.field(description="The hash of the terms that it would stand under.")
    entries: list[PreviewedEntry] = strawberry.field(description=SHOWN)


PlayInstantDrawResult = Annotated[
    InstantDrawPlayed
    | InstantDrawNotOpen
    | AdultDeclarationMissing
    | StaffExcluded
    | TierTooLow
    | PlayLimitReached
    | InsufficientPoints
    | NotFound
    | InvalidInput
    | IdempotencyConflict,
    strawberry.union("PlayInstantDrawResult", description="Played, or why not."),
]
PreviewPlayResult = Annotated[
    PlayPreview
    | InstantDrawNotOpen
    | AdultDeclarationMissing
    | StaffExcluded
    | TierTooLow
    | PlayLimitReached
    | InsufficientPoints
    | NotFound,
    strawberry.union("PreviewPlayResult", description="What it would cost, or why not."),
]


@strawberry.type(description="Everything that it takes to recompute a play.")
class PlayVerification:
    algorithm: str = strawberry.field(description="The name of the algorithm; each is fixed for ever.")
    proof_level: DrawProofLevel = strawberry.field(description="How much can be proved.")
    message: str = strawberry.field(
        description="What chance was asked: draw|member|number. The roll comes from HMAC-SHA256(seed, message|attempt)."
    )
    commitment: str = strawberry.field(description="SHA-256 of the day's seed, committed before the play.")
    seed: str | None = strawberry.field(description="The day's seed in hexadecimal; null until the day is over.")
    terms: str = strawberry.field(description="The published terms, the exact text that was hashed.")
    terms_hash: str = strawberry.field(description="SHA-256 of the terms, in hexadecimal.")
    play: InstantPlay = strawberry.field(description="The play.")
    holds: bool | None = strawberry.field(
        description="Whether seed, odds and fallbacks give this play; null until the seed is revealed."
    )

    @classmethod
    def of(cls, found: proofs.PlayProof) -> "PlayVerification":
        version, seed = found.version, found.seed
        assert version.terms is not None and version.terms_hash is not None, "what is played is published"
        return cls(
            algorithm=rules.ALGORITHM,
            proof_level=DrawProofLevel(rules.PROOF_LEVEL),
            message=found.message,
            commitment=seed.commitment.hex(),
            seed=seed.seed.hex() if seed.seed else None,
            terms=version.terms,
            terms_hash=version.terms_hash.hex(),
            play=InstantPlay.of(found.play),
            holds=found.holds,
        )
