"""Charity campaigns, donations and certificates, of which only a name may ever be erased."""

from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from gamification.core.ids import new_id
from migrations import APP_ROLE, append_only, if_app_role, primary_key

# What members gave to stays what they were told; `pledged_units` and the state are not among these columns, so that a
# donation does not pay for the check.
CAMPAIGN_TERMS_FIXED = [
    """CREATE TRIGGER charity_campaign_terms_fixed
    BEFORE UPDATE OF id, title_zh, title_en, description_zh, description_en, beneficiary, agreement_reference,
        points_per_unit, fen_per_unit, goal_units, goal_may_be_passed, monthly_units_max, opens_at, closes_at,
        created_at
    ON charity_campaign FOR EACH ROW WHEN (OLD.state <> 'DRAFT') EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER charity_campaign_never_reopened BEFORE UPDATE OF state, closed_at ON charity_campaign
    FOR EACH ROW WHEN (OLD.state = 'CLOSED' OR NEW.state = 'DRAFT') EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER charity_campaign_kept BEFORE DELETE ON charity_campaign
    FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
]

CERTIFICATE_FIXED = [
    """CREATE TRIGGER certificate_fixed
    BEFORE DELETE OR UPDATE OF member_id, donation_id, serial, verification_code, anonymous, name_hash, snapshot,
        issued_at ON certificate FOR EACH ROW EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER certificate_name_only_erased BEFORE UPDATE OF display_name, name_salt ON certificate
    FOR EACH ROW WHEN (NEW.display_name IS NOT NULL OR NEW.name_salt IS NOT NULL)
    EXECUTE FUNCTION refuse_change()""",
    """CREATE TRIGGER certificate_never_emptied BEFORE TRUNCATE ON certificate
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    if_app_role(f"REVOKE UPDATE, DELETE, TRUNCATE ON certificate FROM {APP_ROLE}"),
    if_app_role(f"GRANT UPDATE (display_name, name_salt) ON certificate TO {APP_ROLE}"),
]

REFERENCES = [
    """ALTER TABLE donation ADD CONSTRAINT donation_to_campaign
    FOREIGN KEY (campaign_id) REFERENCES charity_campaign (id)""",
    """ALTER TABLE certificate ADD CONSTRAINT certificate_of_donation
    FOREIGN KEY (member_id, donation_id) REFERENCES donation (member_id, id)""",
]


