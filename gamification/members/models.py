"""Tables of members, what they are known by, their sessions, staff and integrations."""

from datetime import date, datetime
from uuid import UUID

from tortoise import fields
from tortoise.contrib.postgres.fields import ArrayField
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from gamification.core.ids import new_id
from gamification.core.indexes import WhereIndex


class Member(Model):
    """A person in the programme. `number` is what the person reads out; it says nothing and cannot be guessed."""

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    number = fields.CharField(max_length=12)
    nickname: str | None = fields.TextField(null=True)
    locale = fields.TextField()
    status = fields.TextField()
    birthday_month: int | None = fields.SmallIntField(null=True)
    birthday_day: int | None = fields.SmallIntField(null=True)
    birthday_before_month: int | None = fields.SmallIntField(null=True)
    birthday_before_day: int | None = fields.SmallIntField(null=True)
    birthday_changed_on: date | None = fields.DateField(null=True)
    joined_at: datetime = fields.DatetimeField()
    claimed_at: datetime | None = fields.DatetimeField(null=True)
    origin_channel = fields.TextField()
    origin_store: str | None = fields.TextField(null=True)
    merged_into_id: UUID | None = fields.UUIDField(null=True)
    adult_declared_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "member"
        constraints = [
            UniqueConstraint(fields=("number",), name="member_number_unique"),
            CheckConstraint(name="member_number_is_twelve_digits", check="number ~ '^[1-9][0-9]{11}$'"),
            CheckConstraint(name="member_status_known", check="status IN ('ACTIVE', 'BLOCKED', 'ERASED', 'MERGED')"),
            CheckConstraint(name="member_locale_known", check="locale IN ('zh-CN', 'en')"),
            CheckConstraint(
                name="member_merged_points_to_another",
                check="(status = 'MERGED') = (merged_into_id IS NOT NULL) AND merged_into_id <> id",
            ),
            CheckConstraint(
                name="member_birthday_whole_and_possible",
                check="num_nonnulls(birthday_month, birthday_day) IN (0, 2)"
                " AND birthday_month BETWEEN 1 AND 12 AND birthday_day BETWEEN 1 AND 31",
            ),
            CheckConstraint(
                name="member_birthday_before_whole",
                check="num_nonnulls(birthday_before_month, birthday_before_day) IN (0, 2)",
            ),
        ]
        indexes = [WhereIndex(fields=("merged_into_id",), name="member_merged", where="merged_into_id IS NOT NULL")]

    @property
    def claimed(self) -> bool:
        """Whether a person has proved to be this member; an imported one waits to be claimed."""
        return self.claimed_at is not None


class MemberReference(Model):
    """The directory: what a member is known by. A phone stands here as its blind index only.

    Primary key (namespace, value). The ORM knows one primary key column only, so `namespace` is marked here and the
    migration replaces the key.
    """

    namespace = fields.CharField(max_length=16, primary_key=True, generated=False)
    value = fields.TextField()
    member_id: UUID = fields.UUIDField()
    created_at: datetime = fields.DatetimeField()

    class Meta:
        table = "member_reference"
        constraints = [
            CheckConstraint(
                name="member_reference_namespace_known",
                check="namespace IN ('external', 'card', 'phone', 'wechat', 'unionid')",
            ),
            CheckConstraint(name="member_reference_value_bounded", check="length(value) BETWEEN 1 AND 128"),
            UniqueConstraint(
                fields=("member_id",), name="member_reference_one_phone_each", condition="namespace = 'phone'"
            ),
        ]
        indexes = [Index(fields=("member_id",), name="member_reference_by_member")]


class MemberPhone(Model):
    """The sealed phone number of a member, kept apart from the profile; `key_id` names the key it was sealed under."""

    member_id: UUID = fields.UUIDField(primary_key=True)
    key_id = fields.TextField()
    sealed: bytes = fields.BinaryField()
    tail_index = fields.TextField()
    bound_at: datetime = fields.DatetimeField()

    class Meta:
        table = "member_phone"
        indexes = [
            Index(fields=("tail_index", "member_id"), name="member_phone_by_tail"),
            Index(fields=("key_id",), name="member_phone_by_key"),
        ]


