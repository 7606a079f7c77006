"""Beacons of draws: what is declared, what a closing fixes, and the value once it is known."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from gamification.core.indexes import WhereIndex
from migrations import append_only

# What was published of a beacon stays; and no winner is drawn without the value that the terms promise.
BEACON_STAYS_PUBLISHED = """CREATE FUNCTION draw_beacon_stays_published() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF OLD.opened_at IS NOT NULL AND (OLD.beacon_kind, OLD.beacon_name_zh, OLD.beacon_name_en, OLD.beacon_source)
       IS DISTINCT FROM (NEW.beacon_kind, NEW.beacon_name_zh, NEW.beacon_name_en, NEW.beacon_source) THEN
        RAISE EXCEPTION 'the beacon of a draw is frozen at opening' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.closed_at IS NOT NULL OR OLD.opened_at IS NOT NULL AND OLD.beacon_kind = 'FIGURE')
       AND (OLD.beacon_round, OLD.beacon_due_at) IS DISTINCT FROM (NEW.beacon_round, NEW.beacon_due_at) THEN
        RAISE EXCEPTION 'when the beacon of a draw is due is final' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.drawn_at IS NOT NULL AND NEW.beacon_kind <> 'NONE'
       AND NOT EXISTS (SELECT FROM draw_beacon WHERE draw_id = NEW.id) THEN
        RAISE EXCEPTION 'a draw with a beacon is drawn with its value' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $function$"""
BEACON_STAYS_PUBLISHED_TRIGGER = """CREATE TRIGGER draw_beacon_published BEFORE UPDATE ON draw
    FOR EACH ROW EXECUTE FUNCTION draw_beacon_stays_published()"""

# A value belongs to a closed draw that waits for it, and never to an instant before it was due.
BEACON_IS_DUE = """CREATE FUNCTION draw_beacon_is_due() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM draw WHERE id = NEW.draw_id AND state = 'CLOSED' AND beacon_kind <> 'NONE'
                   AND beacon_due_at <= NEW.known_at AND beacon_round IS NOT DISTINCT FROM NEW.beacon_round) THEN
        RAISE EXCEPTION 'no draw waits for this value now' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $function$"""
BEACON_IS_DUE_TRIGGER = """CREATE TRIGGER draw_beacon_due BEFORE INSERT ON draw_beacon
    FOR EACH ROW EXECUTE FUNCTION draw_beacon_is_due()"""


class Migration(migrations.Migration):
    dependencies = [("jifen", "0017_instant_draws")]

    initial = False

    operations = [
        ops.AddField("Draw", "beacon_kind", fields.CharField(max_length=10, db_default="NONE")),
        ops.AddField("Draw", "beacon_name_zh", fields.CharField(null=True, max_length=100)),
        ops.AddField("Draw", "beacon_name_en", fields.CharField(null=True, max_length=100)),
        ops.AddField("Draw", "beacon_source", fields.CharField(null=True, max_length=500)),
        ops.AddField("Draw", "beacon_round", fields.BigIntField(null=True)),
        ops.AddField("Draw", "beacon_due_at", fields.DatetimeField(null=True)),
        ops.AddIndex(
            "Draw",
            WhereIndex(
                fields=["beacon_due_at"],
                name="draw_awaiting_beacon",
                where="state = 'CLOSED' AND beacon_kind <> 'NONE'",
            ),
        ),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(check="beacon_kind IN ('NONE', 'DRAND', 'FIGURE')", name="draw_beacon_kind_known"),
        ),
        ops.RemoveConstraint("Draw", name="draw_proof_level_known"),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(
                check="proof_level = CASE beacon_kind WHEN 'NONE' THEN 'OPERATOR' ELSE 'PUBLIC' END",
                name="draw_proof_level_of_its_beacon",
            ),
        ),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(
                check="num_nulls(beacon_name_zh, beacon_name_en, beacon_source)"
                " = CASE beacon_kind WHEN 'FIGURE' THEN 0 ELSE 3 END"
                " AND (beacon_kind <> 'FIGURE' OR beacon_due_at IS NOT NULL)",
                name="draw_beacon_figure_declared",
            ),
        ),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(
                check="(beacon_round IS NOT NULL) = (beacon_kind = 'DRAND' AND closed_at IS NOT NULL)"
                " AND (beacon_kind = 'FIGURE' OR (beacon_due_at IS NOT NULL) = (beacon_round IS NOT NULL))",
                name="draw_beacon_round_fixed_at_closing",
            ),
        ),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(
                check="beacon_due_at > closed_at OR (beacon_kind = 'FIGURE' AND drawn_at IS NULL)",
                name="draw_beacon_due_after_closing",
            ),
        ),
        ops.RemoveConstraint("Draw", name="draw_voided_for_a_reason"),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(
                check="(voided_at IS NOT NULL) = (state = 'VOIDED') AND (void_reason IS NOT NULL) = (state = 'VOIDED')"
                " AND void_reason IN ('TOO_FEW_TICKETS', 'BY_STAFF', 'BEACON_MISSING')"
                " AND (restored_at IS NULL OR state = 'VOIDED')",
                name="draw_voided_for_a_reason",
            ),
        ),
        ops.CreateModel(
            name="DrawBeacon",
            fields=[
                ("draw_id", fields.UUIDField(primary_key=True, generated=False)),
                ("value", fields.CharField(max_length=100)),
                ("beacon_round", fields.BigIntField(null=True)),
                ("signature", fields.BinaryField(null=True)),
                ("source", fields.CharField(max_length=500)),
                ("known_at", fields.DatetimeField()),
            ],
            options={"table": "draw_beacon", "app": "jifen", "pk_attr": "draw_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("DrawBeacon", CheckConstraint(check="length(value) > 0", name="draw_beacon_has_a_value")),
        ops.AddConstraint(
            "DrawBeacon",
            CheckConstraint(
                check="(beacon_round IS NULL) = (signature IS NULL)", name="draw_beacon_signed_where_it_is_a_round"
            ),
        ),
        ops.AddConstraint(
            "DrawBeacon",
            CheckConstraint(
                check="value = encode(sha256(signature), 'hex')", name="draw_beacon_value_is_of_its_signature"
            ),
        ),
        append_only("draw_beacon"),
        ops.RunSQL([BEACON_IS_DUE, BEACON_IS_DUE_TRIGGER, BEACON_STAYS_PUBLISHED, BEACON_STAYS_PUBLISHED_TRIGGER]),
    ]
