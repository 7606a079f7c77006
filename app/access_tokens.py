"""Access tokens as text: claims under a key (JWT in compact form, HS256, RFC 7519 and RFC 7515).

The signature is PyJWT's; its general reader takes ten times as long as the signature, for every algorithm and option
there is. Here one algorithm is read, and a token must be written as its signer writes it, to the last character.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jwt
import orjson
from jwt.utils import base64url_decode, base64url_encode

ALGORITHM = "HS256"
HEADER = frozenset({"alg", "typ"})
"""What the header of a token may speak of."""


class TokenKey:
    """A key that signs claims and knows them again."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._algorithm = jwt.PyJWS().get_algorithm_by_name(ALGORITHM)
        self._prepared = self._algorithm.prepare_key(key)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token that carries the claims."""
        return jwt.encode(dict(claims), self._key, ALGORITHM)

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a token that this key has signed. Raises ValueError for any other text."""
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        expected = base64url_encode(self._algorithm.sign(signed.encode(), self._prepared))
        if not hmac.compare_digest(expected, signature.encode()) or not _names_our_algorithm(header):
            raise ValueError("not signed by this key")
        claims = orjson.loads(_decoded(payload))
        if not isinstance(claims, dict):
            raise ValueError("claims are an object")
        return claims


@lru_cache(maxsize=16)
def _names_our_algorithm(header: str) -> bool:
    """Whether a header says that, and nothing that would have to be understood."""
    known = orjson.loads(_decoded(header))
    return isinstance(known, dict) and known.get("alg") == ALGORITHM and known.keys() <= HEADER


def _decoded(segment: str) -> bytes:
    """The bytes of a segment. Raises ValueError for padding, foreign characters and spare bits, as no signer writes."""
    decoded = base64url_decode(segment)
    if base64url_encode(decoded).decode() != segment:
        raise ValueError("not as a signer writes it")
    return decoded
