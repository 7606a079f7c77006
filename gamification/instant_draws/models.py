"""Instant draws, the versions of their odds, what of their stock is given, and plays.

Composite primary keys: the ORM knows one primary key column only, which is marked here; the migration replaces the key.
Plays and seeds are append-only; what is published of a draw and its odds is frozen by triggers.
"""

from datetime import date, datetime
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from gamification.core.ids import new_id
from gamification.core.indexes import WhereIndex


class InstantDraw(Model):
    """An instant draw: when it is played and by whom. `odds_id` is the version of its odds that is in force."""

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    state = fields.CharField(max_length=10)
    title_zh = fields.CharField(max_length=100)
    title_en = fields.CharField(max_length=100)
    opens_at: datetime = fields.DatetimeField()
    closes_at: datetime = fields.DatetimeField()
    tier_min = fields.CharField(max_length=20, null=True)
    early_tier_min = fields.CharField(max_length=20, null=True)
    early_seconds: int = fields.IntField(db_default=0)
    odds_id: UUID | None = fields.UUIDField(null=True)
    created_at: datetime = fields.DatetimeField()
    published_at: datetime | None = fields.DatetimeField(null=True)
    ended_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "instant_draw"
        constraints = [
            CheckConstraint(name="instant_draw_state_known", check="state IN ('DRAFT', 'OPEN', 'PAUSED', 'ENDED')"),
            CheckConstraint(name="instant_draw_closes_after_opening", check="closes_at > opens_at"),
            CheckConstraint(name="instant_draw_early_not_negative", check="early_seconds >= 0"),
            CheckConstraint(
                name="instant_draw_published_with_odds",
                check="(published_at IS NULL) = (odds_id IS NULL)"
                " AND (state NOT IN ('OPEN', 'PAUSED') OR published_at IS NOT NULL)"
                " AND (state <> 'DRAFT' OR published_at IS NULL)",
            ),
            CheckConstraint(
                name="instant_draw_ended_at_an_instant", check="(ended_at IS NOT NULL) = (state = 'ENDED')"
            ),
        ]
        indexes = [
            Index(fields=("closes_at", "id"), name="instant_draw_by_closing"),
            WhereIndex(fields=("closes_at",), name="instant_draw_due_to_end", where="state IN ('OPEN', 'PAUSED')"),
        ]


class OddsVersion(Model):
    """A version of a draw's odds: price, limits. `terms` is the exact text whose SHA-256 is `terms_hash`."""

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    draw_id: UUID = fields.UUIDField()
    version: int = fields.IntField()
    play_points: int = fields.BigIntField()
    free_plays_per_day: int = fields.IntField()
    plays_per_member: int | None = fields.IntField(null=True)
    plays_per_member_day: int | None = fields.IntField(null=True)
    budget_points: int | None = fields.BigIntField(null=True)
    pity_after: int | None = fields.IntField(null=True)
    created_at: datetime = fields.DatetimeField()
    published_at: datetime | None = fields.DatetimeField(null=True)
    terms: str | None = fields.TextField(null=True)
    terms_hash: bytes | None = fields.BinaryField(null=True)

    class Meta:
        table = "odds_version"
        constraints = [
            UniqueConstraint(fields=("draw_id", "version"), name="odds_version_numbered_once"),
            CheckConstraint(name="odds_version_counts_from_one", check="version >= 1"),
            CheckConstraint(name="odds_version_play_points_positive", check="play_points > 0"),
            CheckConstraint(
                name="odds_version_limits_positive",
                check="free_plays_per_day >= 0 AND plays_per_member > 0 AND plays_per_member_day > 0"
                " AND budget_points > 0 AND pity_after > 0",
            ),
            CheckConstraint(
                name="odds_version_published_with_terms",
                check="num_nulls(published_at, terms, terms_hash) IN (0, 3)",
            ),
            CheckConstraint(
                name="odds_version_terms_hash_is_of_terms", check="terms_hash = sha256(convert_to(terms, 'UTF8'))"
            ),
        ]


