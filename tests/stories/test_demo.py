"""The scripted journey, run as a person runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from app.local.children import any_free_port
from app.local.endpoints import Endpoints, Tokens
from app.local.programme import ROOT

SECONDS_MAX = 90  # only a broken product reaches it


def served_once(folder: Path, **environment: str) -> Endpoints:
    """What a start on the folder says while it serves; it is stopped at once."""
    command = [sys.executable, "-m", "app", "up", "--folder", str(folder)]
    port = {"PORT": str(any_free_port())}
    launcher = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **port, **environment}, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + SECONDS_MAX
    while (endpoints := Endpoints.read(folder)) is None:
        assert launcher.poll() is None and time.monotonic() < deadline, "it does not serve"
        time.sleep(0.05)
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait() == 0
    return endpoints


def test_the_demonstration_goes_from_registration_to_a_settled_draw_and_a_certificate(tmp_path: Path) -> None:
    """`./run demo` starts the whole programme on an empty folder, tells the journey, ends with 0 and leaves nothing.

    A start after it keeps the tokens; one whose keys have changed, so that they would be refused, makes new ones.
    """
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
    assert "500 points may pay; the order would earn 50 points with them and 60 without" in told.stdout
    assert "the order takes them: +50 points earned on the cash, 1750 left" in told.stdout
    assert "day 1: +5 points; then nothing happens" in told.stdout
    assert len(re.findall(r"rank \d: ticket [123] wins", told.stdout)) == 3
    assert "verified by its code" in told.stdout
    assert told.stdout.endswith("The journey is complete.\n")
    assert not (folder / "endpoints.json").exists()

    kept = Tokens.read(folder)
    assert kept is not None
    assert served_once(folder).tokens == kept
    renewed = served_once(folder, MEMBER_TOKEN_KEY="ab" * 32).tokens
    assert renewed.member != kept.member
    assert renewed == Tokens.read(folder)
