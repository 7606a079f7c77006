"""From requests to commands: shape checked, members resolved, refunds without their order set aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard, cast
from uuid import UUID

from gamification.core.actors import SYSTEM, Actor
from gamification.core.calendar import month_of
from gamification.core.database import fetch
from gamification.core.errors import InvalidInput, NotFound, Refusal
from gamification.core.ids import new_id
from gamification.core.work import Preview, Work
from gamification.members.references import MemberNumber, Origin, Reference
from gamification.members.service import ensure_members, known_members
from gamification.orders.errors import DeductionExceedsLines, RefundConflict
from gamification.orders.service.commands import Intake, OrderRecorded, RecordOrder, RecordRefund, RefundRecorded
from gamification.orders.service.decisions import INTAKE, INTAKE_PREVIEW, INTAKE_WITH_LOTS
from gamification.orders.service.refunding import restore_refund, waiting_body
from gamification.orders.service.requests import MemberName, NewLine, NewOrder, NewRefund
from gamification.points.service.holds import free_ended

Request = NewOrder | NewRefund
Recorded = OrderRecorded | RefundRecorded
PLACE_WAITING_MAX = 500


async def record(
    work: Work, requests: Sequence[Request], *, actor: Actor, create_members: Origin | None = None
) -> list[Recorded | Exception]:
    """Record orders and refunds, each member's in the given order; every outcome stands alone.

    An unknown member reference is refused (NotFound), or with `create_members` becomes a member to be claimed. A refund
    whose order is not here yet waits (status WAITING). Refuses: InvalidInput, AmountsDisagree, NotFound, OrderConflict,
    RefundConflict, RefundExceedsPaid, LineUnknown, QuantityExceedsBought, RestorationExceedsDeduction, HoldCaptured.
    An order that points pay for also: DeductionExceedsLines, OrderAlreadyHeld, CaptureExceedsHold, InsufficientPoints.
    Locks: accounts; before them, alone, those whose hold of such an order has timed out and is not booked yet.
    """
    outcomes: list[Any] = [_shape_refusal(request) for request in requests]
    fit = [request for request, refused in zip(requests, outcomes, strict=True) if refused is None]
    members = await _members_of(fit, work, create_members)
    commands: list[Intake] = []
    places: list[int] = []
    waiting: list[tuple[int, NewRefund]] = []
    for place, request in enumerate(requests):
        if outcomes[place] is not None:
            continue
        member_id = members.get(_member_key(request))
        if member_id is not None:
            commands.append(_command(work, request, member_id, actor))
            places.append(place)
            if isinstance(request, NewOrder):  # refunds that follow may name it
                members.setdefault(request.external_id, member_id)
        elif isinstance(request, NewRefund) and request.order_external_id is not None:
            waiting.append((place, request))
        else:
            outcomes[place] = _unknown(request)
    await _set_aside(work, waiting, outcomes)  # first, so that an order of this batch takes its refunds along
    for place, outcome in zip(places, await _perform(work, commands), strict=True):
        outcomes[place] = outcome
    await _set_aside(work, _without_order(requests, outcomes), outcomes)
    return outcomes


async def record_one(work: Work, request: Request, *, actor: Actor, create_members: Origin | None = None) -> Recorded:
    """Record one order or refund. Refuses and locks as `record`."""
    (outcome,) = await record(work, [request], actor=actor, create_members=create_members)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def preview(work: Work, request: Request) -> Preview[Any]:
    """What an order or refund would do, not written. Refuses as `record`."""
    request.check()
    member_id = (await _members_of([request], work, None)).get(_member_key(request))
    if member_id is None:
        raise _unknown(request)
    return await work.preview(INTAKE_PREVIEW, _command(work, request, member_id, SYSTEM))


@dataclass(frozen=True, slots=True)
class Cart:
    """An order that is not paid yet: its lines, and points that would pay for a part of it."""

    lines: tuple[NewLine, ...]
    deduction_points: int = 0
    channel: str = "store"
    store: str | None = None

    def order(self, now: datetime) -> NewOrder:
        """The order that it would be if it were paid now with these points."""
        net_fen = sum(line.net_fen for line in self.lines)
        return NewOrder(
            f"cart:{new_id()}", MemberNumber(""), now, net_fen - self.deduction_points, self.lines,
            channel=self.channel, store=self.store, deduction_points=self.deduction_points,
        )  # fmt: skip


async def preview_cart(work: Work, *, member_id: UUID, cart: Cart) -> OrderRecorded:
    """What an order of a member would earn if it were paid now, not written. Refuses: InvalidInput, NotFound.

    The points that would pay for it are taken as given: whether the member has them, quotes and holds say.
    """
    order = cart.order(work.clock.now())
    try:
        order.check()
    except DeductionExceedsLines as refusal:
        raise InvalidInput(field="deductionPoints", reason=f"0 to {refusal.payable_fen}") from None
    command = RecordOrder(
        member_id=member_id, actor=SYSTEM, order=order, month=month_of(work.calendar.business_date(order.paid_at)),
        is_cart=True,
    )  # fmt: skip
    return cast(OrderRecorded, (await work.preview(INTAKE_PREVIEW, command)).outcome())


async def place_waiting(work: Work) -> int:
    """Place the refunds whose order has arrived meanwhile without seeing them; returns how many. Safe to run twice."""
    rows = await fetch(
        """SELECT w.order_external_id, w.external_id, w.body, w.received_at, d.member_id FROM waiting_refund w
           JOIN order_directory d ON d.external_id = w.order_external_id
           WHERE w.placed_at IS NULL ORDER BY w.received_at LIMIT $1""",
        PLACE_WAITING_MAX,
    )
    commands = [
        RecordRefund(
            member_id=row["member_id"], actor=SYSTEM, waited_since=row["received_at"],
            refund=restore_refund(row["order_external_id"], row["external_id"], row["body"]),
        )
        for row in rows
    ]  # fmt: skip
    for outcome in await _perform(work, commands):
        if isinstance(outcome, Exception):
            raise outcome
    return len(commands)


async def _perform(work: Work, commands: Sequence[Intake]) -> list[Recorded | Exception]:
    """One batch; lots are loaded only where a refund may claw back, or points pay."""
    if not commands:
        return []
    await free_ended(work, [each.order.external_id for each in commands if _is_paid_with_points(each)])
    verb = INTAKE_WITH_LOTS if any(map(_moves_lots, commands)) else INTAKE
    return cast(list[Recorded | Exception], await work.perform_all(verb, commands))


def _moves_lots(command: Intake) -> bool:
    return isinstance(command, RecordRefund) or _is_paid_with_points(command)


def _is_paid_with_points(command: Intake) -> TypeGuard[RecordOrder]:
    return isinstance(command, RecordOrder) and command.order.deduction_points > 0


def _shape_refusal(request: Request) -> Refusal | None:
    try:
        request.check()
    except Refusal as refusal:
        return refusal
    return None


def _member_key(request: Request) -> MemberName | str:
    """What names the member: a refund's order, if it names one; else the reference."""
    if isinstance(request, NewRefund) and request.order_external_id is not None:
        return request.order_external_id
    assert request.member is not None, "checked with the request"
    return request.member


