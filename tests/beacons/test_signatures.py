"""drand's signatures, checked on real rounds and on tampered ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gamification.beacons.rules import QUICKNET
from gamification.beacons.signatures import is_signed
from tests.beacons.builders import SIGNATURES

OTHER_KEY = (  # of quicknet's public test network
    "b15b65b46fb29104f6a4b5d1e11a8da6344463973d423661bb0804846a0ecd1ef93c25057f1c0baab2ac53e56c662b66072f6d84ee791a3382bf"
    "b055afab1e6a375538d8ffc451104ac971d2dc9b168e2d3246b0be2015969cbaac298f6502da"
)


@pytest.mark.parametrize("number", SIGNATURES)
def test_real_rounds_are_signed(number: int) -> None:
    """As the League of Entropy published them."""
    assert is_signed(QUICKNET, number, bytes.fromhex(SIGNATURES[number]))


def test_a_signature_holds_for_its_round_and_its_chain_only() -> None:
    """Neither for a neighbour nor under another key."""
    signature = bytes.fromhex(SIGNATURES[1000])
    assert not is_signed(QUICKNET, 1001, signature) and not is_signed(QUICKNET, 999, signature)
    assert not is_signed(replace(QUICKNET, public_key=OTHER_KEY), 1000, signature)


@pytest.mark.parametrize("at", range(0, 48, 5))
def test_a_signature_with_one_bit_changed_is_none(at: int) -> None:
    """Wherever the bit stands: it is another point, or no point at all."""
    signature = bytearray.fromhex(SIGNATURES[1000])
    signature[at] ^= 1
    assert not is_signed(QUICKNET, 1000, bytes(signature))


@pytest.mark.parametrize(
    "signature", [b"", bytes(48), b"\xff" * 48, b"\xc0" + bytes(47), bytes.fromhex(SIGNATURES[1000])[:47], bytes(96)]
)
def test_what_is_no_point_signs_nothing(signature: bytes) -> None:
    """Too short, too long, off the curve, or the point at infinity in either of its writings."""
    assert not is_signed(QUICKNET, 1000, signature)


def test_the_mirrored_point_signs_nothing() -> None:
    """The same point on the other side of the curve differs in one bit of sign."""
    signature = bytearray.fromhex(SIGNATURES[1000])
    signature[0] ^= 0x20
    assert not is_signed(QUICKNET, 1000, bytes(signature))
