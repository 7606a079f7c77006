"""Orders, their lines and refunds. Keys start with the member; ids that others give us have a directory.

Composite primary keys: the ORM knows one primary key column only, which is marked here; the migration replaces the key.
"""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint
from tortoise.models import Model

from gamification.core.indexes import WhereIndex


class SalesOrder(Model):
    """An order that was paid. Primary key (member_id, id); ids grow in the order in which orders arrived.

    `paid_fen` is the cash paid for the lines (what is excluded, such as shipping, stays outside), `eligible_fen` the
    part of it that earns. `deduction_points` were paid in points instead, of which refunds gave back `restored_points`.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    id: UUID = fields.UUIDField()
    external_id = fields.CharField(max_length=100)
    channel = fields.CharField(max_length=40)
    store = fields.CharField(max_length=40, null=True)
    currency = fields.CharField(max_length=3)
    paid_at: datetime = fields.DatetimeField()
    booked_at: datetime = fields.DatetimeField()
    month: date = fields.DateField()
    paid_fen: int = fields.BigIntField()
    eligible_fen: int = fields.BigIntField()
    refunded_fen: int = fields.BigIntField()
    ladder_points: int = fields.BigIntField()
    deduction_points: int = fields.BigIntField(db_default=0)
    restored_points: int = fields.BigIntField(db_default=0)
    fingerprint: bytes = fields.BinaryField()

    class Meta:
        table = "sales_order"
        constraints = [
            CheckConstraint(name="sales_order_paid_not_negative", check="paid_fen >= 0 AND eligible_fen >= 0"),
            CheckConstraint(name="sales_order_eligible_within_paid", check="eligible_fen <= paid_fen"),
            CheckConstraint(name="sales_order_refunded_within_paid", check="refunded_fen BETWEEN 0 AND paid_fen"),
            CheckConstraint(
                name="sales_order_restored_within_deducted", check="restored_points BETWEEN 0 AND deduction_points"
            ),
        ]


class OrderLine(Model):
    """A line of an order. Primary key (member_id, order_id, line).

    `paid_fen` is the cash paid for the line; `points_*` and `growth_*` follow it, the ladder does not.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    order_id: UUID = fields.UUIDField()
    line: int = fields.IntField()
    sku = fields.CharField(max_length=100, null=True)
    category = fields.CharField(max_length=100, null=True)
    quantity: int = fields.IntField()
    paid_fen: int = fields.BigIntField()
    eligible = fields.BooleanField()
    refunded_fen: int = fields.BigIntField()
    refunded_quantity: int = fields.IntField()
    points_earned: int = fields.BigIntField()
    points_revoked: int = fields.BigIntField()
    growth_earned: int = fields.BigIntField()
    growth_revoked: int = fields.BigIntField()
    deduction_points: int = fields.BigIntField(db_default=0)
    restored_points: int = fields.BigIntField(db_default=0)

    class Meta:
        table = "order_line"
        constraints = [
            CheckConstraint(name="order_line_quantity_positive", check="quantity > 0"),
            CheckConstraint(name="order_line_refunded_within_paid", check="refunded_fen BETWEEN 0 AND paid_fen"),
            CheckConstraint(
                name="order_line_refunded_quantity_within_quantity", check="refunded_quantity BETWEEN 0 AND quantity"
            ),
            CheckConstraint(
                name="order_line_revoked_within_earned",
                check="points_revoked BETWEEN 0 AND points_earned AND growth_revoked BETWEEN 0 AND growth_earned",
            ),
            CheckConstraint(
                name="order_line_restored_within_deducted", check="restored_points BETWEEN 0 AND deduction_points"
            ),
        ]


class OrderDirectory(Model):
    """Which member and order an external order id belongs to."""

    external_id = fields.CharField(max_length=100, primary_key=True, generated=False)
    member_id: UUID = fields.UUIDField()
    order_id: UUID = fields.UUIDField()

    class Meta:
        table = "order_directory"


class OrderRefund(Model):
    """A refund of a known member. Primary key (member_id, id). `matched` says that it named no order itself."""

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    id: UUID = fields.UUIDField()
    external_id = fields.CharField(max_length=100)
    order_external_id = fields.CharField(max_length=100, null=True)
    status = fields.CharField(max_length=16)
    matched = fields.BooleanField()
    refunded_at: datetime = fields.DatetimeField()
    booked_at: datetime = fields.DatetimeField()
    requested_fen: int = fields.BigIntField()
    placed_fen: int = fields.BigIntField()
    points_revoked: int = fields.BigIntField()
    debt_added: int = fields.BigIntField()
    growth_revoked: int = fields.BigIntField()
    points_restored: int = fields.BigIntField(db_default=0)
    fingerprint: bytes = fields.BinaryField()

    class Meta:
        table = "order_refund"
        constraints = [
            CheckConstraint(
                name="order_refund_status_known", check="status IN ('PLACED', 'PARTLY_PLACED', 'UNPLACED')"
            ),
            CheckConstraint(
                name="order_refund_placed_within_requested", check="placed_fen BETWEEN 0 AND requested_fen"
            ),
            CheckConstraint(
                name="order_refund_status_says_what_is_placed",
                check="CASE status WHEN 'PLACED' THEN placed_fen = requested_fen "
                "WHEN 'UNPLACED' THEN placed_fen = 0 AND requested_fen > 0 "
                "ELSE placed_fen > 0 AND placed_fen < requested_fen END",
            ),
        ]
        indexes = [WhereIndex(fields=("id",), name="order_refund_not_placed", where="status <> 'PLACED'")]