async def _members_of(requests: Sequence[Request], work: Work, create: Origin | None) -> dict[MemberName | str, UUID]:
    keys = {_member_key(request) for request in requests}
    found: dict[MemberName | str, UUID] = {}
    found.update((await known_members([key for key in keys if not isinstance(key, str)])).items())
    if create is not None:
        unknown = [key for key in keys if isinstance(key, Reference) and key not in found]
        found.update((await ensure_members(unknown, origin=create, now=work.clock.now())).items() if unknown else ())
    orders = [key for key in keys if isinstance(key, str)]
    if orders:
        rows = await fetch("SELECT external_id, member_id FROM order_directory WHERE external_id = ANY($1)", orders)
        found.update({row["external_id"]: row["member_id"] for row in rows})
    return found


def _command(work: Work, request: Request, member_id: UUID, actor: Actor) -> Intake:
    if isinstance(request, NewOrder):
        month = month_of(work.calendar.business_date(request.paid_at))
        return RecordOrder(member_id=member_id, actor=actor, order=request, month=month)
    return RecordRefund(member_id=member_id, actor=actor, refund=request)


def _unknown(request: Request) -> NotFound:
    key = _member_key(request)
    return NotFound(kind="member", id=key if isinstance(key, str) else ":".join(key))


def _without_order(requests: Sequence[Request], outcomes: Sequence[Any]) -> list[tuple[int, NewRefund]]:
    """The refunds whose order stood before them in the batch and was refused: they wait for it all the same."""
    return [
        (place, request)
        for place, (request, outcome) in enumerate(zip(requests, outcomes, strict=True))
        if isinstance(request, NewRefund) and isinstance(outcome, NotFound) and outcome.kind == "order"
    ]


_SET_ASIDE = """
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::jsonb[]) WITH ORDINALITY
        AS g(order_external_id, external_id, body, place)
), kept AS (
    INSERT INTO waiting_refund (order_external_id, external_id, body, received_at)
    SELECT DISTINCT ON (order_external_id, external_id) order_external_id, external_id, body, $4 FROM given
    ORDER BY order_external_id, external_id, place
    ON CONFLICT DO NOTHING RETURNING order_external_id, external_id, body
)
SELECT coalesce(coalesce(k.body, w.body) = g.body, true) AS same,
       k.body IS NULL OR row_number() OVER (PARTITION BY g.order_external_id, g.external_id ORDER BY g.place) > 1
FROM given g LEFT JOIN kept k USING (order_external_id, external_id)
LEFT JOIN waiting_refund w USING (order_external_id, external_id) ORDER BY g.place
"""


async def _set_aside(work: Work, waiting: Sequence[tuple[int, NewRefund]], outcomes: list[Any]) -> None:
    """Keep refunds for their orders, and note what became of each; another one under the same id is a conflict."""
    if not waiting:
        return
    refunds = [refund for _, refund in waiting]
    keys = [refund.directory_key for refund in refunds]
    rows = await fetch(
        _SET_ASIDE,
        [order_external_id for order_external_id, _ in keys],
        [external_id for _, external_id in keys],
        [waiting_body(refund) for refund in refunds],
        work.clock.now(),
    )
    for (place, refund), (same, known) in zip(waiting, rows, strict=True):
        conflict = RefundConflict(external_id=refund.external_id)
        outcomes[place] = _waits(refund, already_recorded=known) if same else conflict


def _waits(refund: NewRefund, *, already_recorded: bool) -> RefundRecorded:
    requested = refund.fen or sum(line.fen for line in refund.lines)
    return RefundRecorded(
        None, None, refund.external_id, "WAITING", already_recorded, False, requested, 0, 0, 0, 0, 0, None
    )
