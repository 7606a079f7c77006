"""What a member can earn by, and what an order would earn before it is paid."""

from typing import Annotated

import strawberry

from gamification.core.policy import PolicyMissing
from gamification.earning.rulebook import RulesPolicy
from gamification.orders import service
from schema.context import Info, own_id
from schema.earning_rules import RuleDefinition, RuleVerdict
from schema.permissions import Allow, Member
from schema.scalars import Fen, Points
from schema.usual_refusals import InvalidInput, NotFound

MEMBERS = Allow(Member())


@strawberry.input(description="A line of an order that is not paid yet.")
class CartLineInput:
    sku: str | None = strawberry.field(default=None, description="The stock keeping unit, 1 to 100 characters.")
    category: str | None = strawberry.field(default=None, description="The category, 1 to 100 characters.")
    quantity: int = strawberry.field(default=1, description="Pieces, 1 to 1000000.")
    net_fen: Fen = strawberry.field(description="What it costs after discounts.")
    eligible: bool = strawberry.field(default=True, description="Whether it earns.")


@strawberry.input(description="An order that is not paid yet.")
class CartInput:
    lines: list[CartLineInput] = strawberry.field(description="Its lines, 1 to 500.")
    deduction_points: Points = strawberry.field(
        default=Points(0), description="Points that would pay for a part of it."
    )
    channel: str = strawberry.field(default="store", description="Where it would be placed.")
    store: str | None = strawberry.field(default=None, description="In which store.")

    def body(self) -> service.Cart:
        """The cart as the product takes it."""
        lines = tuple(
            service.NewLine(each.sku, each.category, each.quantity, int(each.net_fen), each.eligible)
            for each in self.lines
        )
        return service.Cart(lines, int(self.deduction_points), self.channel, self.store)


@strawberry.type(description="What an order would earn if it were paid now; nothing is reserved or written by it.")
class CartEarnings:
    points: Points = strawberry.field(description="Points it would earn, bonuses and the ladder's uplift included.")
    ladder_points: Points = strawberry.field(description="Of these the ladder's uplift for the month.")
    growth: Points = strawberry.field(description="Growth it would earn.")
    raised_to: str | None = strawberry.field(description="The code of the tier that it would raise the member to.")
    rules: list[RuleVerdict] = strawberry.field(description="What each earning rule would do, those that pay first.")


PreviewOrderResult = Annotated[
    CartEarnings | InvalidInput | NotFound,
    strawberry.union("PreviewOrderResult", description="What it would earn, or what is wrong with it."),
]


@strawberry.type
class CartsQuery:
    @strawberry.field(
        description="What an order of the caller's would earn, asked before it is paid.", extensions=[MEMBERS]
    )
    async def preview_order(
        self, info: Info, input: Annotated[CartInput, strawberry.argument(description="The order.")]
    ) -> PreviewOrderResult:
        seen = await service.preview_cart(info.context.work, member_id=own_id(info), cart=input.body())
        return CartEarnings(
            points=Points(seen.points),
            ladder_points=Points(seen.ladder_points),
            growth=Points(seen.growth),
            raised_to=seen.raised_to,
            rules=[RuleVerdict.of(each) for each in seen.rules],
        )

    @strawberry.field(description="The earning rules that pay now, by code.", extensions=[MEMBERS])
    async def earning_rules(self, info: Info) -> list[RuleDefinition]:
        try:
            rules = info.context.work.policies.at(RulesPolicy, info.context.now).body.rules
        except PolicyMissing:
            return []
        on = info.context.work.calendar.business_date(info.context.now)
        return [RuleDefinition.of(rule) for rule in rules if rule.window.lasts(on)]
