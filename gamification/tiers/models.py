"""Where members stand, and how they came there."""

from datetime import datetime
from uuid import UUID

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model


class TierStanding(Model):
    """A member's tier. No row means the lowest tier. `changes` counts the rows of `tier_change`."""

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    tier_code = fields.CharField(max_length=20)
    since: datetime = fields.DatetimeField()
    policy_version: int = fields.IntField()
    changes: int = fields.IntField()

    class Meta:
        table = "tier_standing"


class TierChange(Model):
    """One change of a member's tier and its cause; append-only. Primary key (member_id, number).

    The ORM knows one primary key column only: `member_id` is marked here and the migration replaces the key.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    number: int = fields.IntField()
    from_code = fields.CharField(max_length=20, null=True)
    to_code = fields.CharField(max_length=20)
    cause = fields.CharField(max_length=20)
    growth: int = fields.BigIntField()
    policy_version: int = fields.IntField()
    changed_at: datetime = fields.DatetimeField()

    class Meta:
        table = "tier_change"
        constraints = [
            CheckConstraint(name="tier_change_cause_known", check="cause IN ('UPGRADE')"),
            CheckConstraint(name="tier_change_counts_from_one", check="number >= 1"),
        ]
