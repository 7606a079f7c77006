"""A member declares once to be an adult."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    dependencies = [("jifen", "0015_pages_of_jobs")]

    initial = False

    operations = [ops.AddField("Member", "adult_declared_at", fields.DatetimeField(null=True))]
