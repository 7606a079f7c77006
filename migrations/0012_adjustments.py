"""Adjustments by staff: decided once, of which only the two reasons may ever be erased."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from gamification.core.indexes import WhereIndex
from migrations import APP_ROLE, if_app_role, primary_key

DECIDED_ONCE = [
    """CREATE TRIGGER adjustment_fixed
    BEFORE DELETE OR UPDATE OF member_id, id, kind, currency, points, because, policy_version, made_by, made_at,
        made_on, lapses_at ON adjustment FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER adjustment_decided_once
    BEFORE UPDATE OF state, decided_by, decided_at, entry_seq, before, after ON adjustment
    FOR EACH ROW WHEN (OLD.state <> 'PROPOSED') EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER adjustment_reason_only_erased BEFORE UPDATE OF reason ON adjustment
    FOR EACH ROW WHEN (NEW.reason IS NOT NULL) EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER adjustment_decision_reason_only_erased BEFORE UPDATE OF decision_reason ON adjustment
    FOR EACH ROW WHEN (OLD.state <> 'PROPOSED' AND NEW.decision_reason IS NOT NULL)
    EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER adjustment_never_emptied BEFORE TRUNCATE ON adjustment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    if_app_role(f"REVOKE UPDATE, DELETE, TRUNCATE ON adjustment FROM {APP_ROLE}"),
    if_app_role(
        "GRANT UPDATE (state, reason, decided_by, decided_at, decision_reason, entry_seq, before, after)"
        f" ON adjustment TO {APP_ROLE}"
    ),
]


class Migration(migrations.Migration):
    dependencies = [("jifen", "0011_lifetimes")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Adjustment",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("id", fields.UUIDField()),
                ("kind", fields.TextField()),
                ("currency", fields.TextField()),
                ("points", fields.BigIntField()),
                ("reason", fields.TextField(null=True)),
                ("state", fields.TextField()),
                ("because", fields.TextField(null=True)),
                ("policy_version", fields.IntField()),
                ("made_by", fields.UUIDField()),
                ("made_at", fields.DatetimeField()),
                ("made_on", fields.DateField()),
                ("lapses_at", fields.DatetimeField(null=True)),
                ("decided_by", fields.UUIDField(null=True)),
                ("decided_at", fields.DatetimeField(null=True)),
                ("decision_reason", fields.TextField(null=True)),
                ("entry_seq", fields.BigIntField(null=True)),
                ("before", fields.JSONField(null=True)),
                ("after", fields.JSONField(null=True)),
            ],
            options={
                "table": "adjustment",
                "app": "jifen",
                "indexes": [
                    Index(fields=["id"], name="adjustment_by_time"),
                    Index(fields=["made_by", "made_at"], name="adjustment_by_proposer"),
                    Index(fields=["decided_by", "id"], name="adjustment_by_decider"),
                    WhereIndex(fields=["lapses_at", "id"], name="adjustment_proposed", where="state = 'PROPOSED'"),
                ],
                "pk_attr": "member_id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "Adjustment", CheckConstraint(check="kind IN ('ADJUSTMENT', 'DEBT_WAIVER')", name="adjustment_kind_known")
        ),
        ops.AddConstraint(
            "Adjustment", CheckConstraint(check="currency IN ('POINTS', 'GROWTH')", name="adjustment_currency_known")
        ),
        ops.AddConstraint(
            "Adjustment",
            CheckConstraint(
                check="state IN ('PROPOSED', 'POSTED', 'REJECTED', 'WITHDRAWN', 'LAPSED')",
                name="adjustment_state_known",
            ),
        ),
        ops.AddConstraint("Adjustment", CheckConstraint(check="points <> 0", name="adjustment_moves_something")),
        ops.AddConstraint(
            "Adjustment",
            CheckConstraint(
                check="kind <> 'DEBT_WAIVER' OR (currency = 'POINTS' AND points > 0)",
                name="adjustment_waiver_is_of_points_owed",
            ),
        ),
        ops.AddConstraint(
            "Adjustment",
            CheckConstraint(check="reason <> '' AND decision_reason <> ''", name="adjustment_reason_says_something"),
        ),
        ops.AddConstraint(
            "Adjustment",
            CheckConstraint(
                check="num_nonnulls(entry_seq, before, after) = CASE WHEN state = 'POSTED' THEN 3 ELSE 0 END",
                name="adjustment_posted_has_entry_and_balances",
            ),
        ),
        ops.AddConstraint(
            "Adjustment",
            CheckConstraint(
                check="(because IS NULL) = (lapses_at IS NULL) AND because IN ('ABOVE_LIMIT', 'DAY_ALLOWANCE_USED')",
                name="adjustment_proposed_for_a_reason_and_a_time",
            ),
        ),
        ops.AddConstraint(
            "Adjustment",
            CheckConstraint(
                check="(decided_at IS NOT NULL) = (state <> 'PROPOSED' AND lapses_at IS NOT NULL)"
                " AND (state <> 'PROPOSED' OR lapses_at IS NOT NULL)",
                name="adjustment_decided_if_it_was_proposed",
            ),
        ),
        ops.AddConstraint(
            "Adjustment",
            CheckConstraint(
                check="CASE WHEN decided_at IS NULL OR state = 'LAPSED' THEN decided_by IS NULL"
                " ELSE decided_by IS NOT NULL AND (decided_by = made_by) = (state = 'WITHDRAWN') END",
                name="adjustment_decided_by_a_second_person",
            ),
        ),
        ops.AddConstraint(
            "Adjustment",
            CheckConstraint(
                check="decision_reason IS NULL OR state = 'REJECTED'",
                name="adjustment_decision_reason_of_a_rejection",
            ),
        ),
        primary_key("adjustment", "member_id", "id"),
        ops.RunSQL(DECIDED_ONCE),
    ]
