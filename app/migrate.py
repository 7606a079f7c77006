"""The migration runner: applies what a database lacks, each step once, in time that grows with the history's length.

The ORM's own executor copies and finalises every model of the history before each operation, replays the history anew
for each migration, and writes a migration's line in the history after its commit. `History` keeps one state from the
first migration to the last, finalises only models that changed, copies the state only for operations that read it from
before themselves, and commits a migration together with its line.
"""

from __future__ import annotations

import asyncio
import contextvars
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import asyncpg
import structlog
from pypika_tortoise.queries import Table
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext
from tortoise.migrations import operations as ops
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.migration import Migration
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.migrations.schema_editor import AsyncpgSchemaEditor
from tortoise.migrations.schema_generator.state import State
from tortoise.migrations.schema_generator.state_apps import StateApps
from tortoise.models import Model

from app.database import APP, APP_ROLE, may_become, tortoise_config
from gamification.core.database import CONNECTION
from gamification.core.transactions import transaction

MIGRATION_LOCK = 0x6A6966656E  # "jifen"
MIGRATION_LOCK_TIMEOUT_SECONDS = 10.0
log = structlog.get_logger(__name__)

FORWARD_ONLY = frozenset(
    {
        ops.CreateModel,
        ops.AddField,
        ops.AddIndex,
        ops.AddConstraint,
        ops.AlterModelOptions,
        ops.CreateSchema,
        ops.DropSchema,
        ops.RunSQL,
        ops.RunPython,
    }
)
"""Operations that read only the state after themselves, or leave it as it was; a subclass may do otherwise."""


async def migrate(url: str) -> list[str]:
    """Apply the migrations that are missing and return their names; safe to start twice at once.

    An advisory lock on a connection of its own lets one runner through at a time. Each migration and its line in the
    history commit together, so that a crash repeats none; only those marked `atomic = False` cannot promise that.
    Runs in an empty context: an ORM that the caller has open is not touched.
    """
    return await asyncio.create_task(_migrate(url), context=contextvars.Context())


async def _migrate(url: str) -> list[str]:
    lock = await asyncpg.connect(url)
    try:
        await lock.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        applied = await _apply_missing(url)
        if not await may_become(lock, APP_ROLE):
            log.warning(
                "database.role_missing", role=APP_ROLE, effect="append-only tables are guarded by triggers only"
            )
        return applied
    finally:
        await lock.close()


async def _apply_missing(url: str) -> list[str]:
    config = tortoise_config(
        url,
        application_name=f"{APP} migrate",
        pool_max=2,
        acquire_timeout_seconds=30,
        statement_timeout_seconds=0,
        lock_timeout_seconds=MIGRATION_LOCK_TIMEOUT_SECONDS,
        idle_in_transaction_timeout_seconds=0,
    )
    async with TortoiseContext() as context:
        await context.init(config=config, init_connections=False)
        return await History(get_connection(CONNECTION), config["apps"]).apply_missing()


class HistoricalModels(StateApps):
    """The models as they were at some point of the history, each ready for queries, finalised once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._finalised: dict[tuple[str, str], tuple[type[Model], int]] = {}

    def _build_initial_querysets(self) -> None:
        for label, models in self.apps.items():
            for name, model in models.items():
                # A relation that another model declares adds a field to this class without replacing it.
                version = (model, len(model._meta.fields_map))
                if model._meta._inited and self._finalised.get((label, name)) != version:
                    self._finalise(model)
                    self._finalised[label, name] = version

    def _finalise(self, model: type[Model]) -> None:
        meta: Any = model._meta
        meta.finalise_model()
        meta.basetable = Table(name=meta.db_table, schema=meta.schema)
        meta.basequery = meta.db.query_class.from_(meta.basetable)
        meta.basequery_all_fields = meta.basequery.select(*meta.db_fields)


class History(MigrationExecutor):
    """Brings one database forward; what is not overridden (reading files, ordering them) is the ORM's own."""

    async def apply_missing(self) -> list[str]:
        """Apply every migration that has no line in the database, in order, and return their names."""
        await self.recorder.ensure_schema(AsyncpgSchemaEditor(self.connection, atomic=False))
        missing = [step.migration for step in await self.plan()]
        if missing:
            state = await self._project_state(set(await self.recorder.applied_migrations()))
            for migration in missing:
                await self._apply(migration, state)
        return [migration.name for migration in missing]

    async def _project_state(self, applied: set[MigrationKey], *, upto: MigrationKey | None = None) -> State:
        """The state that the applied migrations lead to, from their files alone."""
        connections = {label: app["default_connection"] for label, app in self.loader.apps_config.items()}
        state = State(models={}, apps=HistoricalModels(default_connections=connections))
        for key in self._full_plan():
            if key == upto:
                break
            migration = self.loader.graph.nodes[key]
            if key in applied and migration is not None:
                await migration.apply(state, dry_run=True)
        return state

    async def _apply(self, migration: Migration, state: State) -> None:
        async with self._scope(migration.atomic) as connection:
            for operation in migration.operations:
                before = state if type(operation) in FORWARD_ONLY else state.clone()
                operation.state_forward(migration.app_label, state)
                state.validate_relations_initialized()  # else a key to a table that comes later is left out silently
                async with self._scope(bool(operation.atomic), connection) as own:
                    editor = AsyncpgSchemaEditor(own, atomic=migration.atomic)
                    await operation.database_forward(migration.app_label, before, state, editor)
            await MigrationRecorder(connection).record_applied(migration.app_label, migration.name)

    def _scope(
        self, atomic: bool, outer: BaseDBAsyncClient | None = None
    ) -> AbstractAsyncContextManager[BaseDBAsyncClient]:
        """A transaction (inside another one a savepoint), or the connection as it is."""
        return transaction() if atomic else nullcontext(outer or self.connection)
