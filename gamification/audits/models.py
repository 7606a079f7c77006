"""What was found each night. Written by `service.py` alone; a run ends once, a check is append-only."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from gamification.core.ids import new_id


class InvariantRun(Model):
    """One night's run over all invariants, one a business day.

    `checked` counts the invariants that were asked, `broken` those that do not hold, `unchecked` those that could not
    be answered; all three are 0 until the run has finished.
    """

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    business_date: date = fields.DateField()
    started_at: datetime = fields.DatetimeField()
    finished_at: datetime | None = fields.DatetimeField(null=True)
    checked: int = fields.IntField(db_default=0)
    broken: int = fields.IntField(db_default=0)
    unchecked: int = fields.IntField(db_default=0)

    class Meta:
        table = "invariant_run"
        constraints = [
            UniqueConstraint(fields=("business_date",), name="invariant_run_once_a_business_day"),
            CheckConstraint(
                name="invariant_run_counts_within_checked",
                check="least(checked, broken, unchecked) >= 0 AND broken + unchecked <= checked",
            ),
        ]


class InvariantCheck(Model):
    """What one invariant said in a run. Primary key (run_id, name).

    `offending` counts the rows that break it and `sample` shows the first of them; `holds` is NULL where the database
    gave no answer, and `error` says why.
    """

    run_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    name = fields.CharField(max_length=200)
    started_at: datetime = fields.DatetimeField()
    finished_at: datetime = fields.DatetimeField()
    holds = fields.BooleanField(null=True)
    offending: int = fields.BigIntField()
    sample: list[Any] = fields.JSONField()
    error: str | None = fields.TextField(null=True)

    class Meta:
        table = "invariant_check"
        constraints = [
            CheckConstraint(
                name="invariant_check_says_one_thing",
                check="CASE WHEN holds IS NULL THEN offending = 0 AND error IS NOT NULL "
                "ELSE error IS NULL AND offending >= 0 AND holds = (offending = 0) END",
            )
        ]
