"""The audit finds what somebody planted who may do everything in the database; each of these was done as its owner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from tortoise.context import TortoiseContext

from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch
from gamification.core.merkle import Growth, leaf_hash
from gamification.core.transactions import transaction
from gamification.core.work import Work
from gamification.transparency.checkpoints import Signer
from gamification.transparency.keeper import Keeper
from gamification.transparency.queries import details_of
from gamification.transparency.rules import Head, LoggedEntry, leaf_text, salt_of, trace_digest
from gamification.transparency.service import erase_secrets
from tests.builders import earn
from tests.databases import Database
from tests.transparency.builders import SIGNER, a_keeper, a_signed_ledger, audited, caught_up, signed

Tamper = Callable[[Sequence[UUID]], Awaitable[None]]
REWRITTEN = "the log is not the one that was signed"
NOT_LOGGED = "an entry is not the one that was logged"
REPLACED = "a checkpoint was replaced in the database"
BALANCES = "I4 each bucket is the sum of its deltas"
RUNNING = "I5 entries are gap-free and their balances run"


async def change_amount(members: Sequence[UUID]) -> None:
    """100 points become 900, with every balance after them and the account's."""
    mine = "member_id = $1 AND currency = 'POINTS'"
    await execute(f"UPDATE entry SET available_delta = 900 WHERE {mine} AND seq = 1", members[0])
    await execute(f"UPDATE entry SET available = available + 800 WHERE {mine}", members[0])
    await execute(f"UPDATE account SET available = available + 800 WHERE {mine}", members[0])


async def change_trace(members: Sequence[UUID]) -> None:
    await execute('UPDATE entry SET trace = \'{"rule": "other"}\' WHERE member_id = $1 AND seq = 3', members[0])


async def change_source(members: Sequence[UUID]) -> None:
    await execute("UPDATE entry SET source_id = 'other' WHERE member_id = $1 AND seq = 3", members[0])


async def rechain(signer: Signer | None = None) -> None:
    """Make log and tree anew from the entries as they are now; sign, too, where the key was stolen."""
    fields = ", ".join(f"e.{name}" for name in LoggedEntry._fields)
    rows = await fetch(
        f"""SELECT l.index, a.pseudonym, a.secret, {fields} FROM log_leaf l
            JOIN entry e USING (member_id, currency, seq) JOIN log_account a USING (member_id, currency) ORDER BY 1"""
    )
    tree, roots = Growth(0, [], step=4), {}
    for index, pseudonym, secret, *values in rows:
        entry = LoggedEntry(*values)
        digest = trace_digest(salt_of(secret, entry.seq), details_of(entry))
        hashed = leaf_hash(leaf_text(pseudonym, entry, digest))
        await execute("UPDATE log_leaf SET hash = $2, trace_digest = $3 WHERE index = $1", index, hashed, digest)
        tree.add(hashed)
        roots[tree.size] = tree.root()
    for level, place, root in tree.filled:
        await execute("UPDATE log_node SET hash = $3 WHERE level = $1 AND index = $2", level, place, root)
    for (size,) in await fetch("SELECT size FROM log_checkpoint") if signer else ():
        text = signer.sign(Head(size, roots[size])) if signer else ""
        await execute("UPDATE log_checkpoint SET root = $2, text = $3 WHERE size = $1", size, roots[size], text)


async def rewrite_and_rechain(members: Sequence[UUID]) -> None:
    await change_amount(members)
    await rechain()


async def rewrite_with_the_key(members: Sequence[UUID]) -> None:
    """The whole database is consistent; only the copies outside remember."""
    await change_amount(members)
    await rechain(SIGNER)


async def rewrite_with_another_key(members: Sequence[UUID]) -> None:
    await change_amount(members)
    await rechain(Signer.of(SIGNER.origin, b"\x08" * 32))


async def cut_the_tail(members: Sequence[UUID]) -> None:
    """The last hour never was: entries, accounts, leaves, nodes and the checkpoint."""
    await execute("DELETE FROM entry WHERE seq > 6")
    await execute(
        """UPDATE account a SET seq = 6, available = e.available FROM entry e
           WHERE e.member_id = a.member_id AND e.currency = a.currency AND e.seq = 6"""
    )
    await execute("DELETE FROM log_leaf WHERE index >= 18")
    await execute("DELETE FROM log_checkpoint WHERE size > 18")


async def delete_account(members: Sequence[UUID]) -> None:
    for table in ("entry", "account", "lot", "allocation"):
        await execute(f"DELETE FROM {table} WHERE member_id = $1", members[1])


async def delete_account_and_leaves(members: Sequence[UUID]) -> None:
    await delete_account(members)
    for table in ("log_leaf", "log_account"):
        await execute(f"DELETE FROM {table} WHERE member_id = $1", members[1])


