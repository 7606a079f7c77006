"""Pure decisions about members: numbers, names, phones, birthdays and sessions."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from gamification.core.calendar import add_months

MemberStatus = Literal["ACTIVE", "BLOCKED", "ERASED", "MERGED"]
Namespace = Literal["external", "card", "phone", "wechat", "unionid"]

NAMESPACES: tuple[Namespace, ...] = ("external", "card", "phone", "wechat", "unionid")
ROLES = ("owner", "operator", "cashier", "auditor")
STATUS_AFTER: dict[tuple[MemberStatus, str], MemberStatus] = {
    ("ACTIVE", "block"): "BLOCKED",
    ("BLOCKED", "unblock"): "ACTIVE",
}

NUMBER_DIGITS = 12
NICKNAME_LENGTH_MAX = 32
REFERENCE_LENGTH_MAX = 128
PASSWORD_LENGTH_MIN = 12
PASSWORD_LENGTH_MAX = 256
SESSIONS_MAX = 20
FAILURES_MAX = 5

ACCESS_LIFETIME = timedelta(minutes=15)
MEMBER_SESSION_LIFETIME = timedelta(days=60)
STAFF_SESSION_LIFETIME = timedelta(hours=12)
REFRESH_GRACE = timedelta(seconds=30)
ENDED_SESSION_KEPT = timedelta(days=30)
LOCK_OUT = timedelta(minutes=15)
BIRTHDAY_CHANGE_COUNTS_AFTER = timedelta(days=30)

_MAINLAND_MOBILE = re.compile(r"1[3-9]\d{9}")
_INTERNATIONAL = re.compile(r"\+[1-9]\d{6,14}")
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{2,63}")
_SCOPE = re.compile(r"[a-z_]{1,32}:[a-z_]{1,32}")

# A totally anti-symmetric quasigroup (H. M. Damm, 2004): catches every wrong digit and every swap of neighbours.
_DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def _damm(digits: str) -> int:
    interim = 0
    for digit in digits:
        interim = _DAMM[interim][int(digit)]
    return interim


def member_number(chance: int) -> str:
    """The member number for a random integer: eleven digits without a leading zero, and Damm's check digit."""
    payload = str(10 ** (NUMBER_DIGITS - 2) + chance % (9 * 10 ** (NUMBER_DIGITS - 2)))
    return payload + str(_damm(payload))


def member_number_is_valid(number: str) -> bool:
    """Whether a typed number is well formed and its check digit agrees."""
    return len(number) == NUMBER_DIGITS and number.isascii() and number.isdigit() and _damm(number) == 0


def normalise_phone(raw: str, country: str = "86") -> str | None:
    """A phone number in E.164 (`+8613800138000`), or None when it is none.

    `country` is the calling code of a number that carries none. Source: ITU-T E.164; mainland mobile numbers have
    eleven digits and begin with 13 to 19.
    """
    text = re.sub(r"[\s().\-·]", "", unicodedata.normalize("NFKC", raw))
    text = re.sub(r"^00", "+", text)
    if country == "86" and re.fullmatch(r"86" + _MAINLAND_MOBILE.pattern, text):
        text = f"+{text}"
    phone = text if text.startswith("+") else f"+{country}{text}"
    if not _INTERNATIONAL.fullmatch(phone) or not phone.isascii():
        return None
    return phone if not phone.startswith("+86") or _MAINLAND_MOBILE.fullmatch(phone[3:]) else None


def mask_phone(phone: str) -> str:
    """A phone number as its owner may see it: `138****8000`, or `+852****4567` for another country."""
    return f"{phone[3:6]}****{phone[-4:]}" if phone.startswith("+86") else f"{phone[:4]}****{phone[-4:]}"


def clean_nickname(raw: str) -> str | None:
    """A nickname in canonical form without control characters or outer blanks; None when too long or nothing is seen.

    Characters that turn the direction of writing go as well: they would turn what is printed beside the name.
    """
    text = unicodedata.normalize("NFC", raw)
    kept = (each for each in text if each not in _DIRECTIONS and unicodedata.category(each) not in _UNKEPT)
    text = "".join(kept).strip()
    seen = any(unicodedata.category(each) != "Cf" and not each.isspace() for each in text)
    return text if seen and len(text) <= NICKNAME_LENGTH_MAX else None


_UNKEPT = ("Cc", "Cs", "Co", "Cn")
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def login_is_valid(login: str) -> bool:
    """Whether a staff login has 3 to 64 small letters, digits, dots, dashes, underscores or @."""
    return _LOGIN.fullmatch(login) is not None


def scope_is_valid(scope: str) -> bool:
    """Whether a scope reads like `orders:write`."""
    return _SCOPE.fullmatch(scope) is not None


@dataclass(frozen=True, slots=True)
class Birthday:
    """A month and a day; the year of birth is never asked."""

    month: int
    day: int

    @property
    def exists(self) -> bool:
        """Whether that day exists in some year (29 February does)."""
        try:
            date(2000, self.month, self.day)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Birthdays:
    """The birthday a member declared, the one before it, and the business day of the last change."""

    current: Birthday | None
    before: Birthday | None
    changed_on: date | None


def birthday_changes_on(known: Birthdays) -> date | None:
    """The first business day on which the birthday may change again; None when it may at once (once a year)."""
    return add_months(known.changed_on, 12) if known.current and known.changed_on else None


def birthday_that_counts(known: Birthdays, on: date) -> Birthday | None:
    """What promotions go by: a first birthday counts at once, a change after 30 days, the old one until then."""
    if known.before is None or known.changed_on is None:
        return known.current
    return known.current if on >= known.changed_on + BIRTHDAY_CHANGE_COUNTS_AFTER else known.before


RefreshVerdict = Literal["rotate", "repeat", "reuse", "ended"]


@dataclass(frozen=True, slots=True)
class RefreshState:
    """What is stored about a refresh token: when it was used, whether its successor was, and its session's end."""

    used_at: datetime | None
    successor_is_used: bool
    expires_at: datetime
    revoked_at: datetime | None


def judge_refresh(state: RefreshState, now: datetime) -> RefreshVerdict:
    """What a refresh token that was shown is worth.

    A token that was used less than `REFRESH_GRACE` ago, and whose successor was not, is a lost answer: the same
    successor is given again. Any other used token means that two parties hold the session.
    """
    if state.revoked_at is not None or now >= state.expires_at:
        return "ended"
    if state.used_at is None:
        return "rotate"
    fresh = now - state.used_at <= REFRESH_GRACE
    return "repeat" if fresh and not state.successor_is_used else "reuse"
