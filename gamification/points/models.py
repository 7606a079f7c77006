"""The ledger's tables. Only `ledger_write` (migration 0003) writes them; entries and allocations are append-only.

Keys start with the member, so that partitions by member change nothing. They are composite, and the ORM knows one
primary key column only: `member_id` is marked here and the migration replaces the primary key.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from tortoise import fields
from tortoise.indexes import Index
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.models import Model

from gamification.core.ids import new_id
from gamification.core.indexes import WhereIndex

POINTS = "POINTS"
GROWTH = "GROWTH"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entry: its short meaning in both languages, and which way it may move an account's points in all.

    `moves` lists the signs of what all buckets together may gain, debt counted against them: `+`, `-`, and `0` for
    what only changes places or was forgiven.
    """

    moves: str
    zh: str
    en: str


KINDS = {
    "ACCRUAL": Kind("+", "获取", "Earned"),
    "BONUS": Kind("+", "加赠", "Bonus"),
    "LADDER": Kind("+", "消费阶梯增量", "Ladder uplift"),
    "LADDER_REVERSAL": Kind("-0", "消费阶梯回退", "Ladder lowered by a refund"),
    "REDEMPTION": Kind("-", "使用", "Used"),
    "DONATION": Kind("-", "公益捐赠", "Donated"),
    "EXPIRY": Kind("-", "到期失效", "Expired"),
    "ACTIVATION": Kind("0", "待入账生效", "Became usable"),
    "CLAW_BACK": Kind("-0", "退款追回", "Taken back for a refund"),
    "RESTORATION": Kind("+", "退回", "Given back"),
    "HOLD": Kind("0", "冻结", "Held for an order"),
    "CAPTURE": Kind("-", "扣减确认", "Held points used"),
    "RELEASE": Kind("0", "解冻", "Held points freed"),
    "ADJUSTMENT": Kind("+-", "人工调整", "Adjusted by staff"),
    "DEBT_WAIVER": Kind("+", "欠分减免", "Debt waived"),
}
"""Every kind of entry that the product posts, in the order in which statements show them."""

USUAL_KINDS = ("ACCRUAL", "LADDER")
"""What most entries of any history are. A page of them is found by walking it; every other kind has an index."""


class Account(Model):
    """A member's balance in one currency. Primary key (member_id, currency).

    `version` of the POINTS row is the member's version. `accrued`, `redeemed`, `expired` and `revoked` are lifetime
    figures. `next_due_at` is a lower bound of the next activation or expiry, NULL for never.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    currency = fields.CharField(max_length=20)
    version: int = fields.BigIntField(db_default=0)
    seq: int = fields.BigIntField(db_default=0)
    available: int = fields.BigIntField(db_default=0)
    pending: int = fields.BigIntField(db_default=0)
    held: int = fields.BigIntField(db_default=0)
    debt: int = fields.BigIntField(db_default=0)
    accrued: int = fields.BigIntField(db_default=0)
    redeemed: int = fields.BigIntField(db_default=0)
    expired: int = fields.BigIntField(db_default=0)
    revoked: int = fields.BigIntField(db_default=0)
    next_due_at: datetime | None = fields.DatetimeField(null=True)

    class Meta:
        table = "account"
        constraints = [
            CheckConstraint(name="account_available_not_negative", check="available >= 0"),
            CheckConstraint(name="account_pending_not_negative", check="pending >= 0"),
            CheckConstraint(name="account_held_not_negative", check="held >= 0"),
            CheckConstraint(name="account_debt_not_negative", check="debt >= 0"),
            CheckConstraint(name="account_in_debt_has_nothing_available", check="available = 0 OR debt = 0"),
        ]
        indexes = [WhereIndex(fields=("next_due_at", "member_id"), name="account_due", where="next_due_at IS NOT NULL")]


class Entry(Model):
    """One immutable ledger line. Primary key (member_id, currency, seq); natural key (kind, source_type, source_id).

    `business_date` is the programme's day of `booked_at`. `trace` explains the figure and holds no free text.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    currency = fields.CharField(max_length=20)
    seq: int = fields.BigIntField()
    kind = fields.CharField(max_length=20)
    source_type = fields.CharField(max_length=40)
    source_id = fields.CharField(max_length=120)
    available_delta: int = fields.BigIntField()
    pending_delta: int = fields.BigIntField()
    held_delta: int = fields.BigIntField()
    debt_delta: int = fields.BigIntField()
    available: int = fields.BigIntField()
    pending: int = fields.BigIntField()
    held: int = fields.BigIntField()
    debt: int = fields.BigIntField()
    occurred_at: datetime = fields.DatetimeField()
    booked_at: datetime = fields.DatetimeField()
    business_date: date = fields.DateField()
    trace: dict[str, Any] = fields.JSONField()

    class Meta:
        table = "entry"
        indexes = [
            WhereIndex(
                fields=("member_id", "currency", "kind", "seq"),
                name="entry_of_unusual_kind",
                where="kind NOT IN ('ACCRUAL', 'LADDER')",
            )
        ]


