"""Tiers that end, are kept, bought and pinned."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from gamification.core.indexes import WhereIndex
from migrations import APP_ROLE, if_app_role, primary_key

CAUSES = "cause IN ('UPGRADE', 'RETENTION', 'GRACE', 'DOWNGRADE', 'REFUND', 'PURCHASE', 'PIN', 'UNPIN', 'END')"


class Migration(migrations.Migration):
    dependencies = [("jifen", "0023_interactions")]

    initial = False

    operations = [
        ops.AddField("TierStanding", "earned_code", fields.CharField(max_length=20, db_default="")),
        ops.RunSQL("UPDATE tier_standing SET earned_code = tier_code"),
        ops.AddField("TierStanding", "earned_on", fields.DateField(null=True)),
        ops.AddField("TierStanding", "valid_until", fields.DateField(null=True)),
        ops.AddField("TierStanding", "grace_until", fields.DateField(null=True)),
        ops.AddField("TierStanding", "warned_days", fields.SmallIntField(null=True)),
        ops.AddField("TierStanding", "before_code", fields.CharField(max_length=20, null=True)),
        ops.AddField("TierStanding", "before_on", fields.DateField(null=True)),
        ops.AddField("TierStanding", "before_valid_until", fields.DateField(null=True)),
        ops.AddField("TierStanding", "raised_on", fields.DateField(null=True)),
        ops.AddField("TierStanding", "pin_code", fields.CharField(max_length=20, null=True)),
        ops.AddField("TierStanding", "pin_until", fields.DateField(null=True)),
        ops.AddField("TierStanding", "due_on", fields.DateField(null=True)),
        ops.AddConstraint(
            "TierStanding",
            CheckConstraint(name="tier_standing_pin_whole", check="pin_until IS NULL OR pin_code IS NOT NULL"),
        ),
        ops.AddIndex(
            "TierStanding",
            WhereIndex(fields=["due_on", "member_id"], name="tier_standing_due", where="due_on IS NOT NULL"),
        ),
        ops.RemoveConstraint("TierChange", name="tier_change_cause_known"),
        ops.AddConstraint("TierChange", CheckConstraint(name="tier_change_cause_known", check=CAUSES)),
        ops.CreateModel(
            name="TierPurchase",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("order_id", fields.UUIDField()),
                ("line", fields.IntField()),
                ("tier_code", fields.CharField(max_length=20)),
                ("starts_on", fields.DateField()),
                ("ends_on", fields.DateField()),
            ],
            options={"table": "tier_purchase", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        primary_key("tier_purchase", "member_id", "order_id", "line"),
        ops.RunSQL(if_app_role(f"REVOKE DELETE, TRUNCATE ON tier_purchase FROM {APP_ROLE}")),
    ]
