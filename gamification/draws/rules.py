"""What a draw may look like, who may buy, and who wins: pure decisions."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from itertools import chain, islice
from typing import Any, ClassVar, Literal, NamedTuple
from uuid import UUID

import orjson

from gamification.beacons.rules import NO_BEACON, Beacon
from gamification.core.chance import in_order
from gamification.core.policy import Problem
from gamification.gates.rules import OPEN_TO_ALL, Gate
from gamification.prizes.rules import PrizeKind, value_fen

ALGORITHM = "jifen-draw-2"
"""Of draws opened from now on. `jifen-draw-1` is the same without a beacon, and its terms do not name one."""
TITLE_LENGTH_MAX = 100
PRIZES_MAX = 100
QUANTITY_MAX = 1_000_000
PRIZE_POINTS_MAX = 5_000_000_000_000
"""More than all prizes of a draw can come to: a million of them, each worth what the law allows."""
TICKET_POINTS_MAX = 1_000_000
TICKETS_MAX = 1_000_000
RESERVES_MAX = 10_000
CLAIM_SECONDS_MIN, CLAIM_SECONDS_MAX = 60, 366 * 86_400
"""A prize that has to be claimed can be so for a minute at least, and a year at most."""

State = Literal["DRAFT", "OPEN", "CLOSED", "DRAWN", "SETTLING", "SETTLED", "VOIDED"]

TRANSITIONS: Mapping[tuple[State, str], State] = {
    ("DRAFT", "open"): "OPEN",
    ("DRAFT", "void"): "VOIDED",
    ("OPEN", "close"): "CLOSED",
    ("OPEN", "void"): "VOIDED",
    ("CLOSED", "enter_figure"): "CLOSED",
    ("CLOSED", "draw"): "DRAWN",
    ("CLOSED", "void_for_want_of_tickets"): "VOIDED",
    ("CLOSED", "void_for_want_of_beacon"): "VOIDED",
    ("DRAWN", "settle"): "SETTLING",
    ("SETTLING", "finish"): "SETTLED",
}
"""Where a verb leads from a state; what is not listed is refused, or done already."""

STATES: tuple[State, ...] = ("DRAFT", "OPEN", "CLOSED", "DRAWN", "SETTLING", "SETTLED", "VOIDED")
PUBLISHED: tuple[State, ...] = STATES[1:]


@dataclass(frozen=True, slots=True)
class DrawsPolicy:
    """What a ticket costs where the plan of a draw does not say, and what all prizes of a draw may come to, in points.

    Without a `prize_points_max` they may come to anything.
    """

    kind: ClassVar[str] = "draws"
    ticket_points: int = 50
    prize_points_max: int | None = None

    def problems(self) -> Sequence[Problem]:
        problems = []
        if not 1 <= self.ticket_points <= TICKET_POINTS_MAX:
            problems.append(Problem("ticket_points", f"1 to {TICKET_POINTS_MAX} points"))
        if self.prize_points_max is not None and not 1 <= self.prize_points_max <= PRIZE_POINTS_MAX:
            problems.append(Problem("prize_points_max", f"1 to {PRIZE_POINTS_MAX} points, or null for any"))
        return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Prize:
    """A prize of which `quantity` are drawn; a member wins at most `per_member` of them (None: any number)."""

    name_zh: str
    name_en: str
    points: int
    quantity: int
    per_member: int | None = None
    kind: PrizeKind = "POINTS"

    @property
    def value_fen(self) -> int:
        """What one of them is worth on the market."""
        return value_fen(self.kind, self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A draw as staff plan it. None means no limit; fewer than `tickets_min` tickets void the draw.

    A member's first `free_tickets_per_member` tickets cost nothing. With `claim_seconds` a prize has to be claimed in
    this time, and goes to one of the `reserves` next in line otherwise.
    """

    title_zh: str
    title_en: str
    ticket_points: int
    opens_at: datetime
    closes_at: datetime
    prizes: tuple[Prize, ...]
    tickets_per_member: int | None = None
    tickets_per_member_day: int | None = None
    tickets_min: int = 1
    free_tickets_per_member: int = 0
    reserves: int = 0
    claim_seconds: int | None = None
    gate: Gate = OPEN_TO_ALL
    beacon: Beacon = NO_BEACON

    @property
    def prize_points(self) -> int:
        """What all prizes come to, in points."""
        return sum(prize.points * prize.quantity for prize in self.prizes)

    def problem(self) -> Problem | None:
        """The first reason why this plan cannot be a draw."""
        return next(chain(self._own_problems(), *map(_prize_problems, range(len(self.prizes)), self.prizes)), None)

    def _own_problems(self) -> Iterator[Problem]:
        yield from _text_problems("titleZh", self.title_zh)
        yield from _text_problems("titleEn", self.title_en)
        yield from _range_problems("ticketPoints", self.ticket_points, 1, TICKET_POINTS_MAX)
        yield from _range_problems("ticketsMin", self.tickets_min, 0, TICKETS_MAX)
        yield from _range_problems("ticketsPerMember", self.tickets_per_member, 1, TICKETS_MAX)
        yield from _range_problems("ticketsPerMemberDay", self.tickets_per_member_day, 1, TICKETS_MAX)
        yield from _range_problems("freeTicketsPerMember", self.free_tickets_per_member, 0, TICKETS_MAX)
        yield from _range_problems("reserves", self.reserves, 0, RESERVES_MAX)
        yield from _range_problems("claimSeconds", self.claim_seconds, CLAIM_SECONDS_MIN, CLAIM_SECONDS_MAX)
        yield from _range_problems("prizes", len(self.prizes), 1, PRIZES_MAX)
        yield from _range_problems("prizes", sum(prize.quantity for prize in self.prizes), 1, QUANTITY_MAX)
        if self.closes_at <= self.opens_at:
            yield Problem("closesAt", "later than opensAt")
        yield from self.beacon.planning_problems(self.closes_at)


