"""Holds: points reserved for an order. A hold is a take that is not confirmed yet, so lots keep no `held` of their own.

`allocation.place` is the order in which an entry used its lots, which a restoration in parts goes back along.
`lot.policy_version` names the points policy that the lot lives under.
"""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from gamification.core.indexes import WhereIndex
from migrations import primary_key

WRITE_TYPES = [
    """CREATE TYPE lot_write AS (
        member_id uuid, currency text, seq bigint, line int, original bigint, remaining bigint, expired bigint,
        open boolean, pending boolean, activates_at timestamptz, expires_at timestamptz, order_id uuid, order_line int,
        root_seq bigint, root_line int, policy_version int, is_new boolean)""",
    """CREATE TYPE allocation_write AS (
        member_id uuid, currency text, entry_seq bigint, lot_seq bigint, lot_line int, points bigint, place int)""",
]

DROP_LEDGER_WRITE = [
    """DROP FUNCTION ledger_write(timestamptz, boolean, account_write[], entry_write[], lot_write[],
        allocation_write[], receipt_write[], outbox_write[])""",
    "DROP TYPE lot_write",
    "DROP TYPE allocation_write",
]

# As in 0003, for lots and allocations as they are now; a lot's activation may be brought forward.
LEDGER_WRITE = """CREATE FUNCTION ledger_write(
    p_now timestamptz, p_wait boolean, p_accounts account_write[], p_entries entry_write[], p_lots lot_write[],
    p_allocations allocation_write[], p_receipts receipt_write[], p_outbox outbox_write[]
) RETURNS SETOF uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $function$
DECLARE
    members uuid[];
BEGIN
    IF p_wait THEN
        SELECT array_agg(locked.member_id) INTO members FROM (
            SELECT a.member_id FROM account a
            JOIN unnest(p_accounts) w ON w.member_id = a.member_id AND w.currency = a.currency
            WHERE a.currency = 'POINTS' AND a.version = w.version
            ORDER BY a.member_id FOR NO KEY UPDATE OF a) locked;
    ELSE
        SELECT array_agg(locked.member_id) INTO members FROM (
            SELECT a.member_id FROM account a
            JOIN unnest(p_accounts) w ON w.member_id = a.member_id AND w.currency = a.currency
            WHERE a.currency = 'POINTS' AND a.version = w.version
            ORDER BY a.member_id FOR NO KEY UPDATE OF a SKIP LOCKED) locked;
    END IF;
    IF members IS NULL THEN
        RETURN;
    END IF;
    UPDATE account a SET version = a.version + 1, seq = w.seq, available = w.available, pending = w.pending,
        held = w.held, debt = w.debt, accrued = w.accrued, redeemed = w.redeemed, expired = w.expired,
        revoked = w.revoked, next_due_at = w.next_due_at
    FROM unnest(p_accounts) w
    WHERE a.member_id = w.member_id AND a.currency = w.currency AND w.member_id = ANY(members);
    IF cardinality(p_entries) > 0 THEN
        INSERT INTO entry (member_id, currency, seq, kind, source_type, source_id, available_delta, pending_delta,
            held_delta, debt_delta, available, pending, held, debt, occurred_at, booked_at, business_date, trace)
        SELECT e.* FROM unnest(p_entries) e WHERE e.member_id = ANY(members);
    END IF;
    IF cardinality(p_lots) > 0 THEN
        INSERT INTO lot (member_id, currency, seq, line, original, remaining, expired, open, pending,
            activates_at, expires_at, order_id, order_line, root_seq, root_line, policy_version)
        SELECT l.member_id, l.currency, l.seq, l.line, l.original, l.remaining, l.expired, l.open, l.pending,
            l.activates_at, l.expires_at, l.order_id, l.order_line, l.root_seq, l.root_line, l.policy_version
        FROM unnest(p_lots) l WHERE l.is_new AND l.member_id = ANY(members);
        UPDATE lot t SET remaining = l.remaining, expired = l.expired, open = l.open, pending = l.pending,
            activates_at = l.activates_at, expires_at = l.expires_at
        FROM unnest(p_lots) l
        WHERE NOT l.is_new AND t.member_id = l.member_id AND t.currency = l.currency AND t.seq = l.seq
            AND t.line = l.line AND l.member_id = ANY(members);
    END IF;
    IF cardinality(p_allocations) > 0 THEN
        INSERT INTO allocation (member_id, currency, entry_seq, lot_seq, lot_line, points, place)
        SELECT x.* FROM unnest(p_allocations) x WHERE x.member_id = ANY(members);
    END IF;
    IF cardinality(p_receipts) > 0 THEN
        INSERT INTO receipt (member_id, actor, operation, key, fingerprint, refusal, answer, created_at)
        SELECT r.*, p_now FROM unnest(p_receipts) r WHERE r.member_id = ANY(members);
    END IF;
    IF cardinality(p_outbox) > 0 THEN
        INSERT INTO outbox (job, payload, key, run_at, correlation_id)
        SELECT o.job, o.payload, o.key, o.run_at, o.correlation_id
        FROM unnest(p_outbox) o WHERE o.member_id = ANY(members)
        ON CONFLICT (key) DO NOTHING;
    END IF;
    RETURN QUERY SELECT unnest(members);
END $function$"""


