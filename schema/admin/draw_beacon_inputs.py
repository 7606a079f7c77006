"""How staff declare a draw's beacon when they plan it."""

from datetime import datetime

import strawberry

from gamification.beacons.rules import NO_BEACON, Beacon, DrandBeacon, FigureBeacon
from gamification.core.errors import InvalidInput
from schema.draw_beacons import BeaconKind


@strawberry.input(description="A figure that others will publish.")
class BeaconFigureInput:
    name_zh: str = strawberry.field(description="In Chinese, 1 to 100 characters, with how it is written.")
    name_en: str = strawberry.field(description="In English, 1 to 100 characters, with how it is written.")
    source: str = strawberry.field(description="Where everybody can look it up, 1 to 500 characters.")
    due_at: datetime = strawberry.field(
        description="When it will be published, 5 minutes to 30 days after the closing of the draw."
    )


@strawberry.input(description="The beacon of a draw; frozen with its terms.")
class DrawBeaconInput:
    kind: BeaconKind = strawberry.field(description="Where the value comes from.")
    figure: BeaconFigureInput | None = strawberry.field(default=None, description="For FIGURE, and for FIGURE only.")


def beacon_of(given: DrawBeaconInput | None) -> Beacon:
    """A beacon as it came over the wire; the verb checks a figure. Refuses: InvalidInput."""
    kind = given.kind if given else BeaconKind.NONE
    figure = given.figure if given else None
    if (kind is BeaconKind.FIGURE) != (figure is not None):
        raise InvalidInput(field="beacon.figure", reason="given for FIGURE, and for FIGURE only")
    if figure is not None:
        return FigureBeacon(**vars(figure))
    return DrandBeacon() if kind is BeaconKind.DRAND else NO_BEACON
