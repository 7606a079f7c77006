"""The migration runner: the same database as the ORM's own executor, in work that grows with the history's length."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent, indent
from typing import Any
from unittest.mock import Mock, create_autospec

import asyncpg
import pytest
from tortoise.connection import get_connection
from tortoise.context import TortoiseContext
from tortoise.migrations import operations as ops
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.schema_generator.state import State

from app.database import APP, tortoise_config
from app.migrate import FORWARD_ONLY, HistoricalModels, History, migrate
from gamification.core.database import CONNECTION

HEAD = """
from tortoise import fields, migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint
"""

SHOPS = """
ops.CreateModel(
    name="Shop",
    fields=[
        ("id", fields.IntField(primary_key=True)),
        ("code", fields.CharField(max_length=20)),
        ("floor", fields.IntField(null=True)),
        ("area", fields.IntField(null=True)),
    ],
    options={"table": "shop", "app": "jifen", "pk_attr": "id"},
    bases=["Model"],
),
"""
SHELF = """
ops.CreateModel(
    name="Shelf",
    fields=[
        ("id", fields.IntField(primary_key=True)),
        ("shop", fields.ForeignKeyField("jifen.Shop", related_name="shelves")),
        ("label", fields.CharField(max_length=10)),
    ],
    options={"table": "shelf", "app": "jifen", "pk_attr": "id"},
    bases=["Model"],
),
"""
GUARDS = """
ops.AddIndex("Shop", Index(fields=["floor"], name="shop_by_floor")),
ops.AddIndex("Shop", Index(fields=["area"], name="shop_by_area")),
ops.AddConstraint("Shop", UniqueConstraint(fields=("code",), name="shop_code_unique")),
ops.AddConstraint("Shop", CheckConstraint(name="shop_area_positive", check="area > 0")),
ops.RunSQL("INSERT INTO shop (id, code, floor, area) VALUES (1, 'a', 7, 90)"),
"""
CHANGES = """
ops.AddField("Shop", "staff", fields.IntField(db_default=3)),
ops.AlterField("Shop", "code", fields.CharField(max_length=40)),
ops.AlterField("Shop", "floor", fields.BigIntField(db_default=1)),
ops.RenameField("Shop", "area", "square_metres"),
ops.AddField("Shop", "manager", fields.CharField(max_length=5, null=True)),
ops.RunPython(open_second_shop),
ops.RemoveField("Shop", "manager"),
ops.RenameIndex("Shop", "shop_by_storey", old_name="shop_by_floor"),
ops.RemoveIndex("Shop", "shop_by_area"),
ops.RenameConstraint("Shop", "shop_code_unique", "shop_code_once"),
ops.RemoveConstraint("Shop", "shop_area_positive"),
"""
OPEN_SECOND_SHOP = """
async def open_second_shop(models, editor):
    shop = models.get_model("jifen.Shop")
    opened = await shop.create(id=2, code="b", floor=2, square_metres=(await shop.get(code="a")).square_metres * 2)
    await models.get_model("jifen.Shelf").create(id=5, shop=opened, label="top")
    assert [shelf.label for shelf in await opened.shelves.all()] == ["top"]
"""
ENDS = """
ops.CreateModel(
    name="Poster",
    fields=[("id", fields.IntField(primary_key=True))],
    options={"table": "poster", "app": "jifen", "pk_attr": "id"},
    bases=["Model"],
),
ops.AlterModelOptions("Shop", {"table_description": "Where members shop."}),
ops.RenameModel("Poster", "Leaflet"),
ops.DeleteModel("Leaflet"),
"""
COLUMNS = """SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
               FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
