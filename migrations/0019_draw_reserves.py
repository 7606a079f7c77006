"""Draws: reserves, prizes that are claimed, what lapses and goes to a reserve, free tickets."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from gamification.core.indexes import WhereIndex
from migrations import append_only, primary_key

# As `draw_stays_published`, for what came later.
RESERVES_STAY_PUBLISHED = """CREATE FUNCTION draw_reserves_stay_published() RETURNS trigger LANGUAGE plpgsql
AS $function$
BEGIN
    IF OLD.opened_at IS NOT NULL AND (OLD.reserves, OLD.claim_seconds, OLD.free_tickets_per_member)
       IS DISTINCT FROM (NEW.reserves, NEW.claim_seconds, NEW.free_tickets_per_member) THEN
        RAISE EXCEPTION 'the terms of a draw are frozen at opening' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.settling_at IS NOT NULL AND OLD.settling_at IS DISTINCT FROM NEW.settling_at
       OR OLD.claims_closed_to IS NOT NULL AND (NEW.claims_closed_to >= OLD.claims_closed_to) IS NOT TRUE
       OR (NEW.lapsed, NEW.promoted) IS DISTINCT FROM (OLD.lapsed, OLD.promoted)
          AND (NEW.lapsed < OLD.lapsed OR NEW.promoted < OLD.promoted OR OLD.state <> 'SETTLING') THEN
        RAISE EXCEPTION 'what a draw has settled stays settled' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $function$"""
RESERVES_STAY_PUBLISHED_TRIGGER = """CREATE TRIGGER draw_reserves_published BEFORE UPDATE ON draw
    FOR EACH ROW EXECUTE FUNCTION draw_reserves_stay_published()"""

WON_WHEN_DRAWN = [
    "ALTER TABLE draw_win DISABLE TRIGGER draw_win_append_only",
    "UPDATE draw_win SET won_at = draw.drawn_at FROM draw WHERE draw.id = draw_win.draw_id",
    "ALTER TABLE draw_win ENABLE TRIGGER draw_win_append_only",
    "ALTER TABLE draw_win ALTER won_at SET NOT NULL",
]

# See 0015: all of a draw's wins come at once, so that only the order of the index is allowed.
IN_INDEX_ORDER = "SET enable_sort = off SET enable_bitmapscan = off SET enable_seqscan = off SET enable_hashjoin = off"

OWED_TICKETS = f"""CREATE OR REPLACE FUNCTION owed_tickets(p_draw uuid, p_ticket uuid, p_limit int)
RETURNS TABLE (member_id uuid, id uuid, entry_seq bigint) LANGUAGE plpgsql STABLE {IN_INDEX_ORDER} AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT t.member_id, t.id, t.entry_seq FROM ticket t
    WHERE t.draw_id = p_draw AND t.id > p_ticket AND t.points > 0
      AND (SELECT r.ticket_id FROM ticket_restoration r WHERE r.draw_id = p_draw AND r.ticket_id = t.id) IS NULL
    ORDER BY t.id LIMIT p_limit;
END $function$"""

UNCLAIMED_WINS = f"""CREATE FUNCTION unclaimed_wins(p_draw uuid, p_until timestamptz, p_rank int, p_limit int)
RETURNS TABLE (rank int, prize_place int, member_id uuid) LANGUAGE plpgsql STABLE {IN_INDEX_ORDER} AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT w.rank, w.prize_place, w.member_id FROM draw_win w
    WHERE w.draw_id = p_draw AND w.rank > p_rank AND w.claim_until <= p_until
      AND (SELECT g.rank FROM draw_grant g WHERE g.draw_id = p_draw AND g.rank = w.rank) IS NULL
      AND (SELECT l.rank FROM draw_lapse l WHERE l.draw_id = p_draw AND l.rank = w.rank) IS NULL
    ORDER BY w.rank LIMIT p_limit;
