"""The signature under a drand round: BLS12-381 with signatures in G1 and keys in G2 (scheme bls-unchained-g1-rfc9380).

Source: drand's specification of its schemes; hashing to the curve as RFC 9380, §8.8.1. A round is signed as the SHA-256
of its number in eight bytes, big-endian.
"""

from __future__ import annotations

import hashlib

from py_arkworks_bls12381 import GT, G1Point, G2Point

from gamification.beacons.rules import SCHEME, Chain

DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
ROUND_BYTES = 8


def is_signed(chain: Chain, number: int, signature: bytes) -> bool:
    """Whether the chain's key signed this round; about six milliseconds of computing, so not for the event loop.

    One signature has one encoding here: the randomness is a hash of it, and a second one would be a second chance.
    """
    assert chain.scheme == SCHEME, "terms name a scheme that we know"
    try:
        point = G1Point.from_compressed_bytes(signature)
        if point == G1Point.identity() or point.to_compressed_bytes() != signature:
            return False
    except ValueError:
        return False
    message = hashlib.sha256(number.to_bytes(ROUND_BYTES)).digest()
    key = G2Point.from_compressed_bytes(bytes.fromhex(chain.public_key))
    return GT.pairing_check([point, -G1Point.hash_to_curve(message, DOMAIN)], [G2Point(), key])
