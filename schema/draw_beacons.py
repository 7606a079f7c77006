"""Beacons of draws: which value is mixed into the seed, when it is due, and what it is once it is known."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from uuid import UUID

import strawberry

from gamification.beacons.rules import DrandBeacon, given_up_at
from gamification.draws import beacons
from schema.draw_proofs import DrawProofLevel


@strawberry.enum(description="Where the value comes from that is mixed into a draw's seed.")
class BeaconKind(Enum):
    NONE = strawberry.enum_value("NONE", description="There is none: the committed seed decides alone.")
    DRAND = strawberry.enum_value(
        "DRAND", description="A round of drand's quicknet, signed by many independent parties after the closing."
    )
    FIGURE = strawberry.enum_value(
        "FIGURE", description="A figure that others publish after the closing, in a place that the terms name."
    )


@strawberry.type(description="The chain whose round a draw takes; its parameters stand in the terms.")
class DrandChain:
    hash: str = strawberry.field(description="What the chain is known by, in hexadecimal.")
    public_key: str = strawberry.field(description="The key that rounds are checked with, in hexadecimal.")
    scheme: str = strawberry.field(description="The scheme of the signatures.")
    genesis_at: datetime = strawberry.field(description="The instant of its first round.")
    period_seconds: int = strawberry.field(description="From round to round.")
    delay_seconds: int = strawberry.field(description="From the closing to the earliest instant of the round.")

    @classmethod
    def of(cls, beacon: DrandBeacon) -> "DrandChain":
        chain = beacon.chain
        return cls(
            hash=chain.hash,
            public_key=chain.public_key,
            scheme=chain.scheme,
            genesis_at=chain.instant_of(1),
            period_seconds=chain.period_seconds,
            delay_seconds=beacon.delay_seconds,
        )


@strawberry.type(description="A draw's beacon.")
class DrawBeacon:
    kind: BeaconKind = strawberry.field(description="Where the value comes from.")
    proof_level: DrawProofLevel = strawberry.field(description="How much of the draw can be proved with it.")
    chain: DrandChain | None = strawberry.field(description="The chain of a DRAND beacon.")
    name: str | None = strawberry.field(description="The name of a FIGURE, in the caller's language.")
    declared_source: str | None = strawberry.field(description="Where a FIGURE is published.")
    round: int | None = strawberry.field(description="The round of a DRAND beacon; null until closing.")
    due_at: datetime | None = strawberry.field(
        description="When the value is due: declared for a FIGURE, fixed at closing for DRAND; null for NONE."
    )
    given_up_at: datetime | None = strawberry.field(
        description="Without the value at this instant the draw is voided, and all points go back."
    )
    value: str | None = strawberry.field(
        description="The text that was mixed in: a round's randomness in lower-case hexadecimal, or the figure as it "
        "was published; null until it is known."
    )
    signature: str | None = strawberry.field(description="The round's signature in hexadecimal; we have checked it.")
    source: str | None = strawberry.field(description="Who said the value: the relay, or the figure's source.")
    known_at: datetime | None = strawberry.field(description="When the value came.")

    @classmethod
    def of(cls, row: beacons.BeaconRow, locale: str) -> "DrawBeacon":
        beacon = row.beacon
        return cls(
            kind=BeaconKind(row.kind),
            proof_level=DrawProofLevel(row.proof_level),
            chain=DrandChain.of(beacon) if isinstance(beacon, DrandBeacon) else None,
            name=row.name_en if locale == "en" else row.name_zh,
            declared_source=row.declared_source,
            round=row.beacon_round,
            due_at=row.due_at,
            given_up_at=given_up_at(row.due_at) if row.due_at else None,
            value=row.value,
            signature=row.signature.hex() if row.signature else None,
            source=row.source,
            known_at=row.known_at,
        )


async def beacons_of_draws(ids: list[UUID]) -> Sequence[beacons.BeaconRow]:
    """Beacons of many draws, for the loader."""
    found = await beacons.beacons_by_draw_ids(ids)
    return [found[each] for each in ids]
