"""Who is due is read page by page: the order of the pages stands in the index, however many fall due at one instant."""

from tortoise import migrations
from tortoise.migrations import operations as ops

from gamification.core.indexes import WhereIndex


class Migration(migrations.Migration):
    dependencies = [("jifen", "0014_expiry_notice_days")]

    initial = False

    operations = [
        ops.RemoveIndex("Account", name="account_due"),
        ops.AddIndex(
            "Account",
            WhereIndex(fields=["next_due_at", "member_id"], name="account_due", where="next_due_at IS NOT NULL"),
        ),
    ]
