"""Receipts, the outbox, policy versions, the audit trail; the application's role, the guard of append-only tables."""

from tortoise import fields, migrations
from tortoise.fields.db_defaults import Now
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from gamification.core.ids import new_id
from gamification.core.indexes import WhereIndex
from migrations import APP_ROLE, append_only, identity, if_app_role, primary_key

CREATE_ROLE = f"""DO $do$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') THEN
        CREATE ROLE {APP_ROLE} NOLOGIN;
    END IF;
    IF NOT pg_has_role(current_user, '{APP_ROLE}', 'MEMBER') THEN
        GRANT {APP_ROLE} TO CURRENT_USER;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL; -- another database of this server creates it right now
    WHEN insufficient_privilege THEN NULL; -- a server that lets us create no roles: the triggers remain
END $do$"""

DEFAULTS = "ALTER DEFAULT PRIVILEGES IN SCHEMA public"

REFUSE_CHANGE = """CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = TG_TABLE_NAME || '_append_only';
END $function$"""


class Migration(migrations.Migration):
    initial = True

    operations = [
        ops.RunSQL(
            [
                CREATE_ROLE,
                if_app_role(f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}"),
                if_app_role(f"{DEFAULTS} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP_ROLE}"),
                if_app_role(f"{DEFAULTS} GRANT USAGE ON SEQUENCES TO {APP_ROLE}"),
                if_app_role(f"GRANT SELECT ON tortoise_migrations TO {APP_ROLE}"),
                REFUSE_CHANGE,
            ]
        ),
        ops.CreateModel(
            name="Receipt",
            fields=[
                ("actor", fields.CharField(primary_key=True, max_length=100)),
                ("operation", fields.CharField(max_length=100)),
                ("key", fields.CharField(max_length=200)),
                ("member_id", fields.UUIDField(null=True)),
                ("fingerprint", fields.BinaryField()),
                ("answer", fields.JSONField()),
                ("refusal", fields.BooleanField(db_default=False)),
                ("created_at", fields.DatetimeField(db_default=Now())),
            ],
            options={
                "table": "receipt",
                "app": "jifen",
                "indexes": [WhereIndex(fields=["created_at"], name="receipt_refusals_by_age", where="refusal")],
                "pk_attr": "actor",
            },
            bases=["Model"],
        ),
        primary_key("receipt", "actor", "operation", "key"),
        ops.CreateModel(
            name="Outbox",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True)),
                ("job", fields.TextField()),
                ("payload", fields.JSONField()),
                ("key", fields.TextField(null=True)),
                ("run_at", fields.DatetimeField()),
                ("created_at", fields.DatetimeField(db_default=Now())),
                ("correlation_id", fields.TextField(null=True)),
                ("sends", fields.IntField(db_default=0)),
                ("running", fields.BooleanField(db_default=False)),
                ("attempts", fields.IntField(db_default=0)),
                ("attempts_max", fields.IntField(db_default=8)),
                ("lease_until", fields.DatetimeField(null=True)),
                ("done_at", fields.DatetimeField(null=True)),
                ("failed_at", fields.DatetimeField(null=True)),
                ("last_error", fields.TextField(null=True)),
            ],
            options={
                "table": "outbox",
                "app": "jifen",
                "indexes": [
                    WhereIndex(fields=["run_at"], name="outbox_pending", where="done_at IS NULL AND failed_at IS NULL"),
                    WhereIndex(fields=["id"], name="outbox_dead_letters", where="failed_at IS NOT NULL"),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        identity("outbox"),
        ops.AddConstraint("Outbox", UniqueConstraint(fields=("key",), name="outbox_key_unique")),
        ops.AddConstraint(
            "Outbox",
            CheckConstraint(name="outbox_attempts_within_maximum", check="attempts BETWEEN 0 AND attempts_max"),
        ),
        ops.AddConstraint(
            "Outbox",
            CheckConstraint(name="outbox_done_or_failed_not_both", check="done_at IS NULL OR failed_at IS NULL"),
        ),
        ops.CreateModel(
            name="PolicyVersion",
            fields=[
                ("revision", fields.BigIntField(generated=True, primary_key=True)),
                ("kind", fields.TextField()),
                ("version", fields.IntField()),
                ("effective_from", fields.DatetimeField(null=True)),
                ("body", fields.JSONField()),
                ("hash", fields.BinaryField()),
                ("published_by", fields.TextField()),
                ("published_at", fields.DatetimeField()),
            ],
            options={"table": "policy_version", "app": "jifen", "pk_attr": "revision"},
            bases=["Model"],
        ),
        identity("policy_version", "revision"),
        ops.AddConstraint(
            "PolicyVersion", UniqueConstraint(fields=("kind", "version"), name="policy_version_unique_in_kind")
        ),
        ops.AddConstraint(
            "PolicyVersion", CheckConstraint(name="policy_version_counts_from_one", check="version >= 1")
        ),
        append_only("policy_version"),
        ops.CreateModel(
            name="AuditRecord",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id)),
                ("at", fields.DatetimeField()),
                ("actor", fields.TextField()),
                ("action", fields.TextField()),
                ("subject", fields.TextField()),
                ("before", fields.JSONField(null=True)),
                ("after", fields.JSONField(null=True)),
                ("reason", fields.TextField(null=True)),
            ],
            options={
                "table": "audit_record",
                "app": "jifen",
                "indexes": [
                    Index(fields=["at", "id"], name="audit_record_by_time"),
                    Index(fields=["subject", "at", "id"], name="audit_record_by_subject"),
                    Index(fields=["actor", "at", "id"], name="audit_record_by_actor"),
                    Index(fields=["action", "at", "id"], name="audit_record_by_action"),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        append_only("audit_record"),
    ]
