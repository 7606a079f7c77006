"""Draws and plays made as docs/draws-algorithm.md writes them, plainly, with nothing of the product or its verifiers.

Everything comes from a `random.Random` or from constants, so that what is made can be made again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from random import Random
from typing import Any
from uuid import UUID

Document = dict[str, Any]
CHAIN = {
    "kind": "drand",
    "chain": "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    "public_key": "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1f"
    "ec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
    "scheme": "bls-unchained-g1-rfc9380",
    "genesis": 1692803367,
    "period_seconds": 3,
    "delay_seconds": 300,
}
ROUND = 1000
SIGNATURE = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
"""Of round 1000 of that chain, as its relays answer it."""
CLOSED_AT = datetime(2023, 8, 23, 15, 54, 22, 500_000, UTC)
"""1.5 seconds later and the delay, that round began; the one before it had begun 1.5 seconds before."""
FIGURE = {
    "kind": "figure",
    "name": {"zh-CN": "上证指数收盘", "en": "Close of the SSE Composite"},
    "source": "https://www.sse.com.cn/",
    "due_at": "2023-08-24T07:00:00Z",
}
NONE = {"kind": "none"}
MILLION = 1_000_000


def canonical(document: object) -> str:
    """Canonical JSON: keys sorted, no blanks, nothing escaped that need not be."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def root_of(leaves: list[bytes]) -> bytes:
    """The tree from below: neighbours are joined, and whoever has no neighbour goes up as it is."""
    level = [sha256(b"\x00" + leaf) for leaf in leaves] or [sha256(b"")]
    while len(level) > 1:
        pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
        level = [sha256(b"\x01" + b"".join(pair)) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0]


@dataclass
class Draw:
    """What decides a draw: its terms, its tickets as (id, buyer) in any order, its seed, its beacon, who did not claim.

    `lapsed` are the ranks of wins that nobody claimed, in the order in which they lapse.
    """

    id: UUID
    seed: bytes
    tickets: list[tuple[UUID, str]]
    prizes: list[tuple[int, int | None]]
    algorithm: str = "jifen-draw-2"
    beacon_terms: dict[str, Any] = field(default_factory=lambda: NONE)
    beacon: dict[str, Any] | None = None
    reserves: int = 0
    claim_seconds: int | None = None
    lapsed: list[int] = field(default_factory=list)
    closed_at: datetime = CLOSED_AT
    unclaimed: list[int] = field(default_factory=list, init=False)

    @property
    def is_second(self) -> bool:
        return self.algorithm == "jifen-draw-2"

    @property
    def numbered(self) -> list[tuple[int, UUID, str]]:
        return [(number, *ticket) for number, ticket in enumerate(sorted(self.tickets), 1)]

    def terms(self) -> str:
        """The published terms."""
        level = "OPERATOR" if self.beacon_terms == NONE else "PUBLIC"
        terms: dict[str, Any] = {
            "algorithm": self.algorithm, "proof_level": level, "commitment": sha256(self.seed).hex(),
            "draw": str(self.id), "title": {"zh-CN": "周末抽奖", "en": "Weekend draw"}, "ticket_points": 50,
            "opens_at": "2023-08-20T00:00:00Z", "closes_at": instant(self.closed_at - timedelta(seconds=20)),
            "tickets_per_member": None, "tickets_per_member_day": None, "tickets_min": 1,
            "prizes": [
                {"place": place, "kind": "POINTS", "name": {"zh-CN": "奖品", "en": "Prize"}, "points": 100 * place,
                 "value_fen": 100 * place, "quantity": quantity, "per_member": per_member}
                for place, (quantity, per_member) in enumerate(self.prizes, 1)
            ],
        }  # fmt: skip
        if self.is_second:
            gate = {"tier_min": None, "early_tier_min": None, "early_seconds": 0}
            terms |= {"beacon": self.beacon_terms, "reserves": self.reserves, "claim_seconds": self.claim_seconds}
            terms |= {"free_tickets_per_member": 0, "gate": gate}
        return canonical(terms)

    def leaves(self) -> list[bytes]:
        return [f"{self.id}|{number}|{ticket}|{buyer}".encode() for number, ticket, buyer in self.numbered]

    def mixed_seed(self) -> bytes:
        if self.beacon is None:
            return self.seed
        value = self.beacon["randomness"] if self.beacon["kind"] == "drand" else self.beacon["value"]
        return mac(self.seed, f"beacon|{self.id}|{value}")

    def order(self) -> list[int]:
        """The numbers in the order of the line."""
        numbers = range(1, len(self.tickets) + 1)
        return sorted(numbers, key=lambda number: mac(self.mixed_seed(), f"{self.id}|{number}"))

    def decided(self) -> tuple[list[list[int]], list[int], list[list[int]]]:
        """Winners as (rank, number, place), the numbers of the reserves, promotions as (rank, replaced, number, place).

        A list of wins is all that is remembered: each decision counts in it anew.
        """
        buyers = {number: buyer for number, _, buyer in self.numbered}
        order, stands, winners = self.order(), list[tuple[int, int]](), list[list[int]]()

        def may(number: int, place: int) -> bool:
            limit = self.prizes[place - 1][1]
            own = [1 for other, won in stands if won == place and buyers[other] == buyers[number]]
            return limit is None or len(own) < limit

        for place, (quantity, _) in enumerate(self.prizes, 1):
            for _ in range(quantity):
                taken = {number for _, number, _ in winners}
                number = next((each for each in order if each not in taken and may(each, place)), None)
                if number is not None:
                    stands.append((number, place))
                    winners.append([len(winners) + 1, number, place])
        taken = {number for _, number, _ in winners}
        reserves = [each for each in order if each not in taken][: self.reserves]
        left, ranks, promotions = list(reserves), [tuple(win[1:]) for win in winners], list[list[int]]()
        self.unclaimed = []
        for rank in self.lapsed:
            if rank > len(ranks):
                continue
            lost, place = ranks[rank - 1]
            stands.remove((lost, place))
            number = next((each for each in left if may(each, place)), None)
            if number is None:
                self.unclaimed.append(rank)
                continue
            left.remove(number)
            stands.append((number, place))
            ranks.append((number, place))
            promotions.append([len(ranks), rank, number, place])
        return winners, reserves, promotions

    def document(self) -> Document:
        """The export."""
        winners, reserves, promotions = self.decided()
        terms = self.terms()
        document: Document = {
            "format": f"jifen-draw-export-{2 if self.is_second else 1}", "draw": str(self.id), "terms": terms,
            "terms_hash": sha256(terms.encode()).hex(), "seed": self.seed.hex(),
            "root": root_of(self.leaves()).hex(),
            "tickets": [[number, str(ticket), buyer] for number, ticket, buyer in self.numbered], "winners": winners,
        }  # fmt: skip
        if self.is_second:
            document |= {"closed_at": instant(self.closed_at), "beacon": self.beacon, "promotions": promotions}
            document["reserves"] = [[place, number] for place, number in enumerate(reserves, 1)]
        return document


