"""A draw recomputed on the server: whether it holds, and what does not."""

from datetime import datetime
from enum import Enum

import strawberry

from gamification.draws.verification import Verdict, Verifications
from schema.context import Info
from schema.draw_facts import DrawId
from schema.draw_proofs import DrawProofLevel
from schema.nodes import key_of

VERIFICATIONS = Verifications()
"""Those of this process."""


@strawberry.enum(description="What does not hold of a draw.")
class DrawDiscrepancy(Enum):
    TERMS_HASH = strawberry.enum_value("TERMS_HASH", description="The terms do not have the published hash.")
    TERMS = strawberry.enum_value("TERMS", description="The terms are of another draw, algorithm or commitment.")
    COMMITMENT = strawberry.enum_value("COMMITMENT", description="The seed is not the committed one.")
    NUMBERS = strawberry.enum_value(
        "NUMBERS", description="Tickets are not numbered 1, 2, 3, ... in the order of their ids."
    )
    ROOT = strawberry.enum_value("ROOT", description="The tickets do not have the published root.")
    BEACON = strawberry.enum_value("BEACON", description="The beacon's value is not the one that the terms name.")
    RESERVES = strawberry.enum_value("RESERVES", description="The reserves are not the next in line.")
    PROMOTIONS = strawberry.enum_value(
        "PROMOTIONS", description="Lapsed prizes went to other reserves than they should."
    )
    WINNERS = strawberry.enum_value("WINNERS", description="The winners are not those that seed and terms give.")


@strawberry.type(description="A draw recomputed from what is stored of it. Who trusts nobody downloads `exportUrl`.")
class VerifiedDraw:
    holds: bool = strawberry.field(description="Whether everything is as it was promised.")
    discrepancies: list[DrawDiscrepancy] = strawberry.field(description="What does not hold; empty when it holds.")
    algorithm: str = strawberry.field(description="The name of the algorithm; each is fixed for ever.")
    proof_level: DrawProofLevel = strawberry.field(description="How much can be proved.")
    terms_hash: str = strawberry.field(description="SHA-256 of the terms, in hexadecimal.")
    commitment: str = strawberry.field(description="SHA-256 of the seed, published at opening, in hexadecimal.")
    seed: str | None = strawberry.field(description="The seed, in hexadecimal.")
    beacon: str | None = strawberry.field(description="The value that was mixed into the seed; null without a beacon.")
    merkle_root: str | None = strawberry.field(description="RFC 9162 root over the tickets, in hexadecimal.")
    tickets: int | None = strawberry.field(description="How many tickets there are.")
    tickets_hashed: int = strawberry.field(
        description="How many of them were hashed this time: all, or of more than 65,536 a sample of so many."
    )
    wins: int | None = strawberry.field(description="How many prizes were won.")
    checked_at: datetime = strawberry.field(description="When it was recomputed: at most ten minutes ago.")

    @classmethod
    def of(cls, verdict: Verdict) -> "VerifiedDraw":
        proof = verdict.proof
        return cls(
            holds=verdict.holds,
            discrepancies=[DrawDiscrepancy(each) for each in verdict.discrepancies],
            algorithm=proof.algorithm,
            proof_level=DrawProofLevel(proof.proof_level),
            terms_hash=proof.terms_hash.hex(),
            commitment=proof.commitment.hex(),
            seed=proof.seed.hex() if proof.seed else None,
            beacon=verdict.beacon,
            merkle_root=proof.merkle_root.hex() if proof.merkle_root else None,
            tickets=proof.tickets,
            tickets_hashed=verdict.tickets_hashed,
            wins=proof.wins,
            checked_at=verdict.checked_at,
        )


@strawberry.type
class DrawVerdictsQuery:
    @strawberry.field(description="A draw recomputed now; null until its winners are drawn, and for one called off.")
    async def verify_draw(self, info: Info, id: DrawId) -> VerifiedDraw | None:
        verdict = await VERIFICATIONS.verify_draw(key_of(id, "Draw"), info.context.now)
        return VerifiedDraw.of(verdict) if verdict else None
