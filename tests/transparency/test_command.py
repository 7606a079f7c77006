"""`python -m app verify-ledger`, as an operator runs it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.__main__ import main
from app.keeper import keeper_of
from app.local.programme import settings_from
from app.local.secrets import NAMES
from app.local.stores import Stores
from app.verify_ledger import told
from gamification.core.clock import FixedClock
from gamification.core.work import Work
from gamification.transparency.audit import Report
from gamification.transparency.keeper import Keeper
from tests.databases import Database
from tests.house.sources import ROOT
from tests.transparency.builders import a_signed_ledger, an_owner

LAUNCH = """
import contextlib, os, app.verify_ledger
from app.local.programme import settings_from
app.verify_ledger.tool_settings = lambda: contextlib.nullcontext(settings_from(os.environ))
app.verify_ledger.command(prog_name="verify-ledger")
"""


def environment(database: Database, stores: Stores, folder: Path) -> dict[str, str]:
    """Everything that a process is told, with keys that are the same in every run."""
    keys = {name: f"{number:02x}" * 32 for number, name in enumerate(NAMES, start=1)}
    given = {"DATABASE_URL": database.url, "REDIS_URL": stores.redis_url, "CHECKPOINT_DIRECTORY": str(folder)}
    return {**keys, **given, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


async def run(given: dict[str, str], *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", LAUNCH, *arguments,
        env=given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_it_holds_until_somebody_touches_the_books(
    victim: Work, clock: FixedClock, database: Database, stores: Stores, tmp_path: Path
) -> None:
    """Exit code 0 with the key and the figures, then 1 with what was found."""
    given = environment(database, stores, tmp_path)
    keeper = keeper_of(settings_from(given))
    await a_signed_ledger(victim, clock, keeper)
    code, output = await run(given)
    assert code == 0, output
    assert f"Key: {keeper.signer.verifier.text}\n" in output and "Verifying: 27 of 27 entries (100 %)" in output
    assert "Holds: 27 entries, 3 checkpoints, 3 copies outside the database recomputed.\n" in output
    async with an_owner(database) as owner:
        await owner.execute("UPDATE entry SET available_delta = 900 WHERE seq = 1")
    code, output = await run(given)
    assert code == 1 and "DOES NOT HOLD: " in output
    assert output.count("an entry is not the one that was logged: leaf ") == 3


def test_options_are_explained_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is none is named before anything is read."""
    assert "--key VKEY" in CliRunner().invoke(main, ["verify-ledger", "--help"]).output
    refused = CliRunner().invoke(main, ["verify-ledger", "--key", "x+y+z"])
    assert refused.exit_code == 2 and "not the verifier key of an Ed25519 note" in refused.output


def test_an_empty_log_holds(keeper: Keeper) -> None:
    """There is nothing that could be wrong."""
    assert told(Report()) == ["Holds: 0 entries, 0 checkpoints, 0 copies outside the database recomputed."]
