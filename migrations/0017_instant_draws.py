"""Instant draws: odds that stay published, stocks that only grow, plays and the seeds of the days."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from gamification.core.ids import new_id
from gamification.core.indexes import WhereIndex
from migrations import append_only, primary_key

# Whoever publishes cannot take it back: neither when a draw is played and by whom, nor its odds.
DRAW_STAYS_PUBLISHED = """CREATE FUNCTION instant_draw_stays_published() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an instant draw is never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.published_at IS NOT NULL AND (OLD.title_zh, OLD.title_en, OLD.opens_at, OLD.closes_at, OLD.tier_min,
           OLD.early_tier_min, OLD.early_seconds, OLD.published_at)
       IS DISTINCT FROM (NEW.title_zh, NEW.title_en, NEW.opens_at, NEW.closes_at, NEW.tier_min,
           NEW.early_tier_min, NEW.early_seconds, NEW.published_at) THEN
        RAISE EXCEPTION 'the terms of an instant draw are frozen' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'ENDED' AND NEW.state <> 'ENDED' THEN
        RAISE EXCEPTION 'an instant draw ends for good' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $function$"""
DRAW_STAYS_PUBLISHED_TRIGGER = """CREATE TRIGGER instant_draw_published BEFORE UPDATE OR DELETE ON instant_draw
    FOR EACH ROW EXECUTE FUNCTION instant_draw_stays_published()"""

ODDS_STAY_PUBLISHED = """CREATE FUNCTION odds_stay_published() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF OLD.published_at IS NOT NULL OR TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'published odds are never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $function$"""
ODDS_STAY_PUBLISHED_TRIGGER = """CREATE TRIGGER odds_published BEFORE UPDATE OR DELETE ON odds_version
    FOR EACH ROW EXECUTE FUNCTION odds_stay_published()"""

LINES_STAY_PUBLISHED = """CREATE FUNCTION odds_lines_stay_published() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF EXISTS (SELECT FROM odds_version WHERE published_at IS NOT NULL AND id IN (OLD.odds_id, NEW.odds_id)) THEN
        RAISE EXCEPTION 'published odds are never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN coalesce(NEW, OLD);
END $function$"""
LINES_STAY_PUBLISHED_TRIGGER = """CREATE TRIGGER odds_line_published BEFORE INSERT OR UPDATE OR DELETE ON odds_line
    FOR EACH ROW EXECUTE FUNCTION odds_lines_stay_published()"""

# What was given stays given, and a stock that was promised is not lowered (NULL is no limit).
STOCK_ONLY_GROWS = """CREATE FUNCTION instant_stock_only_grows() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF TG_OP = 'DELETE' OR (NEW.draw_id, NEW.place, NEW.shard, NEW.first_on)
         IS DISTINCT FROM (OLD.draw_id, OLD.place, OLD.shard, OLD.first_on)
       OR NEW.given < OLD.given OR NEW.stock < OLD.stock OR (OLD.stock IS NULL AND NEW.stock IS NOT NULL)
       OR NEW.daily_release < OLD.daily_release OR (OLD.daily_release IS NULL AND NEW.daily_release IS NOT NULL) THEN
        RAISE EXCEPTION 'what was given or promised stays so' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $function$"""
STOCK_ONLY_GROWS_TRIGGER = """CREATE TRIGGER instant_stock_grows BEFORE UPDATE OR DELETE ON instant_stock
    FOR EACH ROW EXECUTE FUNCTION instant_stock_only_grows()"""


def belongs_to(table: str, column: str, owner: str) -> ops.RunSQL:
    """A reference to the owner, for tables that are inserted into seldom."""
    return ops.RunSQL(
        f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_of_its_{column}" FOREIGN KEY ({column}) REFERENCES {owner} (id)'
    )


