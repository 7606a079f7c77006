"""`verifyDraw`: what the server recomputes from its own rows, and what it says where somebody changed them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.errors import Overloaded
from gamification.core.work import Work
from gamification.draws import verification
from gamification.draws.verification import KEPT_FOR, WAITING_MAX, Verdict, Verifications, recomputed
from schema.context import Context
from schema.draw_verdicts import VERIFICATIONS
from schema.root import schema
from tests.databases import Database
from tests.docs.pages import ROOT, blocks
from tests.draws.builders import DAY, a_prize, a_programme, an_open_draw, bought, draw_row, drawn, members_with
from tests.draws.test_graphql import draw_key

VERIFY = """query ($id: ID!) { verifyDraw(id: $id) { holds discrepancies algorithm proofLevel termsHash commitment seed
    merkleRoot tickets ticketsHashed wins checkedAt } }"""


async def ask(work: Work, draw_id: UUID, actor: Actor = ANONYMOUS, text: str = VERIFY) -> Any:
    """What the members' schema answers."""
    context = Context(work=work, clock=work.clock, actor=actor, locale="en")
    result = await schema.execute(text, variable_values={"id": draw_key(draw_id)}, context_value=context)
    assert result.errors is None and result.data is not None
    return result.data["verifyDraw"]


async def a_drawn_draw(work: Work, clock: FixedClock, copies: int = 4) -> UUID:
    """A draw of ten members with so many tickets each, and nine prizes with limits."""
    draw_id = await an_open_draw(work, a_prize(500, 2, 1), a_prize(20, 7, 2))
    await bought(work, draw_id, await members_with(work, [50 * copies] * 10) * copies)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    return draw_id


@pytest.fixture
async def open_book(database: Database, clock: FixedClock) -> Work:
    """A programme whose rows a test may change; nothing that was promised holds afterwards."""
    return await a_programme(clock)


CHECKS = (
    ("draw", "draw_terms_hash_is_of_terms"),
    ("draw", "draw_seed_is_the_committed_one"),
    ("draw", "draw_proof_level_of_its_beacon"),
    ("draw_beacon", "draw_beacon_value_is_of_its_signature"),
)


@dataclass
class Owner:
    """Whoever owns the database: changes rows without triggers and constraints."""

    database: Database

    async def changes(self, sql: str, draw_id: UUID) -> None:
        connection = await asyncpg.connect(self.database.url)
        try:
            for table, check in CHECKS:
                await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}")
            await connection.execute("SET session_replication_role = replica")
            assert (await connection.execute(sql, draw_id)).endswith(" 1")

        finally:
            await connection.close()


@pytest.fixture
async def owner(database: Database) -> Owner:
    """Whoever owns this test's database."""
    return Owner(database)


async def test_anybody_has_a_draw_recomputed(work: Work, clock: FixedClock) -> None:
    """It holds, with everything it rests on; before its winners are drawn there is nothing to recompute."""
    draw_id = await an_open_draw(work, a_prize(500, 2, 1))
    assert await ask(work, draw_id) is None and await ask(work, UUID(int=4)) is None
    await bought(work, draw_id, await members_with(work, [50] * 5))
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    row = await draw_row(draw_id)
    assert await ask(work, draw_id) == {
        "holds": True, "discrepancies": [], "algorithm": row["algorithm"], "proofLevel": "OPERATOR",
        "termsHash": row["terms_hash"].hex(), "commitment": row["commitment"].hex(), "seed": row["seed"].hex(),
        "merkleRoot": row["merkle_root"].hex(), "tickets": 5, "ticketsHashed": 5, "wins": 2,
        "checkedAt": clock.now().isoformat(),
    }  # fmt: skip
    assert set(VERIFICATIONS.kept) >= {draw_id}


async def test_the_query_of_the_page_is_answered(work: Work, clock: FixedClock) -> None:
    """What docs/check-a-draw.md asks of a drawn draw holds."""
    (block,) = blocks(ROOT / "docs" / "check-a-draw.md", "gql")
    assert (await ask(work, await a_drawn_draw(work, clock), text=block.text))["holds"] is True


TAMPERED = [
    ("UPDATE draw SET terms_hash = sha256('x') WHERE id = $1", ("TERMS_HASH",)),
    ("UPDATE draw SET terms = replace(terms, '\"points\":500', '\"points\":9') WHERE id = $1", ("TERMS_HASH",)),
    ("UPDATE draw SET terms = 'x', terms_hash = sha256('x') WHERE id = $1", ("TERMS", "WINNERS")),
    ("UPDATE draw SET terms = '[]', terms_hash = sha256('[]') WHERE id = $1", ("TERMS", "WINNERS")),
    ("UPDATE draw SET algorithm = 'jifen-draw-0' WHERE id = $1", ("TERMS",)),
    ("UPDATE draw SET seed = sha256('x') WHERE id = $1", ("COMMITMENT", "WINNERS")),
    ("UPDATE draw SET seed = sha256('x'), commitment = sha256(sha256('x')) WHERE id = $1", ("TERMS", "WINNERS")),
    ("UPDATE draw SET merkle_root = sha256('x') WHERE id = $1", ("ROOT",)),
    ("UPDATE draw SET subtree_roots = sha256('x') WHERE id = $1", ("ROOT",)),
    (
        "UPDATE ticket_number SET ticket_id = '00000000-0000-7000-8000-000000000001' WHERE draw_id = $1 AND number = 7",
        ("NUMBERS", "ROOT"),
    ),
    ("UPDATE ticket_number SET number = 41 WHERE draw_id = $1 AND number = 40", ("NUMBERS", "ROOT", "WINNERS")),
    ("DELETE FROM ticket_number WHERE draw_id = $1 AND number = 40", ("NUMBERS", "ROOT", "WINNERS")),
    ("UPDATE draw_win SET prize_place = 2 WHERE draw_id = $1 AND rank = 1", ("WINNERS",)),
    ("DELETE FROM draw_win WHERE draw_id = $1 AND rank = 9", ("WINNERS",)),
    ("UPDATE draw_win SET rank = 10 WHERE draw_id = $1 AND rank = 9", ("WINNERS",)),
    ("UPDATE draw SET wins = 8 WHERE id = $1", ("WINNERS",)),
]


