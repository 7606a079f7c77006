"""When points begin and end: what shops tell of orders, and what members were told of points that expire."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from gamification.core.indexes import WhereIndex
from migrations import primary_key


class Migration(migrations.Migration):
    dependencies = [("jifen", "0010_holds")]

    initial = False

    operations = [
        ops.CreateModel(
            name="OrderEvent",
            fields=[
                ("order_external_id", fields.CharField(primary_key=True, generated=False, max_length=100)),
                ("type", fields.CharField(max_length=20)),
                ("member_id", fields.UUIDField(null=True)),
                ("occurred_at", fields.DatetimeField()),
                ("received_at", fields.DatetimeField()),
                ("applied_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "order_event",
                "app": "jifen",
                "indexes": [
                    WhereIndex(fields=["received_at"], name="order_event_not_applied", where="applied_at IS NULL")
                ],
                "pk_attr": "order_external_id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "OrderEvent",
            CheckConstraint(check="type IN ('RECEIVED', 'REFUND_WINDOW_CLOSED')", name="order_event_type_known"),
        ),
        ops.AddConstraint(
            "OrderEvent",
            CheckConstraint(check="(applied_at IS NULL) = (member_id IS NULL)", name="order_event_applied_to_a_member"),
        ),
        primary_key("order_event", "order_external_id", "type"),
        ops.CreateModel(
            name="ExpiryNotice",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("expires_on", fields.DateField()),
                ("days", fields.IntField()),
                ("points", fields.BigIntField()),
                ("told_at", fields.DatetimeField()),
            ],
            options={"table": "expiry_notice", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("ExpiryNotice", CheckConstraint(check="points > 0", name="expiry_notice_tells_of_points")),
        ops.AddConstraint("ExpiryNotice", CheckConstraint(check="days > 0", name="expiry_notice_days_positive")),
        primary_key("expiry_notice", "member_id", "expires_on", "days"),
    ]