END $function$"""


def check(model: str, name: str, sql: str) -> ops.AddConstraint:
    """A constraint of a table that exists."""
    return ops.AddConstraint(model, CheckConstraint(check=sql, name=name))


class Migration(migrations.Migration):
    dependencies = [("jifen", "0018_beacons")]

    initial = False

    operations = [
        ops.AddField("Draw", "reserves", fields.IntField(db_default=0)),
        ops.AddField("Draw", "claim_seconds", fields.IntField(null=True)),
        ops.AddField("Draw", "free_tickets_per_member", fields.IntField(db_default=0)),
        ops.AddField("Draw", "settling_at", fields.DatetimeField(null=True)),
        ops.AddField("Draw", "claims_closed_to", fields.DatetimeField(null=True)),
        ops.AddField("Draw", "lapsed", fields.IntField(db_default=0)),
        ops.AddField("Draw", "promoted", fields.IntField(db_default=0)),
        check("Draw", "draw_reserves_bounded", "reserves BETWEEN 0 AND 10000"),
        check("Draw", "draw_claim_seconds_positive", "claim_seconds > 0"),
        check("Draw", "draw_free_tickets_not_negative", "free_tickets_per_member >= 0"),
        check("Draw", "draw_promotions_follow_lapses", "promoted BETWEEN 0 AND lapsed"),
        check(
            "Draw",
            "draw_lapses_where_prizes_are_claimed",
            "(lapsed = 0 AND claims_closed_to IS NULL) OR num_nulls(claim_seconds, drawn_at) = 0",
        ),
        ops.RunSQL([RESERVES_STAY_PUBLISHED, RESERVES_STAY_PUBLISHED_TRIGGER]),
        ops.AlterField("Ticket", "entry_seq", fields.BigIntField(null=True)),
        ops.RemoveConstraint("Ticket", name="ticket_points_positive"),
        check("Ticket", "ticket_free_or_paid_by_an_entry", "points >= 0 AND (points = 0) = (entry_seq IS NULL)"),
        ops.RunSQL(OWED_TICKETS),
        ops.AddField("DrawWin", "replaces_rank", fields.IntField(null=True)),
        ops.AddField("DrawWin", "claim_until", fields.DatetimeField(null=True)),
        ops.AddField("DrawWin", "won_at", fields.DatetimeField(null=True)),
        ops.RunSQL(WON_WHEN_DRAWN),
        ops.AlterField("DrawWin", "won_at", fields.DatetimeField()),
        check("DrawWin", "draw_win_replaces_an_earlier_one", "replaces_rank BETWEEN 1 AND rank - 1"),
        check("DrawWin", "draw_win_claimed_after_it_was_won", "claim_until > won_at"),
        ops.AddConstraint(
            "DrawWin", UniqueConstraint(fields=("draw_id", "replaces_rank"), name="draw_win_replaces_once")
        ),
        ops.AddIndex(
            "DrawWin",
            WhereIndex(fields=["member_id", "claim_until"], name="draw_win_to_claim", where="claim_until IS NOT NULL"),
        ),
        ops.CreateModel(
            name="DrawReserve",
            fields=[
                ("draw_id", fields.UUIDField(primary_key=True, generated=False)),
                ("place", fields.IntField()),
                ("number", fields.IntField()),
                ("ticket_id", fields.UUIDField()),
                ("member_id", fields.UUIDField()),
            ],
            options={"table": "draw_reserve", "app": "jifen", "pk_attr": "draw_id"},
            bases=["Model"],
        ),
        check("DrawReserve", "draw_reserve_counts_from_one", "place >= 1"),
        ops.AddConstraint(
            "DrawReserve", UniqueConstraint(fields=("draw_id", "number"), name="draw_reserve_one_per_ticket")
        ),
        primary_key("draw_reserve", "draw_id", "place"),
        append_only("draw_reserve"),
        ops.CreateModel(
            name="DrawLapse",
            fields=[
                ("draw_id", fields.UUIDField(primary_key=True, generated=False)),
                ("rank", fields.IntField()),
                ("promoted_rank", fields.IntField(null=True)),
                ("booked_at", fields.DatetimeField()),
            ],
            options={"table": "draw_lapse", "app": "jifen", "pk_attr": "draw_id"},
            bases=["Model"],
        ),
        check("DrawLapse", "draw_lapse_promotes_a_later_one", "promoted_rank > rank"),
        ops.AddConstraint(
            "DrawLapse", UniqueConstraint(fields=("draw_id", "promoted_rank"), name="draw_lapse_promotes_once")
        ),
        primary_key("draw_lapse", "draw_id", "rank"),
        append_only("draw_lapse"),
        ops.RunSQL(UNCLAIMED_WINS),
    ]
