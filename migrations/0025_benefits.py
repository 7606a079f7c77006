"""What tiers give: gifts, each once, and benefits that are used."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from migrations import append_only, primary_key


class Migration(migrations.Migration):
    dependencies = [("jifen", "0024_tier_terms")]

    initial = False

    operations = [
        ops.CreateModel(
            name="BenefitGift",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("gift_key", fields.TextField()),
                ("tier_code", fields.CharField(max_length=20)),
                ("points", fields.BigIntField()),
                ("entry_seq", fields.BigIntField()),
                ("given_at", fields.DatetimeField()),
            ],
            options={"table": "benefit_gift", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        primary_key("benefit_gift", "member_id", "gift_key"),
        ops.AddConstraint("BenefitGift", CheckConstraint(name="benefit_gift_gives_something", check="points > 0")),
        append_only("benefit_gift"),
        ops.CreateModel(
            name="BenefitUse",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("external_id", fields.TextField()),
                ("benefit", fields.TextField()),
                ("tier_code", fields.CharField(max_length=20)),
                ("amount_fen", fields.BigIntField()),
                ("saved_fen", fields.BigIntField()),
                ("month", fields.DateField()),
                ("used_at", fields.DatetimeField()),
            ],
            options={"table": "benefit_use", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        primary_key("benefit_use", "member_id", "external_id"),
        ops.AddConstraint("BenefitUse", UniqueConstraint(fields=("external_id",), name="benefit_use_once")),
        ops.AddConstraint(
            "BenefitUse", CheckConstraint(name="benefit_use_known", check="benefit IN ('DISCOUNT', 'FREE_DELIVERY')")
        ),
        ops.AddConstraint(
            "BenefitUse",
            CheckConstraint(name="benefit_use_amounts", check="amount_fen >= 0 AND saved_fen BETWEEN 0 AND amount_fen"),
        ),
        ops.AddConstraint(
            "BenefitUse", CheckConstraint(name="benefit_use_month_is_a_first", check="extract(day from month) = 1")
        ),
        append_only("benefit_use"),
        ops.CreateModel(
            name="BenefitReversal",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("external_id", fields.TextField()),
                ("reversed_at", fields.DatetimeField()),
            ],
            options={"table": "benefit_reversal", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        primary_key("benefit_reversal", "member_id", "external_id"),
        append_only("benefit_reversal"),
    ]