class Migration(migrations.Migration):
    dependencies = [("jifen", "0009_transparency")]

    initial = False

    operations = [
        ops.RunSQL(DROP_LEDGER_WRITE),
        ops.RemoveConstraint("Lot", name="lot_held_within_original"),
        ops.RemoveConstraint("Lot", name="lot_open_while_anything_is_left"),
        ops.RemoveField("Lot", "held"),
        ops.AddConstraint(
            "Lot", CheckConstraint(check="open = (remaining > 0)", name="lot_open_while_anything_is_left")
        ),
        ops.AddField("Lot", "policy_version", fields.IntField(null=True)),
        ops.AddField("Allocation", "place", fields.IntField(db_default=0)),
        ops.CreateModel(
            name="Hold",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("seq", fields.BigIntField()),
                ("order_external_id", fields.CharField(max_length=100)),
                ("store", fields.CharField(max_length=40, null=True)),
                ("state", fields.CharField(max_length=16)),
                ("points", fields.BigIntField()),
                ("captured", fields.BigIntField()),
                ("released", fields.BigIntField()),
                ("restored", fields.BigIntField()),
                ("held_at", fields.DatetimeField()),
                ("expires_at", fields.DatetimeField()),
                ("ended_at", fields.DatetimeField(null=True)),
                ("succeeded_by", fields.BigIntField(null=True)),
            ],
            options={
                "table": "points_hold",
                "app": "jifen",
                "indexes": [
                    Index(fields=["order_external_id"], name="points_hold_of_order"),
                    WhereIndex(fields=["member_id", "seq"], name="points_hold_active", where="state = 'ACTIVE'"),
                ],
                "pk_attr": "member_id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "Hold",
            CheckConstraint(
                check="state IN ('ACTIVE', 'CAPTURED', 'RELEASED', 'TIMED_OUT')", name="points_hold_state_known"
            ),
        ),
        ops.AddConstraint("Hold", CheckConstraint(check="points > 0", name="points_hold_positive")),
        ops.AddConstraint(
            "Hold",
            CheckConstraint(
                check="CASE state WHEN 'ACTIVE' THEN captured = 0 AND released = 0 AND ended_at IS NULL "
                "WHEN 'CAPTURED' THEN captured > 0 AND captured + released = points AND ended_at IS NOT NULL "
                "ELSE captured = 0 AND released = points AND ended_at IS NOT NULL END",
                name="points_hold_state_says_where_its_points_are",
            ),
        ),
        ops.AddConstraint(
            "Hold",
            CheckConstraint(check="restored BETWEEN 0 AND captured", name="points_hold_restored_within_captured"),
        ),
        ops.AddConstraint(
            "Hold", CheckConstraint(check="expires_at > held_at", name="points_hold_expires_after_it_began")
        ),
        ops.AddConstraint(
            "Hold",
            UniqueConstraint(
                fields=("order_external_id",), name="points_hold_one_active_per_order", condition="state = 'ACTIVE'"
            ),
        ),
        primary_key("points_hold", "member_id", "seq"),
        ops.AddField("SalesOrder", "deduction_points", fields.BigIntField(db_default=0)),
        ops.AddField("SalesOrder", "restored_points", fields.BigIntField(db_default=0)),
        ops.AddConstraint(
            "SalesOrder",
            CheckConstraint(
                check="restored_points BETWEEN 0 AND deduction_points", name="sales_order_restored_within_deducted"
            ),
        ),
        ops.AddField("OrderLine", "deduction_points", fields.BigIntField(db_default=0)),
        ops.AddField("OrderLine", "restored_points", fields.BigIntField(db_default=0)),
        ops.AddConstraint(
            "OrderLine",
            CheckConstraint(
                check="restored_points BETWEEN 0 AND deduction_points", name="order_line_restored_within_deducted"
            ),
        ),
        ops.AddField("OrderRefund", "points_restored", fields.BigIntField(db_default=0)),
        ops.AddField("RefundPart", "points_restored", fields.BigIntField(db_default=0)),
        ops.RemoveConstraint("RefundPart", name="refund_part_moves_something"),
        ops.AddConstraint(
            "RefundPart",
            CheckConstraint(check="fen > 0 OR quantity > 0 OR points_restored > 0", name="refund_part_moves_something"),
        ),
        ops.RunSQL([*WRITE_TYPES, LEDGER_WRITE]),
    ]
