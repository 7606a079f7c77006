"""Tables that every slice stands on: receipts, the outbox, policy versions, the audit trail."""

from datetime import datetime
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.fields.db_defaults import Now
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from gamification.core.ids import new_id
from gamification.core.indexes import WhereIndex

OUTBOX_ATTEMPTS_MAX = 8


class Receipt(Model):
    """The stored answer of one request: a result, or a business refusal, replayed for the same input.

    Primary key (actor, operation, key). The ORM knows one primary key column only, so `actor` is marked here and the
    migration replaces the key.
    """

    actor = fields.CharField(max_length=100, primary_key=True, generated=False)
    operation = fields.CharField(max_length=100)
    key = fields.CharField(max_length=200)
    member_id: UUID | None = fields.UUIDField(null=True)
    fingerprint: bytes = fields.BinaryField()
    answer: dict[str, Any] = fields.JSONField()
    refusal = fields.BooleanField(db_default=False)
    created_at: datetime = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "receipt"
        indexes = [WhereIndex(fields=("created_at",), name="receipt_refusals_by_age", where="refusal")]


class Outbox(Model):
    """Work that follows a commit. PostgreSQL is the queue; arq only rings the doorbell.

    `sends` counts how often the relay handed the row to arq and fences late deliveries (job id `{id}:{sends}`);
    `attempts` counts the runs that really began, so that a flushed Redis or a long queue costs none.
    `lease_until` is on the database's clock: until then nobody else may claim the row (a running send or a back-off).
    """

    id: int = fields.BigIntField(primary_key=True, generated=True)
    job = fields.TextField()
    payload: dict[str, Any] = fields.JSONField()
    key: str | None = fields.TextField(null=True)
    run_at: datetime = fields.DatetimeField()
    created_at: datetime = fields.DatetimeField(db_default=Now())
    correlation_id: str | None = fields.TextField(null=True)
    sends: int = fields.IntField(db_default=0)
    running = fields.BooleanField(db_default=False)
    attempts: int = fields.IntField(db_default=0)
    attempts_max: int = fields.IntField(db_default=OUTBOX_ATTEMPTS_MAX)
    lease_until: datetime | None = fields.DatetimeField(null=True)
    done_at: datetime | None = fields.DatetimeField(null=True)
    failed_at: datetime | None = fields.DatetimeField(null=True)
    last_error: str | None = fields.TextField(null=True)

    class Meta:
        table = "outbox"
        constraints = [
            UniqueConstraint(fields=("key",), name="outbox_key_unique"),
            CheckConstraint(name="outbox_attempts_within_maximum", check="attempts BETWEEN 0 AND attempts_max"),
            CheckConstraint(name="outbox_done_or_failed_not_both", check="done_at IS NULL OR failed_at IS NULL"),
        ]
        indexes = [
            WhereIndex(fields=("run_at",), name="outbox_pending", where="done_at IS NULL AND failed_at IS NULL"),
            WhereIndex(fields=("id",), name="outbox_dead_letters", where="failed_at IS NOT NULL"),
        ]


class PolicyVersion(Model):
    """One immutable version of a programme policy. `effective_from` NULL means since ever."""

    revision: int = fields.BigIntField(primary_key=True, generated=True)
    kind = fields.TextField()
    version: int = fields.IntField()
    effective_from: datetime | None = fields.DatetimeField(null=True)
    body: dict[str, Any] = fields.JSONField()
    hash: bytes = fields.BinaryField()
    published_by = fields.TextField()
    published_at: datetime = fields.DatetimeField()

    class Meta:
        table = "policy_version"
        constraints = [
            UniqueConstraint(fields=("kind", "version"), name="policy_version_unique_in_kind"),
            CheckConstraint(name="policy_version_counts_from_one", check="version >= 1"),
        ]


class AuditRecord(Model):
    """Who did what to whom, and why: append-only, one row per action of staff or system."""

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    at: datetime = fields.DatetimeField()
    actor = fields.TextField()
    action = fields.TextField()
    subject = fields.TextField()
    before: dict[str, Any] | None = fields.JSONField(null=True)
    after: dict[str, Any] | None = fields.JSONField(null=True)
    reason: str | None = fields.TextField(null=True)

    class Meta:
        table = "audit_record"
        indexes = [
            Index(fields=("at", "id"), name="audit_record_by_time"),
            Index(fields=("subject", "at", "id"), name="audit_record_by_subject"),
            Index(fields=("actor", "at", "id"), name="audit_record_by_actor"),
            Index(fields=("action", "at", "id"), name="audit_record_by_action"),
        ]
