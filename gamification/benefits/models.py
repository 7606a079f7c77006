"""Gifts that were given, and benefits that were used."""

from datetime import date, datetime
from uuid import UUID

from tortoise import fields
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model


class BenefitGift(Model):
    """A gift under its key (`birthday:2027`, `entry:GOLD`), given once; append-only. Primary key (member_id, gift_key).

    The ORM knows one primary key column only: `member_id` is marked here and the migration replaces the key.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    gift_key = fields.TextField()
    tier_code = fields.CharField(max_length=20)
    points: int = fields.BigIntField()
    entry_seq: int = fields.BigIntField()
    given_at: datetime = fields.DatetimeField()

    class Meta:
        table = "benefit_gift"
        constraints = [CheckConstraint(name="benefit_gift_gives_something", check="points > 0")]


class BenefitUse(Model):
    """One use of a benefit. Primary key (member_id, external_id); an external id is one use, whoever's.

    The ORM knows one primary key column only: `member_id` is marked here and the migration replaces the key. `month` is
    the first day of the programme's month in which it counts; a reversed use counts no more. Append-only.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    external_id = fields.TextField()
    benefit = fields.TextField()
    tier_code = fields.CharField(max_length=20)
    amount_fen: int = fields.BigIntField()
    saved_fen: int = fields.BigIntField()
    month: date = fields.DateField()
    used_at: datetime = fields.DatetimeField()

    class Meta:
        table = "benefit_use"
        constraints = [
            UniqueConstraint(fields=("external_id",), name="benefit_use_once"),
            CheckConstraint(name="benefit_use_known", check="benefit IN ('DISCOUNT', 'FREE_DELIVERY')"),
            CheckConstraint(name="benefit_use_amounts", check="amount_fen >= 0 AND saved_fen BETWEEN 0 AND amount_fen"),
            CheckConstraint(name="benefit_use_month_is_a_first", check="extract(day from month) = 1"),
        ]


class BenefitReversal(Model):
    """A use that was given back, once; append-only. Primary key (member_id, external_id).

    The ORM knows one primary key column only: `member_id` is marked here and the migration replaces the key.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    external_id = fields.TextField()
    reversed_at: datetime = fields.DatetimeField()

    class Meta:
        table = "benefit_reversal"
