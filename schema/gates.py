"""Why somebody may not enter: refusals that mutations behind a gate may name."""

from gamification.gates import errors
from schema.refusals import Refusal


class AdultDeclarationMissing(Refusal, of=errors.AdultDeclarationMissing):
    pass


class StaffExcluded(Refusal, of=errors.StaffExcluded):
    pass


class TierTooLow(
    Refusal,
    of=errors.TierTooLow,
    describe={"required": "The code of the lowest tier that may.", "tier": "The code of the member's own."},
):
    pass
