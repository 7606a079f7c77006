"""Checking plays: what is exported recomputes with the standard library alone, and no seed is seen before its time."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from gamification.core.clock import FixedClock
from gamification.core.database import fetch_value
from gamification.core.work import Work
from gamification.instant_draws import proofs, queries
from gamification.instant_draws import service as instant_draws
from gamification.instant_draws.rules import REVEAL_DELAY, hidden_from
from tests.draws.builders import a_member
from tests.instant_draws.builders import STAFF, a_draw, a_prize, a_table, play

ODDS = a_table(
    a_prize(60, 300_000, 2, stock=3, pity_ppm=600_000), a_prize(5, 200_000, pity_ppm=300_000), pity_after=2
)  # fmt: skip


def secret_from(work: Work) -> date:
    return hidden_from(work.clock.now(), work.calendar)


async def a_history(work: Work, clock: FixedClock) -> tuple[UUID, UUID]:
    """Thirty plays over three days, under two versions of the odds; the days are over."""
    draw_id, member_id = await a_draw(work, ODDS), await a_member(work, 2_000)
    for day in range(3):
        for _ in range(10):
            await play(work, draw_id, member_id)
        clock.advance(timedelta(days=1))
        if day == 1:
            better = replace(ODDS, play_points=40)
            await instant_draws.publish_odds(work, better, draw_id=draw_id, actor=STAFF, confirm_payout=True)
    return draw_id, member_id


def recomputed(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Number, roll, nominal place and pity of every play, worked out as the algorithm's page says, and nothing else."""
    terms = {each["version"]: each["terms"] for each in document["terms"]}
    for each in document["terms"]:
        assert hashlib.sha256(each["terms"].encode()).hexdigest() == each["terms_hash"]
    seeds = {each["business_date"]: bytes.fromhex(each["seed"]) for each in document["days"]}
    for each in document["days"]:
        assert hashlib.sha256(seeds[each["business_date"]]).hexdigest() == each["commitment"]
    found, misses = [], 0
    for each in document["plays"]:
        odds = orjson.loads(terms[each["version"]])
        pity = odds["pity_after"] is not None and misses >= odds["pity_after"]
        attempt, fair = 0, 2**64 - 2**64 % 1_000_000
        while True:
            text = f"{document['draw']}|{document['member']}|{each['number']}|{attempt}".encode()
            value = int.from_bytes(hmac.new(seeds[each["business_date"]], text, "sha256").digest()[:8], "big")
            if value < fair:
                break
            attempt += 1
        left, place = value % 1_000_000, 0
        while left >= 0:
            left -= odds["lines"][place]["pity_ppm" if pity else "odds_ppm"]
            place += 1
        misses = misses + 1 if odds["lines"][each["given"] - 1]["kind"] == "NONE" else 0
        found.append((each["number"], value % 1_000_000, place, pity))
    return found


async def test_an_export_recomputes_without_anything_of_ours(work: Work, clock: FixedClock) -> None:
    """All plays of a member from number one, in JSON, under the terms and seeds that were committed."""
    draw_id, member_id = await a_history(work, clock)
    exported = await proofs.export_of(draw_id, member_id, secret_from(work))
    document = orjson.loads(orjson.dumps(exported))
    assert (document["format"], document["draw"], document["member"]) == (
        "jifen-play-export-1", str(draw_id), str(member_id),
    )  # fmt: skip
    plays = [(each["number"], each["roll"], each["nominal"], each["pity"]) for each in document["plays"]]
    assert recomputed(document) == plays and [each[0] for each in plays] == list(range(1, 31))
    assert [each["version"] for each in document["terms"]] == [1, 2] and len(document["days"]) == 3
    assert {each["version"] for each in document["plays"][:20]} == {1}
    rows = await queries.plays_from_first(member_id, draw_id, 0, 99)
    assert [(row.given, row.reason) for row in rows] == [(each["given"], each["reason"]) for each in document["plays"]]


async def test_every_play_is_verified_once_its_day_is_over(work: Work, clock: FixedClock) -> None:
    """It holds, for its member; a stranger finds nothing."""
    draw_id, member_id = await a_history(work, clock)
    for row in await queries.plays_from_first(member_id, draw_id, 0, 99):
        proof = await proofs.proof_of(member_id, row.id, secret_from(work))
        assert proof is not None and proof.holds is True and proof.play == row
        assert proof.message == f"{draw_id}|{member_id}|{row.number}"
        assert await proofs.proof_of(UUID(int=9), row.id, secret_from(work)) is None
    assert await proofs.export_of(draw_id, UUID(int=9), secret_from(work)) is None


async def test_no_seed_is_seen_before_its_day_is_over(work: Work, clock: FixedClock) -> None:
    """Not on the day, not in the ten minutes after it; then it is, and is the committed one."""
    draw_id, member_id = await a_draw(work, ODDS), await a_member(work)
    answer = await play(work, draw_id, member_id)
    over = work.calendar.ends_at(answer.business_date)
    for at in (clock.now(), over, over + REVEAL_DELAY - timedelta(seconds=1)):
        clock.set(at)
        proof = await proofs.proof_of(member_id, answer.play_id, secret_from(work))
        assert proof is not None and (proof.seed.seed, proof.holds) == (None, None)
        document = await proofs.export_of(draw_id, member_id, secret_from(work))
        assert document is not None and document["days"][0]["seed"] is None
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
