"""Earning rules: drafts and published revisions, what members have had by them, and budgets; the kind BONUS."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from gamification.core.ids import new_id
from migrations import APP_ROLE, if_app_role, primary_key

PUBLISHED_STAYS = [
    """CREATE TRIGGER earning_rule_published_stays
    BEFORE UPDATE OF code, revision, body, saved_by, saved_at ON earning_rule
    FOR EACH ROW WHEN (OLD.state <> 'DRAFT') EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER earning_rule_published_is_kept BEFORE DELETE ON earning_rule
    FOR EACH ROW WHEN (OLD.state <> 'DRAFT') EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER earning_rule_never_emptied BEFORE TRUNCATE ON earning_rule
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    if_app_role(f"REVOKE TRUNCATE ON earning_rule, rule_use, rule_budget FROM {APP_ROLE}"),
    if_app_role(f"REVOKE DELETE ON rule_use, rule_budget FROM {APP_ROLE}"),
]


class Migration(migrations.Migration):
    dependencies = [("jifen", "0021_wins_by_key")]

    initial = False

    operations = [
        ops.CreateModel(
            name="EarningRule",
            fields=[
                ("code", fields.CharField(max_length=40, primary_key=True, generated=False)),
                ("revision", fields.IntField()),
                ("state", fields.TextField()),
                ("body", fields.JSONField()),
                ("saved_by", fields.TextField()),
                ("saved_at", fields.DatetimeField()),
                ("published_at", fields.DatetimeField(null=True)),
                ("retired_at", fields.DatetimeField(null=True)),
                ("policy_version", fields.IntField(null=True)),
            ],
            options={"table": "earning_rule", "app": "jifen", "pk_attr": "code"},
            bases=["Model"],
        ),
        primary_key("earning_rule", "code", "revision"),
        ops.AddConstraint(
            "EarningRule",
            CheckConstraint(name="earning_rule_state_known", check="state IN ('DRAFT', 'PUBLISHED', 'RETIRED')"),
        ),
        ops.AddConstraint("EarningRule", CheckConstraint(name="earning_rule_counts_from_one", check="revision >= 1")),
        ops.AddConstraint(
            "EarningRule",
            CheckConstraint(
                name="earning_rule_instants_fit_state",
                check="(published_at IS NOT NULL) = (state <> 'DRAFT')"
                " AND (retired_at IS NOT NULL) = (state = 'RETIRED')",
            ),
        ),
        ops.AddConstraint(
            "EarningRule",
            UniqueConstraint(fields=("code",), name="earning_rule_one_draft", condition="state = 'DRAFT'"),
        ),
        ops.AddConstraint(
            "EarningRule",
            UniqueConstraint(fields=("code",), name="earning_rule_one_published", condition="state = 'PUBLISHED'"),
        ),
        ops.CreateModel(
            name="RuleUse",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("rule_code", fields.CharField(max_length=40)),
                ("period", fields.TextField()),
                ("starts_on", fields.DateField()),
                ("points", fields.BigIntField()),
                ("times", fields.IntField()),
                ("last_at", fields.DatetimeField()),
            ],
            options={"table": "rule_use", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        primary_key("rule_use", "member_id", "rule_code", "period", "starts_on"),
        ops.AddConstraint(
            "RuleUse",
            CheckConstraint(name="rule_use_period_known", check="period IN ('DAY', 'WEEK', 'MONTH', 'LIFETIME')"),
        ),
        ops.AddConstraint("RuleUse", CheckConstraint(name="rule_use_counts", check="points >= 1 AND times >= 1")),
        ops.CreateModel(
            name="RuleBudget",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id)),
                ("rule_code", fields.CharField(max_length=40)),
                ("budget_points", fields.BigIntField()),
                ("spent_points", fields.BigIntField(db_default=0)),
            ],
            options={"table": "rule_budget", "app": "jifen", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.AddConstraint("RuleBudget", UniqueConstraint(fields=("rule_code",), name="rule_budget_one_each")),
        ops.AddConstraint(
            "RuleBudget",
            CheckConstraint(name="rule_budget_not_negative", check="budget_points >= 0 AND spent_points >= 0"),
        ),
        ops.RunSQL(PUBLISHED_STAYS),
    ]
