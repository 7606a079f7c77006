"""The files that anybody downloads: a draw's document, and the verifiers that recompute it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from py_mini_racer import MiniRacer
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Message, Scope
from structlog.testing import capture_logs

from app import draw_exports
from app.downloads import RUNNING_MAX
from app.draw_exports import DRAW_EXPORT_PATH, DrawExports
from app.security import SecureResponses
from app.sending import BrokenOff
from app.verifiers import FOLDER, TYPES, verifier_routes
from gamification.core.actors import ANONYMOUS
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.draws import exports
from gamification.draws import service as draws
from tests.draws.builders import DAY, STAFF, a_prize, an_open_draw, bought, drawn, members_with
from tests.draws.test_graphql import DRAWS, ask, draw_key
from tests.verifiers.running import printed, reported, verdicts


@asynccontextmanager
async def served(files: DrawExports | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """The public files, as the application answers them."""
    routes = [Route(DRAW_EXPORT_PATH, files or DrawExports()), *verifier_routes()]
    transport = httpx.ASGITransport(SecureResponses(Starlette(routes=routes)))
    async with httpx.AsyncClient(transport=transport, base_url="http://files.test") as client:
        yield client


def path_of(draw_id: UUID) -> str:
    return f"/draws/{draw_id}/export.json"


async def a_drawn_draw(work: Work, clock: FixedClock) -> UUID:
    """A draw of 40 tickets of ten members and nine prizes with limits, drawn."""
    draw_id = await an_open_draw(work, a_prize(500, 2, 1), a_prize(20, 7, 2))
    await bought(work, draw_id, await members_with(work, [500] * 10) * 4)
    clock.advance(DAY)
    await drawn(work, draw_id, clock.now())
    return draw_id


async def test_a_downloaded_draw_is_accepted_by_both_verifiers(
    work: Work, clock: FixedClock, machine: MiniRacer, tmp_path: Path
) -> None:
    """Whoever downloads the file and a verifier recomputes the draw with nothing else."""
    draw_id = await a_drawn_draw(work, clock)
    async with served() as client:
        answer = await client.get(path_of(draw_id))
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == f'attachment; filename="draw-{draw_id}.json"'
    path = tmp_path / "draw.json"
    path.write_bytes(answer.content)
    said = (0, ["holds: 40 tickets, 9 winners recomputed"])
    assert printed("draw", path) == reported(machine, path) == said


async def test_pages_join_to_one_document(
    work: Work, clock: FixedClock, machine: MiniRacer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few rows a page has, the text is the same."""
    export = await exports.export_of(await a_drawn_draw(work, clock))
    assert export is not None
    whole = b"".join([chunk async for chunk in export.chunks()])
    monkeypatch.setattr(exports, "ROWS_PER_PAGE", 7)
    pages = [chunk async for chunk in export.chunks()]
    assert b"".join(pages) == whole and len(pages) == 1 + (1 + 6 + 1) + (1 + 2 + 1) + 1
    assert verdicts(machine, "draw", [json.loads(whole)]) == [[]]


async def test_there_is_no_file_before_the_seed_is_revealed(work: Work, clock: FixedClock) -> None:
    """Nor of a draw that was called off, nor under another key, or the same in another spelling."""
    draw_id, voided = await an_open_draw(work), await an_open_draw(work)
    await draws.void_draw(work, draw_id=voided, reason="test", actor=STAFF)
    async with served() as client:
        await bought(work, draw_id, await members_with(work, [100]))
        clock.advance(DAY)
        assert await draws.close_draw(work, draw_id=draw_id)
        keys = [str(draw_id), str(voided), str(UUID(int=9)), "x", "..%2f..%2fetc"]
        answers = [await client.get(f"/draws/{key}/export.json") for key in keys]
        assert [(each.status_code, each.headers["cache-control"]) for each in answers] == [(404, "no-store")] * 5
        assert answers[0].json()["code"] == "NOT_FOUND"
        assert await draws.draw_winners(work, draw_id=draw_id)
        assert (await client.get(path_of(draw_id))).status_code == 200
        assert (await client.get(f"/draws/{str(draw_id).upper()}/export.json")).status_code == 404
        assert (await client.post(path_of(draw_id))).status_code == 405


