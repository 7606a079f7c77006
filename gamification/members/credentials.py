"""Secrets: staff passwords (argon2id), refresh tokens and integration secrets (256 random bits, stored as SHA-256)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from typing import NamedTuple
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

KEY_BYTES_MIN = 32
INTEGRATION_PREFIX = "jfi"
_SECRET_BYTES = 32
_HASHINGS_MAX = 2


def sha256(value: str) -> bytes:
    """What is stored of a high-entropy secret: it needs no salt and no stretching."""
    return hashlib.sha256(value.encode()).digest()


def new_secret() -> str:
    """256 random bits as URL-safe text."""
    return secrets.token_urlsafe(_SECRET_BYTES)


class RefreshChain:
    """The chain of a session's refresh tokens: each successor is a keyed hash of the one before.

    So a lost answer can be given again without storing a token, a copy of the database holds no token, and the key
    alone makes none.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES_MIN:
            raise ValueError(f"the refresh key has at least {KEY_BYTES_MIN} bytes")
        self._key = key

    def __repr__(self) -> str:
        return "RefreshChain()"

    def successor(self, token: str) -> str:
        """The one token that follows this one; the same however often it is asked for."""
        digest = hmac.new(self._key, b"refresh\x00" + token.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Passwords:
    """Hashes and checks passwords off the event loop, two at a time at most: each takes 64 MiB and some 50 ms."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._gate = asyncio.Semaphore(_HASHINGS_MAX)
        self._nobody = self._hasher.hash(new_secret())

    async def hash(self, password: str) -> str:
        """The hash to be stored; waits for a free place, since hashing takes memory and time on purpose."""
        async with self._gate:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def agrees(self, password_hash: str | None, password: str) -> bool:
        """Whether a password is the hashed one; without a hash (unknown login) it takes as long and says no."""
        async with self._gate:
            agreed = await asyncio.to_thread(self._check, password_hash or self._nobody, password)
        return agreed and password_hash is not None

    def _check(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerificationError:
            return False


class IntegrationToken(NamedTuple):
    """The two parts of `jfi_<id>_<secret>`: the id of the secret, and the secret itself."""

    secret_id: UUID
    secret: str

    @property
    def text(self) -> str:
        """The token as an integration sends it."""
        return f"{INTEGRATION_PREFIX}_{self.secret_id.hex}_{self.secret}"

    @staticmethod
    def is_one(token: str) -> bool:
        """Whether a bearer token claims to be an integration's."""
        return token.startswith(f"{INTEGRATION_PREFIX}_")

    @classmethod
    def parse(cls, token: str) -> IntegrationToken | None:
        """The parts of a token, or None when it is malformed."""
        prefix, _, rest = token.partition("_")
        secret_id, _, secret = rest.partition("_")
        if prefix != INTEGRATION_PREFIX or not secret or len(secret_id) != 32:
            return None
        try:
            return cls(UUID(hex=secret_id), secret)
        except ValueError:
            return None
