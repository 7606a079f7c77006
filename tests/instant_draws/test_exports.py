"""The file of a member's plays: both stand-alone verifiers accept it, and nobody else gets it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from py_mini_racer import MiniRacer
from starlette.applications import Starlette

from app.play_exports import play_export_routes
from app.security import SecureResponses
from gamification.core.actors import ANONYMOUS, Actor
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.instant_draws import exports, queries
from gamification.members.errors import Unauthenticated
from schema.context import Context
from tests.draws.builders import a_member
from tests.instant_draws.builders import STAFF, WITH_PITY, a_draw, a_history, exported, play, secret_from
from tests.verifiers.running import a_machine, printed, reported, verdicts


@pytest.fixture
def machine() -> MiniRacer:
    """A V8 with the verifier."""
    return a_machine()


@asynccontextmanager
async def served(work: Work, actor: Actor | None) -> AsyncIterator[httpx.AsyncClient]:
    """The files as the application answers them to one caller; None for a token that has run out."""

    async def context(headers: Mapping[str, str], parameters: Mapping[str, Any] | None) -> Context:
        if actor is None:
            raise Unauthenticated(reason="TOKEN_EXPIRED")
        return Context(work=work, clock=work.clock, actor=actor, locale="en")

    transport = httpx.ASGITransport(SecureResponses(Starlette(routes=play_export_routes(context))))
    async with httpx.AsyncClient(transport=transport, base_url="http://files.test") as client:
        yield client


async def got(work: Work, actor: Actor | None, draw: object) -> httpx.Response:
    async with served(work, actor) as client:
        return await client.get(f"/plays/{draw}/export.json")


async def test_a_downloaded_file_is_accepted_by_both_verifiers(
    work: Work, clock: FixedClock, machine: MiniRacer, tmp_path: Path
) -> None:
    """All plays of a member from number one, under the terms and seeds that were committed, in pages."""
    draw_id, member_id = await a_history(work, clock)
    answer = await got(work, Actor("member", member_id), draw_id)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-disposition"] == f'attachment; filename="plays-{draw_id}.json"'
    path = tmp_path / "plays.json"
    path.write_bytes(answer.content)
    assert printed("play", path) == reported(machine, path) == (0, ["holds: 30 plays recomputed"])


async def test_the_file_says_what_was_played(
    work: Work, clock: FixedClock, machine: MiniRacer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page the same; numbers, versions, days and what was given are those of the plays."""
    draw_id, member_id = await a_history(work, clock)
    whole = await exported(draw_id, member_id, secret_from(work))
    monkeypatch.setattr(exports, "PLAYS_PER_PAGE", 7)
    document = await exported(draw_id, member_id, secret_from(work))
    assert document == whole and (document["draw"], document["member"]) == (str(draw_id), str(member_id))
    rows = await queries.plays_from_first(member_id, draw_id, 0, 99)
    shown = [(each["number"], each["given"], each["reason"], each["pity"]) for each in document["plays"]]
    assert shown == [(row.number, row.given, row.reason, row.pity) for row in rows] and len(rows) == 30
    assert [each["version"] for each in document["terms"]] == [1, 2] and len(document["days"]) == 3
    assert {each["version"] for each in document["plays"][:20]} == {1}
    tampered = json.loads(json.dumps(document))
    tampered["plays"][11]["roll"] = (tampered["plays"][11]["roll"] + 1) % 1_000_000
    assert [found != [] for found in verdicts(machine, "play", [document, tampered])] == [False, True]


async def test_plays_of_today_wait_for_their_seed(work: Work, clock: FixedClock, machine: MiniRacer) -> None:
    """The seed of the day is not in the file before the day is over; the rest holds."""
    draw_id, member_id = await a_draw(work, WITH_PITY), await a_member(work)
    await play(work, draw_id, member_id)
    document = await exported(draw_id, member_id, secret_from(work))
    assert document["days"][0]["seed"] is None and verdicts(machine, "play", [document]) == [[]]
    clock.advance(timedelta(days=2))
    document = await exported(draw_id, member_id, secret_from(work))
    assert document["days"][0]["seed"] is not None and verdicts(machine, "play", [document]) == [[]]


async def test_only_members_get_their_own_plays(work: Work, clock: FixedClock) -> None:
    """Whoever has not played it finds nothing; whoever is no member is turned away; a broken key is nothing found."""
    draw_id, member_id = await a_history(work, clock)
    own, other = Actor("member", member_id), Actor("member", await a_member(work))
    for actor, draw, status, code in [
        (other, draw_id, 404, "NOT_FOUND"),
        (own, UUID(int=9), 404, "NOT_FOUND"),
        (own, str(draw_id).upper(), 404, "NOT_FOUND"),
        (own, "%00", 404, "NOT_FOUND"),
        (ANONYMOUS, draw_id, 401, "UNAUTHENTICATED"),
        (STAFF, draw_id, 401, "UNAUTHENTICATED"),
        (None, draw_id, 401, "UNAUTHENTICATED"),
    ]:
        answer = await got(work, actor, draw)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (actor, draw)