async def test_a_drawn_file_may_be_kept(work: Work, clock: FixedClock) -> None:
    """It never changes: it is immutable for caches, and who has it already is told so without a body."""
    draw_id = await a_drawn_draw(work, clock)
    async with served() as client:
        first = await client.get(path_of(draw_id))
        assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
        etag = first.headers["etag"]
        for known in (etag, f'"other", W/{etag}', "*"):
            again = await client.get(path_of(draw_id), headers={"if-none-match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        head = await client.head(path_of(draw_id))
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)
        other = await client.get(path_of(draw_id), headers={"if-none-match": '"other"'})
        assert other.status_code == 200 and other.content == first.content


async def test_graphql_says_where_the_file_is(work: Work, clock: FixedClock) -> None:
    """The address is there once the draw is drawn, and not before."""
    query = "query ($id: ID!) { draw(id: $id) { exportUrl } }"
    open_id, drawn_id = await an_open_draw(work), await a_drawn_draw(work, clock)
    assert await ask(work, query, ANONYMOUS, id=draw_key(open_id)) == {"exportUrl": None}
    assert await ask(work, query, ANONYMOUS, id=draw_key(drawn_id)) == {"exportUrl": path_of(drawn_id)}
    assert "exportUrl" not in DRAWS


class Client:
    """A client by hand: what it was sent, and whether it reads or goes."""

    def __init__(self, *, gone_after: int = 10**9, reads: bool = True) -> None:
        self.sent: list[Message] = []
        self.gone_after, self.reads = gone_after, reads
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if not self.reads and message["type"] == "http.response.body":
            await asyncio.Event().wait()
        self.sent.append(message)
        if len(self.sent) >= self.gone_after:
            self.gone.set()

    async def fetch(self, files: DrawExports, draw_id: UUID) -> None:
        scope: Scope = {
            "type": "http", "method": "GET", "path": path_of(draw_id), "query_string": b"", "headers": [],
            "path_params": {"draw": str(draw_id)},
        }  # fmt: skip
        await files(scope, self.receive, self.send)

    @property
    def is_whole(self) -> bool:
        return len(self.sent) > 1 and not self.sent[-1].get("more_body", False)


SLOW: list[Callable[[], DrawExports]] = [
    lambda: DrawExports(unread_seconds_max=0),
    lambda: DrawExports(sending_seconds_max=0),
]


@pytest.mark.parametrize("make", SLOW, ids=["chunk", "whole"])
async def test_who_reads_too_slowly_is_cut_off(work: Work, clock: FixedClock, make: Callable[[], DrawExports]) -> None:
    """A chunk that stays unread, or a file that takes too long, ends without looking whole, and frees its place."""
    draw_id, files, client = await a_drawn_draw(work, clock), make(), Client(reads=False)
    with capture_logs() as logs, pytest.raises(BrokenOff):
        await client.fetch(files, draw_id)
    assert [(line["event"], line["error"]) for line in logs] == [("download.broken_off", "TimeoutError")]
    assert files.running == 0 and not client.is_whole


async def test_who_goes_away_frees_the_place(work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """No page is read for nobody."""
    monkeypatch.setattr(exports, "ROWS_PER_PAGE", 2)
    draw_id, files, client = await a_drawn_draw(work, clock), DrawExports(), Client(gone_after=4)
    await client.fetch(files, draw_id)
    assert files.running == 0 and not client.is_whole and len(client.sent) == 4


async def test_a_few_run_at_once_and_the_next_waits(work: Work, clock: FixedClock) -> None:
    """Who finds no place is told to come back; who has the file already needs none."""
    draw_id, files = await a_drawn_draw(work, clock), DrawExports(running=RUNNING_MAX)
    async with served(files) as client:
        refused = await client.get(path_of(draw_id))
        assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (
            503, "TOO_MANY_EXPORTS", "10",
        )  # fmt: skip
        assert (await client.get(path_of(draw_id), headers={"if-none-match": "*"})).status_code == 304
        files.running -= 1
        assert (await client.get(path_of(draw_id))).status_code == 200
    assert files.running == RUNNING_MAX - 1


async def test_a_fault_is_masked(work: Work, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller reads that something went wrong on our side, and nothing of it."""

    async def failing(draw_id: UUID) -> Any:
        raise ConnectionResetError("postgres://user:secret@host")

    monkeypatch.setattr(draw_exports, "export_of", failing)
    with capture_logs() as logs:
        async with served() as client:
            answer = await client.get(path_of(UUID(int=1)))
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert "postgres" not in answer.text and "secret" not in str(logs)
    assert [line["event"] for line in logs] == ["download.fault"]


@pytest.mark.parametrize("name", TYPES)
async def test_the_verifiers_are_served_as_they_are_documented(name: str) -> None:
    """The text that is downloaded is the text of docs/verifiers/, of its own type, and may be kept for an hour."""
    async with served() as client:
        answer = await client.get(f"/verifiers/{name}")
        assert answer.content == (FOLDER / name).read_bytes()
        assert answer.headers["content-type"] == f"{TYPES[name]}; charset=utf-8"
        assert answer.headers["cache-control"] == "public, max-age=3600"
        again = await client.get(f"/verifiers/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert (await client.get("/verifiers/../draws.md")).status_code == 404
