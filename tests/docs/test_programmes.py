"""The page on programmes as a newcomer follows it: from a migrated, empty database to points, and on to a file."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from app.local.endpoints import Tokens
from app.local.secrets import NAMES
from app.local.stores import Stores
from app.settings import Settings
from tests.conftest import database_url
from tests.docs.conftest import serving, settings_on
from tests.docs.pages import ROOT, Block, blocks
from tests.docs.served import Served, expected_refusals, variable_names

PAGE = ROOT / "docs" / "programmes.md"
PASSWORD = "correct horse battery staple"
LAUNCH = """
import contextlib, os
import app.local.programme as local
local.tool_settings = lambda **options: contextlib.nullcontext(local.settings_from(os.environ))
from app.__main__ import main
main(prog_name="run")
"""
"""`python -m app` on the test's database, instead of the one that belongs to the checkout."""
NOBODYS = Tokens(member="", owner="", cashier="", integration="")
KINDS = ["POINTS", "DEDUCTION", "EARNING", "TIERS", "BENEFITS", "RULES", "CHECK_INS", "DRAWS", "ADJUSTMENTS"]


@pytest.fixture
async def empty(stores: Stores, server: asyncpg.Connection, template: str, redis_url: str) -> AsyncIterator[Settings]:
    """Settings on a database with every migration and not one row."""
    name = f"newcomer_{os.getpid()}"
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield settings_on(stores, name, redis_url)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def surroundings(stores: Stores, empty: Settings) -> Mapping[str, str]:
    """What the commands of the page are told by their environment."""
    keys = {key: f"{number:02x}" * 32 for number, key in enumerate(NAMES, start=1)}
    offset = f"PT{int(empty.clock_offset.total_seconds())}S"
    given = {"DATABASE_URL": database_url(stores, f"newcomer_{os.getpid()}"), "REDIS_URL": stores.redis_url}
    return {**keys, **given, "CLOCK_OFFSET": offset, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


async def run(surroundings: Mapping[str, str], folder: Path, *arguments: str) -> str:
    """A command of the page, which succeeds; returns what it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", LAUNCH, *arguments, cwd=folder, env=surroundings,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return told.decode()


async def send(served: Served, block: Block) -> Mapping[str, Any]:
    """Send a block of the page; it is refused as it says, or not at all."""
    variables = {name: served.at("exportProgramme.document") for name in variable_names(block)}
    data = await served.send(block, variables)
    refused = [value["code"] for value in data.values() if isinstance(value, dict) and "code" in value]
    assert refused == expected_refusals(block), f"{block.place}: {data}"
    for token, name in (("owner", "OWNER_TOKEN"), ("integration", "TILL_TOKEN")):
        served.tokens = replace(served.tokens, **{token: served.names.get(name, "")})
    return data


async def test_a_newcomer_follows_the_page(empty: Settings, surroundings: Mapping[str, str], tmp_path: Path) -> None:
    """Owner, preset, till, file, preview and own figures, with the figures that the page names; then the file."""
    commands = "\n".join(block.text for block in blocks(PAGE, "sh"))
    assert "./run create-owner chen" in commands and "./run import-orders orders.csv" in commands
    await run(surroundings, tmp_path, "create-owner", "chen", "--password", PASSWORD)
    (sample,) = re.findall(r"<<'CSV'\n(.*?)^CSV$", commands, re.DOTALL | re.MULTILINE)
    (tmp_path / "orders.csv").write_text(sample)
    answers = []
    async with serving(empty) as client:
        served = Served(client, NOBODYS)
        for block in blocks(PAGE, "graphql"):
            if "previewOrder" in block.text:
                told = await run(surroundings, tmp_path, "import-orders", "orders.csv")
                assert "points   200 accrued, 0 revoked" in told
            answers.append(await send(served, block))
    _, previewed, published, _, cup, own, exported, imported, wrong = answers
    assert [each["kind"] for each in previewed["publishPreset"]["published"]] == KINDS
    assert previewed["publishPreset"]["isPreview"] is True
    assert [each["version"] for each in published["publishPreset"]["published"]] == [1] * len(KINDS)
    assert cup["previewOrder"]["points"] == 360 + 20 + 180
    assert [(each["code"], each["points"]) for each in cup["previewOrder"]["rules"][:2]] == [
        ("BEANS", 180), ("EARLY_BIRD", 20),
    ]  # fmt: skip
    assert own["publishEarningPolicy"]["version"] == 2
    assert exported["exportProgramme"]["document"]["policies"]["earning"]["points_rate_bp"] == 500
    assert imported["importProgramme"] == {"published": [], "unchanged": KINDS, "leftAlone": []}
    assert wrong["importProgramme"]["path"] == "policies.checkins.daily_points.1"


async def test_a_programme_moves_by_file(empty: Settings, surroundings: Mapping[str, str], tmp_path: Path) -> None:
    """The commands of the page: a preset to a file, previewed, published, and the same again once it is in force."""
    await run(surroundings, tmp_path, "programme", "export", "--preset", "beauty", "--to", "beauty.json")
    told = await run(surroundings, tmp_path, "programme", "import", "beauty.json", "--preview")
    assert told.splitlines()[:2] == ["would publish points, version 1", "would publish deduction, version 1"]
    told = await run(surroundings, tmp_path, "programme", "import", "beauty.json")
    assert len(told.splitlines()) == len(KINDS) and told.startswith("published points, version 1\n")
    await run(surroundings, tmp_path, "programme", "export", "--to", "own.json")
    assert orjson.loads((tmp_path / "own.json").read_bytes()) == orjson.loads((tmp_path / "beauty.json").read_bytes())
    told = await run(surroundings, tmp_path, "programme", "import", "own.json")
    assert {line.split()[0] for line in told.splitlines()} == {"unchanged"}
