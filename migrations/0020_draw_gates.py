"""Draws that are not for everybody: from a tier on, and earlier for some."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

# As `draw_stays_published`, for what came later.
GATE_STAYS_PUBLISHED = """CREATE FUNCTION draw_gate_stays_published() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF OLD.opened_at IS NOT NULL AND (OLD.tier_min, OLD.early_tier_min, OLD.early_seconds)
       IS DISTINCT FROM (NEW.tier_min, NEW.early_tier_min, NEW.early_seconds) THEN
        RAISE EXCEPTION 'the terms of a draw are frozen at opening' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $function$"""
GATE_STAYS_PUBLISHED_TRIGGER = """CREATE TRIGGER draw_gate_published BEFORE UPDATE ON draw
    FOR EACH ROW EXECUTE FUNCTION draw_gate_stays_published()"""


class Migration(migrations.Migration):
    dependencies = [("jifen", "0019_draw_reserves")]

    initial = False

    operations = [
        ops.AddField("Draw", "tier_min", fields.CharField(max_length=20, null=True)),
        ops.AddField("Draw", "early_tier_min", fields.CharField(max_length=20, null=True)),
        ops.AddField("Draw", "early_seconds", fields.IntField(db_default=0)),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(
                check="early_seconds >= 0 AND (early_tier_min IS NULL) = (early_seconds = 0)",
                name="draw_early_for_a_tier",
            ),
        ),
        ops.RunSQL([GATE_STAYS_PUBLISHED, GATE_STAYS_PUBLISHED_TRIGGER]),
    ]
