"""The staff's schema: one line per slice and root."""

import strawberry
from strawberry import relay

from schema.admin.access import AccessMutation, AccessQuery
from schema.admin.adjustments import AdjustmentsMutation, AdjustmentsQuery
from schema.admin.audit import AuditQuery
from schema.admin.audits import AuditsQuery
from schema.admin.benefits import AdminBenefitsMutation
from schema.admin.charity import AdminCharityMutation, AdminCharityQuery
from schema.admin.checkins import AdminCheckInsQuery
from schema.admin.deduction import AdminDeductionMutation, AdminDeductionQuery
from schema.admin.draw_figures import AdminDrawFiguresMutation
from schema.admin.draw_settlements import AdminDrawsSubscription
from schema.admin.draws import AdminDrawsMutation, AdminDrawsQuery
from schema.admin.earning_rules import EarningRulesMutation, EarningRulesQuery
from schema.admin.instant_draws import AdminInstantDrawsMutation, AdminInstantDrawsQuery
from schema.admin.interactions import InteractionsMutation, InteractionsQuery
from schema.admin.jobs import JobsMutation, JobsQuery
from schema.admin.liability import LiabilityMutation, LiabilityQuery
from schema.admin.members import MembersMutation, MembersQuery
from schema.admin.order_events import OrderEventsMutation, OrderEventsQuery
from schema.admin.order_intake import OrderIntakeMutation, OrderIntakeQuery
from schema.admin.orders import OrdersQuery
from schema.admin.programme import ProgrammeMutation, ProgrammeQuery
from schema.admin.programmes import ProgrammesMutation, ProgrammesQuery
from schema.admin.tiers import AdminTiersMutation
from schema.admin.transparency import AdminTransparencyQuery
from schema.extensions import make_schema
from schema.nodes import resolve_node


@strawberry.type(description="What staff and integrations ask for.")
class Query(
    AccessQuery,
    MembersQuery,
    ProgrammeQuery,
    ProgrammesQuery,
    EarningRulesQuery,
    AdjustmentsQuery,
    OrdersQuery,
    OrderIntakeQuery,
    OrderEventsQuery,
    InteractionsQuery,
    AdminDeductionQuery,
    AdminCheckInsQuery,
    AdminDrawsQuery,
    AdminInstantDrawsQuery,
    AdminCharityQuery,
    JobsQuery,
    AuditQuery,
    AuditsQuery,
    LiabilityQuery,
    AdminTransparencyQuery,
):
    node: relay.Node | None = strawberry.field(
        resolver=resolve_node, description="Anything that has an id, if the caller may see it."
    )


@strawberry.type(description="What staff and integrations do.")
class Mutation(
    AccessMutation,
    MembersMutation,
    ProgrammeMutation,
    ProgrammesMutation,
    EarningRulesMutation,
    AdminTiersMutation,
    AdminBenefitsMutation,
    AdjustmentsMutation,
    OrderIntakeMutation,
    OrderEventsMutation,
    InteractionsMutation,
    AdminDeductionMutation,
    AdminDrawsMutation,
    AdminDrawFiguresMutation,
    AdminInstantDrawsMutation,
    AdminCharityMutation,
    JobsMutation,
    LiabilityMutation,
):
    pass


@strawberry.type(description="What staff follow live.")
class Subscription(AdminDrawsSubscription):
    pass


schema = make_schema(query=Query, mutation=Mutation, subscription=Subscription)