def _prize_problems(index: int, prize: Prize) -> Iterator[Problem]:
    where = f"prizes.{index}"
    yield from _text_problems(f"{where}.nameZh", prize.name_zh)
    yield from _text_problems(f"{where}.nameEn", prize.name_en)
    yield from _range_problems(f"{where}.points", prize.points, 1, None)
    yield from _range_problems(f"{where}.quantity", prize.quantity, 1, QUANTITY_MAX)
    yield from _range_problems(f"{where}.perMember", prize.per_member, 1, QUANTITY_MAX)


def _text_problems(path: str, text: str) -> Iterator[Problem]:
    if not 1 <= len(text.strip()) <= TITLE_LENGTH_MAX:
        yield Problem(path, f"1 to {TITLE_LENGTH_MAX} characters")


def _range_problems(path: str, value: int | None, least: int, most: int | None) -> Iterator[Problem]:
    if value is not None and (value < least or (most is not None and value > most)):
        yield Problem(path, f"{least} to {most}" if most is not None else f"at least {least}")


def dearest(prizes: Iterable[Prize]) -> Prize:
    """The prize that is worth most."""
    return max(prizes, key=lambda prize: prize.value_fen)


def terms_of(draw_id: UUID, plan: Plan, commitment: bytes) -> str:
    """The published terms as canonical JSON: what is sold, what can be won, on which conditions, when and how.

    Keys sorted, no blanks, instants in UTC; the hash of exactly this text is what a ticket stands under.
    """
    document = {
        "algorithm": ALGORITHM,
        "proof_level": plan.beacon.proof_level,
        "commitment": commitment.hex(),
        "draw": str(draw_id),
        "title": {"zh-CN": plan.title_zh, "en": plan.title_en},
        "ticket_points": plan.ticket_points,
        "opens_at": plan.opens_at,
        "closes_at": plan.closes_at,
        "tickets_per_member": plan.tickets_per_member,
        "tickets_per_member_day": plan.tickets_per_member_day,
        "tickets_min": plan.tickets_min,
        "free_tickets_per_member": plan.free_tickets_per_member,
        "reserves": plan.reserves,
        "claim_seconds": plan.claim_seconds,
        "gate": asdict(plan.gate),
        "prizes": [_prize_terms(place, prize) for place, prize in enumerate(plan.prizes, 1)],
        "beacon": plan.beacon.terms(),
        "method": METHOD if plan.beacon == NO_BEACON else {each: MIXING[each] + METHOD[each] for each in METHOD},
    }
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z).decode()


def _prize_terms(place: int, prize: Prize) -> dict[str, Any]:
    return {
        "place": place,
        "kind": prize.kind,
        "name": {"zh-CN": prize.name_zh, "en": prize.name_en},
        "points": prize.points,
        "value_fen": prize.value_fen,
        "quantity": prize.quantity,
        "per_member": prize.per_member,
    }


