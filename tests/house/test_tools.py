"""The tools that read the whole tree find nothing: formatting, lint, types."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.house.sources import ROOT


def run(*arguments: str) -> str:
    """What a tool of this environment says when it is not content; nothing when it is."""
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.parametrize("arguments", [("check",), ("format", "--check")], ids=["lint", "format"])
def test_ruff_has_nothing_to_say(arguments: tuple[str, ...]) -> None:
    """Every file is formatted, and no rule that `pyproject.toml` selects is broken."""
    assert run("ruff", *arguments) == ""


def test_types_hold_strictly() -> None:
    """`mypy --strict` over product, migrations and tests; a second run answers from its cache within seconds."""
    assert run("mypy") == ""
