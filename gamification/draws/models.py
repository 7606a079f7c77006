"""Draws, their prizes and secrets, tickets and numbers, wins and grants.

Composite primary keys: the ORM knows one primary key column only, which is marked here; the migration replaces the key.
All tables but `draw`, `draw_prize` and `draw_failure` are append-only, and a draw's terms are frozen by triggers.
"""

from datetime import date, datetime
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from gamification.core.ids import new_id
from gamification.core.indexes import WhereIndex


class Draw(Model):
    """A draw and everything about it that is public, or will be.

    `terms` is the exact text whose SHA-256 is `terms_hash`. `seed` stays empty until the winners are drawn (or the
    draw is voided). `subtree_roots` holds the roots of each run of 1024 leaves, 32 bytes each. `restored_at` says when
    the last ticket of a voided draw was given back. What was declared of a figure stands in `beacon_name_*` and
    `beacon_source`; `beacon_due_at` is declared with it, and fixed at closing together with the round of a drand chain.

    `wins` and `unawarded` are the drawing's and stay; `lapsed` counts the wins that nobody claimed in time, `promoted`
    those of them that went to a reserve. What had to be claimed until `claims_closed_to` can be claimed no more.
    """

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    state = fields.CharField(max_length=10)
    title_zh = fields.CharField(max_length=100)
    title_en = fields.CharField(max_length=100)
    ticket_points: int = fields.BigIntField()
    opens_at: datetime = fields.DatetimeField()
    closes_at: datetime = fields.DatetimeField()
    tickets_per_member: int | None = fields.IntField(null=True)
    tickets_per_member_day: int | None = fields.IntField(null=True)
    tickets_min: int = fields.IntField()
    algorithm = fields.CharField(max_length=40)
    proof_level = fields.CharField(max_length=10)
    created_at: datetime = fields.DatetimeField()
    opened_at: datetime | None = fields.DatetimeField(null=True)
    terms: str | None = fields.TextField(null=True)
    terms_hash: bytes | None = fields.BinaryField(null=True)
    commitment: bytes | None = fields.BinaryField(null=True)
    closed_at: datetime | None = fields.DatetimeField(null=True)
    tickets: int | None = fields.IntField(null=True)
    merkle_root: bytes | None = fields.BinaryField(null=True)
    subtree_roots: bytes | None = fields.BinaryField(null=True)
    drawn_at: datetime | None = fields.DatetimeField(null=True)
    seed: bytes | None = fields.BinaryField(null=True)
    wins: int | None = fields.IntField(null=True)
    unawarded: int | None = fields.IntField(null=True)
    settled_at: datetime | None = fields.DatetimeField(null=True)
    voided_at: datetime | None = fields.DatetimeField(null=True)
    void_reason = fields.CharField(max_length=20, null=True)
    restored_at: datetime | None = fields.DatetimeField(null=True)
    reserves: int = fields.IntField(db_default=0)
    claim_seconds: int | None = fields.IntField(null=True)
    free_tickets_per_member: int = fields.IntField(db_default=0)
    settling_at: datetime | None = fields.DatetimeField(null=True)
    claims_closed_to: datetime | None = fields.DatetimeField(null=True)
    lapsed: int = fields.IntField(db_default=0)
    promoted: int = fields.IntField(db_default=0)
    tier_min = fields.CharField(max_length=20, null=True)
    early_tier_min = fields.CharField(max_length=20, null=True)
    early_seconds: int = fields.IntField(db_default=0)
    beacon_kind = fields.CharField(max_length=10, db_default="NONE")
    beacon_name_zh = fields.CharField(max_length=100, null=True)
    beacon_name_en = fields.CharField(max_length=100, null=True)
    beacon_source = fields.CharField(max_length=500, null=True)
    beacon_round: int | None = fields.BigIntField(null=True)
    beacon_due_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "draw"
        constraints = [
            CheckConstraint(
                name="draw_state_known",
                check="state IN ('DRAFT', 'OPEN', 'CLOSED', 'DRAWN', 'SETTLING', 'SETTLED', 'VOIDED')",
            ),
            CheckConstraint(name="draw_closes_after_opening", check="closes_at > opens_at"),
            CheckConstraint(name="draw_ticket_points_positive", check="ticket_points > 0"),
            CheckConstraint(name="draw_limits_positive", check="tickets_per_member > 0 AND tickets_per_member_day > 0"),
            CheckConstraint(name="draw_tickets_min_not_negative", check="tickets_min >= 0"),
            CheckConstraint(name="draw_beacon_kind_known", check="beacon_kind IN ('NONE', 'DRAND', 'FIGURE')"),
            CheckConstraint(
                name="draw_proof_level_of_its_beacon",
                check="proof_level = CASE beacon_kind WHEN 'NONE' THEN 'OPERATOR' ELSE 'PUBLIC' END",
            ),
            CheckConstraint(
                name="draw_beacon_figure_declared",
                check="num_nulls(beacon_name_zh, beacon_name_en, beacon_source)"
                " = CASE beacon_kind WHEN 'FIGURE' THEN 0 ELSE 3 END"
                " AND (beacon_kind <> 'FIGURE' OR beacon_due_at IS NOT NULL)",
            ),
            CheckConstraint(
                name="draw_beacon_round_fixed_at_closing",
                check="(beacon_round IS NOT NULL) = (beacon_kind = 'DRAND' AND closed_at IS NOT NULL)"
                " AND (beacon_kind = 'FIGURE' OR (beacon_due_at IS NOT NULL) = (beacon_round IS NOT NULL))",
            ),
            CheckConstraint(
                name="draw_beacon_due_after_closing",
                check="beacon_due_at > closed_at OR (beacon_kind = 'FIGURE' AND drawn_at IS NULL)",
            ),
            CheckConstraint(
                name="draw_published_with_terms_and_commitment",
                check="(opened_at IS NULL) = (state = 'DRAFT' OR (state = 'VOIDED' AND commitment IS NULL))"
                " AND num_nulls(opened_at, terms, terms_hash, commitment) IN (0, 4)",
            ),
            CheckConstraint(name="draw_terms_hash_is_of_terms", check="terms_hash = sha256(convert_to(terms, 'UTF8'))"),
            CheckConstraint(
                name="draw_closed_with_root",
                check="num_nulls(closed_at, tickets, merkle_root, subtree_roots) IN (0, 4)"
                " AND (closed_at IS NOT NULL OR state IN ('DRAFT', 'OPEN', 'VOIDED'))",
            ),
            CheckConstraint(
                name="draw_drawn_with_seed",
                check="num_nulls(drawn_at, wins, unawarded) IN (0, 3)"
                " AND (drawn_at IS NOT NULL) = (state IN ('DRAWN', 'SETTLING', 'SETTLED'))"
                " AND (seed IS NOT NULL OR drawn_at IS NULL)",
            ),
            CheckConstraint(name="draw_seed_is_the_committed_one", check="sha256(seed) = commitment"),
            CheckConstraint(
                name="draw_seed_hidden_until_drawn",
                check="seed IS NULL OR state IN ('DRAWN', 'SETTLING', 'SETTLED', 'VOIDED')",
            ),
            CheckConstraint(name="draw_settled_at_an_instant", check="(settled_at IS NOT NULL) = (state = 'SETTLED')"),
            CheckConstraint(
                name="draw_voided_for_a_reason",
                check="(voided_at IS NOT NULL) = (state = 'VOIDED') AND (void_reason IS NOT NULL) = (state = 'VOIDED')"
                " AND void_reason IN ('TOO_FEW_TICKETS', 'BY_STAFF', 'BEACON_MISSING')"
                " AND (restored_at IS NULL OR state = 'VOIDED')",
            ),
            CheckConstraint(name="draw_reserves_bounded", check="reserves BETWEEN 0 AND 10000"),
            CheckConstraint(name="draw_claim_seconds_positive", check="claim_seconds > 0"),
            CheckConstraint(name="draw_free_tickets_not_negative", check="free_tickets_per_member >= 0"),
            CheckConstraint(name="draw_promotions_follow_lapses", check="promoted BETWEEN 0 AND lapsed"),
            CheckConstraint(
                name="draw_early_for_a_tier",
                check="early_seconds >= 0 AND (early_tier_min IS NULL) = (early_seconds = 0)",
            ),
            CheckConstraint(
                name="draw_lapses_where_prizes_are_claimed",
                check="(lapsed = 0 AND claims_closed_to IS NULL) OR num_nulls(claim_seconds, drawn_at) = 0",
            ),
        ]
        indexes = [
            Index(fields=("closes_at", "id"), name="draw_by_closing"),
            WhereIndex(fields=("closes_at",), name="draw_due_to_close", where="state = 'OPEN'"),
            WhereIndex(
                fields=("beacon_due_at",),
                name="draw_awaiting_beacon",
                where="state = 'CLOSED' AND beacon_kind <> 'NONE'",
            ),
        ]