class Staff(Model):
    """A person who works for the brand. A cashier acts for the `stores` listed; other roles are not bound to any."""

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    login = fields.TextField()
    name = fields.TextField()
    password_hash = fields.TextField()
    role = fields.TextField()
    stores: list[str] = ArrayField(element_type="text")
    phone_index: str | None = fields.TextField(null=True)
    created_at: datetime = fields.DatetimeField()
    disabled_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "staff"
        constraints = [
            UniqueConstraint(fields=("login",), name="staff_login_unique"),
            CheckConstraint(name="staff_role_known", check="role IN ('owner', 'operator', 'cashier', 'auditor')"),
            CheckConstraint(name="staff_cashier_has_stores", check="role <> 'cashier' OR cardinality(stores) > 0"),
        ]
        indexes = [WhereIndex(fields=("phone_index",), name="staff_phone", where="phone_index IS NOT NULL")]


class Session(Model):
    """A sign-in of a member or of staff: a family of refresh tokens of which the last one is good."""

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    member_id: UUID | None = fields.UUIDField(null=True)
    staff_id: UUID | None = fields.UUIDField(null=True)
    device: str | None = fields.TextField(null=True)
    opened_at: datetime = fields.DatetimeField()
    rotated_at: datetime = fields.DatetimeField()
    expires_at: datetime = fields.DatetimeField()
    revoked_at: datetime | None = fields.DatetimeField(null=True)
    revoked_because: str | None = fields.TextField(null=True)

    class Meta:
        table = "session"
        constraints = [
            CheckConstraint(name="session_has_one_holder", check="num_nonnulls(member_id, staff_id) = 1"),
            CheckConstraint(
                name="session_revoked_for_a_reason",
                check="(revoked_at IS NULL) = (revoked_because IS NULL) AND revoked_because IN"
                " ('SIGNED_OUT', 'REFRESH_REUSED', 'TOO_MANY', 'MEMBER_BLOCKED', 'STAFF_DISABLED')",
            ),
        ]
        indexes = [
            WhereIndex(
                fields=("member_id", "opened_at"),
                name="session_live_of_member",
                where="member_id IS NOT NULL AND revoked_at IS NULL",
            ),
            WhereIndex(
                fields=("staff_id", "opened_at"),
                name="session_live_of_staff",
                where="staff_id IS NOT NULL AND revoked_at IS NULL",
            ),
            Index(fields=("expires_at",), name="session_by_expiry"),
        ]


class RefreshToken(Model):
    """One refresh token of a session, as a SHA-256. Used ones stay as long as the session, so that reuse is seen."""

    hash: bytes = fields.BinaryField(primary_key=True)
    session_id: UUID = fields.UUIDField()
    issued_at: datetime = fields.DatetimeField()
    used_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "refresh_token"
        constraints = [
            UniqueConstraint(
                fields=("session_id",), name="refresh_token_one_good_per_session", condition="used_at IS NULL"
            )
        ]
        indexes = [Index(fields=("session_id",), name="refresh_token_by_session")]


class LoginAttempt(Model):
    """Failed sign-ins in a row under one login (as a SHA-256), known or not, so that both lock alike."""

    login_hash: bytes = fields.BinaryField(primary_key=True)
    failures: int = fields.IntField()
    last_at: datetime = fields.DatetimeField()
    locked_until: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "login_attempt"
        constraints = [CheckConstraint(name="login_attempt_failures_positive", check="failures > 0")]
        indexes = [Index(fields=("last_at",), name="login_attempt_by_age")]


class Integration(Model):
    """A machine that speaks to the staff endpoint, such as the till; `last_used_on` is a business day."""

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    name = fields.TextField()
    scopes: list[str] = ArrayField(element_type="text")
    created_at: datetime = fields.DatetimeField()
    disabled_at: datetime | None = fields.DatetimeField(null=True)
    last_used_on: date | None = fields.DateField(null=True)

    class Meta:
        table = "integration"
        constraints = [
            UniqueConstraint(fields=("name",), name="integration_name_unique"),
            CheckConstraint(name="integration_has_scopes", check="cardinality(scopes) > 0"),
        ]


class IntegrationSecret(Model):
    """A secret of an integration, as a SHA-256. Two may be good at once, so that a till changes over at ease."""

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    integration_id: UUID = fields.UUIDField()
    hash: bytes = fields.BinaryField()
    created_at: datetime = fields.DatetimeField()
    expires_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "integration_secret"
        indexes = [Index(fields=("integration_id",), name="integration_secret_by_integration")]
