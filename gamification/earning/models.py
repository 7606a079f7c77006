"""A member's months: what was spent and what the ladder has posted for it."""

from datetime import date
from uuid import UUID

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model


class MonthSpend(Model):
    """Net eligible spend of one month and the ladder points posted for it. Primary key (member_id, month).

    The ORM knows one primary key column only: `member_id` is marked here and the migration replaces the key.
    `month` is the first day of the programme's month, `policy_version` the earning policy pinned for it.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    month: date = fields.DateField()
    net_fen: int = fields.BigIntField()
    ladder_points: int = fields.BigIntField()
    policy_version: int = fields.IntField()

    class Meta:
        table = "month_spend"
        constraints = [
            CheckConstraint(name="month_spend_net_not_negative", check="net_fen >= 0"),
            CheckConstraint(name="month_spend_ladder_points_not_negative", check="ladder_points >= 0"),
            CheckConstraint(name="month_spend_month_is_a_first", check="extract(day from month) = 1"),
        ]
