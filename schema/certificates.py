"""Certificates of donations: as their owner sees them, and as anybody may verify them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import strawberry

from gamification.charity import queries, rules
from schema.context import Info
from schema.scalars import Fen, Points


@strawberry.type(description="The proof of a donation; not a tax receipt.")
class Certificate:
    serial: str = strawberry.field(description="Its number, to be printed.")
    verification_code: str = strawberry.field(description="Whoever holds it can have the certificate verified.")
    anonymous: bool = strawberry.field(description="Whether it was issued without a name.")
    display_name: str | None = strawberry.field(description="The name on it; null when anonymous or erased.")
    title: str = strawberry.field(description="The campaign's title, as it was, in the caller's language.")
    beneficiary: str = strawberry.field(description="The charity that receives the money.")
    units: int = strawberry.field(description="Units given.")
    points: Points = strawberry.field(description="Points given.")
    fen: Fen = strawberry.field(description="What the brand pledged for them.")
    donated_on: date = strawberry.field(description="The programme's day of the donation.")
    issued_at: datetime = strawberry.field(description="When it was issued.")

    @classmethod
    def of(cls, row: queries.CertificateView, locale: str) -> "Certificate":
        said = row.snapshot
        return cls(
            serial=row.serial,
            verification_code=rules.grouped(row.verification_code),
            anonymous=row.anonymous,
            display_name=row.display_name,
            title=said["title_en" if locale == "en" else "title_zh"],
            beneficiary=said["beneficiary"],
            units=said["units"],
            points=Points(said["points"]),
            fen=Fen(said["fen"]),
            donated_on=date.fromisoformat(said["donated_on"]),
            issued_at=row.issued_at,
        )


async def certificates_of_donations(keys: list[tuple[UUID, UUID]]) -> Sequence[queries.CertificateView]:
    """Certificates of many donations (member, donation), for the loader."""
    found = await queries.certificates_by_donations(keys)
    return [found[donation_id] for _, donation_id in keys]


async def certificate_of(member_id: UUID, donation_id: UUID, info: Info) -> Certificate:
    """The certificate of a donation, read together with others."""
    row = await info.context.load(certificates_of_donations, (member_id, donation_id))
    return Certificate.of(row, info.context.locale)


@strawberry.type(description="What anybody who holds its code may know of a certificate.")
class VerifiedCertificate:
    serial: str = strawberry.field(description="Its number.")
    anonymous: bool = strawberry.field(description="Whether it was issued without a name.")
    name: str | None = strawberry.field(description="The name's first character, masked; null when there is none.")
    title: str = strawberry.field(description="The campaign's title, in the caller's language.")
    beneficiary: str = strawberry.field(description="The charity that receives the money.")
    units: int = strawberry.field(description="Units given.")
    fen: Fen = strawberry.field(description="What the brand pledged for them.")
    donated_on: date = strawberry.field(description="The programme's day of the donation.")


@strawberry.type
class CertificatesQuery:
    @strawberry.field(description="The certificate under a verification code; null for any other text.")
    async def verify_certificate(
        self, info: Info, code: Annotated[str, strawberry.argument(description="As printed, or as typed.")]
    ) -> VerifiedCertificate | None:
        found = await queries.verify_certificate(code)
        if found is None:
            return None
        return VerifiedCertificate(
            serial=found.serial,
            anonymous=found.anonymous,
            name=found.name,
            title=found.title_en if info.context.locale == "en" else found.title_zh,
            beneficiary=found.beneficiary,
            units=found.units,
            fen=Fen(found.fen),
            donated_on=found.donated_on,
        )
