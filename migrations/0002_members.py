"""Members, the directory of what they are known by, their sessions, staff and integrations."""

from tortoise import fields, migrations
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from gamification.core.ids import new_id
from gamification.core.indexes import WhereIndex
from migrations import primary_key

REFERENCES = (
    ("member", "merged_into_id", "member"),
    ("member_reference", "member_id", "member"),
    ("member_phone", "member_id", "member"),
    ("session", "member_id", "member"),
    ("session", "staff_id", "staff"),
    ("integration_secret", "integration_id", "integration"),
)


def references(table: str, column: str, other: str) -> str:
    """A foreign key; none of these rows outlives, or is deleted with, what it points to."""
    return (
        f'ALTER TABLE "{table}" ADD CONSTRAINT {table}_{column}_exists FOREIGN KEY ({column}) REFERENCES "{other}" (id)'
    )


class Migration(migrations.Migration):
    dependencies = [("jifen", "0001_core")]

    operations = [
        ops.CreateModel(
            name="Member",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id)),
                ("number", fields.CharField(max_length=12)),
                ("nickname", fields.TextField(null=True)),
                ("locale", fields.TextField()),
                ("status", fields.TextField()),
                ("birthday_month", fields.SmallIntField(null=True)),
                ("birthday_day", fields.SmallIntField(null=True)),
                ("birthday_before_month", fields.SmallIntField(null=True)),
                ("birthday_before_day", fields.SmallIntField(null=True)),
                ("birthday_changed_on", fields.DateField(null=True)),
                ("joined_at", fields.DatetimeField()),
                ("claimed_at", fields.DatetimeField(null=True)),
                ("origin_channel", fields.TextField()),
                ("origin_store", fields.TextField(null=True)),
                ("merged_into_id", fields.UUIDField(null=True)),
            ],
            options={
                "table": "member",
                "app": "jifen",
                "indexes": [
                    WhereIndex(fields=["merged_into_id"], name="member_merged", where="merged_into_id IS NOT NULL")
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint("Member", UniqueConstraint(name="member_number_unique", fields=("number",))),
        ops.AddConstraint(
            "Member", CheckConstraint(name="member_number_is_twelve_digits", check="number ~ '^[1-9][0-9]{11}$'")
        ),
        ops.AddConstraint(
            "Member",
            CheckConstraint(name="member_status_known", check="status IN ('ACTIVE', 'BLOCKED', 'ERASED', 'MERGED')"),
        ),
        ops.AddConstraint("Member", CheckConstraint(name="member_locale_known", check="locale IN ('zh-CN', 'en')")),
        ops.AddConstraint(
            "Member",
            CheckConstraint(
                name="member_merged_points_to_another",
                check="(status = 'MERGED') = (merged_into_id IS NOT NULL) AND merged_into_id <> id",
            ),
        ),
        ops.AddConstraint(
            "Member",
            CheckConstraint(
                name="member_birthday_whole_and_possible",
                check="num_nonnulls(birthday_month, birthday_day) IN (0, 2)"
                " AND birthday_month BETWEEN 1 AND 12 AND birthday_day BETWEEN 1 AND 31",
            ),
        ),
        ops.AddConstraint(
            "Member",
            CheckConstraint(
                name="member_birthday_before_whole",
                check="num_nonnulls(birthday_before_month, birthday_before_day) IN (0, 2)",
            ),
        ),
        ops.CreateModel(
            name="MemberReference",
            fields=[
                ("namespace", fields.CharField(primary_key=True, max_length=16)),
                ("value", fields.TextField()),
                ("member_id", fields.UUIDField()),
                ("created_at", fields.DatetimeField()),
            ],
            options={
                "table": "member_reference",
                "app": "jifen",
                "indexes": [Index(fields=["member_id"], name="member_reference_by_member")],
                "pk_attr": "namespace",
            },
            bases=["Model"],
        ),
        primary_key("member_reference", "namespace", "value"),
        ops.AddConstraint(
            "MemberReference",
            CheckConstraint(
                name="member_reference_namespace_known",
                check="namespace IN ('external', 'card', 'phone', 'wechat', 'unionid')",
            ),
        ),
        ops.AddConstraint(
            "MemberReference",
            CheckConstraint(name="member_reference_value_bounded", check="length(value) BETWEEN 1 AND 128"),
        ),
        ops.AddConstraint(
            "MemberReference",
            UniqueConstraint(
                name="member_reference_one_phone_each", fields=("member_id",), condition="namespace = 'phone'"
            ),
        ),
        ops.CreateModel(
            name="MemberPhone",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True)),
                ("key_id", fields.TextField()),
                ("sealed", fields.BinaryField()),
                ("tail_index", fields.TextField()),
                ("bound_at", fields.DatetimeField()),
            ],
            options={
                "table": "member_phone",
                "app": "jifen",
                "indexes": [
                    Index(fields=["tail_index", "member_id"], name="member_phone_by_tail"),
                    Index(fields=["key_id"], name="member_phone_by_key"),
                ],
                "pk_attr": "member_id",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Staff",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id)),
                ("login", fields.TextField()),
                ("name", fields.TextField()),
                ("password_hash", fields.TextField()),
                ("role", fields.TextField()),
                ("stores", ArrayField(element_type="TEXT")),
                ("phone_index", fields.TextField(null=True)),
                ("created_at", fields.DatetimeField()),
                ("disabled_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "staff",
                "app": "jifen",
                "indexes": [WhereIndex(fields=["phone_index"], name="staff_phone", where="phone_index IS NOT NULL")],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint("Staff", UniqueConstraint(name="staff_login_unique", fields=("login",))),
        ops.AddConstraint(
            "Staff",
            CheckConstraint(name="staff_role_known", check="role IN ('owner', 'operator', 'cashier', 'auditor')"),
        ),
        ops.AddConstraint(
            "Staff",
            CheckConstraint(name="staff_cashier_has_stores", check="role <> 'cashier' OR cardinality(stores) > 0"),
        ),
        ops.CreateModel(
            name="Session",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id)),
                ("member_id", fields.UUIDField(null=True)),
                ("staff_id", fields.UUIDField(null=True)),
                ("device", fields.TextField(null=True)),
                ("opened_at", fields.DatetimeField()),
                ("rotated_at", fields.DatetimeField()),
                ("expires_at", fields.DatetimeField()),
                ("revoked_at", fields.DatetimeField(null=True)),
                ("revoked_because", fields.TextField(null=True)),
            ],
            options={
                "table": "session",
                "app": "jifen",
                "indexes": [
                    WhereIndex(
                        fields=["member_id", "opened_at"],
                        name="session_live_of_member",
                        where="member_id IS NOT NULL AND revoked_at IS NULL",
                    ),
                    WhereIndex(
                        fields=["staff_id", "opened_at"],
                        name="session_live_of_staff",
                        where="staff_id IS NOT NULL AND revoked_at IS NULL",
                    ),
                    Index(fields=["expires_at"], name="session_by_expiry"),
                ],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "Session", CheckConstraint(name="session_has_one_holder", check="num_nonnulls(member_id, staff_id) = 1")
        ),
        ops.AddConstraint(
            "Session",
            CheckConstraint(
                name="session_revoked_for_a_reason",
                check="(revoked_at IS NULL) = (revoked_because IS NULL) AND revoked_because IN"
                " ('SIGNED_OUT', 'REFRESH_REUSED', 'TOO_MANY', 'MEMBER_BLOCKED', 'STAFF_DISABLED')",
            ),
        ),
        ops.CreateModel(
            name="RefreshToken",
            fields=[
                ("hash", fields.BinaryField(primary_key=True)),
                ("session_id", fields.UUIDField()),
                ("issued_at", fields.DatetimeField()),
                ("used_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "refresh_token",
                "app": "jifen",
                "indexes": [Index(fields=["session_id"], name="refresh_token_by_session")],
                "pk_attr": "hash",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "RefreshToken",
            UniqueConstraint(
                name="refresh_token_one_good_per_session", fields=("session_id",), condition="used_at IS NULL"
            ),
        ),
        ops.CreateModel(
            name="LoginAttempt",
            fields=[
                ("login_hash", fields.BinaryField(primary_key=True)),
                ("failures", fields.IntField()),
                ("last_at", fields.DatetimeField()),
                ("locked_until", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "login_attempt",
                "app": "jifen",
                "indexes": [Index(fields=["last_at"], name="login_attempt_by_age")],
                "pk_attr": "login_hash",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "LoginAttempt", CheckConstraint(name="login_attempt_failures_positive", check="failures > 0")
        ),
        ops.CreateModel(
            name="Integration",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id)),
                ("name", fields.TextField()),
                ("scopes", ArrayField(element_type="TEXT")),
                ("created_at", fields.DatetimeField()),
                ("disabled_at", fields.DatetimeField(null=True)),
                ("last_used_on", fields.DateField(null=True)),
            ],
            options={"table": "integration", "app": "jifen", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.AddConstraint("Integration", UniqueConstraint(name="integration_name_unique", fields=("name",))),
        ops.AddConstraint(
            "Integration", CheckConstraint(name="integration_has_scopes", check="cardinality(scopes) > 0")
        ),
        ops.CreateModel(
            name="IntegrationSecret",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id)),
                ("integration_id", fields.UUIDField()),
                ("hash", fields.BinaryField()),
                ("created_at", fields.DatetimeField()),
                ("expires_at", fields.DatetimeField(null=True)),
            ],
            options={
                "table": "integration_secret",
                "app": "jifen",
                "indexes": [Index(fields=["integration_id"], name="integration_secret_by_integration")],
                "pk_attr": "id",
            },
            bases=["Model"],
        ),
        ops.RunSQL([references(*each) for each in REFERENCES]),
        ops.RunSQL(
            """ALTER TABLE refresh_token ADD CONSTRAINT refresh_token_session_id_exists
               FOREIGN KEY (session_id) REFERENCES session (id) ON DELETE CASCADE"""
        ),
    ]
