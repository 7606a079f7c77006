"""What the programme owes its members, as the brand's books need it: by month of expiry, gross and net of breakage."""

from datetime import date, datetime
from typing import Annotated

import strawberry

from gamification.points import errors, liability
from schema.context import Info
from schema.permissions import Allow
from schema.permissions import Staff as IsStaff
from schema.refusals import BadInput, Refusal
from schema.scalars import Fen, Points

READERS = Allow(IsStaff("owner", "operator", "auditor"))


class LiabilityJustComputed(
    Refusal, of=errors.LiabilityJustComputed, describe={"computed_at": "When it was computed."}
):
    pass


@strawberry.type(description="Points outstanding that expire in one month, or never.")
class LiabilityBucket:
    month: str | None = strawberry.field(
        description="The month of their last day, such as 2026-03; null for points that never expire. What expires "
        f"later than {liability.MONTHS_AHEAD_MAX} months ahead stands in the last."
    )
    available: Points = strawberry.field(description="Usable.")
    pending: Points = strawberry.field(description="Accrued, usable later.")
    gross_fen: Fen = strawberry.field(description="Both, in fen: one point is one fen.")
    breakage_fen: Fen | None = strawberry.field(description="Of which expected to expire unused; null without a rate.")
    net_fen: Fen | None = strawberry.field(description="Gross less breakage; null without a rate.")


@strawberry.type(description="How the rate of breakage was measured: lots whose last day lay in full months.")
class BreakageMeasure:
    since: date = strawberry.field(description="The first day of the first of those months.")
    until: date = strawberry.field(description="The last day of the last.")
    lots: Points = strawberry.field(description="How many lots ended.")
    original: Points = strawberry.field(description="Points that they began with.")
    expired: Points = strawberry.field(description="Of which expired unused.")
    rate_bp: int | None = strawberry.field(
        description="Expired of original in basis points, rounded down; null for fewer than "
        f"{liability.LOTS_MEASURED_MIN} lots."
    )


@strawberry.type(description="The same total told three ways, as it is booked; they meet to the point.")
class LiabilityReconciliation:
    buckets: Points = strawberry.field(description="The report's total, and what time has decided but is not booked.")
    not_booked: Points = strawberry.field(description="Of which expired or repaid debt by then, and is not booked yet.")
    lots: Points = strawberry.field(description="What remains in all lots, and what is held.")
    accounts: Points = strawberry.field(description="The buckets of all accounts.")
    entries: Points = strawberry.field(description="All entries ever posted, summed.")
    ties: bool = strawberry.field(description="Whether all of them are the same.")


@strawberry.type(description="What the programme owes at an instant. One point is worth one fen.")
class LiabilityReport:
    computed_at: datetime = strawberry.field(description="The instant.")
    business_date: date = strawberry.field(description="Its business day.")
    points: Points = strawberry.field(description="All that is outstanding: available, pending and held.")
    available: Points = strawberry.field(description="Usable.")
    pending: Points = strawberry.field(description="Accrued, usable later.")
    held: Points = strawberry.field(description="Reserved for orders; no breakage is taken of it.")
    debt: Points = strawberry.field(description="What members owe from refunded orders; not set off.")
    gross_fen: Fen = strawberry.field(description="All that is outstanding, in fen.")
    breakage_bp: int | None = strawberry.field(description="The rate used: the one given, else the one measured.")
    breakage_fen: Fen | None = strawberry.field(description="Expected to expire unused; null without a rate.")
    net_fen: Fen | None = strawberry.field(description="Gross less breakage; null without a rate.")
    buckets: list[LiabilityBucket] = strawberry.field(
        description="By month of expiry, the soonest first, points that never expire last; without what is held."
    )
    measured: BreakageMeasure = strawberry.field(description="How the rate was measured.")
    reconciliation: LiabilityReconciliation = strawberry.field(description="How it ties to the ledger.")

    @classmethod
    def of(cls, row: liability.Report, breakage_bp: int | None) -> "LiabilityReport":
        rate_bp = row.measured_bp if breakage_bp is None else breakage_bp
        parts = row.breakage(rate_bp) if rate_bp is not None else None
        return cls(
            computed_at=row.computed_at,
            business_date=row.business_date,
            points=Points(row.outstanding),
            available=Points(row.available),
            pending=Points(row.pending),
            held=Points(row.held),
            debt=Points(row.debt),
            gross_fen=Fen(row.outstanding),
            breakage_bp=rate_bp,
            breakage_fen=None if parts is None else Fen(sum(parts)),
            net_fen=None if parts is None else Fen(row.outstanding - sum(parts)),
            buckets=[bucket_of(each, parts[place] if parts else None) for place, each in enumerate(row.buckets)],
            measured=measure_of(row),
            reconciliation=reconciliation_of(row),
        )


def bucket_of(row: liability.Bucket, breakage: int | None) -> LiabilityBucket:
    """A month's points as GraphQL shows them."""
    return LiabilityBucket(
        month=row.month.isoformat()[:7] if row.month else None,
        available=Points(row.available),
        pending=Points(row.pending),
        gross_fen=Fen(row.points),
        breakage_fen=None if breakage is None else Fen(breakage),
        net_fen=None if breakage is None else Fen(row.points - breakage),
    )


def measure_of(row: liability.Report) -> BreakageMeasure:
    """How a report's rate was measured."""
    return BreakageMeasure(
        since=row.ended_since,
        until=date.fromordinal(row.ended_until.toordinal() - 1),
        lots=Points(row.ended_lots),
        original=Points(row.ended_original),
        expired=Points(row.ended_expired),
        rate_bp=row.measured_bp,
    )


def reconciliation_of(row: liability.Report) -> LiabilityReconciliation:
    """How a report ties to the ledger."""
    return LiabilityReconciliation(
        buckets=Points(row.outstanding + row.not_booked),
        not_booked=Points(row.not_booked),
        lots=Points(row.lots_sum),
        accounts=Points(row.accounts_sum),
        entries=Points(row.entries_sum),
        ties=row.ties,
    )


@strawberry.type(description="The liability is being computed.")
class LiabilityRequested:
    requested_at: datetime = strawberry.field(
        description="When it was asked for; the report is of this instant or later."
    )


ComputeLiabilityResult = Annotated[
    LiabilityRequested | LiabilityJustComputed,
    strawberry.union("ComputeLiabilityResult", description="Under way, or why not."),
]


@strawberry.type
class LiabilityQuery:
    @strawberry.field(
        description="What the programme owed when the report was computed, every night after midnight; null where "
        "there is no report.",
        extensions=[READERS],
    )
    async def liability(
        self,
        info: Info,
        on: Annotated[
            date | None, strawberry.argument(description="The business day; the newest report when left out.")
        ] = None,
        breakage_bp: Annotated[
            int | None,
            strawberry.argument(
                description=f"The rate of breakage in basis points, 0 to {liability.BASIS}; measured when left out."
            ),
        ] = None,
    ) -> LiabilityReport | None:
        if breakage_bp is not None and not 0 <= breakage_bp <= liability.BASIS:
            raise BadInput(f"`breakageBp` lies between 0 and {liability.BASIS}.", argument="breakageBp")
        row = await liability.newest(on)
        return LiabilityReport.of(row, breakage_bp) if row else None


@strawberry.type
class LiabilityMutation:
    @strawberry.mutation(
        description="Have the liability computed now, by a job; `liability` shows it when that is done.",
        extensions=[READERS],
    )
    async def compute_liability(self, info: Info) -> ComputeLiabilityResult:
        now = info.context.clock.now()
        await liability.request_report(now)
        return LiabilityRequested(requested_at=now)
