"""Test databases: made from the migrated template, emptied and used again, thrown away when a test changed their shape.

Copying the template takes some hundred files; emptying takes one statement. What a test may leave behind is rows only:
a fingerprint of the catalogue is compared, and a database that differs is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from app.database import APP_ROLE, tortoise_config

SHAPE = """
SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (
    SELECT 'r' || c.relname || c.relkind::text || c.relnatts::text || coalesce(c.relacl::text, '') AS line
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT 't' || tgname || tgenabled::text FROM pg_trigger
    UNION ALL SELECT 'c' || conname || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'f' || proname || md5(prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace) AS shape
"""
EMPTY = """DO $do$ DECLARE name text; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                AND relname <> 'tortoise_migrations' LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', name);
    END LOOP;
END $do$"""
END_OTHERS = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@dataclass(frozen=True, slots=True)
class Database:
    """A test's own database: its address for the owner, and the ORM's configuration for the application's role."""

    name: str
    url: str

    def config(self, **options: Any) -> dict[str, Any]:
        """The configuration for a further process or a pool of another size."""
        return tortoise_config(self.url, **{"role": APP_ROLE, **options})


class Shelf:
    """The databases that are free for the next test of this process."""

    def __init__(self) -> None:
        self._free: list[Database] = []
        self._shape: str | None = None

    async def take(self, server: asyncpg.Connection, template: str, name: str, url: str) -> Database:
        """An empty, migrated database: a used one where there is one, else a new copy of the template."""
        if self._free:
            return self._free.pop()
        await server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        if self._shape is None:
            self._shape = await _shape_of(url)
        return Database(name, url)

    async def give_back(self, server: asyncpg.Connection, database: Database) -> None:
        """Empty a database for the next test; drop one that has another shape than the template."""
        if await _emptied(database.url, self._shape):
            self._free.append(database)
        else:
            await server.execute(f"DROP DATABASE {database.name} WITH (FORCE)")

    async def clear(self, server: asyncpg.Connection) -> None:
        """Drop what is left."""
        while self._free:
            await server.execute(f"DROP DATABASE {self._free.pop().name} WITH (FORCE)")


async def _shape_of(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval(SHAPE))
    finally:
        await connection.close()


async def _emptied(url: str, shape: str | None) -> bool:
    connection = await asyncpg.connect(url)
    try:
        await connection.fetchval(END_OTHERS)
        if await connection.fetchval(SHAPE) != shape:
            return False
        await connection.execute(EMPTY)
        return True
    except (asyncpg.PostgresError, OSError):
        return False
    finally:
        await connection.close()
