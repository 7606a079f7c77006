"""Planning and opening: what is published is frozen, and the seed is committed but not readable."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import asyncpg
import orjson
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.errors import InvalidInput, NotFound
from gamification.core.ids import new_id
from gamification.core.work import Work
from gamification.draws import proofs, queries
from gamification.draws import service as draws
from gamification.draws.errors import DrawStateRefused
from gamification.prizes.errors import PrizeTooValuable
from tests.draws.builders import DAY, STAFF, a_plan, a_prize, an_open_draw, draw_row, rows_written


async def test_a_draft_is_seen_by_staff_only(work: Work) -> None:
    """Neither lists nor ids nor proofs show it."""
    draw_id = await draws.plan_draw(work, a_plan(work.clock), actor=STAFF)
    assert await queries.draws_page(None, 10) == [] and await queries.draws_by_ids([draw_id]) == {}
    assert (await proofs.proofs_by_draw_ids([draw_id])).get(draw_id) is None
    (draft,) = await queries.draws_page(None, 10, states=["DRAFT"])
    assert (draft.id, draft.state, draft.commitment, draft.terms_hash) == (draw_id, "DRAFT", None, None)


async def test_planning_again_under_the_same_id_changes_nothing(work: Work) -> None:
    """A retry of a lost answer is no second draft."""
    draw_id = new_id()
    for points in (100, 200):
        assert await draws.plan_draw(work, a_plan(work.clock, a_prize(points)), actor=STAFF, draw_id=draw_id) == draw_id
    assert [prize.points for prize in (await queries.prizes_by_draw_ids([draw_id]))[draw_id]] == [100]
    assert await fetch_value("SELECT count(*) FROM audit_record WHERE action = 'draw.planned'") == 1


async def test_a_prize_over_fifty_thousand_yuan_is_refused(work: Work) -> None:
    """5,000,000 fen are allowed, one more is not; nothing is written."""
    await draws.plan_draw(work, a_plan(work.clock, a_prize(5_000_000)), actor=STAFF)
    with pytest.raises(PrizeTooValuable) as refusal:
        await draws.plan_draw(work, a_plan(work.clock, a_prize(), a_prize(5_000_001)), actor=STAFF)
    assert refusal.value.fields() == {"place": 2, "value_fen": 5_000_001, "limit_fen": 5_000_000}
    assert await fetch_value("SELECT count(*) FROM draw") == 1


async def test_a_plan_with_a_problem_is_refused(work: Work) -> None:
    """The refusal names the input."""
    with pytest.raises(InvalidInput) as refusal:
        await draws.plan_draw(work, a_plan(work.clock, ticket_points=0), actor=STAFF)
    assert refusal.value.field == "ticketPoints" and await fetch_value("SELECT count(*) FROM draw") == 0


async def test_the_policy_gives_the_default_price(work: Work) -> None:
    """50 points, until another version says otherwise."""
    assert await draws.default_ticket_points(work) == 50


async def test_opening_publishes_terms_and_commitment_and_schedules_the_closing(work: Work, clock: FixedClock) -> None:
    """The hash is that of the exact text, the text names the commitment, the closing waits in the database."""
    draw_id = await an_open_draw(work, a_prize(500, 2))
    draw, proof = await draw_row(draw_id), (await proofs.proofs_by_draw_ids([draw_id])).get(draw_id)
    assert proof is not None
    assert (draw["state"], draw["opened_at"], draw["seed"]) == ("OPEN", clock.now(), None)
    assert hashlib.sha256(proof.terms.encode()).digest() == proof.terms_hash
    assert orjson.loads(proof.terms)["commitment"] == proof.commitment.hex()
    (job,) = await fetch("SELECT job, payload, key, run_at FROM outbox")
    assert (job["job"], job["key"], job["run_at"]) == ("draws.close", f"draws.close:{draw_id}", clock.now() + DAY)
    assert orjson.loads(job["payload"]) == {"draw_id": str(draw_id)}


async def test_the_seed_is_committed_but_shown_nowhere(work: Work) -> None:
    """What is public of an open draw holds neither the seed nor the salt of the pseudonyms."""
    draw_id = await an_open_draw(work)
    secret = await fetch_row("SELECT seed, salt FROM draw_secret WHERE draw_id = $1", draw_id)
    proof = (await proofs.proofs_by_draw_ids([draw_id])).get(draw_id)
    assert secret is not None and proof is not None
    assert hashlib.sha256(secret["seed"]).digest() == proof.commitment and proof.seed is None
    shown = repr([await draw_row(draw_id), proof, await queries.draws_page(None, 10), await fetch("TABLE outbox")])
    shown += repr(await fetch("TABLE audit_record"))
    assert not any(repr(each) in shown or each.hex() in shown for each in secret)
    assert await proofs.export_of(draw_id) is None


async def test_opening_twice_keeps_the_first_commitment(work: Work) -> None:
    """A retry changes nothing: a second seed would be a second chance."""
    draw_id = await an_open_draw(work)
    before, counts = await draw_row(draw_id), await rows_written()
    await draws.open_draw(work, draw_id=draw_id, actor=STAFF)
    assert (await draw_row(draw_id), await rows_written()) == (before, counts)


async def test_a_draw_whose_time_is_over_cannot_open(work: Work, clock: FixedClock) -> None:
    """Nor one that was voided, nor one that is not there."""
    draw_id = await draws.plan_draw(work, a_plan(clock), actor=STAFF)
    clock.advance(DAY)
    with pytest.raises(InvalidInput):
        await draws.open_draw(work, draw_id=draw_id, actor=STAFF)
    await draws.void_draw(work, draw_id=draw_id, reason="too late", actor=STAFF)
    with pytest.raises(DrawStateRefused) as refusal:
        await draws.open_draw(work, draw_id=draw_id, actor=STAFF)
    assert refusal.value.fields() == {"state": "VOIDED", "verb": "open"}
    with pytest.raises(NotFound):
        await draws.open_draw(work, draw_id=new_id(), actor=STAFF)
    assert await fetch_value("SELECT count(*) FROM draw_secret") == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE draw SET ticket_points = 1",
        "UPDATE draw SET title_zh = 'x'",
        "UPDATE draw SET closes_at = closes_at + interval '1 day'",
        "UPDATE draw SET tickets_min = 99",
        "UPDATE draw SET terms = 'x', terms_hash = sha256('x')",
        "UPDATE draw SET commitment = sha256('x')",
        "UPDATE draw_prize SET points = 1",
        "DELETE FROM draw_prize",
        "INSERT INTO draw_prize SELECT draw_id, 9, kind, name_zh, name_en, points, quantity, NULL FROM draw_prize",
        "UPDATE draw_secret SET seed = salt",
        "DELETE FROM draw_secret",
        "DELETE FROM draw",
    ],
)
async def test_what_was_published_cannot_be_changed(work: Work, change: str) -> None:
    """The database refuses it, whoever asks."""
    draw_id = await an_open_draw(work)
    before = await draw_row(draw_id)
    with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
        await execute(change)
    assert await draw_row(draw_id) == before
    assert len((await queries.prizes_by_draw_ids([draw_id]))[draw_id]) == 1


async def test_a_seed_that_was_not_committed_cannot_be_revealed(work: Work) -> None:
    """Neither another seed, nor the right one too early."""
    await an_open_draw(work)
    with pytest.raises(asyncpg.CheckViolationError):
        await execute("UPDATE draw SET seed = sha256('another')")
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await execute("UPDATE draw SET seed = (SELECT seed FROM draw_secret)")
    assert refused.value.constraint_name == "draw_seed_hidden_until_drawn"


async def test_lists_are_paged_by_closing_time(work: Work, clock: FixedClock) -> None:
    """The one that closes last comes first; a page goes on behind the last of the one before."""
    ids = [await an_open_draw(work, closes_at=clock.now() + timedelta(days=days)) for days in (1, 3, 2)]
    first = await queries.draws_page(None, 2)
    assert [draw.id for draw in first] == [ids[1], ids[2]]
    rest = await queries.draws_page((first[-1].closes_at, first[-1].id), 2)
    assert [draw.id for draw in rest] == [ids[0]]