@pytest.mark.parametrize(("sql", "said"), TAMPERED)
async def test_what_was_changed_is_told(
    open_book: Work, owner: Owner, clock: FixedClock, sql: str, said: tuple[str, ...]
) -> None:
    """Whoever owns the database can change a draw, and the recomputed draw says what does not hold any more."""
    draw_id = await a_drawn_draw(open_book, clock)
    await owner.changes(sql, draw_id)
    verdict = await recomputed(draw_id, clock.now())
    assert verdict is not None and (verdict.holds, verdict.discrepancies) == (False, said)


async def test_a_buyer_who_was_changed_is_told(open_book: Work, owner: Owner, clock: FixedClock) -> None:
    """The list has another root then."""
    draw_id = await a_drawn_draw(open_book, clock)
    await owner.changes("UPDATE ticket_number SET buyer = repeat('0', 32) WHERE draw_id = $1 AND number = 1", draw_id)
    verdict = await recomputed(draw_id, clock.now())
    assert verdict is not None and "ROOT" in verdict.discrepancies


async def test_of_a_long_list_some_runs_are_hashed(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The root is recomputed from the roots of all runs, some are hashed ticket by ticket, and it says how many."""
    draw_id = await a_drawn_draw(work, clock, copies=250)
    monkeypatch.setattr(verification, "WHOLE_RUNS_MAX", 2)
    verdict = await recomputed(draw_id, clock.now())
    assert verdict is not None and verdict.holds and verdict.proof.tickets == 2500
    assert verdict.tickets_hashed in (2048, 1024 + 452)
    monkeypatch.setattr(verification, "WHOLE_RUNS_MAX", 3)
    verdict = await recomputed(draw_id, clock.now())
    assert verdict is not None and verdict.holds and verdict.tickets_hashed == 2500


async def test_what_held_is_kept_for_a_while(open_book: Work, owner: Owner, clock: FixedClock) -> None:
    """Within ten minutes the same is answered without a statement; what does not hold is looked at every time."""
    draw_id, checks = await a_drawn_draw(open_book, clock), Verifications()
    first = await checks.verify_draw(draw_id, clock.now())
    assert first is not None and first.holds
    await owner.changes("UPDATE draw SET wins = 8 WHERE id = $1", draw_id)
    clock.advance(KEPT_FOR - timedelta(microseconds=1))
    assert await checks.verify_draw(draw_id, clock.now()) is first
    clock.advance(timedelta(microseconds=1))
    now_told = await checks.verify_draw(draw_id, clock.now())
    assert now_told is not None and now_told.discrepancies == ("WINNERS",)
    await owner.changes("UPDATE draw SET wins = 9 WHERE id = $1", draw_id)
    again = await checks.verify_draw(draw_id, clock.now())
    assert again is not None and again.holds and checks.running == {}


async def test_many_who_ask_share_one_answer(work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A draw is recomputed once however many wait, draws one after another, and who goes away does not stop it."""
    draw_ids = [await a_drawn_draw(work, clock) for _ in range(2)]
    begun: list[UUID] = []
    at_once = 0

    async def counted(draw_id: UUID, now: Any) -> Verdict | None:
        nonlocal at_once
        begun.append(draw_id)
        at_once += 1
        assert at_once == 1
        verdict = await recomputed(draw_id, now)
        at_once -= 1
        return verdict

    monkeypatch.setattr(verification, "recomputed", counted)
    checks = Verifications()
    asked = [asyncio.ensure_future(checks.verify_draw(each, clock.now())) for each in draw_ids * 5]
    await asyncio.sleep(0)
    asked[0].cancel()
    with suppress(asyncio.CancelledError):
        await asked[0]
    found = await asyncio.gather(*asked[1:])
    assert begun == draw_ids and all(each is not None and each.holds for each in found)
    assert len({id(each) for each in found}) == 2 and set(checks.kept) == set(draw_ids)


async def test_too_many_draws_at_once_are_refused(work: Work, clock: FixedClock) -> None:
    """Whoever asks for many draws does not fill the process with waiting."""
    checks = Verifications()
    waiting = [asyncio.ensure_future(checks.verify_draw(UUID(int=n), clock.now())) for n in range(WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refusal:
        await checks.verify_draw(UUID(int=99), clock.now())
    assert refusal.value.limit == WAITING_MAX
    assert await asyncio.gather(*waiting) == [None] * WAITING_MAX and checks.running == {}


async def test_a_fault_is_everybodys_and_is_forgotten(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who wait for a draw all learn that it failed; the next one tries again."""
    draw_id, checks = await a_drawn_draw(work, clock), Verifications()

    async def failing(draw_id: UUID, now: Any) -> Verdict | None:
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(verification, "recomputed", failing)
        asked = [checks.verify_draw(draw_id, clock.now()) for _ in range(2)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(each) for each in found] == [ConnectionResetError] * 2
    verdict = await checks.verify_draw(draw_id, clock.now())
    assert verdict is not None and verdict.holds and await fetch_value("SELECT count(*) FROM draw") == 1
