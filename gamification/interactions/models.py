"""What members did, once per external id."""

from datetime import datetime
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model


class Interaction(Model):
    """An interaction that was told, and what rules paid for it; append-only. `event` is empty but for custom ones."""

    id: UUID = fields.UUIDField(primary_key=True, generated=False)
    member_id: UUID = fields.UUIDField()
    type = fields.TextField()
    event = fields.TextField()
    external_id = fields.TextField()
    occurred_at: datetime = fields.DatetimeField()
    recorded_at: datetime = fields.DatetimeField()
    points: int = fields.BigIntField()
    growth: int = fields.BigIntField()

    class Meta:
        table = "interaction"
        constraints = [
            UniqueConstraint(fields=("type", "event", "external_id"), name="interaction_once_per_type"),
            CheckConstraint(
                name="interaction_type_known", check="type IN ('REVIEW', 'SHARE', 'PROFILE_COMPLETED', 'CUSTOM')"
            ),
            CheckConstraint(name="interaction_event_is_of_custom_ones", check="(type = 'CUSTOM') = (event <> '')"),
            CheckConstraint(name="interaction_pays_nothing_negative", check="points >= 0 AND growth >= 0"),
        ]
        indexes = [Index(fields=("member_id", "id"), name="interaction_of_member")]
