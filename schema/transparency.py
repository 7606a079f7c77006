"""The transparency log: its signed head for anybody, and for members the proof that their entries stand in it."""

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from gamification.points.models import GROWTH, POINTS
from gamification.transparency import queries
from schema.context import Info, own_id
from schema.nodes import read_id
from schema.permissions import Allow, Member
from schema.refusals import BadInput

SIZE_DESCRIPTION = "The size of a checkpoint: how many entries, in decimal."
EntryId = Annotated[strawberry.ID, strawberry.argument(description="The entry's global id.")]
SIZE = re.compile(r"[1-9][0-9]{0,17}")


def base64_of(raw: bytes) -> str:
    """Bytes as the log's texts write them."""
    return base64.b64encode(raw).decode()


@strawberry.type(description="A signed head of the log: how many entries it holds, and the root over them.")
class LogCheckpoint:
    text: str = strawberry.field(description="What was signed, with its signature: a C2SP checkpoint. Keep this.")
    origin: str = strawberry.field(description="The name of the log.")
    size: str = strawberry.field(description="How many entries, in decimal.")
    root: str = strawberry.field(description="The root over them, in base64.")
    signed_at: datetime = strawberry.field(description="When it was signed.")
    verifier_key: str = strawberry.field(
        description="The public key of the signature, in vkey format. Compare it with one that you learnt elsewhere."
    )

    @classmethod
    def of(cls, row: queries.Checkpoint) -> "LogCheckpoint":
        return cls(
            text=row.text,
            origin=row.origin,
            size=str(row.size),
            root=base64_of(row.root),
            signed_at=row.at,
            verifier_key=row.verifier.text,
        )


@strawberry.type(description="The proof that an entry stands in the log, for `docs/verifiers/verify_ledger.py`.")
class EntryProof:
    leaf: str = strawberry.field(description="What stands in the log: a line of text about the entry.")
    index: str = strawberry.field(description="Where, counted from 0, in decimal.")
    audit_path: list[str] = strawberry.field(description="The siblings on the way to the root, lowest first, base64.")
    checkpoint: LogCheckpoint = strawberry.field(description="The head under which it is proved.")
    details: str = strawberry.field(
        description="What stands in the leaf as a digest only: source, business day and trace, as JSON text."
    )
    salt: str | None = strawberry.field(
        description="The salt of that digest, in hexadecimal; null once it was erased. It proves `details` to others."
    )

    @classmethod
    def of(cls, proof: queries.EntryProof) -> "EntryProof":
        return cls(
            leaf=proof.leaf.decode(),
            index=str(proof.index),
            audit_path=in_base64(proof.path),
            checkpoint=LogCheckpoint.of(proof.checkpoint),
            details=proof.details.decode(),
            salt=proof.salt.hex() if proof.salt else None,
        )


@strawberry.type(description="The proof that one head of the log extends another: nothing was changed or taken out.")
class ConsistencyProof:
    from_: LogCheckpoint = strawberry.field(name="from", description="The earlier head.")
    to: LogCheckpoint = strawberry.field(description="The later head.")
    hashes: list[str] = strawberry.field(description="The proof of RFC 9162 §2.1.4, in base64.")


def in_base64(hashes: Sequence[bytes]) -> list[str]:
    """Hashes of a proof as text."""
    return [base64_of(each) for each in hashes]


def size_of(value: str, argument: str) -> int:
    """The size that an argument names. Raises BadInput."""
    if not SIZE.fullmatch(value):
        raise BadInput(f"`{argument}` is the size of a checkpoint in decimal.", argument=argument)
    return int(value)


def entry_key(value: str) -> tuple[UUID, str, int]:
    """Member, currency and seq inside the global id of an entry. Raises BadInput."""
    type_name, key = read_id(value, argument="entryId")
    member, _, rest = key.partition(".")
    currency, _, seq = rest.partition(".")
    if type_name == "PointsEntry" and currency in (POINTS, GROWTH) and SIZE.fullmatch(seq):
        try:
            return UUID(member), currency, int(seq)
        except ValueError:
            pass
    raise BadInput("`entryId` is no id of a PointsEntry.", argument="entryId")


async def proof_of(key: tuple[UUID, str, int]) -> EntryProof | None:
    """The proof of an entry, once a checkpoint covers it."""
    proof = await queries.entry_proof(*key)
    return EntryProof.of(proof) if proof else None


@strawberry.type
class TransparencyQuery:
    @strawberry.field(description="The newest signed head of the log of all entries; null before the first.")
    async def latest_checkpoint(self) -> LogCheckpoint | None:
        newest = await queries.latest_checkpoint()
        return LogCheckpoint.of(newest) if newest else None

    @strawberry.field(
        description="The proof that the log at one checkpoint extends it at an earlier one; null for other sizes."
    )
    async def consistency_proof(
        self,
        from_: Annotated[str, strawberry.argument(name="from", description=SIZE_DESCRIPTION)],
        to: Annotated[str, strawberry.argument(description=SIZE_DESCRIPTION)],
    ) -> ConsistencyProof | None:
        first, second = size_of(from_, "from"), size_of(to, "to")
        found = await queries.consistency_proof(first, second)
        if found is None:
            return None
        earlier, later, path = found
        return ConsistencyProof(from_=LogCheckpoint.of(earlier), to=LogCheckpoint.of(later), hashes=in_base64(path))

    @strawberry.field(
        description="The proof that an entry of the caller's stands in the log; null until a checkpoint covers it, "
        "which takes a minute at most, and for entries of others.",
        extensions=[Allow(Member())],
    )
    async def entry_proof(self, info: Info, entry_id: EntryId) -> EntryProof | None:
        key = entry_key(entry_id)
        return await proof_of(key) if key[0] == own_id(info) else None
