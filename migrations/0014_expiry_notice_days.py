"""Until which business day expiry notices have all been written."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops

from migrations import append_only


class Migration(migrations.Migration):
    dependencies = [("jifen", "0013_reading_the_books")]

    initial = False

    operations = [
        ops.CreateModel(
            name="ExpiryNoticeDay",
            fields=[
                ("day", fields.DateField(primary_key=True, generated=False)),
                ("finished_at", fields.DatetimeField()),
            ],
            options={"table": "expiry_notice_day", "app": "jifen", "pk_attr": "day"},
            bases=["Model"],
        ),
        append_only("expiry_notice_day"),
    ]
