"""Draws: prizes, secrets, tickets and numbers, wins and grants; what was published can never be changed."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from gamification.core.ids import new_id
from gamification.core.indexes import WhereIndex
from migrations import append_only, primary_key

# Whoever publishes cannot take it back: neither the terms, nor the list of tickets, nor the seed and its outcome.
DRAW_STAYS_PUBLISHED = """CREATE FUNCTION draw_stays_published() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a draw is never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.opened_at IS NOT NULL AND (OLD.title_zh, OLD.title_en, OLD.ticket_points, OLD.opens_at, OLD.closes_at,
           OLD.tickets_per_member, OLD.tickets_per_member_day, OLD.tickets_min, OLD.algorithm, OLD.proof_level,
           OLD.opened_at, OLD.terms, OLD.terms_hash, OLD.commitment)
       IS DISTINCT FROM (NEW.title_zh, NEW.title_en, NEW.ticket_points, NEW.opens_at, NEW.closes_at,
           NEW.tickets_per_member, NEW.tickets_per_member_day, NEW.tickets_min, NEW.algorithm, NEW.proof_level,
           NEW.opened_at, NEW.terms, NEW.terms_hash, NEW.commitment) THEN
        RAISE EXCEPTION 'the terms of a draw are frozen at opening' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.closed_at IS NOT NULL AND (OLD.closed_at, OLD.tickets, OLD.merkle_root, OLD.subtree_roots)
       IS DISTINCT FROM (NEW.closed_at, NEW.tickets, NEW.merkle_root, NEW.subtree_roots) THEN
        RAISE EXCEPTION 'the tickets of a draw are frozen at closing' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.seed IS NOT NULL AND (OLD.seed, OLD.drawn_at, OLD.wins, OLD.unawarded)
       IS DISTINCT FROM (NEW.seed, NEW.drawn_at, NEW.wins, NEW.unawarded) THEN
        RAISE EXCEPTION 'the outcome of a draw is final' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $function$"""
DRAW_STAYS_PUBLISHED_TRIGGER = """CREATE TRIGGER draw_published BEFORE UPDATE OR DELETE ON draw
    FOR EACH ROW EXECUTE FUNCTION draw_stays_published()"""

PRIZES_STAY_PUBLISHED = """CREATE FUNCTION draw_prizes_stay_published() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    IF EXISTS (SELECT FROM draw WHERE state <> 'DRAFT' AND id IN (OLD.draw_id, NEW.draw_id)) THEN
        RAISE EXCEPTION 'the prizes of a draw are frozen at opening' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN coalesce(NEW, OLD);
END $function$"""
PRIZES_STAY_PUBLISHED_TRIGGER = """CREATE TRIGGER draw_prize_published BEFORE INSERT OR UPDATE OR DELETE ON draw_prize
    FOR EACH ROW EXECUTE FUNCTION draw_prizes_stay_published()"""


def belongs_to_draw(table: str) -> ops.RunSQL:
    """A reference to the draw, for tables that are written seldom; on hot ones the sale's own lock is the guard."""
    return ops.RunSQL(
        f'ALTER TABLE "{table}" ADD CONSTRAINT "{table}_of_a_draw" FOREIGN KEY (draw_id) REFERENCES draw (id)'
    )


