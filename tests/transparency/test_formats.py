"""The formats, pinned: a change of any of these values would make every proof that members hold worthless."""

from __future__ import annotations

import base64
from datetime import date, datetime, timedelta

import pytest

from gamification.core.merkle import leaf_hash
from gamification.transparency.checkpoints import (
    BadCheckpoint,
    Signer,
    Verifier,
    claimed_head,
    read_checkpoint,
    read_note,
)
from gamification.transparency.queries import details_of
from gamification.transparency.rules import Head, LoggedEntry, instant_text, leaf_text, next_step, salt_of, trace_digest
from tests.transparency.builders import SIGNER

PSEUDONYM, SECRET = bytes(range(16)), bytes(range(32))
ENTRY = LoggedEntry(
    currency="POINTS", seq=7, kind="REDEMPTION", available_delta=-50, pending_delta=0, held_delta=0, debt_delta=0,
    available=450, pending=20, held=0, debt=0,
    occurred_at=datetime.fromisoformat("2026-03-02T10:00:00+08:00"),
    booked_at=datetime.fromisoformat("2026-03-02T10:00:00.000125+08:00"),
    business_date=date(2026, 3, 2), source_type="ticket", source_id="019c0000-0000-7000-8000-000000000001",
    trace='{"rule": "draws.ticket", "名": "周末", "version": 3}',
)  # fmt: skip
DETAILS = (
    '{"business_date":"2026-03-02","source_id":"019c0000-0000-7000-8000-000000000001","source_type":"ticket",'
    '"trace":{"rule":"draws.ticket","version":3,"名":"周末"}}'
)
LEAF = (
    b"jifen-entry-1|000102030405060708090a0b0c0d0e0f|POINTS|7|REDEMPTION|-50|0|0|0|450|20|0|0"
    b"|2026-03-02T02:00:00.000000Z|2026-03-02T02:00:00.000125Z|"
)
SALT = "43c875c1027e0bb60b3c5e055d7245befa0322f45d7a0f86cfb578e79a5ce269"
DIGEST = "5b35ac0923dbfd256d536b9fe36d0616068c161e2a8cd2a3c79db51d7aeea700"
HASH = "b32c2f9051aee269170d6d43052bed36d50d3d8f10bdd7f0adb4d96c86e6f944"
VKEY = "example.com/ledger+ec4d6e6d+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
CHECKPOINT = (
    "example.com/ledger\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/ledger "
    "7E1ubY80rjRnrSHorv0mq2Ag090zt1gOZ95l/eWMinkV0Nup3FAZiEPrG7rR22X7brq3hySg5CzctDR9QPyKv6aBIQM=\n"
)

# Published with the format's first implementation, golang.org/x/mod/sumdb/note.
NEUMANN_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_leaf_is_these_bytes() -> None:
    """Salt, digest, leaf and its hash, from a fixed secret and entry."""
    details = details_of(ENTRY)
    assert details.decode() == DETAILS
    salt = salt_of(SECRET, ENTRY.seq)
    digest = trace_digest(salt, details)
    leaf = leaf_text(PSEUDONYM, ENTRY, digest)
    assert leaf == LEAF + DIGEST.encode()
    assert (salt.hex(), digest.hex(), leaf_hash(leaf).hex()) == (SALT, DIGEST, HASH)


def test_a_leaf_names_nobody() -> None:
    """Neither the source nor the trace stands in it, and another secret gives another digest."""
    details = details_of(ENTRY)
    digest = trace_digest(salt_of(SECRET, 7), details)
    leaf = leaf_text(PSEUDONYM, ENTRY, digest).decode()
    assert "019c0000" not in leaf and "ticket" not in leaf and leaf.isascii()
    assert trace_digest(salt_of(bytes(32), 7), details) != digest != trace_digest(salt_of(SECRET, 8), details)


def test_every_column_of_an_entry_counts() -> None:
    """A change of any field changes the leaf."""
    known = {leaf_text(PSEUDONYM, ENTRY, trace_digest(b"", details_of(ENTRY)))}
    for name, value in ENTRY._asdict().items():
        if isinstance(value, int):
            other: object = value + 1
        elif name == "trace":
            other = '{"rule": "other"}'
        else:
            other = value + timedelta(days=1) if isinstance(value, date) else f"{value}X"
        changed = LoggedEntry(**{**ENTRY._asdict(), name: other})
        known.add(leaf_text(PSEUDONYM, changed, trace_digest(b"", details_of(changed))))
    assert len(known) == len(ENTRY) + 1


