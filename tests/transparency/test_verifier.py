"""The stand-alone verifier: accepts what we hand out, refuses whatever was tampered with, and uses nothing of ours."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.merkle import consistency_ranges, inclusion_proof, leaf_hash, tree_root
from gamification.core.work import Work
from gamification.transparency.checkpoints import Signer
from gamification.transparency.keeper import Keeper
from gamification.transparency.rules import Head
from tests.transparency.builders import SIGNER, a_signed_ledger
from tests.transparency.test_graphql import CONSISTENCY, PROOF, ask, entry_id

VERIFIER = Path(__file__).parents[2] / "docs" / "verifiers" / "verify_ledger.py"
VKEY = SIGNER.verifier.text
Answer = dict[str, Any]
Tamper = Callable[[Answer], object]

RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155",
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ),
]
"""Public key, message and signature of tests 1 and 3 of §7.1."""


async def verify(folder: Path, answer: Answer, *kept: str, key: str = VKEY) -> tuple[int, str]:
    """Exit code and output of the verifier in an interpreter that sees only the standard library."""
    (folder / "proof.json").write_text(json.dumps({"data": {"proof": answer}}), "utf-8")
    names = []
    for number, text in enumerate(kept):
        names.append(f"kept-{number}.txt")
        (folder / names[-1]).write_text(text, "utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-O", str(VERIFIER), key, "proof.json", *names,
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode().strip()


async def test_proofs_verify_and_tampered_ones_do_not(
    work: Work, clock: FixedClock, keeper: Keeper, tmp_path: Path
) -> None:
    """An entry under a checkpoint, also one that the member kept; the verifier says which figures hold."""
    members = await a_signed_ledger(work, clock, keeper)
    entry = await ask(work, PROOF, Actor("member", members[1]), id=entry_id(members[1], 5))
    head = entry["checkpoint"]["text"]
    assert await verify(tmp_path, entry) == (0, "holds: the entry stands at 13 of 27")
    assert await verify(tmp_path, entry, head) == (0, "holds: the entry stands at 13 of 27")
    assert await verify(tmp_path, {**entry, "salt": None, "details": "{}"}) == (
        0, "holds: the entry stands at 13 of 27",
    )  # fmt: skip
    code, said = await verify(tmp_path, entry, SIGNER.sign(Head(27, bytes(32))))
    assert code == 1 and "another checkpoint than the one you kept" in said
    grown = await ask(work, CONSISTENCY, ANONYMOUS, **{"from": "9", "to": "27"})
    assert await verify(tmp_path, grown, grown["from"]["text"], head) == (
        0,
        "holds: the log of 27 extends the log of 9",
    )


@pytest.fixture(scope="module")
def verifier() -> dict[str, Any]:
    """The verifier's own functions."""
    return runpy.run_path(str(VERIFIER))


def root_of(size: int, changed: int | None = None) -> bytes:

    return tree_root([leaf_hash(b"other" if index == changed else leaf_of(index)) for index in range(size)])


def leaf_of(index: int) -> bytes:
    return f"jifen-entry-1|{index}|digest".encode()


def an_entry(size: int, index: int) -> Answer:
    """The proof of a leaf of a made-up log."""

    path = inclusion_proof([leaf_hash(leaf_of(each)) for each in range(size)], index)
    return {
        "leaf": leaf_of(index).decode(), "index": str(index), "auditPath": texts(path), "details": "{}", "salt": None,
        "checkpoint": {"text": SIGNER.sign(Head(size, root_of(size)))},
    }  # fmt: skip


def a_growth(first: int, second: int, changed: int | None = None) -> Answer:
    """The proof that a made-up log of `second` leaves extends that of `first`; a changed leaf breaks it."""

    hashes = [leaf_hash(b"other" if each == changed else leaf_of(each)) for each in range(second)]
    return {
        "hashes": texts([tree_root(hashes[low:high]) for low, high in consistency_ranges(first, second)]),
        "from": {"text": SIGNER.sign(Head(first, root_of(first)))},
        "to": {"text": SIGNER.sign(Head(second, root_of(second, changed)))},
    }


def texts(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(each).decode() for each in hashes]


def said(verifier: dict[str, Any], answer: Answer, key: str = VKEY) -> str:
    """What the verifier says of an answer; of one that does not hold, why."""
    try:
        found: str = verifier["check"](key, {"data": {"proof": answer}}, [])
    except Exception as fault:  # noqa: BLE001 - as the verifier itself does
        return f"DOES NOT HOLD: {fault}"
    return found


