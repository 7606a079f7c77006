"""What it takes to check a draw: its terms, commitment, seed, root, and the published list of tickets."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from gamification.draws import proofs
from gamification.draws.disclosure import disclosure_of
from schema.context import Info
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.scalars import Fen

LINES = Keyset("numberedTickets", Key("number", int))


@strawberry.enum(description="How much of a draw's chance can be proved.")
class DrawProofLevel(Enum):
    OPERATOR = strawberry.enum_value(
        "OPERATOR",
        description="Nothing changes after the commitment, but whoever knows the seed could have known the result.",
    )
    PUBLIC = strawberry.enum_value(
        "PUBLIC",
        description="A value that nobody in the house controls, due after the tickets were frozen, is mixed in: nobody "
        "could have known the result before.",
    )


@strawberry.type(
    description="A line of the published list of tickets; its leaf is the text draw|number|ticketId|buyer."
)
class NumberedTicket:
    number: int = strawberry.field(description="From 1 without gaps, in the order of the ids.")
    ticket_id: str = strawberry.field(description="The ticket's id as it stands in the leaf.")
    buyer: str = strawberry.field(description="The buyer's pseudonym, another one in each draw.")


@strawberry.type(description="A prize, as the public has to be told.")
class DisclosedPrize:
    place: int = strawberry.field(description="Its place in the declared order, from 1.")
    name: str = strawberry.field(description="In the caller's language.")
    quantity: int = strawberry.field(description="How many are drawn.")
    value_fen: Fen = strawberry.field(description="What one of them is worth.")
    per_member: int | None = strawberry.field(description="How many one member may win; null for any number.")


@strawberry.type(
    description="What the public has to be told of a draw, in the caller's language: made from the published terms."
)
class DrawDisclosure:
    title: str = strawberry.field(description="What it is called.")
    prizes: list[DisclosedPrize] = strawberry.field(description="What can be won, how many, and what it is worth.")
    conditions: list[str] = strawberry.field(description="Who may take part, what it costs, and how prizes are given.")
    time: str = strawberry.field(description="From when until when tickets sell.")
    method: str = strawberry.field(description="How winners are found.")
    terms_hash: str = strawberry.field(description="SHA-256 of the terms that it was made from, in hexadecimal.")

    @classmethod
    def of(cls, row: proofs.Proof, info: Info) -> "DrawDisclosure":
        told = disclosure_of(row.terms, info.context.locale, info.context.work.calendar)
        prizes = [DisclosedPrize(**{**prize._asdict(), "value_fen": Fen(prize.value_fen)}) for prize in told.prizes]
        return cls(
            title=told.title,
            prizes=prizes,
            conditions=list(told.conditions),
            time=told.time,
            method=told.method,
            terms_hash=row.terms_hash.hex(),
        )


@strawberry.type(description="Everything that it takes to recompute a draw; see the stand-alone verifier.")
class DrawVerification:
    algorithm: str = strawberry.field(description="The name of the algorithm; each is fixed for ever.")
    proof_level: DrawProofLevel = strawberry.field(description="How much can be proved.")
    terms: str = strawberry.field(description="The published terms, the exact text that was hashed.")
    terms_hash: str = strawberry.field(description="SHA-256 of the terms, in hexadecimal.")
    commitment: str = strawberry.field(description="SHA-256 of the seed, published at opening, in hexadecimal.")
    seed: str | None = strawberry.field(description="The seed in hexadecimal; null until the winners are drawn.")
    merkle_root: str | None = strawberry.field(description="RFC 9162 root over the tickets; null until closing.")
    draw_key: str = strawberry.field(description="The draw's id as it stands in leaves and in the terms.")
    tickets_sold: int | None = strawberry.field(description="How many tickets there are; null until closing.")
    draw_id: strawberry.Private[UUID]

    @classmethod
    def of(cls, row: proofs.Proof) -> "DrawVerification":
        return cls(
            algorithm=row.algorithm,
            proof_level=DrawProofLevel(row.proof_level),
            terms=row.terms,
            terms_hash=row.terms_hash.hex(),
            commitment=row.commitment.hex(),
            seed=row.seed.hex() if row.seed else None,
            merkle_root=row.merkle_root.hex() if row.merkle_root else None,
            draw_key=str(row.id),
            tickets_sold=row.tickets,
            draw_id=row.id,
        )

    @strawberry.field(description="The published list of tickets, by number; empty until closing.")
    async def tickets(self, info: Info, first: First = PAGE_DEFAULT, after: After = None) -> Connection[NumberedTicket]:
        page = LINES.page(first, after)
        behind: Any = page.after[0] if page.after else None
        rows = await info.context.load(LinePages(behind, page.limit), self.draw_id)
        return page.connection(rows, numbered_ticket)


def numbered_ticket(line: proofs.NumberedTicket) -> NumberedTicket:
    """A line of the list as it is shown."""
    return NumberedTicket(number=line.number, ticket_id=str(line.ticket_id), buyer=line.buyer)


@dataclass(frozen=True)
class LinePages:
    """One page of the list of many draws, for the loader."""

    behind: int | None
    limit: int

    async def __call__(self, ids: list[UUID]) -> Sequence[list[proofs.NumberedTicket]]:
        found = await proofs.line_pages(ids, self.behind, self.limit)
        return [found[each] for each in ids]


async def proofs_of_draws(ids: list[UUID]) -> Sequence[proofs.Proof | None]:
    """Proofs of many draws, for the loader."""
    found = await proofs.proofs_by_draw_ids(ids)
    return [found.get(each) for each in ids]


@strawberry.type(description="The proof (RFC 9162) that a ticket stands in a draw's published list.")
class DrawInclusionProof:
    line: NumberedTicket = strawberry.field(description="The line of the list.")
    index: int = strawberry.field(description="The place of its leaf in the tree, from 0.")
    size: int = strawberry.field(description="How many leaves the tree has.")
    siblings: list[str] = strawberry.field(description="The hashes on the way from the leaf up, in hexadecimal.")
    root: str = strawberry.field(description="The published root, in hexadecimal.")

    @classmethod
    def of(cls, found: proofs.Inclusion) -> "DrawInclusionProof":
        return cls(
            line=numbered_ticket(found.line),
            index=found.index,
            size=found.size,
            siblings=[each.hex() for each in found.siblings],
            root=found.root.hex(),
        )
