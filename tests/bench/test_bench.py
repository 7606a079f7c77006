"""`./run bench` itself, in sizes that take seconds: nothing here says how fast anything is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.local.accounts import temporary_folder
from app.local.programme import ROOT
from tests.bench.__main__ import command, variant
from tests.bench.contenders import own_variants
from tests.bench.readings import processes
from tests.bench.seeding import Size

SMALL = ("--members", "150", "--entries", "1500", "--rounds", "1", "--seconds", "0.2", "--clients", "4")
OPERATIONS = ("R1", "R2", "W2", "W1")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that whatever account PostgreSQL runs as may pass through."""
    new = Path(tempfile.mkdtemp(prefix="jifen-bench-", dir=temporary_folder()))
    yield new
    shutil.rmtree(new)


def test_a_small_run_measures_and_leaves_nothing_running(folder: Path) -> None:
    """Ours, the naive peer and pgbench answer the same, are measured at every operation, and end with the run."""
    files = ["--json", str(folder / "all.json"), "--markdown", str(folder / "all.md"), "--folder", str(folder / "kept")]
    asked = [sys.executable, "-P", "-m", "tests.bench", *SMALL, "--operations", ",".join(OPERATIONS)]
    asked += ["--only", "ours,naive,pgbench", *files]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "STARTED_FOR": str(folder)}
    done = subprocess.run(asked, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    told = json.loads((folder / "all.json").read_text())
    names = {name: [row["contender"] for row in rows] for name, rows in told["results"].items()}
    everybody = {*own_variants(), "strawberry + Tortoise, naive", "pgbench, same statements"}
    assert {name: set(each) for name, each in names.items()} == dict.fromkeys(OPERATIONS, everybody)
    assert [each for each in told["samples"] if each["answers"] < 1 or each["failures"]] == []
    assert "### W1: check-in" in (folder / "all.md").read_text()
    assert [each for each in processes() if f"STARTED_FOR={folder}" in environment_of(each)] == []


def environment_of(pid: int) -> str:
    """What a process was told when it began, which whatever it starts is told as well."""
    try:
        return Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return ""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--operations", "R9"], "unknown: R9; there are R1, R2, W2, W1, W1-1"),
        (["--members", "10", "--entries", "99"], "at least 10 entries for each"),
        (["--only", "nobody"], "nobody is called that"),
        (["--only", "ours", "--variant", "x:unset"], "'x:unset' is not NAME:KEY=VALUE,KEY=VALUE"),
    ],
)
def test_a_wrong_option_is_told_before_anything_starts(folder: Path, given: list[str], told: str) -> None:
    """Unknown names and sizes that hold no history end the command with exit code 2, and no folder is made."""
    done = CliRunner().invoke(command, [*given, "--folder", str(folder / "kept")])
    assert (done.exit_code, told in done.output) == (2, True), done.output
    assert not (folder / "kept").exists()


def test_a_variant_of_ours_is_a_name_and_an_environment() -> None:
    """What chooses how the product runs is given on the command line, without a change here."""
    assert variant("lanes, two:LANES=2,EXECUTION=core") == ("lanes, two", {"LANES": "2", "EXECUTION": "core"})
    assert variant("ours again") == ("ours again", {})


def test_a_size_says_how_many_check_ins_there_are() -> None:
    """What is not an opening balance, two orders or a ticket is check-ins."""
    assert Size(100_000, 1_000_000).check_ins == 4
    with pytest.raises(ValueError, match="at least 10 entries for each"):
        Size(10, 99)
