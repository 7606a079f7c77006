"""What the documents say is there, is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from app.__main__ import main
from app.export_columns import entry_columns
from app.local.endpoints import Endpoints, Tokens
from app.local.stores import Stores
from app.settings import Settings
from gamification.core.calendar import Calendar
from gamification.points.explanations import RULES
from gamification.points.models import KINDS
from tests.docs.pages import FRONT, PAGES, ROOT, blocks, dead_links, headings, missing_files, name_of, table_rows

SETTING = r"`[A-Z][A-Z_]+`"
CALLED = re.compile(r"(?:\./run|python -m app) ([a-z][a-z-]*)")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_and_every_named_file_leads_somewhere(page: Path) -> None:
    """Each page links to files that exist, and every path that its prose names exists."""
    assert dead_links(page) == []
    assert missing_files(page) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_to_a_place_finds_its_heading(page: Path) -> None:
    """A link with a `#` names a heading of the page that it leads to."""
    for target, place in re.findall(r"\]\(([^)\s:]*)#([^)\s]+)\)", page.read_text("utf-8")):
        assert place in headings(page.parent / target if target else page), f"{target}#{place}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_named_exists(page: Path) -> None:
    """`./run X` and `python -m app X` are commands of the program."""
    named = set(CALLED.findall(page.read_text("utf-8")))
    assert named - {*main.commands, "test", "bench"} == set()


@pytest.mark.parametrize("page", [ROOT / name for name in FRONT], ids=name_of)
def test_the_readme_names_every_setting_with_its_default(page: Path) -> None:
    """The configuration table has one row for each setting, in order, with the default that the code has."""
    rows = [(row[0].strip("`"), row[1].strip("`")) for row in table_rows(page, SETTING)]
    assert rows == [(name.upper(), default_of(field)) for name, field in Settings.model_fields.items()]


def default_of(field: Any) -> str:
    """A default as the table writes it: – where there is none to fall back to."""
    value = field.default
    if value is PydanticUndefined:
        return "–"
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if hasattr(value, "total_seconds"):
        return f"PT{int(value.total_seconds())}S"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


@pytest.mark.parametrize("page", [ROOT / name for name in FRONT], ids=name_of)
def test_the_readme_shows_what_run_prints(page: Path) -> None:
    """The sample of the start is what the program prints for such addresses and tokens."""
    (sample,) = blocks(page, "text")
    stores = Stores("postgres://postgres:…@127.0.0.1:41123/postgres", "redis://:…@127.0.0.1:41124/0")
    tokens = Tokens(member="eyJ…", owner="eyJ…", cashier="eyJ…", integration="jfi_…")
    endpoints = Endpoints.at("http://127.0.0.1:8000", stores, tokens)
    assert sample.text == "\n".join(["Jifen is serving. Ctrl-C stops everything.", "", *endpoints.lines(), ""])


def test_every_column_of_the_exported_file_is_documented() -> None:
    """The page on statements says of each column of `entries.csv` what it holds, in the order of the file."""
    headings = [column.heading for column in entry_columns(Calendar(), "en")]
    rows = table_rows(ROOT / "docs" / "statements.md", r"`[a-z_]+`(, `[a-z_]+`)*")
    documented = [name for row in rows if len(row) == 2 for name in re.findall(r"`([a-z_]+)`", row[0])]
    assert [name for name in documented if name in headings] == headings


def test_every_kind_and_every_rule_of_the_ledger_is_documented() -> None:
    """The page on statements has each kind of entry and each rule of a trace in its tables."""
    page = (ROOT / "docs" / "statements.md").read_text("utf-8")
    assert [name for name in [*KINDS, *RULES] if f"`{name}`" not in page] == []


def test_the_architecture_shows_the_layers_of_the_product() -> None:
    """The picture of the slices is the contract of pyproject.toml, from the highest layer to the lowest."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each.get("containers") == ["gamification"]]
    lists = {"invariants", "jobs", "models"}
    slices = [layer for layer in layers if not lists & set(layer.split(" | "))]
    assert f"```\n{chr(10).join(slices)}\n```" in (ROOT / "docs" / "ARCHITECTURE.md").read_text("utf-8")


def test_every_decision_has_a_number_of_its_own() -> None:
    """Decision records are numbered 0001, 0002 … without gaps, and begin with their number."""
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [record.name[:4] for record in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    assert all(record.read_text("utf-8").startswith(f"# {record.name[:4]} ") for record in records)


def test_both_readmes_hold_the_same_code() -> None:
    """The Chinese README has the very blocks of the English one, in their order."""
    english, chinese = ([(block.language, block.text) for block in blocks(ROOT / name)] for name in FRONT)
    assert english == chinese
