"""Terms of a campaign, what a donation may be, and what a certificate carries: pure decisions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from gamification.core.policy import Problem

CampaignState = Literal["DRAFT", "OPEN", "CLOSED"]
Phase = Literal["DRAFT", "UPCOMING", "OPEN", "CLOSED"]

TITLE_LENGTH_MAX = 60
DESCRIPTION_LENGTH_MAX = 2_000
BENEFICIARY_LENGTH_MAX = 100
REFERENCE_LENGTH_MAX = 100
RATE_MAX = 1_000_000
UNITS_MAX = 100_000
"""Units of one donation at most."""
GOAL_MAX = 10**9
PLEDGE_MAX = 2 * 10**9
"""Units of a campaign at most, goal or not: they stay within 32 bits, and their fen within 53."""

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U, which are read as 1, 1, 0, V."""
CODE_CHARACTERS = 16
CODE_BYTES = 10
"""80 random bits of a verification code."""
SERIAL_CHARACTERS = 10
SERIAL_BYTES = 7
SALT_BYTES = 16
GROUP = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignTerms:
    """What a campaign promises. NULL goal, limit or end means that there is none."""

    title_zh: str
    title_en: str
    description_zh: str
    description_en: str
    beneficiary: str
    agreement_reference: str
    opens_at: datetime
    closes_at: datetime | None = None
    points_per_unit: int = 1_000
    fen_per_unit: int = 1_000
    goal_units: int | None = None
    goal_may_be_passed: bool = False
    monthly_units_max: int | None = None

    def problems(self) -> Sequence[Problem]:
        """What makes these terms unfit to be kept."""
        return [*self._text_problems(), *self._figure_problems()]

    def _text_problems(self) -> list[Problem]:
        limits = {
            "title_zh": TITLE_LENGTH_MAX, "title_en": TITLE_LENGTH_MAX,
            "description_zh": DESCRIPTION_LENGTH_MAX, "description_en": DESCRIPTION_LENGTH_MAX,
            "beneficiary": BENEFICIARY_LENGTH_MAX, "agreement_reference": REFERENCE_LENGTH_MAX,
        }  # fmt: skip
        return [
            Problem(name, f"1 to {limit} characters, not blank")
            for name, limit in limits.items()
            if not getattr(self, name).strip() or len(getattr(self, name)) > limit
        ]

    def _figure_problems(self) -> list[Problem]:
        bounds = {
            "points_per_unit": (self.points_per_unit, RATE_MAX), "fen_per_unit": (self.fen_per_unit, RATE_MAX),
            "goal_units": (self.goal_units, GOAL_MAX), "monthly_units_max": (self.monthly_units_max, GOAL_MAX),
        }  # fmt: skip
        found = [
            Problem(name, f"1 to {limit}")
            for name, (figure, limit) in bounds.items()
            if figure is not None and not 1 <= figure <= limit
        ]
        if self.goal_may_be_passed and self.goal_units is None:
            found.append(Problem("goal_may_be_passed", "only a campaign with a goal can pass it"))
        if self.closes_at is not None and self.closes_at <= self.opens_at:
            found.append(Problem("closes_at", "after opens_at"))
        return found


def phase(state: CampaignState, opens_at: datetime, closes_at: datetime | None, now: datetime) -> Phase:
    """What a campaign is at an instant, whether or not its closing has been booked."""
    if state != "OPEN":
        return state
    if closes_at is not None and now >= closes_at:
        return "CLOSED"
    return "OPEN" if now >= opens_at else "UPCOMING"


def units_left(goal_units: int | None, goal_may_be_passed: bool, pledged_units: int) -> int:
    """How many units a campaign still takes: up to its goal where it holds, else up to `PLEDGE_MAX`."""
    limit = goal_units if goal_units is not None and not goal_may_be_passed else PLEDGE_MAX
    return max(limit - pledged_units, 0)


def base32(random: bytes, characters: int) -> str:
    """Random bytes as that many symbols without look-alikes, five bits each; surplus bits are dropped."""
    number = int.from_bytes(random, "big")
    assert len(random) * 8 >= characters * 5, "every symbol needs five bits"
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(characters)))


def grouped(code: str) -> str:
    """A code as it is printed: in groups of four."""
    return "-".join(code[start : start + GROUP] for start in range(0, len(code), GROUP))


def read_code(typed: str) -> str | None:
    """A verification code as somebody typed it, in canonical form; None when it cannot be one."""
    text = typed.upper().translate(_READ_AS) if typed.isascii() else ""
    return text if len(text) == CODE_CHARACTERS and set(text) <= set(ALPHABET) else None


_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})


def serial_number(donated_on: date, tail: str) -> str:
    """The serial of a certificate: the business day and ten drawn symbols, such as `20260302-7K2M9-QXD4A`."""
    return f"{donated_on:%Y%m%d}-{tail[:5]}-{tail[5:]}"


def name_hash(salt: bytes, display_name: str) -> bytes:
    """SHA-256 of salt and name (UTF-8): what stays of a name after the salt is erased proves nothing to anybody."""
    return hashlib.sha256(salt + display_name.encode()).digest()


def masked_name(display_name: str) -> str:
    """A name as strangers read it: its first character, and no hint of its length."""
    return f"{display_name[0]}**" if len(display_name) > 1 else "**"


def certificate_snapshot(
    terms: Mapping[str, Any], *, serial: str, units: int, points: int, fen: int, donated_on: date
) -> dict[str, Any]:
    """What a certificate says for ever; `version` names this layout."""
    return {
        "version": 1, "serial": serial, "donated_on": donated_on.isoformat(),
        "units": units, "points": points, "fen": fen, **terms,
    }  # fmt: skip
