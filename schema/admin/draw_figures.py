"""Staff enter the figure that a draw's terms declare."""

from typing import Annotated

import strawberry

from gamification.beacons import errors
from gamification.draws import service
from schema.admin.draws import OPERATORS, Draw, draw_now
from schema.context import Info
from schema.draw_claims import DrawStateRefused
from schema.draw_facts import DrawId
from schema.nodes import key_of
from schema.refusals import Refusal
from schema.usual_refusals import InvalidInput, NotFound


class BeaconNotDue(Refusal, of=errors.BeaconNotDue, describe={"due_at": "When the figure is due."}):
    pass


class BeaconOverdue(Refusal, of=errors.BeaconOverdue, describe={"given_up_at": "Until when it could be entered."}):
    pass


class BeaconAlreadyKnown(Refusal, of=errors.BeaconAlreadyKnown, describe={"value": "The value that the draw has."}):
    pass


class BeaconNotAFigure(Refusal, of=errors.BeaconNotAFigure, describe={"kind": "Where the draw's value comes from."}):
    pass


EnterBeaconFigureResult = Annotated[
    Draw
    | BeaconNotDue
    | BeaconOverdue
    | BeaconAlreadyKnown
    | BeaconNotAFigure
    | DrawStateRefused
    | NotFound
    | InvalidInput,
    strawberry.union("EnterBeaconFigureResult", description="The draw with its value, or why not."),
]


@strawberry.type
class AdminDrawFiguresMutation:
    @strawberry.mutation(
        description="Enter the figure that a draw declares, once it is published; it can never be changed, the winners "
        "follow from it, and who entered it is kept.",
        extensions=[OPERATORS],
    )
    async def enter_beacon_figure(
        self,
        info: Info,
        draw_id: DrawId,
        value: Annotated[
            str,
            strawberry.argument(description="1 to 100 characters exactly as published, in plain writing (NFKC)."),
        ],
    ) -> EnterBeaconFigureResult:
        key = key_of(draw_id, "Draw", argument="drawId")
        await service.enter_beacon_figure(info.context.work, draw_id=key, value=value, actor=info.context.actor)
        return await draw_now(key, info)