def round_at(closed_at: datetime, chain: dict[str, Any]) -> int:
    """The first round that begins when the delay after closing is over: looked for, one by one, from a day before."""
    over = closed_at + timedelta(seconds=chain["delay_seconds"])
    begins = datetime.fromtimestamp(chain["genesis"], UTC)
    number: int = 1 + max(0, int((over - begins).total_seconds()) - 86_400) // chain["period_seconds"]
    while begins + timedelta(seconds=(number - 1) * chain["period_seconds"]) < over:
        number += 1
    return number


def drand(number: int, signature: str) -> dict[str, Any]:
    """What an export says of a round."""
    randomness = sha256(bytes.fromhex(signature)).hex()
    return {"kind": "drand", "round": number, "randomness": randomness, "signature": signature}


def figure(value: str) -> dict[str, Any]:
    return {"kind": "figure", "value": value, "source": "https://www.sse.com.cn/market/2023-08-24"}


def some_uuid(random: Random) -> UUID:
    return UUID(int=random.getrandbits(128), version=4)


def a_random_draw(random: Random) -> Draw:
    """Any draw: 0 to 60 tickets of a few buyers, prizes with and without limits, any beacon, reserves, lapses."""
    buyers = [random.randbytes(16).hex() for _ in range(random.randint(1, 12))]
    tickets = [(some_uuid(random), random.choice(buyers)) for _ in range(random.randint(0, 60))]
    prizes = [(random.randint(1, 8), random.choice([None, 1, 2])) for _ in range(random.randint(1, 4))]
    closed_at = CLOSED_AT + timedelta(microseconds=random.choice([0, 1, 500_000, 10**6 * random.randint(0, 10**7)]))
    chosen = random.choice(["none", "drand", "figure"])
    beacons: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
        "none": (NONE, None),
        "drand": (CHAIN, drand(round_at(closed_at, CHAIN), random.randbytes(48).hex())),
        "figure": (FIGURE, figure(random.choice(["3082.24", "三零八二", "🎲 é 3,082", ""]))),
    }
    terms, beacon = beacons[chosen]
    draw = Draw(
        some_uuid(random), random.randbytes(32), tickets, prizes, beacon_terms=terms, beacon=beacon,
        reserves=random.randint(0, 10), claim_seconds=86_400, closed_at=closed_at,
    )  # fmt: skip
    if random.random() < 0.25:
        return Draw(draw.id, draw.seed, tickets, prizes, algorithm="jifen-draw-1")
    ranks = range(1, 1 + sum(quantity for quantity, _ in prizes) + draw.reserves)
    draw.lapsed = sorted(random.sample(ranks, random.randint(0, len(ranks))))
    return draw