class OddsLine(Model):
    """A line of an odds table, in its declared order. Primary key (odds_id, place)."""

    odds_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    place: int = fields.IntField()
    kind = fields.CharField(max_length=10)
    name_zh = fields.CharField(max_length=100)
    name_en = fields.CharField(max_length=100)
    points: int = fields.BigIntField()
    odds_ppm: int = fields.IntField()
    pity_ppm: int | None = fields.IntField(null=True)
    stock: int | None = fields.BigIntField(null=True)
    per_member: int | None = fields.IntField(null=True)
    daily_release: int | None = fields.BigIntField(null=True)
    fallback: int | None = fields.IntField(null=True)

    class Meta:
        table = "odds_line"
        constraints = [
            CheckConstraint(name="odds_line_kind_known", check="kind IN ('POINTS', 'NONE')"),
            CheckConstraint(name="odds_line_counts_from_one", check="place >= 1"),
            CheckConstraint(
                name="odds_line_points_within_law",
                check="CASE kind WHEN 'NONE' THEN points = 0 ELSE points BETWEEN 1 AND 5000000 END",
            ),
            CheckConstraint(
                name="odds_line_parts_of_a_million",
                check="odds_ppm BETWEEN 0 AND 1000000 AND (pity_ppm IS NULL OR pity_ppm BETWEEN 0 AND 1000000)",
            ),
            CheckConstraint(
                name="odds_line_limits_positive", check="stock > 0 AND per_member > 0 AND daily_release > 0"
            ),
            CheckConstraint(name="odds_line_prize_has_a_fallback", check="(kind = 'NONE') = (fallback IS NULL)"),
        ]


class InstantStock(Model):
    """A counter of what was given of a prize's stock, one of several; place 0 counts points of the budget.

    Its capacity is a pure function of `stock`, `daily_release`, `shard` and the days since `first_on`. `stock` NULL: a
    later version lifted the limit.
    """

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    draw_id: UUID = fields.UUIDField()
    place: int = fields.IntField()
    shard: int = fields.IntField()
    stock: int | None = fields.BigIntField(null=True)
    daily_release: int | None = fields.BigIntField(null=True)
    first_on: date = fields.DateField()
    given: int = fields.BigIntField(db_default=0)

    class Meta:
        table = "instant_stock"
        constraints = [
            UniqueConstraint(fields=("draw_id", "place", "shard"), name="instant_stock_counted_once"),
            CheckConstraint(name="instant_stock_given_not_negative", check="given >= 0"),
            CheckConstraint(name="instant_stock_shard_known", check="place >= 0 AND shard BETWEEN 0 AND 7"),
            CheckConstraint(name="instant_stock_positive", check="stock > 0 AND daily_release > 0"),
        ]


class InstantPlay(Model):
    """A play: what chance gave, what was given, what it cost. Primary key (member_id, draw_id, number).

    `reason` says why the given prize is not the nominal one. `day_number`, `free_number` and `misses` count up to and
    with this play: the member's plays of the day, the free ones among them, misses in a row. `price_seq` is the POINTS
    entry of its price, NULL for a free play; `grant_seq` that of the prize, NULL for a miss.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    draw_id: UUID = fields.UUIDField()
    number: int = fields.IntField()
    id: UUID = fields.UUIDField()
    version: int = fields.IntField()
    business_date: date = fields.DateField()
    day_number: int = fields.IntField()
    free_number: int = fields.IntField()
    roll: int = fields.IntField()
    pity = fields.BooleanField()
    nominal: int = fields.IntField()
    given: int = fields.IntField()
    reason = fields.CharField(max_length=20, null=True)
    misses: int = fields.IntField()
    points: int = fields.BigIntField()
    price_points: int = fields.BigIntField()
    price_seq: int | None = fields.BigIntField(null=True)
    grant_seq: int | None = fields.BigIntField(null=True)
    played_at: datetime = fields.DatetimeField()

    class Meta:
        table = "instant_play"
        constraints = [
            CheckConstraint(name="instant_play_counts_from_one", check="number >= 1 AND day_number >= 1"),
            CheckConstraint(name="instant_play_roll_of_a_million", check="roll BETWEEN 0 AND 999999"),
            CheckConstraint(
                name="instant_play_substituted_for_a_reason",
                check="(nominal = given) = (reason IS NULL)"
                " AND reason IN ('STOCK', 'RELEASE', 'MEMBER_LIMIT', 'BUDGET')",
            ),
            CheckConstraint(
                name="instant_play_paid_through_the_ledger",
                check="(price_points > 0) = (price_seq IS NOT NULL) AND (points > 0) = (grant_seq IS NOT NULL)"
                " AND price_points >= 0 AND points >= 0",
            ),
            CheckConstraint(name="instant_play_misses_end_with_a_win", check="(misses = 0) = (points > 0)"),
        ]
        indexes = [
            Index(fields=("member_id", "id"), name="instant_play_of_member"),
            Index(fields=("draw_id", "given"), name="instant_play_by_given"),
        ]


class PlaySeed(Model):
    """The seed of a business day, for all instant draws; nobody may read it before the day is over."""

    business_date: date = fields.DateField(primary_key=True, generated=False)
    commitment: bytes = fields.BinaryField()
    seed: bytes = fields.BinaryField()
    made_at: datetime = fields.DatetimeField()

    class Meta:
        table = "play_seed"
        constraints = [
            CheckConstraint(name="play_seed_of_32_bytes", check="length(seed) = 32"),
            CheckConstraint(name="play_seed_is_the_committed_one", check="sha256(seed) = commitment"),
        ]
