"""Check-ins, of which only the cached start of a run may ever change."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from migrations import APP_ROLE, if_app_role, primary_key

# What was paid stands for ever; joining two runs rewrites nothing but the cache.
CHECK_IN_FIXED = [
    """CREATE TRIGGER check_in_fixed
    BEFORE DELETE OR UPDATE OF member_id, business_date, points, policy_version, entry_seq, checked_in_at ON check_in
    FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER check_in_never_emptied BEFORE TRUNCATE ON check_in
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    if_app_role(f"REVOKE UPDATE, DELETE, TRUNCATE ON check_in FROM {APP_ROLE}"),
    if_app_role(f"GRANT UPDATE (run_first_on) ON check_in TO {APP_ROLE}"),
]


class Migration(migrations.Migration):
    dependencies = [("jifen", "0005_orders")]

    initial = False

    operations = [
        ops.CreateModel(
            name="CheckIn",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("business_date", fields.DateField()),
                ("run_first_on", fields.DateField()),
                ("points", fields.BigIntField()),
                ("policy_version", fields.IntField()),
                ("entry_seq", fields.BigIntField(null=True)),
                ("checked_in_at", fields.DatetimeField()),
            ],
            options={"table": "check_in", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("CheckIn", CheckConstraint(check="points >= 0", name="check_in_points_not_negative")),
        ops.AddConstraint(
            "CheckIn",
            CheckConstraint(check="(points > 0) = (entry_seq IS NOT NULL)", name="check_in_pays_through_the_ledger"),
        ),
        ops.AddConstraint(
            "CheckIn", CheckConstraint(check="run_first_on <= business_date", name="check_in_run_starts_no_later")
        ),
        primary_key("check_in", "member_id", "business_date"),
        ops.RunSQL(CHECK_IN_FIXED),
    ]
