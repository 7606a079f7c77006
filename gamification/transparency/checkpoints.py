"""Signed heads as text: C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint) in a signed note with Ed25519.

    <origin>
    <tree size in decimal>
    <root hash in base64>
    <empty line>
    — <origin> <base64 of key id (4 bytes) and signature (64 bytes)>

The key id is the first four bytes of SHA-256(name, 0x0A, 0x01, public key); a verifier key is written
`<name>+<key id in hexadecimal>+<base64 of 0x01 and public key>` (https://c2sp.org/signed-note).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gamification.transparency.rules import Head

ED25519 = b"\x01"
DASH = "\N{EM DASH}"
NAME = re.compile(r"[^\s+\x00-\x1f]+")
"""What a key name, and so our origin, may be: no space, no plus."""
SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


class BadCheckpoint(ValueError):
    """A text that is no checkpoint, or that no known key has signed."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under its name."""

    name: str
    key: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """The verifier of a vkey. Raises ValueError."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _decoded(encoded)
        verifier = cls(name, raw[1:])
        if not NAME.fullmatch(name) or raw[:1] != ED25519 or len(raw) != 33 or verifier.key_id.hex() != key_id:
            raise ValueError(f"not the verifier key of an Ed25519 note: {text!r}")
        return verifier

    @property
    def key_id(self) -> bytes:
        """What a signature names the key by."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.key).digest()[:4]

    @property
    def text(self) -> str:
        """The key in vkey format."""
        return f"{self.name}+{self.key_id.hex()}+{_encoded(ED25519 + self.key)}"

    def has_signed(self, text: str, signature: bytes) -> bool:
        """Whether a signature of a text is that of the key."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """The log's own key; its name is the log's origin."""

    origin: str
    key: Ed25519PrivateKey

    @classmethod
    def of(cls, origin: str, seed: bytes) -> Self:
        """A signer from the 32 bytes of an Ed25519 private key. Raises ValueError for a name that is none."""
        if not NAME.fullmatch(origin):
            raise ValueError(f"an origin has no spaces and no plus sign: {origin!r}")
        return cls(origin, Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def verifier(self) -> Verifier:
        """The public key."""
        return Verifier(self.origin, self.key.public_key().public_bytes_raw())

    def sign(self, head: Head) -> str:
        """The checkpoint of a head."""
        text = f"{self.origin}\n{head.size}\n{_encoded(head.root)}\n"
        signature = self.verifier.key_id + self.key.sign(text.encode())
        return f"{text}\n{DASH} {self.origin} {_encoded(signature)}\n"


def read_note(note: str, verifiers: Iterable[Verifier]) -> str:
    """The text of a note that a known key has signed; unknown keys do not matter. Raises BadCheckpoint."""
    text, _, signatures = note.rpartition("\n\n")
    if not text or not signatures.endswith("\n"):
        raise BadCheckpoint("it is no signed note")
    known = {(each.name, each.key_id): each for each in verifiers}
    signed = False
    for line in signatures.removesuffix("\n").split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        raw = _decoded(encoded)
        if dash != DASH or not NAME.fullmatch(name) or len(raw) < 5:
            raise BadCheckpoint("it has a line that is no signature")
        if (verifier := known.get((name, raw[:4]))) is not None:
            if not verifier.has_signed(text + "\n", raw[4:]):
                raise BadCheckpoint(f"the signature of {name} is wrong")
            signed = True
    if not signed:
        raise BadCheckpoint("no known key has signed it")
    return text + "\n"


def read_checkpoint(note: str, verifiers: Iterable[Verifier]) -> tuple[str, Head]:
    """Origin and head of a checkpoint that a known key has signed. Raises BadCheckpoint."""
    return claimed_head(read_note(note, verifiers))


def claimed_head(text: str) -> tuple[str, Head]:
    """Origin and head that a text claims, whoever has signed it. Raises BadCheckpoint."""
    lines = text.partition("\n\n")[0].removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines) or not SIZE.fullmatch(lines[1]) or len(root := _decoded(lines[2])) != 32:
        raise BadCheckpoint("its text is no checkpoint")
    return lines[0], Head(int(lines[1]), root)


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decoded(text: str) -> bytes:
    """The bytes of canonical base64; none for anything else, which no caller takes for an answer."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if _encoded(raw) == text else b""