async def delete_account_and_close_up(members: Sequence[UUID]) -> None:
    """The leaves behind move up, so that no gap is left."""
    await delete_account_and_leaves(members)
    await execute("ALTER TABLE log_leaf DROP CONSTRAINT log_leaf_index_not_negative")
    await execute(
        """UPDATE log_leaf l SET index = -1 - moved.place FROM
           (SELECT index, row_number() OVER (ORDER BY index) - 1 AS place FROM log_leaf) moved
           WHERE l.index = moved.index"""
    )
    await execute("UPDATE log_leaf SET index = -1 - index WHERE index < 0")


INSERTED = """INSERT INTO entry (member_id, currency, seq, kind, source_type, source_id, available_delta, pending_delta,
        held_delta, debt_delta, available, pending, held, debt, occurred_at, booked_at, business_date, trace, xid)
    SELECT member_id, currency, 10, kind, source_type, 'planted', 500, 0, 0, 0, available + 500, 0, 0, 0, occurred_at,
        booked_at - interval '1 hour', business_date, trace, '3' FROM entry WHERE member_id = $1 AND seq = 9"""


async def insert_dated_back(members: Sequence[UUID]) -> None:
    """An entry of two hours ago, and an account that agrees."""
    await execute(INSERTED, members[2])
    await execute(
        "UPDATE account SET seq = 10, available = available + 500 WHERE member_id = $1 AND currency = 'POINTS'",
        members[2],
    )


async def insert_between(members: Sequence[UUID]) -> None:
    """The entries behind it move up by one."""
    await insert_dated_back(members)
    await execute("UPDATE entry SET seq = 99 WHERE member_id = $1 AND seq = 10", members[2])
    for seq in range(9, 4, -1):
        await execute("UPDATE entry SET seq = seq + 1 WHERE member_id = $1 AND seq = $2", members[2], seq)
    await execute("UPDATE entry SET seq = 5 WHERE member_id = $1 AND seq = 99", members[2])


async def drop_a_leaf(members: Sequence[UUID]) -> None:
    await execute("DELETE FROM log_leaf WHERE index = 26")


async def change_a_node(members: Sequence[UUID]) -> None:
    await execute("UPDATE log_node SET hash = sha256('other') WHERE index = 0")


async def drop_a_node(members: Sequence[UUID]) -> None:
    await execute("DELETE FROM log_node")


async def drop_a_checkpoint(members: Sequence[UUID]) -> None:
    await execute("DELETE FROM log_checkpoint WHERE size = 18")


async def drop_every_checkpoint(members: Sequence[UUID]) -> None:
    await execute("DELETE FROM log_checkpoint")


async def change_a_root(members: Sequence[UUID]) -> None:
    await execute("UPDATE log_checkpoint SET root = sha256('other') WHERE size = 18")


async def forge_a_checkpoint(members: Sequence[UUID]) -> None:
    text = Signer.of(SIGNER.origin, b"\x08" * 32).sign(Head(20, bytes(32)))
    await execute(
        """INSERT INTO log_checkpoint (origin, size, root, text, key, at)
           VALUES ($1, 20, $2, $3, $2, '2026-03-02T04:00:00Z')""",
        SIGNER.origin, bytes(32), text,
    )  # fmt: skip


async def swap_pseudonyms(members: Sequence[UUID]) -> None:
    await execute(
        "UPDATE log_account SET pseudonym = substr(sha256(pseudonym), 1, 16) WHERE member_id = $1", members[0]
    )


PLANTED: list[tuple[Tamper, set[str]]] = [
    (change_amount, {NOT_LOGGED}),
    (change_trace, {NOT_LOGGED}),
    (change_source, {NOT_LOGGED}),
    (rewrite_and_rechain, {REWRITTEN}),
    (rewrite_with_the_key, {REWRITTEN, REPLACED}),
    (rewrite_with_another_key, {REWRITTEN, REPLACED, "a checkpoint is not ours"}),
    (cut_the_tail, {"the log's tail is cut"}),
    (delete_account, {"a logged entry is gone", "T2 each leaf is of an entry, of an account with a pseudonym"}),
    (delete_account_and_leaves, {"a leaf is missing", REWRITTEN, "T1 leaves stand at 0, 1, 2 without gaps"}),
    (delete_account_and_close_up, {"the log's tail is cut", REWRITTEN}),
    (insert_dated_back, {"an entry was never logged"}),
    (insert_between, {NOT_LOGGED}),
    (drop_a_leaf, {"the log's tail is cut"}),
    (change_a_node, {"a node of the tree is wrong or missing"}),
    (drop_a_node, {"a node of the tree is wrong or missing"}),
    (drop_a_checkpoint, {"a checkpoint was removed from the database"}),
    (drop_every_checkpoint, {"a checkpoint was removed from the database"}),
    (change_a_root, {REWRITTEN}),
    (forge_a_checkpoint, {"a checkpoint is not ours", "a checkpoint has no copy outside"}),
    (swap_pseudonyms, {NOT_LOGGED}),
]


@asynccontextmanager
async def as_owner(database: Database) -> AsyncIterator[None]:
    """Do what follows as the owner of the database, for whom no trigger fires; it is kept unless it fails."""
    async with TortoiseContext() as context:
        await context.init(config=database.config(role=""))
        async with transaction():
            await execute("SET LOCAL session_replication_role = replica")
            yield


