"""Files for staff: the ledger's entries and the liability as CSV, streamed, under the tokens of the staff's endpoint.

An export holds no connection and no transaction while the client reads. It ends with its caller's session, when the
client goes, and when the client stops reading; whatever ends it early breaks the connection off, so that half a file
never passes for a whole one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from app.csv_lines import Column, heading_line, lines
from app.export_columns import entry_columns, liability_columns, liability_rows
from app.export_parameters import EntriesAsked, LiabilityAsked, entries_asked, liability_asked
from app.faults import FAULT_MESSAGES, summary
from app.graphql_http import ContextFactory
from app.problems import Problem
from app.sending import UNREAD_SECONDS_MAX, BrokenOff, send_chunks
from gamification.core.actors import Actor
from gamification.core.errors import Refusal
from gamification.members import queries as members
from gamification.points import exports, liability
from schema.context import Context, locale_of
from schema.permissions import FORBIDDEN_MESSAGES, UNAUTHENTICATED_MESSAGES, Staff

log = structlog.get_logger(__name__)

ENTRIES_PATH = "/admin/exports/entries.csv"
LIABILITY_PATH = "/admin/exports/liability.csv"
MAY_EXPORT = Staff("owner", "operator", "auditor")
RUNNING_MAX = 2
"""Exports of one process at a time: each batch takes a connection of the pool for a moment."""

StillHolds = Callable[[Actor], Awaitable[bool]]
"""Whether the session behind a caller goes on."""


class SessionEnded(Exception):
    """The caller may no longer read what is being exported."""


@dataclass(frozen=True, slots=True)
class Export:
    """A file to be sent: its name, and its text chunk by chunk."""

    filename: str
    chunks: AsyncGenerator[bytes, None]


@dataclass
class Exports:
    """The exports of one process."""

    context_factory: ContextFactory
    still_holds: StillHolds
    running: int = 0
    unread_seconds_max: float = UNREAD_SECONDS_MAX
    makers: dict[str, Callable[[Context, Request], Awaitable[Export]]] = field(init=False)

    def __post_init__(self) -> None:
        self.makers = {ENTRIES_PATH: self._entries, LIABILITY_PATH: self._liability}

    def routes(self) -> list[BaseRoute]:
        """One route for each file."""
        return [Route(path, Endpoint(self, maker)) for path, maker in self.makers.items()]

    async def caller(self, request: Request) -> Context:
        """Who asks. Raises Problem for whoever may not."""
        try:
            context = await self.context_factory(request.headers, None)
        except Refusal as refusal:
            message = refusal.message(locale_of(request.headers.get("accept-language")))
            raise Problem(401, refusal.code, message, headers={"www-authenticate": "Bearer"}) from None
        if not MAY_EXPORT.admits(context.actor):
            if context.actor.kind == "anonymous":
                message = UNAUTHENTICATED_MESSAGES[context.locale]
                raise Problem(401, "UNAUTHENTICATED", message, headers={"www-authenticate": "Bearer"})
            raise Problem(403, "FORBIDDEN", FORBIDDEN_MESSAGES[context.locale])
        return context

    async def _entries(self, context: Context, request: Request) -> Export:
        asked = entries_asked(request.query_params)
        wanted = await _wanted(asked)
        end = await exports.begin(wanted, actor=context.actor, now=context.now)
        columns = entry_columns(context.work.calendar, context.locale)
        filename = f"entries-{asked.since}-{asked.until}.csv"
        return Export(filename, self._written(context, columns, exports.batches(wanted, end)))

    async def _liability(self, context: Context, request: Request) -> Export:
        asked: LiabilityAsked = liability_asked(request.query_params)
        report = await liability.newest(asked.on)
        if report is None:
            raise Problem(404, "NOT_FOUND", "There is no report of that day.", field="on")
        rate_bp = report.measured_bp if asked.breakage_bp is None else asked.breakage_bp
        rows = liability_rows(report, rate_bp)
        return Export(
            f"liability-{report.business_date}.csv", self._written(context, liability_columns(), _one_batch(rows))
        )

    async def _written(
        self, context: Context, columns: Sequence[Column[Any]], batches: AsyncGenerator[Sequence[Any], None]
    ) -> AsyncGenerator[bytes, None]:
        rows = 0
        yield heading_line(columns)
        async with aclosing(batches):
            async for batch in batches:
                if not await self.still_holds(context.actor):
                    raise SessionEnded
                rows += len(batch)
                yield await asyncio.to_thread(lines, columns, batch)
        log.info("export.finished", rows=rows, **_facts(context))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One file as a bare ASGI callable: it answers a problem, or streams and watches the client meanwhile."""

    exports: Exports
    maker: Callable[[Context, Request], Awaitable[Export]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            if request.method != "GET":
                raise Problem(405, "METHOD_NOT_ALLOWED", "Use GET.", headers={"allow": "GET"})
            context = await self.exports.caller(request)
            if self.exports.running >= RUNNING_MAX:
                text = f"{RUNNING_MAX} exports are under way; try again when one has ended."
                raise Problem(503, "TOO_MANY_EXPORTS", text, headers={"retry-after": "30"})
            self.exports.running += 1
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        try:
            await self._serve(context, request, send)
        finally:
            self.exports.running -= 1

    async def _serve(self, context: Context, request: Request, send: Send) -> None:
        try:
            export = await self.maker(context, request)
        except Problem as problem:
            await problem.response()(request.scope, request.receive, send)
            return
        except Exception as error:  # noqa: BLE001 - a fault is answered, masked and logged
            await _faulty(error, context)(request.scope, request.receive, send)
            return
        async with aclosing(export.chunks):
            await send({"type": "http.response.start", "status": 200, "headers": _headers(export.filename)})
            try:
                unread = self.exports.unread_seconds_max
                if await send_chunks(export.chunks, request.receive, send, unread_seconds_max=unread):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            except Exception as error:  # noqa: BLE001 - whatever it is, the file is not whole and must not seem so
                log.error("export.broken_off", error=type(error).__name__, summary=summary(error), **_facts(context))
                raise BrokenOff from None


async def _wanted(asked: EntriesAsked) -> exports.Wanted:
    """What is asked for, with the member behind the number. Raises Problem for a number that nobody has."""
    member_id = None
    if asked.member is not None:
        found = await members.members_page(members.MemberFilter(number=asked.member), after=None, limit=1)
        if not found:
            raise Problem(404, "NOT_FOUND", "No member has this number.", field="member")
        member_id = found[0].id
    return exports.Wanted(asked.since, asked.until, member_id, asked.currency, asked.kinds)


async def _one_batch(rows: Sequence[Any]) -> AsyncGenerator[Sequence[Any], None]:
    yield rows


def _faulty(error: Exception, context: Context) -> Response:
    """Log a fault before anything was sent; what the caller reads of it."""
    log.error("export.fault", error=type(error).__name__, summary=summary(error), **_facts(context))
    return Problem(500, "INTERNAL_ERROR", FAULT_MESSAGES[context.locale]).response()


def _facts(context: Context) -> dict[str, str]:
    return {"actor": context.actor.key, "correlation_id": context.correlation_id}


def _headers(filename: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", b"text/csv; charset=utf-8; header=present"),
        (b"content-disposition", f'attachment; filename="{filename}"'.encode()),
        (b"x-accel-buffering", b"no"),
    ]
