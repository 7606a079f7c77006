"""Where members stand, how they came there, and tiers that were bought."""

from datetime import date, datetime
from uuid import UUID

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model

from gamification.core.indexes import WhereIndex


class TierStanding(Model):
    """A member's tier. No row means the lowest tier. `changes` counts the rows of `tier_change`.

    `tier_code` is the tier that the member has, `since` that instant; `earned_code` the one that was earned, which a
    purchase or a pin may cover. The days from `earned_on` to `raised_on` are those of `evaluation.Standing`. `due_on`
    is the first day on which time alone moves something, NULL for never.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    tier_code = fields.CharField(max_length=20)
    since: datetime = fields.DatetimeField()
    policy_version: int = fields.IntField()
    changes: int = fields.IntField()
    earned_code = fields.CharField(max_length=20, db_default="")
    earned_on: date | None = fields.DateField(null=True)
    valid_until: date | None = fields.DateField(null=True)
    grace_until: date | None = fields.DateField(null=True)
    warned_days: int | None = fields.SmallIntField(null=True)
    before_code = fields.CharField(max_length=20, null=True)
    before_on: date | None = fields.DateField(null=True)
    before_valid_until: date | None = fields.DateField(null=True)
    raised_on: date | None = fields.DateField(null=True)
    pin_code = fields.CharField(max_length=20, null=True)
    pin_until: date | None = fields.DateField(null=True)
    due_on: date | None = fields.DateField(null=True)

    class Meta:
        table = "tier_standing"
        constraints = [
            CheckConstraint(name="tier_standing_pin_whole", check="pin_until IS NULL OR pin_code IS NOT NULL"),
        ]
        indexes = [WhereIndex(fields=("due_on", "member_id"), name="tier_standing_due", where="due_on IS NOT NULL")]


class TierChange(Model):
    """One change of a member's tier, or of how long it holds, and its cause; append-only.

    Primary key (member_id, number): the ORM knows one primary key column only, `member_id` is marked here and the
    migration replaces the key. `growth` is the value of the metric that it rests on.
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
            CheckConstraint(
                name="tier_change_cause_known",
                check="cause IN ('UPGRADE', 'RETENTION', 'GRACE', 'DOWNGRADE', 'REFUND', 'PURCHASE', 'PIN', 'UNPIN',"
                " 'END')",
            ),
            CheckConstraint(name="tier_change_counts_from_one", check="number >= 1"),
        ]


class TierPurchase(Model):
    """A tier that an order line bought.

    Primary key (member_id, order_id, line): the ORM knows one primary key column only, `member_id` is marked here and
    the migration replaces the key. A refund of the line sets `ends_on` to the day before it, or before `starts_on`
    where it had not begun.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    order_id: UUID = fields.UUIDField()
    line: int = fields.IntField()
    tier_code = fields.CharField(max_length=20)
    starts_on: date = fields.DateField()
    ends_on: date = fields.DateField()

    class Meta:
        table = "tier_purchase"