class Undone(Exception):
    """Rolls a tampering back, so that one ledger serves for all."""


async def test_what_was_planted_is_found(victim: Work, clock: FixedClock, keeper: Keeper, database: Database) -> None:
    """Before that everything holds; afterwards the audit names at least these kinds of findings."""
    members = await a_signed_ledger(victim, clock, keeper)
    report = await audited(victim, keeper)
    assert (report.lines(), report.entries, report.checkpoints, report.copies) == ([], 27, 3, 3)
    unseen = {}
    for tamper, kinds in PLANTED:
        with suppress(Undone):
            async with as_owner(database):
                await tamper(members)
                found = await audited(victim, keeper)
                if found.holds or not kinds <= set(found.counts):
                    unseen[tamper.__name__] = (kinds - set(found.counts), found.lines())
                raise Undone
    assert unseen == {}
    assert (await audited(victim, keeper)).lines() == []


async def test_an_entry_dated_back_is_found_after_it_was_logged(
    victim: Work, clock: FixedClock, keeper: Keeper, database: Database
) -> None:
    """The builder logs what there is; the checkpoints of that hour do not contain it."""
    members = await a_signed_ledger(victim, clock, keeper)
    async with as_owner(database):
        await insert_dated_back(members)
        await execute("UPDATE log_cursor SET next_xid = 3")
    await signed(victim, keeper)
    report = await audited(victim, keeper)
    assert set(report.counts) >= {"an entry was dated back"}
    (finding,) = [each for each in report.findings if each.kind == "an entry was dated back"]
    assert f"{members[2]}.POINTS.10" in finding.where


async def test_without_copies_a_thief_of_the_key_goes_unseen(
    victim: Work, clock: FixedClock, database: Database
) -> None:
    """Why checkpoints are kept outside: the database alone can be made to agree with anything."""
    keeper = a_keeper()
    members = await a_signed_ledger(victim, clock, keeper)
    async with as_owner(database):
        await rewrite_with_the_key(members)
    assert set((await audited(victim, keeper)).counts) <= {BALANCES, RUNNING}


async def test_the_copies_may_be_what_was_touched(victim: Work, clock: FixedClock, keeper: Keeper) -> None:
    """A lost line, one that cannot be read, one out of order, a forged one: each is told with its number."""
    await a_signed_ledger(victim, clock, keeper)
    assert keeper.copies is not None
    lines = keeper.copies.file.read_text("utf-8").splitlines(keepends=True)
    forged = lines[1].replace("\\n18\\n", "\\n19\\n")
    for text, kind in [
        (lines[0] + lines[2], "a checkpoint has no copy outside"),
        (lines[0] + "torn\n" + lines[1] + lines[2], "a line of the copy outside cannot be read"),
        (lines[0] + lines[2] + lines[1], "the copy outside is out of order"),
        (lines[0] + forged + lines[2], "a checkpoint is not ours"),
    ]:
        keeper.copies.file.write_text(text, "utf-8")
        assert kind in (await audited(victim, keeper)).counts


async def test_a_log_that_is_still_growing_holds(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """Entries of the last minutes need no leaf, and the newest checkpoint no copy, to be in order."""
    assert (await audited(work, keeper)).holds
    members = await a_signed_ledger(work, clock, keeper)
    await earn(work, members[0], 1)
    assert (await audited(work, keeper)).holds
    await caught_up()
    assert (await audited(work, keeper)).lines() == []
    await signed(work, a_keeper())
    assert (await audited(work, keeper)).lines() == []
    await erase_secrets(members[0])
    report = await audited(work, keeper)
    assert (report.lines(), report.entries, report.checkpoints, report.copies) == ([], 28, 4, 3)


async def test_earlier_keys_have_to_be_named(work: Work, clock: FixedClock, keeper: Keeper) -> None:
    """A key in the database proves nothing: who audits says which ones were the log's."""
    members = await a_signed_ledger(work, clock, keeper)
    successor = Keeper(Signer.of(SIGNER.origin, b"\x08" * 32), keeper.copies)
    await earn(work, members[0], 1)
    await signed(work, successor)
    assert (await audited(work, successor)).counts == {"a checkpoint is not ours": 6}
    report = await audited(work, successor, SIGNER.verifier)
    assert (report.lines(), report.checkpoints, report.copies) == ([], 4, 4)


async def test_many_findings_are_counted(victim: Work, clock: FixedClock, keeper: Keeper, database: Database) -> None:
    """Ten of a kind are told, the others counted."""
    await a_signed_ledger(victim, clock, keeper)
    async with as_owner(database):
        await execute("UPDATE entry SET kind = 'OTHER'")
    report = await audited(victim, keeper)
    assert report.counts == {NOT_LOGGED: 27} and len(report.findings) == 10
    assert report.lines()[-1] == f"{NOT_LOGGED}: 17 more"
    assert await fetch("SELECT FROM log_leaf") != []
