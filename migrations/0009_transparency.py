"""The transparency log: its leaves, nodes and checkpoints, of which only an account's secret may ever be erased."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from migrations import APP_ROLE, append_only, identity, if_app_role, primary_key

# The builder reads entries by window of transactions. xid8 has no operator class for BRIN, hence the expression.
# Measured on the write path, 64 entries a statement: a B-tree on xid costs 7 % more database CPU and 7 bytes an entry,
# this 2 % and 0.15 bytes; windows are contiguous in the heap, so it finds them as well.
ENTRY_BY_TRANSACTION = """CREATE INDEX entry_by_transaction ON entry USING brin (((xid::text)::bigint))
    WITH (pages_per_range = 32, autosummarize = on)"""

ACCOUNT_FIXED = [
    """CREATE TRIGGER log_account_fixed BEFORE DELETE OR UPDATE OF member_id, currency, pseudonym ON log_account
    FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER log_account_secret_only_erased BEFORE UPDATE OF secret ON log_account
    FOR EACH ROW WHEN (NEW.secret IS NOT NULL) EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER log_account_never_emptied BEFORE TRUNCATE ON log_account
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    if_app_role(f"REVOKE UPDATE, DELETE, TRUNCATE ON log_account FROM {APP_ROLE}"),
    if_app_role(f"GRANT UPDATE (secret) ON log_account TO {APP_ROLE}"),
]


class Migration(migrations.Migration):
    dependencies = [("jifen", "0008_charity")]

    initial = False

    operations = [
        ops.CreateModel(
            name="LogAccount",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("currency", fields.CharField(max_length=20)),
                ("pseudonym", fields.BinaryField()),
                ("secret", fields.BinaryField(null=True)),
            ],
            options={"table": "log_account", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("LogAccount", UniqueConstraint(fields=("pseudonym",), name="log_account_pseudonym_unique")),
        ops.AddConstraint(
            "LogAccount",
            CheckConstraint(check="octet_length(pseudonym) = 16", name="log_account_pseudonym_has_16_bytes"),
        ),
        ops.AddConstraint(
            "LogAccount", CheckConstraint(check="octet_length(secret) = 32", name="log_account_secret_has_32_bytes")
        ),
        primary_key("log_account", "member_id", "currency"),
        ops.RunSQL(ACCOUNT_FIXED),
        ops.CreateModel(
            name="LogLeaf",
            fields=[
                ("index", fields.BigIntField(primary_key=True, generated=False)),
                ("member_id", fields.UUIDField()),
                ("currency", fields.CharField(max_length=20)),
                ("seq", fields.BigIntField()),
                ("hash", fields.BinaryField()),
                ("trace_digest", fields.BinaryField()),
            ],
            options={"table": "log_leaf", "app": "jifen", "pk_attr": "index"},
            bases=["Model"],
        ),
        ops.AddConstraint(
            "LogLeaf", UniqueConstraint(fields=("member_id", "currency", "seq"), name="log_leaf_once_per_entry")
        ),
        ops.AddConstraint("LogLeaf", CheckConstraint(check="index >= 0", name="log_leaf_index_not_negative")),
        ops.AddConstraint(
            "LogLeaf",
            CheckConstraint(
                check="octet_length(hash) = 32 AND octet_length(trace_digest) = 32",
                name="log_leaf_hashes_have_32_bytes",
            ),
        ),
        append_only("log_leaf"),
        ops.CreateModel(
            name="LogNode",
            fields=[
                ("level", fields.SmallIntField(primary_key=True, generated=False)),
                ("index", fields.BigIntField()),
                ("hash", fields.BinaryField()),
            ],
            options={"table": "log_node", "app": "jifen", "pk_attr": "level"},
            bases=["Model"],
        ),
        ops.AddConstraint("LogNode", CheckConstraint(check="level > 0 AND level % 4 = 0", name="log_node_level_kept")),
        ops.AddConstraint(
            "LogNode", CheckConstraint(check="octet_length(hash) = 32", name="log_node_hash_has_32_bytes")
        ),
        primary_key("log_node", "level", "index"),
        append_only("log_node"),
        ops.CreateModel(
            name="LogCheckpoint",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True)),
                ("origin", fields.TextField()),
                ("size", fields.BigIntField()),
                ("root", fields.BinaryField()),
                ("text", fields.TextField()),
                ("key", fields.BinaryField()),
                ("at", fields.DatetimeField()),
            ],
            options={"table": "log_checkpoint", "app": "jifen", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.AddConstraint(
            "LogCheckpoint", UniqueConstraint(fields=("origin", "size"), name="log_checkpoint_once_per_size")
        ),
        ops.AddConstraint("LogCheckpoint", CheckConstraint(check="size > 0", name="log_checkpoint_size_positive")),
        ops.AddConstraint(
            "LogCheckpoint",
            CheckConstraint(
                check="octet_length(root) = 32 AND octet_length(key) = 32",
                name="log_checkpoint_root_and_key_have_32_bytes",
            ),
        ),
        identity("log_checkpoint"),
        append_only("log_checkpoint"),
        ops.CreateModel(
            name="LogCursor",
            fields=[
                ("id", fields.SmallIntField(primary_key=True, generated=False)),
                ("system_identifier", fields.BigIntField()),
                ("next_xid", fields.BigIntField()),
                ("rebasing_after", fields.UUIDField(null=True)),
            ],
            options={"table": "log_cursor", "app": "jifen", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.AddConstraint("LogCursor", CheckConstraint(check="id = 1", name="log_cursor_is_one_row")),
        ops.RunSQL(ENTRY_BY_TRANSACTION),
    ]
