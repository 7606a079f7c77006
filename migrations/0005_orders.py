"""Orders, refunds, their directories, and the runs of the file import."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from gamification.core.indexes import WhereIndex
from migrations import primary_key


class Migration(migrations.Migration):
    dependencies = [("jifen", "0004_earning_tiers")]

    initial = False

    operations = [
        ops.CreateModel(
            name="SalesOrder",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("id", fields.UUIDField()),
                ("external_id", fields.CharField(max_length=100)),
                ("channel", fields.CharField(max_length=40)),
                ("store", fields.CharField(null=True, max_length=40)),
                ("currency", fields.CharField(max_length=3)),
                ("paid_at", fields.DatetimeField()),
                ("booked_at", fields.DatetimeField()),
                ("month", fields.DateField()),
                ("paid_fen", fields.BigIntField()),
                ("eligible_fen", fields.BigIntField()),
                ("refunded_fen", fields.BigIntField()),
                ("ladder_points", fields.BigIntField()),
                ("fingerprint", fields.BinaryField()),
            ],
            options={"table": "sales_order", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        ops.AddConstraint(
            "SalesOrder",
            CheckConstraint(check="paid_fen >= 0 AND eligible_fen >= 0", name="sales_order_paid_not_negative"),
        ),
        ops.AddConstraint(
            "SalesOrder", CheckConstraint(check="eligible_fen <= paid_fen", name="sales_order_eligible_within_paid")
        ),
        ops.AddConstraint(
            "SalesOrder",
            CheckConstraint(check="refunded_fen BETWEEN 0 AND paid_fen", name="sales_order_refunded_within_paid"),
        ),
        primary_key("sales_order", "member_id", "id"),
        ops.CreateModel(
            name="OrderLine",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("order_id", fields.UUIDField()),
                ("line", fields.IntField()),
                ("sku", fields.CharField(null=True, max_length=100)),
                ("category", fields.CharField(null=True, max_length=100)),
                ("quantity", fields.IntField()),
                ("paid_fen", fields.BigIntField()),
                ("eligible", fields.BooleanField()),
                ("refunded_fen", fields.BigIntField()),
                ("refunded_quantity", fields.IntField()),
                ("points_earned", fields.BigIntField()),
                ("points_revoked", fields.BigIntField()),
                ("growth_earned", fields.BigIntField()),
                ("growth_revoked", fields.BigIntField()),
            ],
            options={"table": "order_line", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("OrderLine", CheckConstraint(check="quantity > 0", name="order_line_quantity_positive")),
        ops.AddConstraint(
            "OrderLine",
            CheckConstraint(check="refunded_fen BETWEEN 0 AND paid_fen", name="order_line_refunded_within_paid"),
        ),
        ops.AddConstraint(
            "OrderLine",
            CheckConstraint(
                check="refunded_quantity BETWEEN 0 AND quantity", name="order_line_refunded_quantity_within_quantity"
            ),
        ),
        ops.AddConstraint(
            "OrderLine",
            CheckConstraint(
                check="points_revoked BETWEEN 0 AND points_earned AND growth_revoked BETWEEN 0 AND growth_earned",
                name="order_line_revoked_within_earned",
            ),
        ),
        primary_key("order_line", "member_id", "order_id", "line"),
        ops.CreateModel(
            name="OrderDirectory",
            fields=[
                ("external_id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=100)),
                ("member_id", fields.UUIDField()),
                ("order_id", fields.UUIDField()),
            ],
            options={"table": "order_directory", "app": "jifen", "pk_attr": "external_id"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="OrderRefund",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("id", fields.UUIDField()),
                ("external_id", fields.CharField(max_length=100)),
                ("order_external_id", fields.CharField(null=True, max_length=100)),
                ("status", fields.CharField(max_length=16)),
                ("matched", fields.BooleanField()),
                ("refunded_at", fields.DatetimeField()),
                ("booked_at", fields.DatetimeField()),
                ("requested_fen", fields.BigIntField()),
                ("placed_fen", fields.BigIntField()),
                ("points_revoked", fields.BigIntField()),
                ("debt_added", fields.BigIntField()),
                ("growth_revoked", fields.BigIntField()),
                ("fingerprint", fields.BinaryField()),
            ],
            options={
                "table": "order_refund",
                "app": "jifen",
                "indexes": [WhereIndex(fields=["id"], name="order_refund_not_placed", where="status <> 'PLACED'")],
                "pk_attr": "member_id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "OrderRefund",
            CheckConstraint(
                check="status IN ('PLACED', 'PARTLY_PLACED', 'UNPLACED')", name="order_refund_status_known"
            ),
        ),
        ops.AddConstraint(
            "OrderRefund",
            CheckConstraint(
                check="placed_fen BETWEEN 0 AND requested_fen", name="order_refund_placed_within_requested"
            ),
        ),
        ops.AddConstraint(
            "OrderRefund",
            CheckConstraint(
                check="CASE status WHEN 'PLACED' THEN placed_fen = requested_fen "
                "WHEN 'UNPLACED' THEN placed_fen = 0 AND requested_fen > 0 "
                "ELSE placed_fen > 0 AND placed_fen < requested_fen END",
                name="order_refund_status_says_what_is_placed",
            ),
        ),
        primary_key("order_refund", "member_id", "id"),
        ops.CreateModel(
            name="RefundPart",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("refund_id", fields.UUIDField()),
                ("order_id", fields.UUIDField()),
                ("line", fields.IntField()),
                ("fen", fields.BigIntField()),
                ("quantity", fields.IntField()),
                ("points_revoked", fields.BigIntField()),
                ("growth_revoked", fields.BigIntField()),
            ],
            options={"table": "refund_part", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        ops.AddConstraint(
            "RefundPart", CheckConstraint(check="fen > 0 OR quantity > 0", name="refund_part_moves_something")
        ),
        primary_key("refund_part", "member_id", "refund_id", "order_id", "line"),
        ops.CreateModel(
            name="RefundDirectory",
            fields=[
                ("order_external_id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=100)),
                ("external_id", fields.CharField(max_length=100)),
                ("member_id", fields.UUIDField()),
                ("refund_id", fields.UUIDField()),
            ],
            options={"table": "refund_directory", "app": "jifen", "pk_attr": "order_external_id"},
            bases=["Model"],
        ),
        primary_key("refund_directory", "order_external_id", "external_id"),
        ops.CreateModel(
            name="WaitingRefund",
            fields=[
                ("order_external_id", fields.CharField(primary_key=True, unique=True, db_index=True, max_length=100)),
                ("external_id", fields.CharField(max_length=100)),
                ("member_id", fields.UUIDField(null=True)),
                ("body", fields.JSONField()),
                ("received_at", fields.DatetimeField()),
                ("placed_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "waiting_refund",
                "app": "jifen",
                "indexes": [
                    WhereIndex(fields=["received_at"], name="waiting_refund_not_placed", where="placed_at IS NULL")
                ],
                "pk_attr": "order_external_id",
            },
            bases=["Model"],
        ),
        primary_key("waiting_refund", "order_external_id", "external_id"),
        ops.CreateModel(
            name="ImportRun",
            fields=[
                ("id", fields.UUIDField(primary_key=True, generated=False)),
                ("file_hash", fields.BinaryField()),
                ("file_name", fields.CharField(max_length=255)),
                ("layout", fields.JSONField()),
                ("batch_rows", fields.IntField()),
                ("started_at", fields.DatetimeField()),
                ("finished_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "import_run",
                "app": "jifen",
                "indexes": [Index(fields=["file_hash"], name="import_run_by_file")],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ImportBatch",
            fields=[
                ("run_id", fields.UUIDField(primary_key=True, generated=False)),
                ("first_line", fields.BigIntField()),
                ("lane", fields.IntField()),
                ("counts", fields.JSONField()),
            ],
            options={"table": "import_batch", "app": "jifen", "pk_attr": "run_id"},
            bases=["Model"],
        ),
        primary_key("import_batch", "run_id", "first_line", "lane"),
        ops.CreateModel(
            name="ImportFinding",
            fields=[
                ("run_id", fields.UUIDField(primary_key=True, generated=False)),
                ("line_number", fields.BigIntField()),
                ("rejected", fields.BooleanField()),
                ("external_id", fields.TextField(null=True, unique=False)),
                ("code", fields.TextField(unique=False)),
                ("reason", fields.TextField(unique=False)),
            ],
            options={"table": "import_finding", "app": "jifen", "pk_attr": "run_id"},
            bases=["Model"],
        ),
        primary_key("import_finding", "run_id", "line_number"),
    ]
