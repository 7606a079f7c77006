"""What members do beside buying, and what rules add to check-ins."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from migrations import append_only

BONUS_STAYS = """CREATE TRIGGER check_in_bonus_fixed BEFORE UPDATE OF bonus_points ON check_in
    FOR EACH ROW EXECUTE FUNCTION refuse_change()"""


class Migration(migrations.Migration):
    dependencies = [("jifen", "0022_earning_rules")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Interaction",
            fields=[
                ("id", fields.UUIDField(primary_key=True, generated=False)),
                ("member_id", fields.UUIDField()),
                ("type", fields.TextField()),
                ("event", fields.TextField()),
                ("external_id", fields.TextField()),
                ("occurred_at", fields.DatetimeField()),
                ("recorded_at", fields.DatetimeField()),
                ("points", fields.BigIntField()),
                ("growth", fields.BigIntField()),
            ],
            options={
                "table": "interaction",
                "app": "jifen",
                "indexes": [Index(fields=["member_id", "id"], name="interaction_of_member")],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "Interaction",
            UniqueConstraint(fields=("type", "event", "external_id"), name="interaction_once_per_type"),
        ),
        ops.AddConstraint(
            "Interaction",
            CheckConstraint(
                name="interaction_type_known", check="type IN ('REVIEW', 'SHARE', 'PROFILE_COMPLETED', 'CUSTOM')"
            ),
        ),
        ops.AddConstraint(
            "Interaction",
            CheckConstraint(name="interaction_event_is_of_custom_ones", check="(type = 'CUSTOM') = (event <> '')"),
        ),
        ops.AddConstraint(
            "Interaction",
            CheckConstraint(name="interaction_pays_nothing_negative", check="points >= 0 AND growth >= 0"),
        ),
        append_only("interaction"),
        ops.AddField("CheckIn", "bonus_points", fields.BigIntField(db_default=0)),
        ops.AddConstraint("CheckIn", CheckConstraint(name="check_in_bonus_not_negative", check="bonus_points >= 0")),
        ops.RunSQL([BONUS_STAYS]),
    ]