class Lot(Model):
    """One accrual, or one order line's part of it, with its own expiry. Primary key (member_id, currency, seq, line).

    `seq` is the entry that made it. `open` says that something remains, `pending` that it has not yet activated.
    `expired` is what expired unused, `root_seq`/`root_line` the lot a restoration's child descends from,
    `policy_version` the points policy that it lives under.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    currency = fields.CharField(max_length=20)
    seq: int = fields.BigIntField()
    line: int = fields.IntField()
    original: int = fields.BigIntField()
    remaining: int = fields.BigIntField()
    expired: int = fields.BigIntField(db_default=0)
    open = fields.BooleanField()
    pending = fields.BooleanField(db_default=False)
    activates_at: datetime = fields.DatetimeField()
    expires_at: datetime | None = fields.DatetimeField(null=True)
    order_id: UUID | None = fields.UUIDField(null=True)
    order_line: int | None = fields.IntField(null=True)
    root_seq: int | None = fields.BigIntField(null=True)
    root_line: int | None = fields.IntField(null=True)
    policy_version: int | None = fields.IntField(null=True)

    class Meta:
        table = "lot"
        constraints = [
            CheckConstraint(name="lot_original_positive", check="original > 0"),
            CheckConstraint(name="lot_remaining_within_original", check="remaining BETWEEN 0 AND original"),
            CheckConstraint(name="lot_open_while_anything_is_left", check="open = (remaining > 0)"),
            CheckConstraint(
                name="lot_expires_after_activation", check="expires_at IS NULL OR expires_at > activates_at"
            ),
        ]
        indexes = [
            WhereIndex(
                fields=("member_id", "currency", "expires_at", "activates_at", "seq", "line"),
                name="lot_consumption_order",
                where="open",
            ),
            WhereIndex(fields=("member_id", "order_id"), name="lot_of_order", where="order_id IS NOT NULL"),
        ]


class Allocation(Model):
    """What an entry took from a lot (positive) or gave back to it (negative).

    Primary key (member_id, currency, entry_seq, lot_seq, lot_line). `place` counts the lots of an entry in the order in
    which it used them: what is given back in parts goes back the same way, last taken first.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    currency = fields.CharField(max_length=20)
    entry_seq: int = fields.BigIntField()
    lot_seq: int = fields.BigIntField()
    lot_line: int = fields.IntField()
    points: int = fields.BigIntField()
    place: int = fields.IntField(db_default=0)

    class Meta:
        table = "allocation"
        constraints = [CheckConstraint(name="allocation_not_zero", check="points <> 0")]


