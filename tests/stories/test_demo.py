"""The scripted journey, run as a person runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from app.local.children import any_free_port
from app.local.programme import ROOT


def test_the_demonstration_goes_from_registration_to_a_settled_draw_and_a_certificate(tmp_path: Path) -> None:
    """`./run demo` starts the whole programme on an empty folder, tells the journey, ends with 0 and leaves nothing."""
    tmp_path.chmod(0o755)
    folder = tmp_path / "jifen"
    told = subprocess.run(
        [sys.executable, "-m", "app", "demo", "--folder", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PORT": str(any_free_port())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert re.findall(r"yuan: ([+-]\d+) points", told.stdout) == ["+100", "+425", "+575", "+1600"]
    assert "raised to SILVER" in told.stdout
    assert "day 1: +5 points; then nothing happens" in told.stdout
    assert len(re.findall(r"rank \d: ticket [123] wins", told.stdout)) == 3
    assert "verified by its code" in told.stdout
    assert told.stdout.endswith("The journey is complete.\n")
    assert not (folder / "endpoints.json").exists()