def test_every_proof_of_small_logs_holds(verifier: dict[str, Any]) -> None:
    """Every leaf of every size up to nine, and every pair of sizes."""
    for size in range(1, 10):
        for index in range(size):
            assert said(verifier, an_entry(size, index)) == f"holds: the entry stands at {index} of {size}"
        for first in range(1, size + 1):
            assert said(verifier, a_growth(first, size)) == f"holds: the log of {size} extends the log of {first}"
            if first < size:
                assert "does not extend" in said(verifier, a_growth(first, size, changed=first - 1))


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (lambda entry: entry.update(leaf=entry["leaf"] + "0"), "does not stand in the log"),
        (lambda entry: entry.update(index="6"), "does not stand in the log"),
        (lambda entry: entry.update(index="13"), "does not stand in the log of this checkpoint"),
        (lambda entry: entry.update(index="-1"), "does not stand in the log of this checkpoint"),
        (lambda entry: entry["auditPath"].pop(), "too short"),
        (lambda entry: entry["auditPath"].append(entry["auditPath"][0]), "too long"),
        (lambda entry: entry["auditPath"].reverse(), "does not stand in the log"),
        (lambda entry: entry.update(salt="00" * 32), "the details are not those of the entry"),
        (lambda entry: entry["checkpoint"].update(text=SIGNER.sign(Head(13, bytes(32)))), "does not stand in the log"),
        (
            lambda entry: entry["checkpoint"].update(text=entry["checkpoint"]["text"].replace("\n13\n", "\n14\n")),
            "the signature of the checkpoint is wrong",
        ),
        (
            lambda entry: entry["checkpoint"].update(
                text=Signer.of(SIGNER.origin, b"\x08" * 32).sign(Head(13, root_of(13)))
            ),
            "the key has not signed the checkpoint",
        ),
        (lambda entry: entry["checkpoint"].update(text=""), "the key has not signed the checkpoint"),
        (lambda entry: entry.clear(), "DOES NOT HOLD"),
    ],
)
def test_a_tampered_inclusion_proof_is_refused(verifier: dict[str, Any], tamper: Tamper, why: str) -> None:
    """Leaf, place, path, details and checkpoint are all covered."""
    entry = an_entry(13, 5)
    assert said(verifier, entry) == "holds: the entry stands at 5 of 13"
    tamper(entry)
    assert said(verifier, entry).startswith("DOES NOT HOLD") and why in said(verifier, entry)


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (lambda proof: proof["hashes"].pop(), "too short"),
        (lambda proof: proof["hashes"].clear(), "too short"),
        (lambda proof: proof["hashes"].append(proof["hashes"][0]), "too long"),
        (lambda proof: proof["hashes"].reverse(), "does not extend"),
        (lambda proof: proof["from"].update(text=SIGNER.sign(Head(6, bytes(32)))), "does not extend"),
        (lambda proof: proof["to"].update(text=SIGNER.sign(Head(13, bytes(32)))), "does not extend"),
        (lambda proof: proof.update({"from": proof["to"], "to": proof["from"]}), "the later checkpoint is the smaller"),
        (lambda proof: proof.update({"from": proof["to"]}), "two checkpoints of one size differ"),
        (
            lambda proof: proof["from"].update(text=SIGNER.sign(Head(0, bytes(32)))),
            "the later checkpoint is the smaller",
        ),
    ],
)
def test_a_tampered_consistency_proof_is_refused(verifier: dict[str, Any], tamper: Tamper, why: str) -> None:
    """No later head passes for an extension of an earlier one that it does not extend."""
    proof = a_growth(6, 13)
    assert said(verifier, proof) == "holds: the log of 13 extends the log of 6"
    changed = copy.deepcopy(proof)
    tamper(changed)
    assert said(verifier, changed).startswith("DOES NOT HOLD") and why in said(verifier, changed)


@pytest.mark.parametrize("key", [VKEY.replace("ec4d", "ec4e"), VKEY.replace("ledger", "other"), "", "a+b+c"])
def test_a_key_that_is_none_proves_nothing(verifier: dict[str, Any], key: str) -> None:
    """The key id has to be that of name and key, and the log that of the name."""
    assert said(verifier, an_entry(3, 1), key).startswith("DOES NOT HOLD")


def test_its_ed25519_is_that_of_everybody(verifier: dict[str, Any]) -> None:
    """Signatures of another implementation hold, each changed bit of signature, message or key breaks them."""
    check = verifier["has_signed"]
    for number in range(6):
        private = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        key, message = private.public_key().public_bytes_raw(), bytes(range(number * 9))
        signature = private.sign(message)
        assert check(key, message, signature)
        assert not check(key, message + b"x", signature)
        for place in (33, 47, 63):
            flipped = bytearray(signature)
            flipped[place] ^= 1
            assert not check(key, message, bytes(flipped))
        larger = int.from_bytes(signature[32:], "little") + verifier["ORDER"]
        assert not check(key, message, signature[:32] + larger.to_bytes(32, "little"))


def test_its_ed25519_follows_the_standards_vectors(verifier: dict[str, Any]) -> None:
    """RFC 8032 §7.1, tests 1 and 3."""
    for key, message, signature in RFC_8032:
        assert verifier["has_signed"](*map(bytes.fromhex, (key, message, "".join(signature))))


def test_the_verifier_is_short_and_imports_the_standard_library_only() -> None:
    """It can be read in a few minutes."""
    text = VERIFIER.read_text("utf-8")
    code = [line for line in text.split('"""', 2)[2].splitlines() if line.strip()]
    imported = {line.split()[1] for line in code if line.startswith(("import ", "from "))}
    assert imported == {"base64", "hashlib", "json", "sys"} and len(code) <= 115
