"""A scheduled draw in plain Python: slow, obvious, and sharing nothing with the product but its transition table."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gamification.draws.rules import TRANSITIONS


@dataclass(frozen=True)
class Terms:
    """What was planned: prizes as (points, quantity, limit per member)."""

    prizes: tuple[tuple[int, int, int | None], ...]
    closes: datetime
    price: int
    most: int | None
    least: int
    free: int
    reserves: int
    claim: timedelta | None


@dataclass
class Win:
    """A prize that somebody won: OPEN until it is GRANTED or has LAPSED."""

    rank: int
    number: int
    member: str
    prize: int
    points: int
    until: datetime | None
    replaces: int | None = None
    fate: str = "OPEN"


@dataclass
class Draw:
    """A draw in the model; tickets are (id, member, price) in the order in which they were bought."""

    key: str
    terms: Terms
    state: Any = "DRAFT"
    opened: bool = False
    tickets: list[tuple[str, str, int]] = field(default_factory=list)
    wins: list[Win] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    returned: bool = False

    def leads(self, verb: str) -> bool:
        """Go where a verb leads from here, if it leads anywhere."""
        following = TRANSITIONS.get((self.state, verb))
        if following is None:
            return False
        self.state = following
        return True

    def held(self, member: str) -> int:
        return sum(owner == member for _, owner, _ in self.tickets)

    def price(self, member: str) -> int:
        """What the next ticket costs a member."""
        return self.terms.price if self.held(member) >= self.terms.free else 0

    def close(self, now: datetime) -> bool:
        if self.state != "OPEN" or now < self.terms.closes:
            return False
        assert self.leads("close")
        if len(self.tickets) < self.terms.least:
            assert self.leads("void_for_want_of_tickets")
        return True

    def draw(self, now: datetime, seed: bytes) -> bool:
        """For each unit of each prize the first ticket in the order of the seed that may win it."""
        if not self.leads("draw"):
            return False
        owners = [owner for _, owner, _ in sorted(self.tickets)]
        left = sorted(range(1, len(owners) + 1), key=lambda number: _place(seed, self.key, number))
        until = now + self.terms.claim if self.terms.claim else None
        for prize, (points, quantity, limit) in enumerate(self.terms.prizes, 1):
            won: Counter[str] = Counter()
            for _ in range(quantity):
                able = [number for number in left if limit is None or won[owners[number - 1]] < limit]
                if able:
                    left.remove(able[0])
                    won[owners[able[0] - 1]] += 1
                    self.wins.append(Win(len(self.wins) + 1, able[0], owners[able[0] - 1], prize, points, until))
        self.line = left[: self.terms.reserves]
        return True

    def settle(self) -> list[Win]:
        """What is granted by itself."""
        self.leads("settle")
        if self.state != "SETTLING":
            return []
        granted = [win for win in self.wins if win.fate == "OPEN"] if self.terms.claim is None else []
        for win in granted:
            win.fate = "GRANTED"
        self.finish()
        return granted

    def finish(self) -> None:
        if self.state == "SETTLING" and all(win.fate != "OPEN" for win in self.wins):
            assert self.leads("finish")

    def lapse(self, now: datetime) -> int:
        """In order of rank: what nobody claimed goes to the first in line who is below the prize's limit."""
        if self.terms.claim is None:
            return 0
        self.leads("settle")
        if self.state != "SETTLING":
            return 0
        due = [win for win in self.wins if win.fate == "OPEN" and win.until is not None and win.until <= now]
        for win in due:
            win.fate = "LAPSED"
            number = next((each for each in self.line if self._may_win(self.owner(each), win.prize)), None)
            if number is not None:
                self.line.remove(number)
                rank, until = len(self.wins) + 1, now + self.terms.claim
                self.wins.append(Win(rank, number, self.owner(number), win.prize, win.points, until, win.rank))
        self.finish()
        return len(due)

    def owner(self, number: int) -> str:
        return sorted(self.tickets)[number - 1][1]

    def _may_win(self, member: str, prize: int) -> bool:
        limit = self.terms.prizes[prize - 1][2]
        stand = [win for win in self.wins if (win.member, win.prize) == (member, prize) and win.fate != "LAPSED"]
        return limit is None or len(stand) < limit


def _place(seed: bytes, key: str, number: int) -> bytes:
    return hmac.new(seed, f"{key}|{number}".encode(), hashlib.sha256).digest()
