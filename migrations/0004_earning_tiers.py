"""A member's months on the ladder, tier standings and their changes."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from migrations import append_only, primary_key


class Migration(migrations.Migration):
    dependencies = [("jifen", "0003_points")]

    initial = False

    operations = [
        ops.CreateModel(
            name="TierStanding",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("tier_code", fields.CharField(max_length=20)),
                ("since", fields.DatetimeField()),
                ("policy_version", fields.IntField()),
                ("changes", fields.IntField()),
            ],
            options={"table": "tier_standing", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        ops.RunSQL("ALTER TABLE tier_standing SET (fillfactor = 80)"),
        ops.CreateModel(
            name="TierChange",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("number", fields.IntField()),
                ("from_code", fields.CharField(null=True, max_length=20)),
                ("to_code", fields.CharField(max_length=20)),
                ("cause", fields.CharField(max_length=20)),
                ("growth", fields.BigIntField()),
                ("policy_version", fields.IntField()),
                ("changed_at", fields.DatetimeField()),
            ],
            options={"table": "tier_change", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("TierChange", CheckConstraint(check="cause IN ('UPGRADE')", name="tier_change_cause_known")),
        ops.AddConstraint("TierChange", CheckConstraint(check="number >= 1", name="tier_change_counts_from_one")),
        primary_key("tier_change", "member_id", "number"),
        append_only("tier_change"),
        ops.CreateModel(
            name="MonthSpend",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("month", fields.DateField()),
                ("net_fen", fields.BigIntField()),
                ("ladder_points", fields.BigIntField()),
                ("policy_version", fields.IntField()),
            ],
            options={"table": "month_spend", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("MonthSpend", CheckConstraint(check="net_fen >= 0", name="month_spend_net_not_negative")),
        ops.AddConstraint(
            "MonthSpend", CheckConstraint(check="ladder_points >= 0", name="month_spend_ladder_points_not_negative")
        ),
        ops.AddConstraint(
            "MonthSpend", CheckConstraint(check="extract(day from month) = 1", name="month_spend_month_is_a_first")
        ),
        primary_key("month_spend", "member_id", "month"),
    ]