class Hold(Model):
    """Points reserved for an order. Primary key (member_id, seq); `seq` is the entry that took them.

    `captured` became a redemption, of which refunds gave back `restored`; `released` came back when the hold ended.
    `succeeded_by` is the hold that was made in its place when it was captured after its end.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    seq: int = fields.BigIntField()
    order_external_id = fields.CharField(max_length=100)
    store = fields.CharField(max_length=40, null=True)
    state = fields.CharField(max_length=16)
    points: int = fields.BigIntField()
    captured: int = fields.BigIntField()
    released: int = fields.BigIntField()
    restored: int = fields.BigIntField()
    held_at: datetime = fields.DatetimeField()
    expires_at: datetime = fields.DatetimeField()
    ended_at: datetime | None = fields.DatetimeField(null=True)
    succeeded_by: int | None = fields.BigIntField(null=True)

    class Meta:
        table = "points_hold"
        constraints = [
            CheckConstraint(
                name="points_hold_state_known", check="state IN ('ACTIVE', 'CAPTURED', 'RELEASED', 'TIMED_OUT')"
            ),
            CheckConstraint(name="points_hold_positive", check="points > 0"),
            CheckConstraint(
                name="points_hold_state_says_where_its_points_are",
                check="CASE state WHEN 'ACTIVE' THEN captured = 0 AND released = 0 AND ended_at IS NULL "
                "WHEN 'CAPTURED' THEN captured > 0 AND captured + released = points AND ended_at IS NOT NULL "
                "ELSE captured = 0 AND released = points AND ended_at IS NOT NULL END",
            ),
            CheckConstraint(name="points_hold_restored_within_captured", check="restored BETWEEN 0 AND captured"),
            CheckConstraint(name="points_hold_expires_after_it_began", check="expires_at > held_at"),
            UniqueConstraint(
                fields=("order_external_id",), name="points_hold_one_active_per_order", condition="state = 'ACTIVE'"
            ),
        ]
        indexes = [
            Index(fields=("order_external_id",), name="points_hold_of_order"),
            WhereIndex(fields=("member_id", "seq"), name="points_hold_active", where="state = 'ACTIVE'"),
        ]


class ExpiryNotice(Model):
    """A member was told that points expire. Primary key (member_id, expires_on, days).

    `expires_on` is the last business day on which they can be used, `days` how long before it the notice was due,
    `points` how many there were then.
    """

    member_id: UUID = fields.UUIDField(primary_key=True, generated=False)
    expires_on: date = fields.DateField()
    days: int = fields.IntField()
    points: int = fields.BigIntField()
    told_at: datetime = fields.DatetimeField()

    class Meta:
        table = "expiry_notice"
        constraints = [
            CheckConstraint(name="expiry_notice_tells_of_points", check="points > 0"),
            CheckConstraint(name="expiry_notice_days_positive", check="days > 0"),
        ]


class ExpiryNoticeDay(Model):
    """A business day whose expiry notices have all been written: from the day after it on, notices are to be found."""

    day: date = fields.DateField(primary_key=True, generated=False)
    finished_at: datetime = fields.DatetimeField()

    class Meta:
        table = "expiry_notice_day"


class LiabilityReport(Model):
    """What the programme owes its members at an instant, in points (1 point = 1 fen); append-only.

    The buckets are as time has decided them at `computed_at`; `not_booked` is what expired or repaid debt by then and
    was not yet booked. `lots_sum`, `accounts_sum` and `entries_sum` are the same total as it is booked, told three
    ways. `ended_*` are the lots whose last day lay in the months from `ended_since` up to `ended_until`, exclusive.
    `buckets` holds [first day of the month in which points expire, or null; available; pending].
    """

    id: UUID = fields.UUIDField(primary_key=True, default=new_id)
    computed_at: datetime = fields.DatetimeField()
    business_date: date = fields.DateField()
    available: int = fields.BigIntField()
    pending: int = fields.BigIntField()
    held: int = fields.BigIntField()
    debt: int = fields.BigIntField()
    not_booked: int = fields.BigIntField()
    lots_sum: int = fields.BigIntField()
    accounts_sum: int = fields.BigIntField()
    entries_sum: int = fields.BigIntField()
    ended_since: date = fields.DateField()
    ended_until: date = fields.DateField()
    ended_lots: int = fields.BigIntField()
    ended_original: int = fields.BigIntField()
    ended_expired: int = fields.BigIntField()
    buckets: list[Any] = fields.JSONField()

    class Meta:
        table = "liability_report"
        constraints = [
            CheckConstraint(
                name="liability_report_not_negative", check="least(available, pending, held, debt, not_booked) >= 0"
            ),
            CheckConstraint(
                name="liability_report_expired_within_original",
                check="ended_expired BETWEEN 0 AND ended_original AND ended_lots >= 0",
            ),
        ]
        indexes = [Index(fields=("business_date", "computed_at"), name="liability_report_by_day")]
