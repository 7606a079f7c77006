"""Charity campaigns, donations and their certificates.

Composite primary keys: the ORM knows one primary key column only, which is marked here; the migration replaces the key.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from gamification.core.ids import new_id


class CharityCampaign(Model):
    """Points given by members become money pledged by the brand. Everything but state and pledge is fixed once open.

    `goal_units`, `monthly_units_max` (per member) and `closes_at` NULL mean none. `pledged_units` is a counter that
    every donation raises in its own write.
    """

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    title_zh = fields.TextField()
    title_en = fields.TextField()
    description_zh = fields.TextField()
    description_en = fields.TextField()
    beneficiary = fields.TextField()
    agreement_reference = fields.TextField()
    points_per_unit: int = fields.BigIntField()
    fen_per_unit: int = fields.BigIntField()
    goal_units: int | None = fields.BigIntField(null=True)
    goal_may_be_passed = fields.BooleanField()
    pledged_units: int = fields.BigIntField(db_default=0)
    monthly_units_max: int | None = fields.BigIntField(null=True)
    opens_at: datetime = fields.DatetimeField()
    closes_at: datetime | None = fields.DatetimeField(null=True)
    state = fields.TextField()
    created_at: datetime = fields.DatetimeField()
    closed_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "charity_campaign"
        constraints = [
            CheckConstraint(name="charity_campaign_state_known", check="state IN ('DRAFT', 'OPEN', 'CLOSED')"),
            CheckConstraint(name="charity_campaign_rates_positive", check="points_per_unit > 0 AND fen_per_unit > 0"),
            CheckConstraint(name="charity_campaign_limits_positive", check="goal_units > 0 AND monthly_units_max > 0"),
            CheckConstraint(
                name="charity_campaign_pledge_within_bounds", check="pledged_units BETWEEN 0 AND 2000000000"
            ),
            CheckConstraint(
                name="charity_campaign_goal_passed_only_if_declared",
                check="goal_may_be_passed OR goal_units IS NULL OR pledged_units <= goal_units",
            ),
            CheckConstraint(name="charity_campaign_closes_after_opening", check="closes_at > opens_at"),
            CheckConstraint(
                name="charity_campaign_closed_has_its_instant", check="(state = 'CLOSED') = (closed_at IS NOT NULL)"
            ),
        ]


class Donation(Model):
    """Units that a member gave to a campaign; append-only, final. Primary key (member_id, id).

    `points` left the account by entry `entry_seq`; `fen` is what the brand pledged for them. `month` is the first day
    of the programme's month, by which a member's limit counts.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    id: UUID = fields.UUIDField()
    campaign_id: UUID = fields.UUIDField()
    units: int = fields.BigIntField()
    points: int = fields.BigIntField()
    fen: int = fields.BigIntField()
    entry_seq: int = fields.BigIntField()
    business_date: date = fields.DateField()
    month: date = fields.DateField()
    donated_at: datetime = fields.DatetimeField()

    class Meta:
        table = "donation"
        constraints = [
            CheckConstraint(name="donation_gives_something", check="units > 0 AND points > 0 AND fen > 0"),
            CheckConstraint(
                name="donation_month_is_that_of_its_day",
                check="month = business_date - (extract(day from business_date)::int - 1)",
            ),
        ]
        indexes = [
            Index(fields=("campaign_id", "id"), name="donation_by_campaign"),
            Index(fields=("campaign_id", "member_id"), name="donation_donors_of_campaign"),
        ]


class Certificate(Model):
    """The proof of a donation. Primary key (member_id, donation_id). Only the name and its salt may change: to NULL.

    `snapshot` is what it says for ever; `name_hash` is SHA-256 over `name_salt` and the name, NULL when anonymous.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    donation_id: UUID = fields.UUIDField()
    serial = fields.TextField()
    verification_code = fields.TextField()
    anonymous = fields.BooleanField()
    display_name: str | None = fields.TextField(null=True)
    name_salt: bytes | None = fields.BinaryField(null=True)
    name_hash: bytes | None = fields.BinaryField(null=True)
    snapshot: dict[str, Any] = fields.JSONField()
    issued_at: datetime = fields.DatetimeField()

    class Meta:
        table = "certificate"
        constraints = [
            UniqueConstraint(fields=("serial",), name="certificate_serial_unique"),
            UniqueConstraint(fields=("verification_code",), name="certificate_verification_code_unique"),
            CheckConstraint(
                name="certificate_name_and_salt_together", check="(display_name IS NULL) = (name_salt IS NULL)"
            ),
            CheckConstraint(name="certificate_anonymous_has_no_name", check="anonymous = (name_hash IS NULL)"),
            CheckConstraint(name="certificate_name_is_hashed", check="display_name IS NULL OR name_hash IS NOT NULL"),
        ]
