"""The vault of phone numbers: found by a blind index, read only with a key, never stored in clear.

The index is HMAC-SHA256 under a key that never rotates by itself (the directory is keyed by it); the number is sealed
with AES-256-GCM under a key named by its fingerprint, and bound to its member, so that a sealed number moved to another
row does not open. New numbers are sealed under the current key; retired keys open what they sealed until
`reseal_phones` has passed over every row.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gamification.members.references import Reference

KEY_BYTES = 32
TAIL_DIGITS = 4
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class SealedPhone:
    """A phone number under the key of that id: nonce, then ciphertext with its tag."""

    key_id: str
    sealed: bytes = field(repr=False)


def key_fingerprint(key: bytes) -> str:
    """The id of a sealing key: 64 bits of a hash that says nothing about it."""
    return hashlib.sha256(b"phone key\x00" + key).hexdigest()[:16]


class PhoneVault:
    """Seals, opens and indexes phone numbers (E.164 text)."""

    def __init__(self, *, index_key: bytes, key: bytes, retired: Sequence[bytes] = ()) -> None:
        """New numbers are sealed under `key`. Raises ValueError on a key of a wrong length."""
        if len(index_key) < KEY_BYTES or any(len(each) != KEY_BYTES for each in (key, *retired)):
            raise ValueError(f"phone keys: the index key has at least {KEY_BYTES} bytes, a sealing key exactly as many")
        self.current = key_fingerprint(key)
        self._index_key = index_key
        self._sealing = {key_fingerprint(each): AESGCM(each) for each in (key, *retired)}

    def __repr__(self) -> str:
        return f"PhoneVault(current={self.current!r})"

    def index(self, phone: str) -> str:
        """The blind index of a number: the same for the same number, and nothing without the key."""
        return self._blind(b"phone", phone)

    def tail_index(self, tail: str) -> str:
        """The blind index of the last four digits, for staff who look a member up by them."""
        return self._blind(b"tail", tail[-TAIL_DIGITS:])

    def reference(self, phone: str) -> Reference:
        """The line of the directory that a number stands under."""
        return Reference("phone", self.index(phone))

    def seal(self, member_id: UUID, phone: str) -> SealedPhone:
        """The number encrypted under the present key, bound to its member."""
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = self._sealing[self.current].encrypt(nonce, phone.encode(), member_id.bytes)
        return SealedPhone(self.current, nonce + ciphertext)

    def open(self, member_id: UUID, phone: SealedPhone) -> str:
        """The number in clear. Raises KeyError without its key, InvalidTag when it was altered or moved."""
        nonce, ciphertext = phone.sealed[:_NONCE_BYTES], phone.sealed[_NONCE_BYTES:]
        return self._sealing[phone.key_id].decrypt(nonce, ciphertext, member_id.bytes).decode()

    def _blind(self, purpose: bytes, value: str) -> str:
        return hmac.new(self._index_key, purpose + b"\x00" + value.encode(), hashlib.sha256).hexdigest()
