"""Signed heads, the copies outside, and the erasure of what a digest could be tried out with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch, fetch_value
from gamification.core.jobs import JobContext
from gamification.core.merkle import leaf_hash, proves_consistency, proves_inclusion
from gamification.core.outbox import Run
from gamification.core.work import Work
from gamification.transparency import jobs, queries, service
from gamification.transparency import keeper as keeping
from gamification.transparency.checkpoints import Signer, read_checkpoint
from gamification.transparency.errors import LogDamaged, LogForked
from gamification.transparency.keeper import Copies, Keeper, KeeperMissing, Kept, UnreadableLine
from gamification.transparency.rules import Head, trace_digest
from tests.builders import a_member, earn
from tests.databases import Database
from tests.transparency.builders import (
    HOUR,
    SIGNER,
    a_keeper,
    a_signed_ledger,
    a_transaction_under_way,
    an_owner,
    caught_up,
    signed,
)


def kept(keeper: Keeper) -> list[str]:
    """The texts of the copies outside."""
    assert keeper.copies is not None
    return [each.checkpoint for each in keeper.copies.read() if isinstance(each, Kept)]


async def texts() -> list[str]:
    return [row["text"] for row in await fetch("SELECT text FROM log_checkpoint ORDER BY id")]


class Leased(JobContext):
    """A run whose lease nobody takes."""

    async def heartbeat(self) -> None:
        return None


async def test_heads_are_signed_and_copied(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """Three heads, each with its copy; where nothing is new there is nothing to sign."""
    await a_signed_ledger(work, clock, keeper)
    found = await texts()
    heads = [read_checkpoint(each, [SIGNER.verifier]) for each in found]
    assert heads == [("example.com/ledger", Head(size, await queries.root_of(size))) for size in (9, 18, 27)]
    assert kept(keeper) == found
    assert await service.sign_head(keeper, clock.now()) is None
    assert (await texts(), kept(keeper)) == (found, found)


async def test_nothing_is_signed_while_an_old_entry_waits(
    work: Work, clock: FixedClock, keeper: Keeper, database: Database
) -> None:
    """Behind a transaction that stays open the log stands still, and so do its heads."""
    members = await a_signed_ledger(work, clock, keeper)
    async with a_transaction_under_way(database):
        await earn(work, members[0], 1)
        clock.advance(HOUR)
        await earn(work, members[0], 1)
        assert await service.sign_head(keeper, clock.now()) is None
    await caught_up()
    assert await service.sign_head(keeper, clock.now()) == await queries.head()
    assert [size for (size,) in await fetch("SELECT size FROM log_checkpoint ORDER BY id")] == [9, 18, 27, 29]


async def test_an_empty_log_is_not_signed(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """There is nothing to vouch for."""
    assert await service.sign_head(keeper, clock.now()) is None
    assert (await texts(), kept(keeper)) == ([], [])


async def test_the_job_logs_and_signs(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """One run of it does both, a second one nothing; the head covers what was committed before."""
    keeping.appoint(keeper)
    await a_member(clock, points=10)
    context = Leased(work, Run(1, 1, "transparency.extend_log", {}, 1, None), HOUR)
    for _ in range(100):
        await jobs.extend_log(context)
        if await texts():
            break
        await asyncio.sleep(0.05)
    await jobs.extend_log(context)
    assert len(await texts()) == 1 and kept(keeper) == await texts()


async def test_a_process_without_a_keeper_says_so(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job fails loudly instead of logging without ever signing."""
    monkeypatch.setattr(keeping, "_appointed", [])
    with pytest.raises(KeeperMissing):
        keeping.keeper()


async def test_copies_that_are_behind_are_completed(work: Work, clock: FixedClock, tmp_path: Path) -> None:
    """A crash between the signature and the copy, or storage that was away, leaves nothing out in the end."""
    await a_signed_ledger(work, clock, a_keeper())
    keeper = a_keeper(tmp_path)
    assert await service.sign_head(keeper, clock.now()) is None
    assert kept(keeper) == await texts()
    file = tmp_path / keeping.FILE
    file.write_bytes(file.read_bytes()[:-40])
    assert await service.sign_head(keeper, clock.now()) is None
    assert kept(keeper) == await texts() and keeper.copies is not None
    torn = [each for each in keeper.copies.read() if isinstance(each, UnreadableLine)]
    assert [str(each) for each in torn] == ["line 3"]


async def test_the_last_copy_is_found_among_other_logs(tmp_path: Path, clock: FixedClock) -> None:
    """Several logs may share a folder."""
    copies, other = Copies(tmp_path), Signer.of("example.com/other", b"\x01" * 32)
    head = Head(5, bytes(32))
    assert copies.last(SIGNER.origin) is None
    copies.append([(clock.now(), SIGNER.sign(head)), (clock.now(), other.sign(Head(9, bytes(32))))])
    last = copies.last(SIGNER.origin)
    assert last is not None and (last.size, last.at, last.checkpoint) == (5, clock.now(), SIGNER.sign(head))


