"""The ledger: accounts, entries, lots, allocations, and `ledger_write`, the only writer of them."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from gamification.core.indexes import WhereIndex
from migrations import append_only, if_app_role, primary_key

WRITE_TYPES = [
    """CREATE TYPE account_write AS (
        member_id uuid, currency text, version bigint, seq bigint, available bigint, pending bigint, held bigint,
        debt bigint, accrued bigint, redeemed bigint, expired bigint, revoked bigint, next_due_at timestamptz)""",
    """CREATE TYPE entry_write AS (
        member_id uuid, currency text, seq bigint, kind text, source_type text, source_id text,
        available_delta bigint, pending_delta bigint, held_delta bigint, debt_delta bigint,
        available bigint, pending bigint, held bigint, debt bigint,
        occurred_at timestamptz, booked_at timestamptz, business_date date, trace jsonb)""",
    """CREATE TYPE lot_write AS (
        member_id uuid, currency text, seq bigint, line int, original bigint, remaining bigint, held bigint,
        expired bigint, open boolean, pending boolean, activates_at timestamptz, expires_at timestamptz,
        order_id uuid, order_line int, root_seq bigint, root_line int, is_new boolean)""",
    """CREATE TYPE allocation_write AS (
        member_id uuid, currency text, entry_seq bigint, lot_seq bigint, lot_line int, points bigint)""",
    """CREATE TYPE receipt_write AS (
        member_id uuid, actor text, operation text, key text, fingerprint bytea, refusal boolean, answer jsonb)""",
    """CREATE TYPE outbox_write AS (
        member_id uuid, job text, payload jsonb, key text, run_at timestamptz, correlation_id text)""",
]

# Holds no policy: it locks the accounts in id order, keeps the members whose version is still the one that was loaded,
# writes their rows set by set, and returns them. A flush that must not wait (p_wait false) takes only free accounts.
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
        INSERT INTO lot (member_id, currency, seq, line, original, remaining, held, expired, open, pending,
            activates_at, expires_at, order_id, order_line, root_seq, root_line)
        SELECT l.member_id, l.currency, l.seq, l.line, l.original, l.remaining, l.held, l.expired, l.open, l.pending,
            l.activates_at, l.expires_at, l.order_id, l.order_line, l.root_seq, l.root_line
        FROM unnest(p_lots) l WHERE l.is_new AND l.member_id = ANY(members);
        UPDATE lot t SET remaining = l.remaining, held = l.held, expired = l.expired, open = l.open,
            pending = l.pending, expires_at = l.expires_at
        FROM unnest(p_lots) l
        WHERE NOT l.is_new AND t.member_id = l.member_id AND t.currency = l.currency AND t.seq = l.seq
            AND t.line = l.line AND l.member_id = ANY(members);
    END IF;
    IF cardinality(p_allocations) > 0 THEN
        INSERT INTO allocation (member_id, currency, entry_seq, lot_seq, lot_line, points)
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

# Something scarce went between the load and the write: the whole statement is undone and decided again.
CLAIMS_HOLD = """CREATE FUNCTION claims_hold(p_guard text, p_held bigint, p_claimed bigint)
RETURNS boolean LANGUAGE plpgsql AS $function$
BEGIN
    IF p_held <> p_claimed THEN
        RAISE EXCEPTION 'stale claim on %', p_guard USING ERRCODE = 'JF001', CONSTRAINT = p_guard;
    END IF;
    RETURN true;
END $function$"""

# Waits for the members' locks in id order; what a verb falls back to after several stale tries.
LOCK_MEMBERS = """CREATE FUNCTION lock_members(p_members uuid[]) RETURNS void LANGUAGE sql
SECURITY DEFINER SET search_path = public, pg_temp AS $function$
    SELECT 1 FROM account WHERE member_id = ANY(p_members) AND currency = 'POINTS' ORDER BY member_id FOR NO KEY UPDATE
$function$"""

# Locks members and makes every decision in flight stale: what a merge does before it looks at their histories.
UNSETTLE_MEMBERS = """CREATE FUNCTION unsettle_members(p_members uuid[]) RETURNS void LANGUAGE sql
SECURITY DEFINER SET search_path = public, pg_temp AS $function$
    SELECT lock_members(p_members);
    UPDATE account SET version = version + 1 WHERE member_id = ANY(p_members) AND currency = 'POINTS';
$function$"""

LEDGER_WRITE_GRANTS = [
    CLAIMS_HOLD,
    LOCK_MEMBERS,
    UNSETTLE_MEMBERS,
    if_app_role("REVOKE INSERT, UPDATE, DELETE ON account, entry, lot, allocation FROM jifen_app"),
]

# A member has an account in each currency from the first instant on.
OPEN_ACCOUNTS = """CREATE FUNCTION open_accounts() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $function$
BEGIN
    INSERT INTO account (member_id, currency)
    SELECT new_member.id, currency FROM new_member CROSS JOIN (VALUES ('POINTS'), ('GROWTH')) AS built_in(currency);
    RETURN NULL;
