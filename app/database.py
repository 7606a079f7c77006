"""PostgreSQL: the engine that the ORM runs on, and its configuration.

The engine closes two leaks of the stock one. A pooled connection is returned whatever happens to BEGIN, and the task
sees a transaction only after BEGIN succeeded and never after it ended. Pooled connections are not reset between uses
(115 µs each), so nothing may set session state on them: no session `SET`, no session advisory lock, no LISTEN.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, cast

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import PoolConnectionWrapper, TransactionContext, TransactionContextPooled
from tortoise.connection import get_connections

from app.settings import Settings
from gamification.core.database import CONNECTION
from gamification.models import MODEL_MODULES

APP = "jifen"
APP_ROLE = "jifen_app"
log = structlog.get_logger(__name__)


class PooledConnection(asyncpg.Connection):
    """A connection that is handed on as it is."""

    def get_reset_query(self) -> str:
        return ""


class Client(AsyncpgDBClient):
    """The ORM's connection: an asyncpg pool over a DSN, with a limit on the wait for a connection."""

    connection_class = PooledConnection  # type: ignore[assignment]

    def __init__(self, dsn: str, acquire_timeout_seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self.dsn = dsn
        self.acquire_timeout_seconds = acquire_timeout_seconds

    async def create_connection(self, with_db: bool) -> None:
        self._pool = await asyncpg.create_pool(
            self.dsn,
            min_size=self.pool_minsize,
            max_size=self.pool_maxsize,
            connection_class=self.connection_class,
            server_settings=self.server_settings,
            **self.extra,
        )
        await self._post_connect()

    async def borrow(self) -> PoolConnectionProxy:
        """A pooled connection for the caller to release. Raises `TimeoutError` when none comes free in time."""
        if self._pool is None:
            async with self._pool_init_lock:
                if self._pool is None:
                    await self.create_connection(with_db=True)
        assert self._pool is not None
        async with asyncio.timeout(self.acquire_timeout_seconds):
            return await self._pool.acquire()

    def acquire_connection(self) -> Any:
        return Borrowed(self, self._pool_init_lock)

    def _in_transaction(self) -> TransactionContext:
        return Transaction(TransactionWrapper(self), self._pool_init_lock)


class Borrowed(PoolConnectionWrapper[PoolConnectionProxy]):
    """One statement's connection, with the limit on the wait."""

    async def __aenter__(self) -> PoolConnectionProxy:
        self.connection = await cast(Client, self.client).borrow()
        return self.connection


class Transaction(TransactionContextPooled):
    """BEGIN … COMMIT on a pooled connection; neither the pool nor the task is left with a dead one."""

    client: TransactionWrapper

    async def __aenter__(self) -> TransactionWrapper:
        self.client._connection = cast(Any, await cast(Client, self.client._parent).borrow())
        try:
            await self.client.begin()
        except BaseException:
            await self._give_back()
            raise
        self.token = get_connections().set(self.connection_name, self.client)
        return self.client

    async def __aexit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        try:
            if self.client._finalized:
                return
            if exc_type is None:
                await self.client.commit()
            else:
                await self._roll_back()
        finally:
            get_connections().reset(self.token)
            await self._give_back()

    async def _roll_back(self) -> None:
        """Roll back; when even that fails, cut the connection: the server rolls back, and the first fault stands."""
        try:
            await self.client.rollback()
        except Exception:  # noqa: BLE001 - whatever it is, the connection is of no more use
            with suppress(asyncpg.InterfaceError):  # the pool has noticed already
                self.client._connection.terminate()

    async def _give_back(self) -> None:
        """Return the connection; a connection too broken to be returned is closed by the pool and replaced."""
        pool: Any = self.client._parent._pool
        try:
            await pool.release(self.client._connection)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as fault:
            log.warning("database.connection_dropped", error=repr(fault))


client_class = Client


def tortoise_config(
    url: str,
    *,
    role: str = "",
    application_name: str = APP,
    pool_min: int = 1,
    pool_max: int = 4,
    acquire_timeout_seconds: float = 2.0,
    statement_timeout_seconds: float = 4.0,
    lock_timeout_seconds: float = 2.0,
    idle_in_transaction_timeout_seconds: float = 5.0,
    statement_cache_size: int = 1024,
) -> dict[str, Any]:
    """The ORM's configuration. A server time-out of 0 is none; `statement_cache_size` 0 is for PgBouncer.

    With `role` the connection drops to it at once: `jifen_app` can neither update nor delete what is append-only.
    """
    server_settings = {
        "application_name": application_name,
        "timezone": "UTC",
        "jit": "off",
        "plan_cache_mode": "force_generic_plan",
        "statement_timeout": _milliseconds(statement_timeout_seconds),
        "lock_timeout": _milliseconds(lock_timeout_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(idle_in_transaction_timeout_seconds),
        **({"role": role} if role else {}),
    }
    credentials = {
        "dsn": url,
        "acquire_timeout_seconds": acquire_timeout_seconds,
        "minsize": pool_min,
        "maxsize": pool_max,
        "statement_cache_size": statement_cache_size,
        "command_timeout": 2 * statement_timeout_seconds or None,
        "server_settings": server_settings,
    }
    return {
        "connections": {CONNECTION: {"engine": __name__, "credentials": credentials}},
        "apps": {APP: {"models": MODEL_MODULES, "default_connection": CONNECTION, "migrations": "migrations"}},
        "use_tz": True,
        "timezone": "UTC",
    }


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


async def database_config(settings: Settings, *, application_name: str = APP, pool_max: int = 0) -> dict[str, Any]:
    """The configuration of a process: from its settings, and with the role only where the server has it."""
    return tortoise_config(
        settings.database_url,
        role=await usable_role(settings.database_url, settings.database_role),
        application_name=application_name,
        pool_min=settings.database_pool_min,
        pool_max=pool_max or settings.database_pool_max,
        acquire_timeout_seconds=settings.acquire_timeout_seconds,
        statement_timeout_seconds=settings.statement_timeout_seconds,
        lock_timeout_seconds=settings.lock_timeout_seconds,
        idle_in_transaction_timeout_seconds=settings.idle_in_transaction_timeout_seconds,
        statement_cache_size=settings.statement_cache_size,
    )


async def usable_role(url: str, role: str = APP_ROLE) -> str:
    """The role when the server has it and this login may become it, else nothing: what `tortoise_config` should get."""
    connection = await asyncpg.connect(url)
    try:
        return role if await may_become(connection, role) else ""
    finally:
        await connection.close()


async def may_become(connection: asyncpg.Connection, role: str) -> bool:
    """Whether the server has the role and this login may become it."""
    privilege = "SET" if connection.get_server_version().major >= 16 else "MEMBER"
    found = await connection.fetchval(
        "SELECT pg_has_role(current_user, oid, $2) FROM pg_roles WHERE rolname = $1", role, privilege
    )
    return bool(found)
