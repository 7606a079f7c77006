"""Signed quotes of deductions: what a till or the mini-program was offered, which a hold honours for some minutes.

A quote is a JSON Web Token (RFC 7519) under HMAC-SHA256 with an audience of its own; it holds ids and numbers, nothing
personal. It reserves nothing: whether the points are still there is decided when they are held.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import jwt

from gamification.orders.errors import QuoteExpired, QuoteInvalid

KEY_BYTES_MIN = 32
ALGORITHM = "HS256"
AUDIENCE = "jifen:deduction-quote"
TOKEN_LENGTH_MAX = 1_000
CLAIMS = ["aud", "exp", "sub", "pts"]


@dataclass(frozen=True, slots=True)
class Quote:
    """So many points of a member were offered for a deduction, until an instant (whole seconds)."""

    member_id: UUID
    points: int
    valid_until: datetime


class Quotes:
    """Signs quotes and reads them back."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES_MIN:
            raise ValueError(f"the quotes' key has at least {KEY_BYTES_MIN} bytes")
        self._key = key

    def __repr__(self) -> str:
        return "Quotes()"

    def sign(self, quote: Quote) -> str:
        """The quote as text that only this key makes."""
        until = int(quote.valid_until.timestamp())
        claims = {"aud": AUDIENCE, "exp": until, "sub": str(quote.member_id), "pts": quote.points}
        return jwt.encode(claims, self._key, ALGORITHM)

    def read(self, token: str, *, member_id: UUID, now: datetime) -> Quote:
        """A quote of this member that still stands. Refuses: QuoteInvalid, QuoteExpired."""
        quote = self._parse(token)
        if quote is None or quote.member_id != member_id:
            raise QuoteInvalid()
        if now >= quote.valid_until:
            raise QuoteExpired(valid_until=quote.valid_until)
        return quote

    def _parse(self, token: str) -> Quote | None:
        if len(token) > TOKEN_LENGTH_MAX:
            return None
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": CLAIMS, "verify_exp": False, "strict_aud": True},
            )
            valid_until = datetime.fromtimestamp(claims["exp"], UTC)
            return Quote(UUID(claims["sub"]), int(claims["pts"]), valid_until)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError):
            return None