class RefundPart(Model):
    """What a refund took from one order line. Primary key (member_id, refund_id, order_id, line)."""

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    refund_id: UUID = fields.UUIDField()
    order_id: UUID = fields.UUIDField()
    line: int = fields.IntField()
    fen: int = fields.BigIntField()
    quantity: int = fields.IntField()
    points_revoked: int = fields.BigIntField()
    growth_revoked: int = fields.BigIntField()
    points_restored: int = fields.BigIntField(db_default=0)

    class Meta:
        table = "refund_part"
        constraints = [
            CheckConstraint(name="refund_part_moves_something", check="fen > 0 OR quantity > 0 OR points_restored > 0")
        ]


class RefundDirectory(Model):
    """Which member's refund an external id belongs to. Primary key (order_external_id, external_id); '' = no order."""

    order_external_id = fields.CharField(max_length=100, primary_key=True, generated=False)
    external_id = fields.CharField(max_length=100)
    member_id: UUID = fields.UUIDField()
    refund_id: UUID = fields.UUIDField()

    class Meta:
        table = "refund_directory"


class WaitingRefund(Model):
    """A refund that arrived before its order. Primary key (order_external_id, external_id).

    `member_id` and `placed_at` are set once the order is here and the refund has been placed.
    """

    order_external_id = fields.CharField(max_length=100, primary_key=True, generated=False)
    external_id = fields.CharField(max_length=100)
    member_id: UUID | None = fields.UUIDField(null=True)
    body: dict[str, Any] = fields.JSONField()
    received_at: datetime = fields.DatetimeField()
    placed_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "waiting_refund"
        indexes = [WhereIndex(fields=("received_at",), name="waiting_refund_not_placed", where="placed_at IS NULL")]


class OrderEvent(Model):
    """Something that a shop tells of an order. Primary key (order_external_id, type): each happens once.

    `member_id` and `applied_at` are set once the order is here and the event has had its effect.
    """

    order_external_id = fields.CharField(max_length=100, primary_key=True, generated=False)
    type = fields.CharField(max_length=20)
    member_id: UUID | None = fields.UUIDField(null=True)
    occurred_at: datetime = fields.DatetimeField()
    received_at: datetime = fields.DatetimeField()
    applied_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "order_event"
        constraints = [
            CheckConstraint(name="order_event_type_known", check="type IN ('RECEIVED', 'REFUND_WINDOW_CLOSED')"),
            CheckConstraint(name="order_event_applied_to_a_member", check="(applied_at IS NULL) = (member_id IS NULL)"),
        ]
        indexes = [WhereIndex(fields=("received_at",), name="order_event_not_applied", where="applied_at IS NULL")]


class ImportRun(Model):
    """One import of one file, known by the file's SHA-256 and by how it was read.

    `batch_rows` is how many rows a lane takes at a time: a resumed run must cut the file as it was cut before.
    """

    id: UUID = fields.UUIDField(primary_key=True, generated=False)
    file_hash: bytes = fields.BinaryField()
    file_name = fields.CharField(max_length=255)
    layout: dict[str, Any] = fields.JSONField()
    batch_rows: int = fields.IntField()
    started_at: datetime = fields.DatetimeField()
    finished_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "import_run"
        indexes = [Index(fields=("file_hash",), name="import_run_by_file")]


class ImportBatch(Model):
    """What one lane recorded of one stretch of a file, written with it. Primary key (run_id, first_line, lane).

    `counts` adds up to the run's summary; the last stretch is where a resumed run goes on.
    """

    run_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    first_line: int = fields.BigIntField()
    lane: int = fields.IntField()
    counts: dict[str, int] = fields.JSONField()

    class Meta:
        table = "import_batch"


class ImportFinding(Model):
    """A line of a file to look at: rejected, or a refund that found no place yet. Primary key (run_id, line_number)."""

    run_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    line_number: int = fields.BigIntField()
    rejected = fields.BooleanField()
    external_id: str | None = fields.TextField(null=True)
    code = fields.TextField()
    reason = fields.TextField()

    class Meta:
        table = "import_finding"
