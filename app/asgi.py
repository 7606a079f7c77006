"""The API process: both GraphQL endpoints, GraphiQL, health."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

import schema
from app.auth import Access, Door
from app.context import context_factory
from app.desk import access_for, opened_desk
from app.documents import TrustedDocuments
from app.draw_exports import draw_export_routes
from app.exports import Exports
from app.graphiql import IdeEndpoint, graphiql_routes
from app.graphql_engine import Policy, Preparing
from app.graphql_http import ContextFactory, GraphQLApplication, graphql_routes
from app.health import health_routes
from app.limits import Audience
from app.play_exports import play_export_routes
from app.ready_queries import MEMBER_QUERIES, STAFF_QUERIES
from app.security import SecureResponses
from app.settings import Settings
from app.transparency import transparency_routes
from app.verifiers import verifier_routes
from app.wiring import following_policies, open_work, opened_database, sharing_flushes
from gamification.core.actors import Actor
from gamification.orders.quotes import Quotes
from schema.admin.root import schema as admin_schema
from schema.context import Context
from schema.root import schema as member_schema
from schema.screens import screens_of

MEMBER_PATH = "/graphql"
ADMIN_PATH = "/admin/graphql"
GRAPHIQL_PATH = "/graphiql"
DOCUMENTS = Path(schema.__file__).parent / "documents"
ADMIN_BODY_BYTES_MAX = 2_000_000
IDE_ENDPOINTS = (
    IdeEndpoint("member", "会员 Member", MEMBER_PATH, MEMBER_QUERIES, holder="member"),
    IdeEndpoint("staff", "员工 Staff", ADMIN_PATH, STAFF_QUERIES, holder="owner"),
)


@dataclass
class Doors:
    """The context factories of both endpoints, who knows the sessions, and what trusted operations read ahead.

    All of it exists once the process has started.
    """

    factories: dict[Door, ContextFactory]
    access: Access | None = None
    preparing: dict[str, Preparing] = field(default_factory=dict)

    def at(self, door: Door) -> ContextFactory:
        """A factory that may be handed out before the start."""

        def make(headers: Mapping[str, str], parameters: Mapping[str, Any] | None) -> Awaitable[Context]:
            return self.factories[door](headers, parameters)

        return make

    async def still_holds(self, actor: Actor) -> bool:
        """Whether a caller's session goes on."""
        return self.access is not None and await self.access.still_holds(actor)


def create_app(settings: Settings | None = None) -> SecureResponses:
    """The ASGI application of one process."""
    settings = settings or Settings()
    doors = Doors({})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(opened_database(settings, "web"))
            work = await open_work(settings)
            access = doors.access = access_for(settings, work)
            quotes = Quotes(settings.quote_key.get_secret_value())
            desk = await stack.enter_async_context(opened_desk(settings, work, access))
            await stack.enter_async_context(following_policies(work))
            await stack.enter_async_context(sharing_flushes(settings, work))
            for door in ("member", "staff"):
                doors.factories[door] = context_factory(work, desk, quotes, access, door)
            doors.preparing.update((name, screen.prepare) for name, screen in screens_of(work).items())
            yield

    local = settings.environment == "local"
    routes = [
        *graphql_routes(
            member_schema,
            MEMBER_PATH,
            doors.at("member"),
            documents=TrustedDocuments.load(DOCUMENTS, member_schema._schema),
            policy=member_policy(settings),
            preparing=doors.preparing,
        ),
        *graphql_routes(admin_schema, ADMIN_PATH, doors.at("staff"), policy=staff_policy(settings)),
        *health_routes(),
        *transparency_routes(),
        *draw_export_routes(),
        *play_export_routes(doors.at("member")),
        *verifier_routes(),
        *Exports(doors.at("staff"), doors.still_holds).routes(),
        *(graphiql_routes(GRAPHIQL_PATH, IDE_ENDPOINTS, settings.graphiql_tokens_file) if local else ()),
    ]
    return SecureResponses(GraphQLApplication(routes, lifespan), https=not local)


def member_policy(settings: Settings) -> Policy:
    """Members may look at the schema locally only; in allow-list mode they send trusted documents only."""
    callers: frozenset[Audience] = frozenset({"anonymous", "member"})
    return Policy(
        introspection=callers if settings.environment == "local" else frozenset(),
        documents_only=callers if settings.documents_only else frozenset(),
        seconds_max=settings.request_timeout_seconds,
        execution=settings.execution,
    )


def staff_policy(settings: Settings) -> Policy:
    """Staff may look at the schema; anonymous callers may locally, so that GraphiQL opens before signing in."""
    anonymous: set[Audience] = {"anonymous"} if settings.environment == "local" else set()
    return Policy(
        introspection=frozenset({"staff", *anonymous}),
        body_bytes_max=ADMIN_BODY_BYTES_MAX,
        seconds_max=settings.request_timeout_seconds,
        execution=settings.execution,
    )