class Migration(migrations.Migration):
    dependencies = [("jifen", "0006_checkins")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Draw",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id)),
                ("state", fields.CharField(max_length=10)),
                ("title_zh", fields.CharField(max_length=100)),
                ("title_en", fields.CharField(max_length=100)),
                ("ticket_points", fields.BigIntField()),
                ("opens_at", fields.DatetimeField()),
                ("closes_at", fields.DatetimeField()),
                ("tickets_per_member", fields.IntField(null=True)),
                ("tickets_per_member_day", fields.IntField(null=True)),
                ("tickets_min", fields.IntField()),
                ("algorithm", fields.CharField(max_length=40)),
                ("proof_level", fields.CharField(max_length=10)),
                ("created_at", fields.DatetimeField()),
                ("opened_at", fields.DatetimeField(null=True)),
                ("terms", fields.TextField(null=True)),
                ("terms_hash", fields.BinaryField(null=True)),
                ("commitment", fields.BinaryField(null=True)),
                ("closed_at", fields.DatetimeField(null=True)),
                ("tickets", fields.IntField(null=True)),
                ("merkle_root", fields.BinaryField(null=True)),
                ("subtree_roots", fields.BinaryField(null=True)),
                ("drawn_at", fields.DatetimeField(null=True)),
                ("seed", fields.BinaryField(null=True)),
                ("wins", fields.IntField(null=True)),
                ("unawarded", fields.IntField(null=True)),
                ("settled_at", fields.DatetimeField(null=True)),
                ("voided_at", fields.DatetimeField(null=True)),
                ("void_reason", fields.CharField(null=True, max_length=20)),
                ("restored_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "draw",
                "app": "jifen",
                "indexes": [
                    Index(fields=["closes_at", "id"], name="draw_by_closing"),
                    WhereIndex(fields=["closes_at"], name="draw_due_to_close", where="state = 'OPEN'"),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(
                check="state IN ('DRAFT', 'OPEN', 'CLOSED', 'DRAWN', 'SETTLING', 'SETTLED', 'VOIDED')",
                name="draw_state_known",
            ),
        ),
        ops.AddConstraint("Draw", CheckConstraint(check="closes_at > opens_at", name="draw_closes_after_opening")),
        ops.AddConstraint("Draw", CheckConstraint(check="ticket_points > 0", name="draw_ticket_points_positive")),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(check="tickets_per_member > 0 AND tickets_per_member_day > 0", name="draw_limits_positive"),
        ),
        ops.AddConstraint("Draw", CheckConstraint(check="tickets_min >= 0", name="draw_tickets_min_not_negative")),
        ops.AddConstraint("Draw", CheckConstraint(check="proof_level IN ('OPERATOR')", name="draw_proof_level_known")),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(
                check="(opened_at IS NULL) = (state = 'DRAFT' OR (state = 'VOIDED' AND commitment IS NULL))"
                " AND num_nulls(opened_at, terms, terms_hash, commitment) IN (0, 4)",
                name="draw_published_with_terms_and_commitment",
            ),
        ),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(check="terms_hash = sha256(convert_to(terms, 'UTF8'))", name="draw_terms_hash_is_of_terms"),
        ),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(
                check="num_nulls(closed_at, tickets, merkle_root, subtree_roots) IN (0, 4)"
                " AND (closed_at IS NOT NULL OR state IN ('DRAFT', 'OPEN', 'VOIDED'))",
                name="draw_closed_with_root",
            ),
        ),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(
                check="num_nulls(drawn_at, wins, unawarded) IN (0, 3)"
                " AND (drawn_at IS NOT NULL) = (state IN ('DRAWN', 'SETTLING', 'SETTLED'))"
                " AND (seed IS NOT NULL OR drawn_at IS NULL)",
                name="draw_drawn_with_seed",
            ),
        ),
        ops.AddConstraint(
            "Draw", CheckConstraint(check="sha256(seed) = commitment", name="draw_seed_is_the_committed_one")
        ),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(
                check="seed IS NULL OR state IN ('DRAWN', 'SETTLING', 'SETTLED', 'VOIDED')",
                name="draw_seed_hidden_until_drawn",
            ),
        ),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(check="(settled_at IS NOT NULL) = (state = 'SETTLED')", name="draw_settled_at_an_instant"),
        ),
        ops.AddConstraint(
            "Draw",
            CheckConstraint(
                check="(voided_at IS NOT NULL) = (state = 'VOIDED') AND (void_reason IS NOT NULL) = (state = 'VOIDED')"
                " AND void_reason IN ('TOO_FEW_TICKETS', 'BY_STAFF') AND (restored_at IS NULL OR state = 'VOIDED')",
                name="draw_voided_for_a_reason",
            ),
        ),
        ops.RunSQL([DRAW_STAYS_PUBLISHED, DRAW_STAYS_PUBLISHED_TRIGGER]),
        ops.CreateModel(
            name="DrawPrize",
            fields=[
                ("draw_id", fields.UUIDField(primary_key=True, generated=False)),
                ("place", fields.IntField()),
                ("kind", fields.CharField(max_length=10)),
                ("name_zh", fields.CharField(max_length=100)),
                ("name_en", fields.CharField(max_length=100)),
                ("points", fields.BigIntField()),
                ("quantity", fields.IntField()),
                ("per_member", fields.IntField(null=True)),
            ],
            options={"table": "draw_prize", "app": "jifen", "pk_attr": "draw_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("DrawPrize", CheckConstraint(check="kind IN ('POINTS')", name="draw_prize_kind_known")),
        ops.AddConstraint("DrawPrize", CheckConstraint(check="place >= 1", name="draw_prize_counts_from_one")),
        ops.AddConstraint(
            "DrawPrize", CheckConstraint(check="points BETWEEN 1 AND 5000000", name="draw_prize_points_within_law")
        ),
        ops.AddConstraint(
            "DrawPrize", CheckConstraint(check="quantity > 0 AND per_member > 0", name="draw_prize_quantity_positive")
        ),
        primary_key("draw_prize", "draw_id", "place"),
        belongs_to_draw("draw_prize"),
        ops.RunSQL([PRIZES_STAY_PUBLISHED, PRIZES_STAY_PUBLISHED_TRIGGER]),
        ops.CreateModel(
            name="DrawSecret",
            fields=[
                ("draw_id", fields.UUIDField(primary_key=True, generated=False)),
                ("seed", fields.BinaryField()),
                ("salt", fields.BinaryField()),
            ],
            options={"table": "draw_secret", "app": "jifen", "pk_attr": "draw_id"},
            bases=["Model"],
        ),
        ops.AddConstraint(
            "DrawSecret",
            CheckConstraint(check="length(seed) = 32 AND length(salt) = 32", name="draw_secret_of_32_bytes"),
        ),
        belongs_to_draw("draw_secret"),
        append_only("draw_secret"),
        ops.CreateModel(
            name="Ticket",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("draw_id", fields.UUIDField()),
                ("id", fields.UUIDField()),
                ("points", fields.BigIntField()),
                ("entry_seq", fields.BigIntField()),
                ("bought_at", fields.DatetimeField()),
                ("business_date", fields.DateField()),
            ],
            options={
                "table": "ticket",
                "app": "jifen",
                "indexes": [
                    Index(fields=["draw_id", "id"], name="ticket_numbering_order"),
                    Index(fields=["member_id", "id"], name="ticket_of_member"),
                ],
                "pk_attr": "member_id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint("Ticket", CheckConstraint(check="points > 0", name="ticket_points_positive")),
        primary_key("ticket", "member_id", "draw_id", "id"),
        append_only("ticket"),
        ops.CreateModel(
            name="TicketNumber",
            fields=[
                ("draw_id", fields.UUIDField(primary_key=True, generated=False)),
                ("number", fields.IntField()),
                ("ticket_id", fields.UUIDField()),
                ("member_id", fields.UUIDField()),
                ("buyer", fields.CharField(max_length=32)),
            ],
            options={"table": "ticket_number", "app": "jifen", "pk_attr": "draw_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("TicketNumber", CheckConstraint(check="number >= 1", name="ticket_number_counts_from_one")),
        ops.AddConstraint("TicketNumber", UniqueConstraint(fields=("ticket_id",), name="ticket_number_one_per_ticket")),
        primary_key("ticket_number", "draw_id", "number"),
        append_only("ticket_number"),
        ops.CreateModel(
            name="DrawWin",
            fields=[
                ("draw_id", fields.UUIDField(primary_key=True, generated=False)),
                ("rank", fields.IntField()),
                ("number", fields.IntField()),
                ("prize_place", fields.IntField()),
                ("ticket_id", fields.UUIDField()),
                ("member_id", fields.UUIDField()),
                ("points", fields.BigIntField()),
            ],
            options={
                "table": "draw_win",
                "app": "jifen",
                "indexes": [Index(fields=["member_id", "draw_id"], name="draw_win_of_member")],
                "pk_attr": "draw_id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint("DrawWin", CheckConstraint(check="rank >= 1", name="draw_win_counts_from_one")),
        ops.AddConstraint("DrawWin", UniqueConstraint(fields=("draw_id", "number"), name="draw_win_one_per_ticket")),
        primary_key("draw_win", "draw_id", "rank"),
        append_only("draw_win"),
        ops.CreateModel(
            name="DrawGrant",
            fields=[
                ("draw_id", fields.UUIDField(primary_key=True, generated=False)),
                ("rank", fields.IntField()),
                ("member_id", fields.UUIDField()),
                ("points", fields.BigIntField()),
                ("entry_seq", fields.BigIntField()),
                ("granted_at", fields.DatetimeField()),
            ],
            options={"table": "draw_grant", "app": "jifen", "pk_attr": "draw_id"},
            bases=["Model"],
        ),
        primary_key("draw_grant", "draw_id", "rank"),
        append_only("draw_grant"),
        ops.CreateModel(
            name="TicketRestoration",
            fields=[
                ("draw_id", fields.UUIDField(primary_key=True, generated=False)),
                ("ticket_id", fields.UUIDField()),
                ("member_id", fields.UUIDField()),
                ("points", fields.BigIntField()),
                ("entry_seq", fields.BigIntField()),
                ("restored_at", fields.DatetimeField()),
            ],
            options={"table": "ticket_restoration", "app": "jifen", "pk_attr": "draw_id"},
            bases=["Model"],
        ),
        primary_key("ticket_restoration", "draw_id", "ticket_id"),
        append_only("ticket_restoration"),
        ops.CreateModel(
            name="DrawFailure",
            fields=[
                ("draw_id", fields.UUIDField(primary_key=True, generated=False)),
                ("what", fields.CharField(max_length=60)),
                ("attempts", fields.IntField()),
                ("error", fields.TextField()),
                ("failed_at", fields.DatetimeField()),
            ],
            options={"table": "draw_failure", "app": "jifen", "pk_attr": "draw_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("DrawFailure", CheckConstraint(check="attempts >= 1", name="draw_failure_counts_from_one")),
        primary_key("draw_failure", "draw_id", "what"),
        belongs_to_draw("draw_failure"),
    ]