class DrawPrize(Model):
    """A prize of a draw, in its declared order. Primary key (draw_id, place); written while the draw is a draft."""

    draw_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    place: int = fields.IntField()
    kind = fields.CharField(max_length=10)
    name_zh = fields.CharField(max_length=100)
    name_en = fields.CharField(max_length=100)
    points: int = fields.BigIntField()
    quantity: int = fields.IntField()
    per_member: int | None = fields.IntField(null=True)

    class Meta:
        table = "draw_prize"
        constraints = [
            CheckConstraint(name="draw_prize_kind_known", check="kind IN ('POINTS')"),
            CheckConstraint(name="draw_prize_counts_from_one", check="place >= 1"),
            CheckConstraint(name="draw_prize_points_within_law", check="points BETWEEN 1 AND 5000000"),
            CheckConstraint(name="draw_prize_quantity_positive", check="quantity > 0 AND per_member > 0"),
        ]


class DrawSecret(Model):
    """What nobody may read before its time: the seed (until drawn) and the salt of pseudonyms (ever)."""

    draw_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    seed: bytes = fields.BinaryField()
    salt: bytes = fields.BinaryField()

    class Meta:
        table = "draw_secret"
        constraints = [CheckConstraint(name="draw_secret_of_32_bytes", check="length(seed) = 32 AND length(salt) = 32")]


