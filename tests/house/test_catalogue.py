"""Models, migrations and the database say the same: the ORM drops constraints silently, so the catalogue is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tortoise.context import TortoiseContext, require_context
from tortoise.indexes import Index
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
from tortoise.migrations.schema_generator.operation_generator import OperationGenerator
from tortoise.migrations.schema_generator.state import State
from tortoise.models import Model

from app.database import APP
from gamification.models import MODEL_MODULES
from tests.databases import Database

ROOT = Path(__file__).parents[2]

CONSTRAINTS = """SELECT conrelid::regclass::text AS place, conname AS name, contype::text AS kind
                   FROM pg_constraint WHERE connamespace = 'public'::regnamespace"""
INDEXES = """SELECT index.indrelid::regclass::text AS place, index.indexrelid::regclass::text AS name, indisunique,
                    indpred IS NOT NULL AS partial,
                    ARRAY(SELECT pg_get_indexdef(indexrelid, column_number, true)
                            FROM generate_series(1, indnkeyatts) AS column_number) AS columns
               FROM pg_index index JOIN pg_class c ON c.oid = indrelid
              WHERE c.relnamespace = 'public'::regnamespace"""
COLUMNS = """SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS required
               FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"""


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.url)
    yield connection
    await connection.close()


def models() -> list[type[Model]]:
    apps = require_context().apps
    assert apps is not None
    return list(apps[APP].values())


def columns_of(model: type[Model], names: Any) -> list[str]:
    return [model._meta.fields_db_projection.get(name, name) for name in names]


def test_every_slices_models_are_listed() -> None:
    """A table that no list names would exist in no migration and in no test of this file."""
    found = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in ROOT.glob("gamification/*/models.py")}
    assert set(MODEL_MODULES) == found


async def test_every_declared_constraint_exists(owner: asyncpg.Connection) -> None:
    """Each CHECK and UNIQUE of each model is in the catalogue under its name, on its table, over its columns."""
    catalogue = {(row["place"], row["name"]): row["kind"] for row in await owner.fetch(CONSTRAINTS)}
    indexes = {(row["place"], row["name"]): row for row in await owner.fetch(INDEXES)}
    wrong = []
    for model in models():
        for constraint in model._meta.constraints or ():
            place = (model._meta.db_table, str(constraint.name))
            if isinstance(constraint, CheckConstraint):
                right = catalogue.get(place) == "c"
            else:
                assert isinstance(constraint, UniqueConstraint)
                index = indexes.get(place)
                right = (
                    index is not None
                    and index["indisunique"]
                    and index["partial"] == (constraint.condition is not None)
                    and unquoted(index["columns"]) == columns_of(model, constraint.fields)
                )
            if not right:
                wrong.append(place)
    assert wrong == []


async def test_every_declared_index_exists(owner: asyncpg.Connection) -> None:
    """Each index of each model is in the catalogue under its name, on its table, over its columns, partial or not."""
    indexes = {(row["place"], row["name"]): row for row in await owner.fetch(INDEXES)}
    wrong = []
    for model in models():
        for index in model._meta.indexes or ():
            assert isinstance(index, Index) and index.name, f"{model.__name__} declares an index without a name"
            found = indexes.get((model._meta.db_table, index.name))
            if (
                found is None
                or found["partial"] != (" WHERE " in (index.extra or ""))
                or (index.fields and unquoted(found["columns"]) != columns_of(model, index.fields))
            ):
                wrong.append((model._meta.db_table, index.name))
    assert wrong == []


def unquoted(columns: list[str]) -> list[str]:
    return [column.strip('"') for column in columns]


async def test_every_field_has_its_column(owner: asyncpg.Connection) -> None:
    """Each field of each model has a column of the declared type that allows NULL exactly where the field does."""
    wrong = []
    for model in models():
        actual = {
            row["name"]: (row["type"], row["required"]) for row in await owner.fetch(COLUMNS, model._meta.db_table)
        }
        declared = {
            column: (model._meta.fields_map[name].get_for_dialect("postgres", "SQL_TYPE"), model._meta.fields_map[name])
            for name, column in model._meta.fields_db_projection.items()
        }
        listed = ", ".join(f'"{column}" {sql_type}' for column, (sql_type, _) in declared.items())
        await owner.execute(f"CREATE TEMP TABLE declared ({listed})")
        types = {row["name"]: row["type"] for row in await owner.fetch(COLUMNS, "pg_temp.declared")}
        await owner.execute("DROP TABLE declared")
        for column, (_, field) in declared.items():
            expected = (types[column], not field.null)
            if actual.get(column) != expected:
                wrong.append((model._meta.db_table, column, expected, actual.get(column)))
    assert wrong == []


async def test_models_and_migrations_agree(database: Database) -> None:
    """The autodetector would write no migration. Descriptions are left out: prose may change without one."""
    config = database.config()
    async with TortoiseContext() as context:
        await context.init(config=config, init_connections=False)
        assert context.apps is not None
        detector = MigrationAutodetector(context.apps, config["apps"])
        await detector.loader.build_graph()
        written, declared = await detector._project_state(), detector._current_state()
        for state in (written, declared):
            leave_out_descriptions(state)
        operations = OperationGenerator(written, declared).generate(app_labels=[APP])
        assert [operation.describe() for operation in operations] == []


def leave_out_descriptions(state: State) -> None:
    for model in state.models.values():
        model.description = ""
        model.options.pop("table_description", None)
        for field in model.fields.values():
            field.description = None


async def test_the_history_is_one_chain(owner: asyncpg.Connection) -> None:
    """Every migration on disk is applied, each after the one before it in name."""
    on_disk = sorted(file.stem for file in (ROOT / "migrations").glob("[0-9]*.py"))
    applied = [row["name"] for row in await owner.fetch("SELECT name FROM tortoise_migrations ORDER BY id")]
    assert applied == on_disk
