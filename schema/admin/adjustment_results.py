"""What staff are answered about adjustments: posted, proposed, foreseen, or refused."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from gamification.adjustments import errors, service
from schema.admin.adjustment_lines import Adjustment, AdjustmentBalances, AdjustmentState, ApprovalReason
from schema.members import MemberNotActive
from schema.points import InsufficientPoints
from schema.refusals import Refusal
from schema.scalars import Points
from schema.usual_refusals import IdempotencyConflict, InvalidInput, NotFound


class AdjustmentTooLarge(Refusal, of=errors.AdjustmentTooLarge, points=("required", "limit")):
    pass


class InsufficientGrowth(Refusal, of=errors.InsufficientGrowth, points=("required", "available", "missing")):
    pass


class NothingToWaive(Refusal, of=errors.NothingToWaive):
    pass


class WaiverExceedsDebt(
    Refusal, of=errors.WaiverExceedsDebt, points=("required", "debt"), describe={"debt": "Points owed."}
):
    pass


class OwnAccount(Refusal, of=errors.OwnAccount):
    pass


class AdjustmentNotOpen(
    Refusal,
    of=errors.AdjustmentNotOpen,
    enums={"state": AdjustmentState},
    describe={"state": "What became of it."},
):
    pass


class SameApprover(Refusal, of=errors.SameApprover):
    pass


class NotTheProposer(Refusal, of=errors.NotTheProposer):
    pass


class ProposerLostRole(Refusal, of=errors.ProposerLostRole):
    pass


@strawberry.type(description="An adjustment whose entry is in the ledger.")
class AdjustmentPosted:
    adjustment: Adjustment = strawberry.field(description="The adjustment.")
    entry_seq: int = strawberry.field(description="Its entry in the account that it changed.")
    before: AdjustmentBalances = strawberry.field(description="What the member had before it.")
    after: AdjustmentBalances = strawberry.field(description="What the member had after it.")

    @classmethod
    def of(cls, adjustment: Adjustment) -> "AdjustmentPosted":
        seq, before, after = adjustment.entry_seq, adjustment.before, adjustment.after
        assert seq is not None and before is not None and after is not None, "a posted adjustment has its entry"
        return cls(adjustment=adjustment, entry_seq=seq, before=before, after=after)


@strawberry.type(description="An adjustment that waits for a second person; nothing has moved.")
class AdjustmentProposed:
    adjustment: Adjustment = strawberry.field(description="The proposal.")
    because: ApprovalReason = strawberry.field(description="Why it needs a second person.")
    lapses_at: datetime = strawberry.field(description="The first instant at which nobody can approve it any more.")
    before: AdjustmentBalances = strawberry.field(description="What the member had when it was proposed.")
    after: AdjustmentBalances = strawberry.field(description="What it would have left, approved at that moment.")


@strawberry.type(description="What an adjustment would do now; nothing was changed.")
class AdjustmentPreview:
    points: Points = strawberry.field(
        description="How much: in (positive) or out (negative); of a waiver, what it waives."
    )
    needs_approval: bool = strawberry.field(description="Whether it would only be proposed.")
    because: ApprovalReason | None = strawberry.field(description="Why it needs a second person.")
    before: AdjustmentBalances = strawberry.field(description="What the member has.")
    after: AdjustmentBalances = strawberry.field(description="What it would leave, once posted.")
    trace: JSON = strawberry.field(
        description="How the figure comes about, as its entry will say; without the entry's ids."
    )

    @classmethod
    def of(cls, seen: service.AdjustmentPreview) -> "AdjustmentPreview":
        return cls(
            points=Points(seen.points),
            needs_approval=seen.because is not None,
            because=ApprovalReason(seen.because) if seen.because else None,
            before=AdjustmentBalances.of(seen.before),
            after=AdjustmentBalances.of(seen.after),
            trace=JSON(seen.trace),
        )


AdjustPointsResult = Annotated[
    AdjustmentPosted
    | AdjustmentProposed
    | AdjustmentTooLarge
    | InsufficientPoints
    | InsufficientGrowth
    | OwnAccount
    | MemberNotActive
    | NotFound
    | InvalidInput
    | IdempotencyConflict,
    strawberry.union("AdjustPointsResult", description="Posted, proposed, or why not."),
]
WaiveDebtResult = Annotated[
    AdjustmentPosted
    | AdjustmentProposed
    | NothingToWaive
    | WaiverExceedsDebt
    | AdjustmentTooLarge
    | OwnAccount
    | MemberNotActive
    | NotFound
    | InvalidInput
    | IdempotencyConflict,
    strawberry.union("WaiveDebtResult", description="Posted, proposed, or why not."),
]
ApproveAdjustmentResult = Annotated[
    AdjustmentPosted
    | AdjustmentNotOpen
    | SameApprover
    | ProposerLostRole
    | AdjustmentTooLarge
    | InsufficientPoints
    | InsufficientGrowth
    | NothingToWaive
    | WaiverExceedsDebt
    | OwnAccount
    | MemberNotActive
    | NotFound,
    strawberry.union("ApproveAdjustmentResult", description="Posted, or why not; the proposal then stays as it was."),
]
RejectAdjustmentResult = Annotated[
    Adjustment | AdjustmentNotOpen | SameApprover | NotFound | InvalidInput,
    strawberry.union("RejectAdjustmentResult", description="Rejected, or why not."),
]
WithdrawAdjustmentResult = Annotated[
    Adjustment | AdjustmentNotOpen | NotTheProposer | NotFound,
    strawberry.union("WithdrawAdjustmentResult", description="Withdrawn, or why not."),
]
PreviewAdjustmentResult = Annotated[
    AdjustmentPreview
    | AdjustmentTooLarge
    | InsufficientPoints
    | InsufficientGrowth
    | OwnAccount
    | MemberNotActive
    | NotFound
    | InvalidInput,
    strawberry.union("PreviewAdjustmentResult", description="What it would do, or why not."),
]
PreviewDebtWaiverResult = Annotated[
    AdjustmentPreview
    | NothingToWaive
    | WaiverExceedsDebt
    | AdjustmentTooLarge
    | OwnAccount
    | MemberNotActive
    | NotFound
    | InvalidInput,
    strawberry.union("PreviewDebtWaiverResult", description="What it would do, or why not."),
]
PreviewAdjustmentApprovalResult = Annotated[
    AdjustmentPreview
    | AdjustmentNotOpen
    | SameApprover
    | ProposerLostRole
    | AdjustmentTooLarge
    | InsufficientPoints
    | InsufficientGrowth
    | NothingToWaive
    | WaiverExceedsDebt
    | OwnAccount
    | MemberNotActive
    | NotFound,
    strawberry.union("PreviewAdjustmentApprovalResult", description="What it would do, or why not."),
]
