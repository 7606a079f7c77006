"""The days on which members checked in."""

from datetime import date, datetime
from uuid import UUID

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model


class CheckIn(Model):
    """One check-in and the reward paid for it. Primary key (member_id, business_date).

    The ORM knows one primary key column only: `member_id` is marked here and the migration replaces the key.
    `run_first_on` caches the first day of the run of consecutive dates that this row belongs to; all else is fixed.
    `entry_seq` is the ledger entry of the reward, NULL where the day paid nothing. `bonus_points` is what earning rules
    added, by entries of their own.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    business_date: date = fields.DateField()
    run_first_on: date = fields.DateField()
    points: int = fields.BigIntField()
    policy_version: int = fields.IntField()
    entry_seq: int | None = fields.BigIntField(null=True)
    checked_in_at: datetime = fields.DatetimeField()
    bonus_points: int = fields.BigIntField(db_default=0)

    class Meta:
        table = "check_in"
        constraints = [
            CheckConstraint(name="check_in_points_not_negative", check="points >= 0"),
            CheckConstraint(name="check_in_bonus_not_negative", check="bonus_points >= 0"),
            CheckConstraint(name="check_in_pays_through_the_ledger", check="(points > 0) = (entry_seq IS NOT NULL)"),
            CheckConstraint(name="check_in_run_starts_no_later", check="run_first_on <= business_date"),
        ]