class Migration(migrations.Migration):
    dependencies = [("jifen", "0007_draws")]

    initial = False

    operations = [
        ops.CreateModel(
            name="CharityCampaign",
            fields=[
                ("id", fields.UUIDField(primary_key=True, default=new_id)),
                ("title_zh", fields.TextField()),
                ("title_en", fields.TextField()),
                ("description_zh", fields.TextField()),
                ("description_en", fields.TextField()),
                ("beneficiary", fields.TextField()),
                ("agreement_reference", fields.TextField()),
                ("points_per_unit", fields.BigIntField()),
                ("fen_per_unit", fields.BigIntField()),
                ("goal_units", fields.BigIntField(null=True)),
                ("goal_may_be_passed", fields.BooleanField()),
                ("pledged_units", fields.BigIntField(db_default=0)),
                ("monthly_units_max", fields.BigIntField(null=True)),
                ("opens_at", fields.DatetimeField()),
                ("closes_at", fields.DatetimeField(null=True)),
                ("state", fields.TextField()),
                ("created_at", fields.DatetimeField()),
                ("closed_at", fields.DatetimeField(null=True)),
            ],
            options={"table": "charity_campaign", "app": "jifen", "pk_attr": "id"},
            bases=["Model"],
        ),
        ops.AddConstraint(
            "CharityCampaign",
            CheckConstraint(check="state IN ('DRAFT', 'OPEN', 'CLOSED')", name="charity_campaign_state_known"),
        ),
        ops.AddConstraint(
            "CharityCampaign",
            CheckConstraint(check="points_per_unit > 0 AND fen_per_unit > 0", name="charity_campaign_rates_positive"),
        ),
        ops.AddConstraint(
            "CharityCampaign",
            CheckConstraint(check="goal_units > 0 AND monthly_units_max > 0", name="charity_campaign_limits_positive"),
        ),
        ops.AddConstraint(
            "CharityCampaign",
            CheckConstraint(
                check="pledged_units BETWEEN 0 AND 2000000000", name="charity_campaign_pledge_within_bounds"
            ),
        ),
        ops.AddConstraint(
            "CharityCampaign",
            CheckConstraint(
                check="goal_may_be_passed OR goal_units IS NULL OR pledged_units <= goal_units",
                name="charity_campaign_goal_passed_only_if_declared",
            ),
        ),
        ops.AddConstraint(
            "CharityCampaign",
            CheckConstraint(check="closes_at > opens_at", name="charity_campaign_closes_after_opening"),
        ),
        ops.AddConstraint(
            "CharityCampaign",
            CheckConstraint(
                check="(state = 'CLOSED') = (closed_at IS NOT NULL)", name="charity_campaign_closed_has_its_instant"
            ),
        ),
        ops.RunSQL(CAMPAIGN_TERMS_FIXED),
        ops.RunSQL("ALTER TABLE charity_campaign SET (fillfactor = 50)"),
        ops.CreateModel(
            name="Donation",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("id", fields.UUIDField()),
                ("campaign_id", fields.UUIDField()),
                ("units", fields.BigIntField()),
                ("points", fields.BigIntField()),
                ("fen", fields.BigIntField()),
                ("entry_seq", fields.BigIntField()),
                ("business_date", fields.DateField()),
                ("month", fields.DateField()),
                ("donated_at", fields.DatetimeField()),
            ],
            options={
                "table": "donation",
                "app": "jifen",
                "indexes": [
                    Index(fields=["campaign_id", "id"], name="donation_by_campaign"),
                    Index(fields=["campaign_id", "member_id"], name="donation_donors_of_campaign"),
                ],
                "pk_attr": "member_id",
            },
            bases=["Model"],
        ),
        ops.AddConstraint(
            "Donation",
            CheckConstraint(check="units > 0 AND points > 0 AND fen > 0", name="donation_gives_something"),
        ),
        ops.AddConstraint(
            "Donation",
            CheckConstraint(
                check="month = business_date - (extract(day from business_date)::int - 1)",
                name="donation_month_is_that_of_its_day",
            ),
        ),
        primary_key("donation", "member_id", "id"),
        append_only("donation"),
        ops.CreateModel(
            name="Certificate",
            fields=[
                ("member_id", fields.UUIDField(primary_key=True, generated=False)),
                ("donation_id", fields.UUIDField()),
                ("serial", fields.TextField()),
                ("verification_code", fields.TextField()),
                ("anonymous", fields.BooleanField()),
                ("display_name", fields.TextField(null=True)),
                ("name_salt", fields.BinaryField(null=True)),
                ("name_hash", fields.BinaryField(null=True)),
                ("snapshot", fields.JSONField()),
                ("issued_at", fields.DatetimeField()),
            ],
            options={"table": "certificate", "app": "jifen", "pk_attr": "member_id"},
            bases=["Model"],
        ),
        ops.AddConstraint("Certificate", UniqueConstraint(fields=("serial",), name="certificate_serial_unique")),
        ops.AddConstraint(
            "Certificate",
            UniqueConstraint(fields=("verification_code",), name="certificate_verification_code_unique"),
        ),
        ops.AddConstraint(
            "Certificate",
            CheckConstraint(
                check="(display_name IS NULL) = (name_salt IS NULL)", name="certificate_name_and_salt_together"
            ),
        ),
        ops.AddConstraint(
            "Certificate",
            CheckConstraint(check="anonymous = (name_hash IS NULL)", name="certificate_anonymous_has_no_name"),
        ),
        ops.AddConstraint(
            "Certificate",
            CheckConstraint(check="display_name IS NULL OR name_hash IS NOT NULL", name="certificate_name_is_hashed"),
        ),
        primary_key("certificate", "member_id", "donation_id"),
        ops.RunSQL(CERTIFICATE_FIXED),
        ops.RunSQL(REFERENCES),
    ]