def play_terms(draw: UUID, version: int, lines: list[dict[str, Any]], pity_after: int | None) -> Document:
    """A version of odds as an export carries it. Lines are kind, odds_ppm, pity_ppm, fallback."""
    published = [
        {
            "place": place,
            "name": {"zh-CN": "奖品", "en": "Prize"},
            "points": 0 if line["kind"] == "NONE" else 10 * place,
        }
        | line
        for place, line in enumerate(lines, 1)
    ]
    terms = canonical(
        {"algorithm": "jifen-play-1", "proof_level": "OPERATOR", "draw": str(draw), "version": version,
         "pity_after": pity_after, "lines": published}
    )  # fmt: skip
    return {"version": version, "terms": terms, "terms_hash": sha256(terms.encode()).hex()}


def roll_of(seed: bytes, draw: UUID, member: UUID, number: int) -> int:
    """0 to 999,999: the first 64 bits that lie below the greatest multiple of a million."""
    attempt = 0
    while True:
        value = int.from_bytes(mac(seed, f"{draw}|{member}|{number}|{attempt}")[:8], "big")
        if value // MILLION < 2**64 // MILLION:
            return value % MILLION
        attempt += 1


@dataclass
class Plays:
    """A member's plays: which day and version each has, and what could not be given at it (place: reason)."""

    draw: UUID
    member: UUID
    versions: list[Document]
    seeds: dict[str, bytes]
    played: list[tuple[str, int, dict[int, str]]]
    secret: frozenset[str] = frozenset()

    def document(self) -> Document:
        """The export."""
        terms = {each["version"]: json.loads(each["terms"]) for each in self.versions}
        plays, lost = list[Document](), 0
        for number, (day, version, missing) in enumerate(self.played, 1):
            rolled, of = roll_of(self.seeds[day], self.draw, self.member, number), terms[version]
            pity = of["pity_after"] is not None and lost >= of["pity_after"]
            upto = list(accumulate(line["pity_ppm" if pity else "odds_ppm"] for line in of["lines"]))
            nominal = given = 1 + bisect_right(upto, rolled)
            while of["lines"][given - 1]["kind"] != "NONE" and given in missing:
                given = of["lines"][given - 1]["fallback"]
            lost = lost + 1 if of["lines"][given - 1]["kind"] == "NONE" else 0
            reason = missing[nominal] if given != nominal else None
            plays.append(
                {"number": number, "business_date": day, "version": version, "roll": rolled, "nominal": nominal,
                 "given": given, "reason": reason, "pity": pity}
            )  # fmt: skip
        days = [
            {"business_date": day, "commitment": sha256(seed).hex(), "seed": None if day in self.secret else seed.hex()}
            for day, seed in sorted(self.seeds.items())
        ]
        return {"format": "jifen-play-export-1", "draw": str(self.draw), "member": str(self.member),
                "terms": self.versions, "days": days, "plays": plays}  # fmt: skip


def some_odds(random: Random, parts: int) -> list[int]:
    """So many odds that are a million in all; some may be nothing."""
    cuts = sorted(random.choices(range(MILLION + 1), k=parts - 1))
    return [upper - lower for lower, upper in pairwise([0, *cuts, MILLION])]


def some_plays(random: Random) -> Plays:
    """Any plays: 1 to 40 over a few days, one or two versions, pity or none, prizes that run out."""
    draw, member = some_uuid(random), some_uuid(random)
    seeds = {f"2026-03-{day:02}": random.randbytes(32) for day in range(1, random.randint(2, 5))}
    versions = []
    for version in range(1, random.randint(2, 3)):
        parts, pity_after = random.randint(2, 5), random.choice([None, 1, 2, 3])
        pity = some_odds(random, parts) if pity_after else [None] * parts
        lines = [
            {"kind": "NONE" if place == parts else "POINTS", "odds_ppm": odds, "pity_ppm": pity[place - 1],
             "fallback": None if place == parts else random.randint(place + 1, parts)}
            for place, odds in enumerate(some_odds(random, parts), 1)
        ]  # fmt: skip
        versions.append(play_terms(draw, version, lines, pity_after))
    count, reasons = random.randint(1, 40), ["STOCK", "RELEASE", "MEMBER_LIMIT", "BUDGET"]
    days = sorted(random.choices(list(seeds), k=count))
    chosen = sorted(random.choices(range(1, len(versions) + 1), k=count))
    missing = [{place: random.choice(reasons) for place in range(1, 5) if random.random() < 0.3} for _ in range(count)]
    secret = frozenset({max(seeds)} if random.random() < 0.3 else ())
    return Plays(draw, member, versions, seeds, list(zip(days, chosen, missing, strict=True)), secret)
