"""Checking a play: it holds, what was tampered with does not, and no seed is seen before its time."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.work import Work
from gamification.instant_draws import proofs, queries
from gamification.instant_draws.rules import REVEAL_DELAY
from tests.draws.builders import a_member
from tests.instant_draws.builders import WITH_PITY, a_draw, a_history, a_prize, a_table, exported, play, secret_from


async def test_every_play_is_verified_once_its_day_is_over(work: Work, clock: FixedClock) -> None:
    """It holds, for its member; a stranger finds nothing."""
    draw_id, member_id = await a_history(work, clock)
    for row in await queries.plays_from_first(member_id, draw_id, 0, 99):
        proof = await proofs.proof_of(member_id, row.id, secret_from(work))
        assert proof is not None and proof.holds is True and proof.play == row
        assert proof.message == f"{draw_id}|{member_id}|{row.number}"
        assert await proofs.proof_of(UUID(int=9), row.id, secret_from(work)) is None


async def test_no_seed_is_seen_before_its_day_is_over(work: Work, clock: FixedClock) -> None:
    """Not on the day, not in the ten minutes after it; then it is, and is the committed one."""
    draw_id, member_id = await a_draw(work, WITH_PITY), await a_member(work)
    answer = await play(work, draw_id, member_id)
    over = work.calendar.ends_at(answer.business_date)
    for at in (clock.now(), over, over + REVEAL_DELAY - timedelta(seconds=1)):
        clock.set(at)
        proof = await proofs.proof_of(member_id, answer.play_id, secret_from(work))
        assert proof is not None and (proof.seed.seed, proof.holds) == (None, None)
        assert (await exported(draw_id, member_id, secret_from(work)))["days"][0]["seed"] is None
    clock.set(over + REVEAL_DELAY)
    proof = await proofs.proof_of(member_id, answer.play_id, secret_from(work))
    assert proof is not None and proof.holds is True and proof.seed.seed is not None
    assert hashlib.sha256(proof.seed.seed).hexdigest() == answer.commitment


@pytest.mark.parametrize(
    "change",
    [
        {"roll": 1_000_000},
        {"nominal": 9},
        {"number": 99},
        {"given": 9, "reason": "STOCK"},
        {"reason": "STOCK"},
        {"pity": True},
    ],
    ids=["roll", "nominal", "number", "given", "reason", "pity"],
)
async def test_a_play_that_was_tampered_with_does_not_hold(
    work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    """Another roll, place, number, prize or reason than seed and odds give is found out."""
    draw_id, member_id = await a_draw(work, a_table(a_prize(5, 1_000_000))), await a_member(work)
    answer = await play(work, draw_id, member_id)
    clock.advance(timedelta(days=2))
    true = (await queries.plays_by_ids(member_id, [answer.play_id]))[answer.play_id]

    async def tampered(member_id: UUID, ids: list[UUID]) -> dict[UUID, queries.PlayRow]:
        return {answer.play_id: true._replace(**change)}

    monkeypatch.setattr(proofs, "plays_by_ids", tampered)
    proof = await proofs.proof_of(member_id, answer.play_id, secret_from(work))
    assert proof is not None and proof.holds is False
    assert await fetch_value("SELECT count(*) FROM instant_play") == 1
