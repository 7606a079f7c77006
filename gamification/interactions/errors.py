"""What the recording of interactions refuses."""

from __future__ import annotations

from dataclasses import dataclass

from gamification.core.errors import Refusal


@dataclass(kw_only=True, eq=False)
class InteractionConflict(Refusal):
    """Under this external id another interaction of the type was recorded: another member's, or of another instant."""

    external_id: str
    messages = {
        "zh-CN": "互动编号 {external_id} 已用于另一互动",
        "en": "Interaction {external_id} was recorded differently.",
    }