class Migration(migrations.Migration):
    dependencies = [("jifen", "0016_adult_declaration")]

    initial = False

    operations = [
        ops.CreateModel(
            name="InstantDraw",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id)),
                ("state", fields.CharField(max_length=10)),
                ("title_zh", fields.CharField(max_length=100)),
                ("title_en", fields.CharField(max_length=100)),
                ("opens_at", fields.DatetimeField()),
                ("closes_at", fields.DatetimeField()),
                ("tier_min", fields.CharField(null=True, max_length=20)),
                ("early_tier_min", fields.CharField(null=True, max_length=20)),
                ("early_seconds", fields.IntField(db_default=0)),
                ("odds_id", fields.UUIDField(null=True)),
                ("created_at", fields.DatetimeField()),
                ("published_at", fields.DatetimeField(null=True)),
                ("ended_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "instant_draw",
                "app": "jifen",
                "indexes": [
                    Index(fields=["closes_at", "id"], name="instant_draw_by_closing"),
                    WhereIndex(
                        fields=["closes_at"], name="instant_draw_due_to_end", where="state IN ('OPEN', 'PAUSED')"
                    ),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "InstantDraw",
            CheckConstraint(check="state IN ('DRAFT', 'OPEN', 'PAUSED', 'ENDED')", name="instant_draw_state_known"),
        ),
        ops.AddConstraint(
            "InstantDraw", CheckConstraint(check="closes_at > opens_at", name="instant_draw_closes_after_opening")
        ),
        ops.AddConstraint(
            "InstantDraw", CheckConstraint(check="early_seconds >= 0", name="instant_draw_early_not_negative")
        ),
        ops.AddConstraint(
            "InstantDraw",
            CheckConstraint(
                check="(published_at IS NULL) = (odds_id IS NULL) AND (state NOT IN ('OPEN', 'PAUSED')"
                " OR published_at IS NOT NULL) AND (state <> 'DRAFT' OR published_at IS NULL)",
                name="instant_draw_published_with_odds",
            ),
        ),
        ops.AddConstraint(
            "InstantDraw",
            CheckConstraint(
                check="(ended_at IS NOT NULL) = (state = 'ENDED')", name="instant_draw_ended_at_an_instant"
            ),
        ),
        ops.RunSQL([DRAW_STAYS_PUBLISHED, DRAW_STAYS_PUBLISHED_TRIGGER]),
        ops.CreateModel(
            name="OddsVersion",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id)),
                ("draw_id", fields.UUIDField()),
                ("version", fields.IntField()),
                ("play_points", fields.BigIntField()),
                ("free_plays_per_day", fields.IntField()),
                ("plays_per_member", fields.IntField(null=True)),
                ("plays_per_member_day", fields.IntField(null=True)),
                ("budget_points", fields.BigIntField(null=True)),
                ("pity_after", fields.IntField(null=True)),
                ("created_at", fields.DatetimeField()),
                ("published_at", fields.DatetimeField(null=True)),
                ("terms", fields.TextField(null=True)),
                ("terms_hash", fields.BinaryField(null=True)),
            ],
            options={"table": "odds_version", "app": "jifen", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.AddConstraint(
            "OddsVersion", UniqueConstraint(fields=("draw_id", "version"), name="odds_version_numbered_once")
        ),
        ops.AddConstraint("OddsVersion", CheckConstraint(check="version >= 1", name="odds_version_counts_from_one")),
        ops.AddConstraint(
            "OddsVersion", CheckConstraint(check="play_points > 0", name="odds_version_play_points_positive")
        ),
        ops.AddConstraint(
            "OddsVersion",
            CheckConstraint(
                check="free_plays_per_day >= 0 AND plays_per_member > 0 AND plays_per_member_day > 0"
                " AND budget_points > 0 AND pity_after > 0",
                name="odds_version_limits_positive",
            ),
        ),
        ops.AddConstraint(
            "OddsVersion",
            CheckConstraint(
                check="num_nulls(published_at, terms, terms_hash) IN (0, 3)", name="odds_version_published_with_terms"
            ),
        ),
        ops.AddConstraint(
            "OddsVersion",
            CheckConstraint(
                check="terms_hash = sha256(convert_to(terms, 'UTF8'))", name="odds_version_terms_hash_is_of_terms"
            ),
        ),
        ops.RunSQL([ODDS_STAY_PUBLISHED, ODDS_STAY_PUBLISHED_TRIGGER]),
        belongs_to("odds_version", "draw_id", "instant_draw"),
        ops.CreateModel(
            name="OddsLine",
            fields=[
                ("odds_id", fields.UUIDField(primary_key=True, generated=False)),
                ("place", fields.IntField()),
                ("kind", fields.CharField(max_length=10)),
                ("name_zh", fields.CharField(max_length=100)),
                ("name_en", fields.CharField(max_length=100)),
                ("points", fields.BigIntField()),
                ("odds_ppm", fields.IntField()),
                ("pity_ppm", fields.IntField(null=True)),
                ("stock", fields.BigIntField(null=True)),
                ("per_member", fields.IntField(null=True)),
                ("daily_release", fields.BigIntField(null=True)),
                ("fallback", fields.IntField(null=True)),
            ],
            options={"table": "odds_line", "app": "jifen", "pk_attr": "odds_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("OddsLine", CheckConstraint(check="kind IN ('POINTS', 'NONE')", name="odds_line_kind_known")),
        ops.AddConstraint("OddsLine", CheckConstraint(check="place >= 1", name="odds_line_counts_from_one")),
        ops.AddConstraint(
            "OddsLine",
            CheckConstraint(
                check="CASE kind WHEN 'NONE' THEN points = 0 ELSE points BETWEEN 1 AND 5000000 END",
                name="odds_line_points_within_law",
            ),
        ),
        ops.AddConstraint(
            "OddsLine",
            CheckConstraint(
                check="odds_ppm BETWEEN 0 AND 1000000 AND (pity_ppm IS NULL OR pity_ppm BETWEEN 0 AND 1000000)",
                name="odds_line_parts_of_a_million",
            ),
        ),
        ops.AddConstraint(
            "OddsLine",
            CheckConstraint(
                check="stock > 0 AND per_member > 0 AND daily_release > 0", name="odds_line_limits_positive"
            ),
        ),
        ops.AddConstraint(
            "OddsLine",
            CheckConstraint(check="(kind = 'NONE') = (fallback IS NULL)", name="odds_line_prize_has_a_fallback"),
        ),
        primary_key("odds_line", "odds_id", "place"),
        belongs_to("odds_line", "odds_id", "odds_version"),
        ops.RunSQL([LINES_STAY_PUBLISHED, LINES_STAY_PUBLISHED_TRIGGER]),
        ops.CreateModel(
            name="InstantStock",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id)),
                ("draw_id", fields.UUIDField()),
                ("place", fields.IntField()),
                ("shard", fields.IntField()),
                ("stock", fields.BigIntField(null=True)),
                ("daily_release", fields.BigIntField(null=True)),
                ("first_on", fields.DateField()),
                ("given", fields.BigIntField(db_default=0)),
            ],
            options={"table": "instant_stock", "app": "jifen", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.AddConstraint(
            "InstantStock", UniqueConstraint(fields=("draw_id", "place", "shard"), name="instant_stock_counted_once")
        ),
        ops.AddConstraint("InstantStock", CheckConstraint(check="given >= 0", name="instant_stock_given_not_negative")),
        ops.AddConstraint(
            "InstantStock",
            CheckConstraint(check="place >= 0 AND shard BETWEEN 0 AND 7", name="instant_stock_shard_known"),
        ),
        ops.AddConstraint(
            "InstantStock", CheckConstraint(check="stock > 0 AND daily_release > 0", name="instant_stock_positive")
        ),
        ops.RunSQL([STOCK_ONLY_GROWS, STOCK_ONLY_GROWS_TRIGGER]),
        belongs_to("instant_stock", "draw_id", "instant_draw"),
        ops.CreateModel(
            name="InstantPlay",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("draw_id", fields.UUIDField()),
                ("number", fields.IntField()),
                ("id", fields.UUIDField()),
                ("version", fields.IntField()),
                ("business_date", fields.DateField()),
                ("day_number", fields.IntField()),
                ("free_number", fields.IntField()),
                ("roll", fields.IntField()),
                ("pity", fields.BooleanField()),
                ("nominal", fields.IntField()),
                ("given", fields.IntField()),
                ("reason", fields.CharField(null=True, max_length=20)),
                ("misses", fields.IntField()),
                ("points", fields.BigIntField()),
                ("price_points", fields.BigIntField()),
                ("price_seq", fields.BigIntField(null=True)),
                ("grant_seq", fields.BigIntField(null=True)),
                ("played_at", fields.DatetimeField()),
            ],
            options={
                "table": "instant_play",
                "app": "jifen",
                "indexes": [
                    Index(fields=["member_id", "id"], name="instant_play_of_member"),
                    Index(fields=["draw_id", "given"], name="instant_play_by_given"),
                ],
                "pk_attr": "member_id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "InstantPlay", CheckConstraint(check="number >= 1 AND day_number >= 1", name="instant_play_counts_from_one")
        ),
        ops.AddConstraint(
            "InstantPlay", CheckConstraint(check="roll BETWEEN 0 AND 999999", name="instant_play_roll_of_a_million")
        ),
        ops.AddConstraint(
            "InstantPlay",
            CheckConstraint(
                check="(nominal = given) = (reason IS NULL)"
                " AND reason IN ('STOCK', 'RELEASE', 'MEMBER_LIMIT', 'BUDGET')",
                name="instant_play_substituted_for_a_reason",
            ),
        ),
        ops.AddConstraint(
            "InstantPlay",
            CheckConstraint(
                check="(price_points > 0) = (price_seq IS NOT NULL)"
                " AND (points > 0) = (grant_seq IS NOT NULL) AND price_points >= 0"
                " AND points >= 0",
                name="instant_play_paid_through_the_ledger",
            ),
        ),
        ops.AddConstraint(
            "InstantPlay",
            CheckConstraint(check="(misses = 0) = (points > 0)", name="instant_play_misses_end_with_a_win"),
        ),
        primary_key("instant_play", "member_id", "draw_id", "number"),
        append_only("instant_play"),
        ops.CreateModel(
            name="PlaySeed",
            fields=[
                ("business_date", fields.DateField(primary_key=True, generated=False)),
                ("commitment", fields.BinaryField()),
                ("seed", fields.BinaryField()),
                ("made_at", fields.DatetimeField()),
            ],
            options={"table": "play_seed", "app": "jifen", "pk_attr": "business_date"},
            bases=["Model"],
        ),
        ops.AddConstraint("PlaySeed", CheckConstraint(check="length(seed) = 32", name="play_seed_of_32_bytes")),
        ops.AddConstraint(
            "PlaySeed", CheckConstraint(check="sha256(seed) = commitment", name="play_seed_is_the_committed_one")
        ),
        append_only("play_seed"),
    ]