CONSTRAINTS = """SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
                  WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1"""

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes one step of a history of the test's own, the package `history_of_test`."""
    package = tmp_path / "history_of_test"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a step rewritten within a second would run its old bytecode

    def write_step(name: str, operations: str, *, after: str = "", head: str = "", atomic: bool = True) -> None:
        sys.modules.pop(f"history_of_test.{name}", None)
        body = f"    atomic = {atomic}\n    dependencies = {[(APP, after)] if after else []}\n    operations = [\n"
        body += indent(dedent(operations), " " * 8) + "    ]\n"
        (package / f"{name}.py").write_text(f"{HEAD}{head}\nclass Migration(migrations.Migration):\n{body}")

    yield write_step
    for module in [name for name in sys.modules if name.split(".")[0] == "history_of_test"]:
        del sys.modules[module]


APPS: dict[str, dict[str, Any]] = {APP: {"default_connection": CONNECTION, "migrations": "history_of_test"}}


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Any]:
    """The ORM on a database, without tables of its own."""
    async with TortoiseContext() as context:
        await context.init(config=tortoise_config(url, statement_timeout_seconds=0), init_connections=False)
        yield get_connection(CONNECTION)


async def run(url: str) -> list[str]:
    """What the runner applies of the test's history."""
    async with opened(url) as connection:
        return await History(connection, APPS).apply_missing()


async def answers(url: str, *statements: str) -> list[list[tuple[Any, ...]]]:
    side = await asyncpg.connect(url)
    try:
        return [[tuple(row) for row in await side.fetch(statement)] for statement in statements]
    finally:
        await side.close()


def write_everything(write: Write) -> None:
    write("0001_shops", SHOPS + SHELF)
    write("0002_guards", GUARDS, after="0001_shops")
    write("0003_changes", CHANGES, after="0002_guards", head=OPEN_SECOND_SHOP)
    write("0004_ends", ENDS, after="0003_changes")


@pytest.fixture
async def second_database(empty_database: str, server: asyncpg.Connection) -> AsyncIterator[str]:
    """Another database without tables."""
    name = empty_database.rpartition("/")[2] + "_second"
    await server.execute(f"CREATE DATABASE {name}")
    yield empty_database + "_second"
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def test_every_operation_does_what_the_orms_own_executor_does(
    empty_database: str, second_database: str, write: Write
) -> None:
    """Fields, indexes, constraints and models added, altered, renamed, removed: both executors agree on the schema."""
    write_everything(write)
    await run(empty_database)
    async with opened(second_database) as connection:
        await MigrationExecutor(connection, APPS).migrate()
    ours = await answers(empty_database, COLUMNS, INDEXES, CONSTRAINTS)
    assert ours == await answers(second_database, COLUMNS, INDEXES, CONSTRAINTS)
    columns, indexes, constraints = ours
    assert [column[1:5] for column in columns if column[0] == "shop"] == [
        ("code", "character varying", 40, "NO"),
        ("floor", "bigint", None, "NO"),
        ("id", "integer", None, "NO"),
        ("square_metres", "integer", None, "YES"),
        ("staff", "integer", None, "NO"),
    ]
    assert {column[0] for column in columns} == {"shelf", "shop", "tortoise_migrations"}
    assert {"shop_by_storey", "shop_code_once"} <= {name for name, _ in indexes}
    assert not {"shop_by_floor", "shop_by_area", "shop_code_unique"} & {name for name, _ in indexes}
    assert "shop_area_positive" not in {name for name, _ in constraints}


async def test_rows_survive_and_historical_models_can_be_queried(empty_database: str, write: Write) -> None:
    """Rows written before a rename are there after it; Python steps see the models of their point in the history."""
    write_everything(write)
    assert await run(empty_database) == ["0001_shops", "0002_guards", "0003_changes", "0004_ends"]
    shops, shelves = await answers(
        empty_database,
        "SELECT id, code, floor, square_metres, staff FROM shop ORDER BY id",
        "SELECT id, shop_id, label FROM shelf",
    )
    assert shops == [(1, "a", 7, 90, 3), (2, "b", 2, 180, 3)]
    assert shelves == [(5, 2, "top")]