MIXING = {
    "zh-CN": "截止后公布的公共随机数(beacon)以 HMAC-SHA256(种子, beacon|抽奖|数值) 混入种子,所得即下文的种子;"
    "该数值应公布后 24 小时仍未取得的,活动作废,积分原路退回。",
    "en": "The value of the beacon, which is published after closing, is mixed into the seed as HMAC-SHA256(seed, "
    "beacon|draw|value); this is the seed meant below. Without the value 24 hours after it was due the draw is void "
    "and all points go back. ",
}
METHOD = {
    "zh-CN": "截止后,抽奖券按 HMAC-SHA256(种子, 抽奖|号码) 从小到大排序,依公布顺序逐一分配奖品;"
    "已达该奖品每人上限者顺延,其后依次为候补。须领取的奖品逾期未领的,按顺序由未达上限的候补递补。"
    "券数不足最低数时活动作废,积分原路退回。",
    "en": "After closing, tickets are ordered by HMAC-SHA256(seed, draw|number), lowest first, and fill the prizes in "
    "their declared order; a member at a prize's limit is passed over. The next in the order are the reserves: a prize "
    "that has to be claimed and is not claimed in time goes to the first of them who is below its limit. With fewer "
    "tickets than the minimum the draw is void and all points go back.",
}


def is_free(free_per_member: int, held: int) -> bool:
    """Whether a member who holds so many tickets of a draw gets the next one for nothing."""
    return held < free_per_member


def is_on_sale(state: str, opens_at: datetime, closes_at: datetime, now: datetime) -> bool:
    """Whether tickets sell at an instant: from `opens_at` on, and not at `closes_at` any more."""
    return state == "OPEN" and opens_at <= now < closes_at


WinState = Literal["OWED", "TO_CLAIM", "GRANTED", "LAPSED"]


def win_state(claim_until: datetime | None, now: datetime, *, is_granted: bool, is_lapsed: bool) -> WinState:
    """How far a win is: it lapses at its instant, whenever that is booked."""
    if is_granted:
        return "GRANTED"
    if claim_until is None:
        return "OWED"
    return "LAPSED" if is_lapsed or claim_until <= now else "TO_CLAIM"


class Limit(NamedTuple):
    """A limit that stands in the way of one ticket more."""

    scope: Literal["TOTAL", "DAY"]
    limit: int
    used: int


def limit_reached(
    per_member: int | None, per_member_day: int | None, bought_by_day: Mapping[date, int], on: date
) -> Limit | None:
    """The limit that one more ticket on a business day would pass; that of the whole draw first."""
    total, today = sum(bought_by_day.values()), bought_by_day.get(on, 0)
    if per_member is not None and total >= per_member:
        return Limit("TOTAL", per_member, total)
    if per_member_day is not None and today >= per_member_day:
        return Limit("DAY", per_member_day, today)
    return None


class PrizeUnits(NamedTuple):
    """What choosing winners needs to know of a prize."""

    place: int
    quantity: int
    per_member: int | None


class Win(NamedTuple):
    """A prize won: its rank from 1, the ticket's number, the place of the prize in the declared order."""

    rank: int
    number: int
    prize: int


class Chosen(NamedTuple):
    """Who wins, by rank, and the numbers of the tickets that stand in line for what nobody claims."""

    wins: list[Win]
    reserves: list[int]


def choose_winners(
    seed: bytes, draw_id: UUID, buyers: Sequence[Hashable], prizes: Sequence[PrizeUnits], reserves: int = 0
) -> Chosen:
    """Who wins what. `buyers[n - 1]` is the pseudonym of whoever holds ticket number n; prizes in declared order.

    A ticket wins at most once. A ticket passed over for one prize, its buyer being at that prize's limit, stands first
    in line for the next, and in the end among the reserves: so many of those tickets that have won nothing.
    """
    wanted = sum(prize.quantity for prize in prizes) + reserves
    waiting = in_order(seed, str(draw_id), len(buyers), expected=wanted)
    passed_over: deque[int] = deque()
    wins: list[Win] = []
    for prize in prizes:
        passed: list[int] = []
        won: Counter[Hashable] = Counter()
        left = prize.quantity
        while left and (number := passed_over.popleft() if passed_over else next(waiting, 0)):
            buyer = buyers[number - 1]
            if prize.per_member is not None and won[buyer] >= prize.per_member:
                passed.append(number)
            else:
                won[buyer] += 1
                left -= 1
                wins.append(Win(len(wins) + 1, number, prize.place))
        passed_over.extendleft(reversed(passed))
    return Chosen(wins, list(islice(chain(passed_over, waiting), reserves)))


def leaf(draw_id: UUID, number: int, ticket_id: UUID, buyer: str) -> bytes:
    """A ticket as a leaf of its draw's tree."""
    return f"{draw_id}|{number}|{ticket_id}|{buyer}".encode()


def masked(nickname: str | None) -> str:
    """How a winner is named in public: the first character, and nothing else that could be known again."""
    return f"{nickname[0]}**" if nickname else "**"
