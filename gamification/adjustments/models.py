"""What staff adjusted, proposed to adjust, and decided."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model

from gamification.core.indexes import WhereIndex


class Adjustment(Model):
    """One change by hand, posted at once or proposed. Primary key (member_id, id).

    The ORM knows one primary key column only: `member_id` is marked here and the migration replaces the key. `points`
    is signed; a waiver's is what it waives. `because` says why a second person is needed, `lapses_at` until when one
    may decide; both are NULL for what was posted at once. Once decided nothing changes, but reasons may become NULL.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    id: UUID = fields.UUIDField()
    kind = fields.TextField()
    currency = fields.TextField()
    points: int = fields.BigIntField()
    reason: str | None = fields.TextField(null=True)
    state = fields.TextField()
    because: str | None = fields.TextField(null=True)
    policy_version: int = fields.IntField()
    made_by: UUID = fields.UUIDField()
    made_at: datetime = fields.DatetimeField()
    made_on: date = fields.DateField()
    lapses_at: datetime | None = fields.DatetimeField(null=True)
    decided_by: UUID | None = fields.UUIDField(null=True)
    decided_at: datetime | None = fields.DatetimeField(null=True)
    decision_reason: str | None = fields.TextField(null=True)
    entry_seq: int | None = fields.BigIntField(null=True)
    before: dict[str, Any] | None = fields.JSONField(null=True)
    after: dict[str, Any] | None = fields.JSONField(null=True)

    class Meta:
        table = "adjustment"
        constraints = [
            CheckConstraint(name="adjustment_kind_known", check="kind IN ('ADJUSTMENT', 'DEBT_WAIVER')"),
            CheckConstraint(name="adjustment_currency_known", check="currency IN ('POINTS', 'GROWTH')"),
            CheckConstraint(
                name="adjustment_state_known",
                check="state IN ('PROPOSED', 'POSTED', 'REJECTED', 'WITHDRAWN', 'LAPSED')",
            ),
            CheckConstraint(name="adjustment_moves_something", check="points <> 0"),
            CheckConstraint(
                name="adjustment_waiver_is_of_points_owed",
                check="kind <> 'DEBT_WAIVER' OR (currency = 'POINTS' AND points > 0)",
            ),
            CheckConstraint(name="adjustment_reason_says_something", check="reason <> '' AND decision_reason <> ''"),
            CheckConstraint(
                name="adjustment_posted_has_entry_and_balances",
                check="num_nonnulls(entry_seq, before, after) = CASE WHEN state = 'POSTED' THEN 3 ELSE 0 END",
            ),
            CheckConstraint(
                name="adjustment_proposed_for_a_reason_and_a_time",
                check="(because IS NULL) = (lapses_at IS NULL) AND because IN ('ABOVE_LIMIT', 'DAY_ALLOWANCE_USED')",
            ),
            CheckConstraint(
                name="adjustment_decided_if_it_was_proposed",
                check="(decided_at IS NOT NULL) = (state <> 'PROPOSED' AND lapses_at IS NOT NULL)"
                " AND (state <> 'PROPOSED' OR lapses_at IS NOT NULL)",
            ),
            CheckConstraint(
                name="adjustment_decided_by_a_second_person",
                check="CASE WHEN decided_at IS NULL OR state = 'LAPSED' THEN decided_by IS NULL"
                " ELSE decided_by IS NOT NULL AND (decided_by = made_by) = (state = 'WITHDRAWN') END",
            ),
            CheckConstraint(
                name="adjustment_decision_reason_of_a_rejection",
                check="decision_reason IS NULL OR state = 'REJECTED'",
            ),
        ]
        indexes = [
            Index(fields=("id",), name="adjustment_by_time"),
            Index(fields=("made_by", "made_at"), name="adjustment_by_proposer"),
            Index(fields=("decided_by", "id"), name="adjustment_by_decider"),
            WhereIndex(fields=("lapses_at", "id"), name="adjustment_proposed", where="state = 'PROPOSED'"),
        ]