async def test_a_later_run_starts_from_the_files_of_what_is_applied(empty_database: str, write: Write) -> None:
    """Step by step, each in a run of its own, leads where one run leads; a run with nothing to do does nothing."""
    write("0001_shops", SHOPS + SHELF)
    assert await run(empty_database) == ["0001_shops"]
    write("0002_guards", GUARDS, after="0001_shops")
    assert await run(empty_database) == ["0002_guards"]
    write("0003_changes", CHANGES, after="0002_guards", head=OPEN_SECOND_SHOP)
    assert await run(empty_database) == ["0003_changes"]
    assert await run(empty_database) == []
    assert await answers(empty_database, "SELECT id, staff FROM shop ORDER BY id") == [[(1, 3), (2, 3)]]


async def test_a_migration_that_fails_leaves_nothing_and_can_be_run_again(empty_database: str, write: Write) -> None:
    """What came before it stays applied; its own operations and its line in the history are gone together."""
    write("0001_shops", SHOPS + SHELF)
    write("0002_broken", GUARDS + 'ops.RunSQL("SELECT 1 / 0"),\n', after="0001_shops")
    with pytest.raises(Exception, match="division by zero"):
        await run(empty_database)
    history = "SELECT name FROM tortoise_migrations"
    assert await answers(empty_database, history, "SELECT * FROM shop") == [[("0001_shops",)], []]
    write("0002_broken", GUARDS, after="0001_shops")
    assert await run(empty_database) == ["0002_broken"]
    assert await answers(empty_database, "SELECT code FROM shop") == [[("a",)]]


async def test_a_migration_outside_transactions_keeps_what_it_did_but_has_no_line_until_its_end(
    empty_database: str, write: Write
) -> None:
    """`atomic = False` allows CREATE INDEX CONCURRENTLY; an operation marked atomic still has its own transaction."""
    write("0001_shops", SHOPS + SHELF)
    halves = """ops.RunSQL(["DROP INDEX IF EXISTS l", "CREATE INDEX CONCURRENTLY l ON shop (floor)"]),
ops.RunSQL(["INSERT INTO shop (id, code) VALUES (8, 'x')", "SELECT 1 / {divisor}"], atomic=True),
"""
    write("0002_later", halves.format(divisor=0), after="0001_shops", atomic=False)
    with pytest.raises(Exception, match="division by zero"):
        await run(empty_database)
    asked = ("SELECT name FROM tortoise_migrations", "SELECT id FROM shop", "SELECT 1 FROM pg_class WHERE relname='l'")
    assert await answers(empty_database, *asked) == [[("0001_shops",)], [], [(1,)]]
    write("0002_later", halves.format(divisor=1), after="0001_shops", atomic=False)
    assert await run(empty_database) == ["0002_later"]
    assert await answers(empty_database, *asked) == [[("0001_shops",), ("0002_later",)], [(8,)], [(1,)]]


async def test_a_key_to_a_table_that_comes_later_is_refused(empty_database: str, write: Write) -> None:
    """The ORM's own executor would leave the column out without a word."""
    write("0001_shops", SHELF + SHOPS)
    with pytest.raises(RuntimeError, match=r"uninitialized relations .* jifen\.Shelf"):
        await run(empty_database)
    assert await answers(empty_database, "SELECT name FROM tortoise_migrations") == [[]]


def count_calls(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> Mock:
    """Let the method work as it does, and count."""
    spy: Mock = create_autospec(getattr(owner, name), side_effect=getattr(owner, name))
    monkeypatch.setattr(owner, name, spy)
    return spy


async def test_the_work_grows_with_the_number_of_operations(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The product's own history is copied only for who reads the past; besides what a copy holds, a model is finalised
    only when it changed."""
    finalise = count_calls(monkeypatch, HistoricalModels, "_finalise")
    clone = count_calls(monkeypatch, State, "clone")
    names = await migrate(empty_database)
    modules = [sys.modules[f"migrations.{name}"] for name in names]
    operations = [operation for module in modules for operation in module.Migration.operations]
    copies = sum(type(operation) not in FORWARD_ONLY for operation in operations)
    models = sum(isinstance(operation, ops.CreateModel) for operation in operations)
    assert clone.call_count == copies
    assert 0 < finalise.call_count <= len(operations) + copies * models