END $function$"""
OPEN_ACCOUNTS_TRIGGER = """CREATE TRIGGER member_opens_accounts AFTER INSERT ON member
    REFERENCING NEW TABLE AS new_member FOR EACH STATEMENT EXECUTE FUNCTION open_accounts()"""


class Migration(migrations.Migration):
    dependencies = [("jifen", "0002_members")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Account",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("currency", fields.CharField(max_length=20)),
                ("version", fields.BigIntField(db_default=0)),
                ("seq", fields.BigIntField(db_default=0)),
                ("available", fields.BigIntField(db_default=0)),
                ("pending", fields.BigIntField(db_default=0)),
                ("held", fields.BigIntField(db_default=0)),
                ("debt", fields.BigIntField(db_default=0)),
                ("accrued", fields.BigIntField(db_default=0)),
                ("redeemed", fields.BigIntField(db_default=0)),
                ("expired", fields.BigIntField(db_default=0)),
                ("revoked", fields.BigIntField(db_default=0)),
                ("next_due_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "account",
                "app": "jifen",
                "indexes": [WhereIndex(fields=["next_due_at"], name="account_due", where="next_due_at IS NOT NULL")],
                "pk_attr": "member_id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint("Account", CheckConstraint(check="available >= 0", name="account_available_not_negative")),
        ops.AddConstraint("Account", CheckConstraint(check="pending >= 0", name="account_pending_not_negative")),
        ops.AddConstraint("Account", CheckConstraint(check="held >= 0", name="account_held_not_negative")),
        ops.AddConstraint("Account", CheckConstraint(check="debt >= 0", name="account_debt_not_negative")),
        ops.AddConstraint(
            "Account", CheckConstraint(check="available = 0 OR debt = 0", name="account_in_debt_has_nothing_available")
        ),
        primary_key("account", "member_id", "currency"),
        ops.RunSQL("ALTER TABLE account SET (fillfactor = 70)"),
        ops.CreateModel(
            name="Entry",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("currency", fields.CharField(max_length=20)),
                ("seq", fields.BigIntField()),
                ("kind", fields.CharField(max_length=20)),
                ("source_type", fields.CharField(max_length=40)),
                ("source_id", fields.CharField(max_length=120)),
                ("available_delta", fields.BigIntField()),
                ("pending_delta", fields.BigIntField()),
                ("held_delta", fields.BigIntField()),
                ("debt_delta", fields.BigIntField()),
                ("available", fields.BigIntField()),
                ("pending", fields.BigIntField()),
                ("held", fields.BigIntField()),
                ("debt", fields.BigIntField()),
                ("occurred_at", fields.DatetimeField()),
                ("booked_at", fields.DatetimeField()),
                ("business_date", fields.DateField()),
                ("trace", fields.JSONField()),
            ],
            options={"table": "entry", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        primary_key("entry", "member_id", "currency", "seq"),
        ops.RunSQL(
            [
                "ALTER TABLE entry ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id()",
                """ALTER TABLE entry ADD CONSTRAINT entry_posted_once
               UNIQUE (member_id, currency, kind, source_type, source_id)""",
            ]
        ),
        append_only("entry"),
        ops.CreateModel(
            name="Lot",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("currency", fields.CharField(max_length=20)),
                ("seq", fields.BigIntField()),
                ("line", fields.IntField()),
                ("original", fields.BigIntField()),
                ("remaining", fields.BigIntField()),
                ("held", fields.BigIntField(db_default=0)),
                ("expired", fields.BigIntField(db_default=0)),
                ("open", fields.BooleanField()),
                ("pending", fields.BooleanField(db_default=False)),
                ("activates_at", fields.DatetimeField()),
                ("expires_at", fields.DatetimeField(null=True)),
                ("order_id", fields.UUIDField(null=True)),
                ("order_line", fields.IntField(null=True)),
                ("root_seq", fields.BigIntField(null=True)),
                ("root_line", fields.IntField(null=True)),
            ],
            options={
                "table": "lot",
                "app": "jifen",
                "indexes": [
                    WhereIndex(
                        fields=["member_id", "currency", "expires_at", "activates_at", "seq", "line"],
                        name="lot_consumption_order",
                        where="open",
                    ),
                    WhereIndex(fields=["member_id", "order_id"], name="lot_of_order", where="order_id IS NOT NULL"),
                ],
                "pk_attr": "member_id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint("Lot", CheckConstraint(check="original > 0", name="lot_original_positive")),
        ops.AddConstraint(
            "Lot", CheckConstraint(check="remaining BETWEEN 0 AND original", name="lot_remaining_within_original")
        ),
        ops.AddConstraint(
            "Lot", CheckConstraint(check="held >= 0 AND remaining + held <= original", name="lot_held_within_original")
        ),
        ops.AddConstraint(
            "Lot", CheckConstraint(check="open = (remaining + held > 0)", name="lot_open_while_anything_is_left")
        ),
        ops.AddConstraint(
            "Lot",
            CheckConstraint(
                check="expires_at IS NULL OR expires_at > activates_at", name="lot_expires_after_activation"
            ),
        ),
        primary_key("lot", "member_id", "currency", "seq", "line"),
        ops.RunSQL("ALTER TABLE lot SET (fillfactor = 80)"),
        ops.CreateModel(
            name="Allocation",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("currency", fields.CharField(max_length=20)),
                ("entry_seq", fields.BigIntField()),
                ("lot_seq", fields.BigIntField()),
                ("lot_line", fields.IntField()),
                ("points", fields.BigIntField()),
            ],
            options={"table": "allocation", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("Allocation", CheckConstraint(check="points <> 0", name="allocation_not_zero")),
        primary_key("allocation", "member_id", "currency", "entry_seq", "lot_seq", "lot_line"),
        append_only("allocation"),
        ops.RunSQL(WRITE_TYPES),
        ops.RunSQL([LEDGER_WRITE, *LEDGER_WRITE_GRANTS]),
        ops.RunSQL([OPEN_ACCOUNTS, OPEN_ACCOUNTS_TRIGGER]),
    ]