async def test_a_log_that_lost_entries_is_not_signed(
    victim: Work, clock: FixedClock, keeper: Keeper, database: Database
) -> None:
    """After a restore to an earlier state the copy outside knows more than the database."""
    members = await a_signed_ledger(victim, clock, keeper)
    before = kept(keeper)
    async with an_owner(database) as owner:
        await owner.execute("DELETE FROM log_leaf WHERE index >= 18")
        await owner.execute("DELETE FROM log_node WHERE level = 4 AND index >= 1")
        await owner.execute("DELETE FROM log_checkpoint WHERE size > 18")
        await owner.execute("DELETE FROM log_cursor")
    with pytest.raises(LogForked, match="checkpoint of 27 entries, the log has 18"):
        await service.sign_head(keeper, clock.now())
    assert kept(keeper) == before and len(await texts()) == 2
    await earn(victim, members[0], 1)
    await caught_up()
    with pytest.raises(LogForked, match="does not extend the checkpoint of 27 entries in the copy outside"):
        await service.sign_head(keeper, clock.now())
    renamed = Keeper(Signer.of("example.com/ledger/2", b"\x07" * 32), keeper.copies)
    assert await service.sign_head(renamed, clock.now()) == await queries.head()


async def test_a_rewritten_log_is_not_signed(
    victim: Work, clock: FixedClock, keeper: Keeper, database: Database
) -> None:
    """A head that does not extend the last one is refused, whether the database or the copy remembers it."""
    members = await a_signed_ledger(victim, clock, keeper)
    async with an_owner(database) as owner:
        await owner.execute("UPDATE log_leaf SET hash = sha256('other') WHERE index = 26")
    await earn(victim, members[0], 1)
    await caught_up()
    with pytest.raises(LogForked, match="does not extend the checkpoint of 27 entries in the database"):
        await service.sign_head(keeper, clock.now())


async def test_an_entry_is_proved(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """Leaf, path and root fit together; the details make the digest that stands in the leaf."""
    members = await a_signed_ledger(work, clock, keeper)
    for seq in range(1, 10):
        proof = await queries.entry_proof(members[1], "POINTS", seq)
        assert proof is not None and proof.checkpoint.size == 27
        assert proves_inclusion(leaf_hash(proof.leaf), proof.index, 27, proof.path, proof.checkpoint.root)
        assert proof.leaf.endswith(trace_digest(proof.salt or b"", proof.details).hex().encode())
    await earn(work, members[1], 1)
    await caught_up()
    assert await queries.entry_proof(members[1], "POINTS", 10) is None


async def test_no_proof_is_given_for_an_entry_that_was_changed(
    victim: Work, clock: FixedClock, keeper: Keeper, database: Database
) -> None:
    """A fault that staff see, rather than a proof that does not verify."""
    members = await a_signed_ledger(victim, clock, keeper)
    async with an_owner(database) as owner:
        await owner.execute("UPDATE entry SET available_delta = 999 WHERE member_id = $1 AND seq = 1", members[0])
        await owner.execute("DELETE FROM log_leaf WHERE index = 26")
    with pytest.raises(LogDamaged, match="no longer the one that was logged"):
        await queries.entry_proof(members[0], "POINTS", 1)
    with pytest.raises(LogDamaged, match="stored hashes"):
        await queries.root_of(27)


async def test_later_heads_extend_earlier_ones(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """For every pair of checkpoints; there is no proof for other sizes, nor backwards."""
    await a_signed_ledger(work, clock, keeper)
    for first, second in [(9, 18), (9, 27), (18, 27), (27, 27)]:
        found = await queries.consistency_proof(first, second)
        assert found is not None
        earlier, later, path = found
        assert proves_consistency(first, second, path, earlier.root, later.root)
    assert [await queries.consistency_proof(*pair) for pair in [(10, 18), (9, 28), (18, 9)]] == [None] * 3


async def test_erasure_leaves_proofs_and_drops_salts(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """The digests, those of later entries too, can no longer be checked against anything; the log stays whole."""
    members = await a_signed_ledger(work, clock, keeper)
    await service.erase_secrets(members[0])
    await service.erase_secrets(members[0])
    await earn(work, members[0], 1)
    newest = await signed(work, keeper)
    for seq in (1, 10):
        proof = await queries.entry_proof(members[0], "POINTS", seq)
        assert proof is not None and proof.salt is None
        assert proves_inclusion(leaf_hash(proof.leaf), proof.index, newest.size, proof.path, newest.root)
    other = await queries.entry_proof(members[1], "POINTS", 1)
    assert other is not None and other.salt is not None
    secrets = await fetch("SELECT currency, secret FROM log_account WHERE member_id = $1 ORDER BY 1", members[0])
    assert [tuple(row) for row in secrets] == [("GROWTH", None), ("POINTS", None)]
    assert await fetch_value("SELECT count(*) FROM log_account WHERE secret IS NULL") == 2


async def test_a_new_key_signs_from_then_on(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """Under the same name; earlier heads keep their signatures."""
    members = await a_signed_ledger(work, clock, keeper)
    successor = Keeper(Signer.of(SIGNER.origin, b"\x08" * 32), keeper.copies)
    clock.advance(HOUR)
    await earn(work, members[0], 1)
    newest = await signed(work, successor)
    assert read_checkpoint(newest.text, [successor.signer.verifier])[1] == Head(28, newest.root)
    assert newest.verifier == successor.signer.verifier != SIGNER.verifier
    assert kept(successor) == await texts()