class DrawBeacon(Model):
    """The value of a draw's beacon, once it is known. `source` is who said it: the relay, or the declared source."""

    draw_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    value = fields.CharField(max_length=100)
    beacon_round: int | None = fields.BigIntField(null=True)
    signature: bytes | None = fields.BinaryField(null=True)
    source = fields.CharField(max_length=500)
    known_at: datetime = fields.DatetimeField()

    class Meta:
        table = "draw_beacon"
        constraints = [
            CheckConstraint(name="draw_beacon_has_a_value", check="length(value) > 0"),
            CheckConstraint(
                name="draw_beacon_signed_where_it_is_a_round", check="(beacon_round IS NULL) = (signature IS NULL)"
            ),
            CheckConstraint(
                name="draw_beacon_value_is_of_its_signature", check="value = encode(sha256(signature), 'hex')"
            ),
        ]


class Ticket(Model):
    """A ticket as it was bought. Primary key (member_id, draw_id, id).

    `entry_seq` is the POINTS entry of its price; a free ticket costs nothing and has no entry.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    draw_id: UUID = fields.UUIDField()
    id: UUID = fields.UUIDField()
    points: int = fields.BigIntField()
    entry_seq: int | None = fields.BigIntField(null=True)
    bought_at: datetime = fields.DatetimeField()
    business_date: date = fields.DateField()

    class Meta:
        table = "ticket"
        constraints = [
            CheckConstraint(
                name="ticket_free_or_paid_by_an_entry", check="points >= 0 AND (points = 0) = (entry_seq IS NULL)"
            )
        ]
        indexes = [
            Index(fields=("draw_id", "id"), name="ticket_numbering_order"),
            Index(fields=("member_id", "id"), name="ticket_of_member"),
        ]


class TicketNumber(Model):
    """The number a ticket got at closing. Primary key (draw_id, number). `buyer` is the member's pseudonym."""

    draw_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    number: int = fields.IntField()
    ticket_id: UUID = fields.UUIDField()
    member_id: UUID = fields.UUIDField()
    buyer = fields.CharField(max_length=32)

    class Meta:
        table = "ticket_number"
        constraints = [
            CheckConstraint(name="ticket_number_counts_from_one", check="number >= 1"),
            UniqueConstraint(fields=("ticket_id",), name="ticket_number_one_per_ticket"),
        ]


