"""The vault of phone numbers."""

from __future__ import annotations

from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag

from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.members import queries
from gamification.members import service as members
from gamification.members.phones import PhoneVault, SealedPhone, key_fingerprint
from tests.members.people import Somebody, a_member, no_history

PHONE = "+8613800138000"


def test_a_sealed_phone_opens_for_its_member_only(vault: PhoneVault) -> None:
    """A sealed number that is altered, or moved to another member's row, does not open."""
    member_id = uuid4()
    sealed = vault.seal(member_id, PHONE)
    assert vault.open(member_id, sealed) == PHONE
    with pytest.raises(InvalidTag):
        vault.open(uuid4(), sealed)
    altered = SealedPhone(sealed.key_id, sealed.sealed[:-1] + bytes([sealed.sealed[-1] ^ 1]))
    with pytest.raises(InvalidTag):
        vault.open(member_id, altered)


def test_the_same_phone_is_sealed_differently_each_time_and_indexed_the_same(vault: PhoneVault) -> None:
    """Ciphertexts tell nothing apart or together; the index finds, and is nothing without its key."""
    member_id = uuid4()
    assert vault.seal(member_id, PHONE) != vault.seal(member_id, PHONE)
    assert vault.index(PHONE) == vault.index(PHONE) != vault.index("+8613800138001")
    assert PhoneVault(index_key=b"j" * 32, key=b"s" * 32).index(PHONE) != vault.index(PHONE)
    assert vault.index("8000") != vault.tail_index(PHONE) == vault.tail_index("8000")


def test_the_blind_index_never_changes() -> None:
    """The directory is keyed by it: this value is pinned."""
    vault = PhoneVault(index_key=bytes(range(32)), key=b"s" * 32)
    assert vault.index(PHONE) == "015e2e107471877ceb31f0ab92a0f2b79b6d7ae24c366f838fa3f671d16d153b"


@pytest.mark.parametrize(("index_key", "key"), [(b"i" * 31, b"s" * 32), (b"i" * 32, b"s" * 31), (b"i" * 32, b"s" * 33)])
def test_keys_of_a_wrong_length_are_refused(index_key: bytes, key: bytes) -> None:
    """A vault does not open with a short key."""
    with pytest.raises(ValueError, match="32 bytes"):
        PhoneVault(index_key=index_key, key=key)


def test_a_vault_and_what_it_sealed_show_nothing(vault: PhoneVault) -> None:
    """Neither keys nor ciphertexts appear in what a log might print."""
    assert repr(vault) == f"PhoneVault(current='{key_fingerprint(b's' * 32)}')"
    assert "sealed=" not in repr(vault.seal(uuid4(), PHONE))


async def test_a_new_key_takes_over_without_a_pause(
    mei: Somebody, vault: PhoneVault, clock: FixedClock, books: None
) -> None:
    """Numbers under a retired key still open, are sealed anew in batches, and then need the new key only."""
    member = await a_member(clock)
    await members.bind_phone(
        member_id=member.id, code="c", wechat=mei, vault=vault, has_history=no_history(), now=clock.now()
    )
    changing = PhoneVault(index_key=b"i" * 32, key=b"n" * 32, retired=[b"s" * 32])
    assert await queries.phones_by_members([member.id], changing) == {member.id: PHONE}
    assert await members.reseal_phones(vault=changing, limit=10) == 1
    assert await members.reseal_phones(vault=changing, limit=10) == 0
    assert await fetch_value("SELECT key_id FROM member_phone") == key_fingerprint(b"n" * 32)
    changed = PhoneVault(index_key=b"i" * 32, key=b"n" * 32)
    assert await queries.phones_by_members([member.id], changed) == {member.id: PHONE}
