"""The members' schema: one line per slice and root."""

import strawberry
from strawberry import relay

from schema.carts import CartsQuery
from schema.charity import CharityMutation, CharityQuery
from schema.checkins import CheckInsMutation, CheckInsQuery
from schema.deduction import DeductionQuery
from schema.draw_claims import DrawClaimsMutation, DrawClaimsQuery
from schema.draw_verdicts import DrawVerdictsQuery
from schema.draws import DrawsMutation, DrawsQuery, DrawsSubscription
from schema.extensions import make_schema
from schema.instant_draws import InstantDrawsMutation, InstantDrawsQuery
from schema.members import MembersMutation, MembersQuery
from schema.nodes import resolve_node
from schema.points import PointsSubscription
from schema.programme import ProgrammeQuery
from schema.transparency import TransparencyQuery


@strawberry.type(description="What members ask for.")
class Query(
    MembersQuery,
    ProgrammeQuery,
    CheckInsQuery,
    DrawsQuery,
    DrawVerdictsQuery,
    DrawClaimsQuery,
    InstantDrawsQuery,
    CharityQuery,
    TransparencyQuery,
    DeductionQuery,
    CartsQuery,
):
    node: relay.Node | None = strawberry.field(
        resolver=resolve_node, description="Anything that has an id, if the caller may see it."
    )


@strawberry.type(description="What members do.")
class Mutation(
    MembersMutation, CheckInsMutation, DrawsMutation, DrawClaimsMutation, InstantDrawsMutation, CharityMutation
):
    pass


@strawberry.type(description="What members follow live.")
class Subscription(PointsSubscription, DrawsSubscription):
    pass


schema = make_schema(query=Query, mutation=Mutation, subscription=Subscription)