class DrawWin(Model):
    """A prize won, fixed when the winners were drawn or a reserve was promoted. Primary key (draw_id, rank).

    `replaces_rank` is the win that lapsed before a reserve got its prize. Where prizes are claimed, a win that is not
    claimed before `claim_until` lapses.
    """

    draw_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    rank: int = fields.IntField()
    number: int = fields.IntField()
    prize_place: int = fields.IntField()
    ticket_id: UUID = fields.UUIDField()
    member_id: UUID = fields.UUIDField()
    points: int = fields.BigIntField()
    replaces_rank: int | None = fields.IntField(null=True)
    won_at: datetime = fields.DatetimeField()
    claim_until: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "draw_win"
        constraints = [
            CheckConstraint(name="draw_win_counts_from_one", check="rank >= 1"),
            CheckConstraint(name="draw_win_replaces_an_earlier_one", check="replaces_rank BETWEEN 1 AND rank - 1"),
            CheckConstraint(name="draw_win_claimed_after_it_was_won", check="claim_until > won_at"),
            UniqueConstraint(fields=("draw_id", "number"), name="draw_win_one_per_ticket"),
            UniqueConstraint(fields=("draw_id", "replaces_rank"), name="draw_win_replaces_once"),
        ]
        indexes = [
            Index(fields=("draw_id", "member_id", "rank"), name="draw_win_by_winner"),
            WhereIndex(fields=("member_id", "claim_until"), name="draw_win_to_claim", where="claim_until IS NOT NULL"),
        ]


class DrawReserve(Model):
    """A ticket that stands in line for a prize that nobody claims. Primary key (draw_id, place)."""

    draw_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    place: int = fields.IntField()
    number: int = fields.IntField()
    ticket_id: UUID = fields.UUIDField()
    member_id: UUID = fields.UUIDField()

    class Meta:
        table = "draw_reserve"
        constraints = [
            CheckConstraint(name="draw_reserve_counts_from_one", check="place >= 1"),
            UniqueConstraint(fields=("draw_id", "number"), name="draw_reserve_one_per_ticket"),
        ]


class DrawLapse(Model):
    """A win that nobody claimed in time, as it was booked. Primary key (draw_id, rank).

    `promoted_rank` is the win that its prize became; None where no reserve was left, so that nobody gets it.
    """

    draw_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    rank: int = fields.IntField()
    promoted_rank: int | None = fields.IntField(null=True)
    booked_at: datetime = fields.DatetimeField()

    class Meta:
        table = "draw_lapse"
        constraints = [
            CheckConstraint(name="draw_lapse_promotes_a_later_one", check="promoted_rank > rank"),
            UniqueConstraint(fields=("draw_id", "promoted_rank"), name="draw_lapse_promotes_once"),
        ]


class DrawGrant(Model):
    """A win that was paid, once. Primary key (draw_id, rank). `entry_seq` is the POINTS entry that paid it."""

    draw_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    rank: int = fields.IntField()
    member_id: UUID = fields.UUIDField()
    points: int = fields.BigIntField()
    entry_seq: int = fields.BigIntField()
    granted_at: datetime = fields.DatetimeField()

    class Meta:
        table = "draw_grant"


class TicketRestoration(Model):
    """The price of a voided draw's ticket that went back. Primary key (draw_id, ticket_id)."""

    draw_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    ticket_id: UUID = fields.UUIDField()
    member_id: UUID = fields.UUIDField()
    points: int = fields.BigIntField()
    entry_seq: int = fields.BigIntField()
    restored_at: datetime = fields.DatetimeField()

    class Meta:
        table = "ticket_restoration"


class DrawFailure(Model):
    """What failed and is shown to staff while it is still owed. Primary key (draw_id, what).

    `what` is `win:<rank>` for a grant, `ticket:<id>` for a restoration, `beacon` for a value that was not there.
    """

    draw_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    what = fields.CharField(max_length=60)
    attempts: int = fields.IntField()
    error = fields.TextField()
    failed_at: datetime = fields.DatetimeField()

    class Meta:
        table = "draw_failure"
        constraints = [CheckConstraint(name="draw_failure_counts_from_one", check="attempts >= 1")]