@pytest.mark.parametrize("kind", ["A|1", "", "Ä", "A B"])
def test_a_kind_that_could_be_misread_is_no_leaf(kind: str) -> None:
    """Fields are told apart by `|`, so no field holds one."""
    with pytest.raises(ValueError, match=r"letters|ascii"):
        leaf_text(PSEUDONYM, ENTRY._replace(kind=kind, currency=""), bytes(32))


def test_instants_have_six_decimals() -> None:
    """In UTC, whatever the offset they come with."""
    assert instant_text(datetime.fromisoformat("2026-01-01T00:00:00+08:00")) == "2025-12-31T16:00:00.000000Z"


def test_windows_grow_until_they_are_full() -> None:
    """A nearly empty window is followed by one twice as wide, a full one by one half as wide."""
    assert [next_step(64, entries, 100) for entries in (0, 24, 25, 99, 100)] == [128, 128, 64, 64, 32]
    assert next_step(1, 100, 100) == 1


def test_the_published_note_verifies() -> None:
    """Key id, key format and signature are those of other implementations."""
    verifier = Verifier.parse(NEUMANN_VKEY)
    assert (verifier.name, verifier.key_id.hex(), verifier.text) == ("PeterNeumann", "c74f20a3", NEUMANN_VKEY)
    assert read_note(NEUMANN_NOTE, [verifier]) == NEUMANN_NOTE.partition("\n\n")[0] + "\n"


def test_a_checkpoint_is_this_text() -> None:
    """Ed25519 is deterministic: the same head under the same key is the same text."""
    head = Head(20_852_163, base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="))
    text = SIGNER.sign(head)
    assert (SIGNER.verifier.text, text) == (VKEY, CHECKPOINT)
    assert read_checkpoint(text, [SIGNER.verifier]) == ("example.com/ledger", head)
    assert claimed_head(text) == ("example.com/ledger", head)


def test_signatures_of_others_do_not_matter() -> None:
    """A witness may add a line; without ours it is no checkpoint of ours."""
    head, other = Head(3, bytes(32)), Signer.of("witness.example", b"\x09" * 32)
    ours, theirs = SIGNER.sign(head), other.sign(head)
    note = ours + theirs.partition("\n\n")[2]
    assert read_checkpoint(note, [SIGNER.verifier]) == ("example.com/ledger", head)
    with pytest.raises(BadCheckpoint, match="no known key"):
        read_checkpoint(theirs, [SIGNER.verifier])
    impostor = Signer.of(SIGNER.origin, b"\x08" * 32).sign(head)
    with pytest.raises(BadCheckpoint, match="no known key"):
        read_checkpoint(impostor, [SIGNER.verifier])


@pytest.mark.parametrize(
    ("found", "replaced"),
    [
        ("\n3\n", "\n4\n"),
        ("\n3\n", "\n03\n"),
        ("AAAA", "AAAB"),
        ("example.com/ledger\n3", "example.com/other\n3"),
        ("— ", "- "),
        ("\n\n", "\n"),
        ("=\n\n", "=\nmore\n\n"),
    ],
)
def test_a_text_that_was_touched_is_no_checkpoint(found: str, replaced: str) -> None:
    """Size, root, origin and form are all covered."""
    text = SIGNER.sign(Head(3, bytes(32))).replace(found, replaced, 1)
    with pytest.raises(BadCheckpoint):
        read_checkpoint(text, [SIGNER.verifier])


@pytest.mark.parametrize("body", ["o\n3\n", "o\nx\nAAAA\n", f"o\n-1\n{'A' * 43}=\n", "o\n1\n!!!\n", "\n\n\n"])
def test_a_signed_text_that_is_no_head_is_refused(body: str) -> None:
    """Three lines, a size in decimal, a root of 32 bytes."""
    with pytest.raises(BadCheckpoint):
        claimed_head(body)


@pytest.mark.parametrize(
    "text", ["", "a+b", "a b+00000000+AQ==", NEUMANN_VKEY.replace("c74f", "c74e"), NEUMANN_VKEY.replace("+AR", "+BR")]
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    """The key id has to be that of the name and the key."""
    with pytest.raises(ValueError, match="not the verifier key"):
        Verifier.parse(text)


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "a\nb"])
def test_an_origin_that_breaks_the_format_is_refused(origin: str) -> None:
    """No space, no plus, no line end."""
    with pytest.raises(ValueError, match="origin"):
        Signer.of(origin, bytes(32))
