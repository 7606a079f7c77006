"""The verifiers run as anybody runs them: Python that sees only its standard library, and JavaScript in a bare V8."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from py_mini_racer import MiniRacer

FOLDER = Path(__file__).parents[2] / "docs" / "verifiers"
VECTORS = FOLDER / "vectors"
SCRIPT = FOLDER / "verify.js"
Kind = Literal["draw", "play"]
PYTHON: dict[Kind, Path] = {"draw": FOLDER / "verify_draw.py", "play": FOLDER / "verify_play.py"}
FUNCTION: dict[Kind, str] = {"draw": "jifen.verifyDraw", "play": "jifen.verifyPlay"}
MANY = (
    "import json, runpy, sys; found = runpy.run_path(sys.argv[1]); "
    "print(json.dumps([found['problems'](each) for each in json.load(sys.stdin)]))"
)


def python_verdicts(kind: Kind, documents: Sequence[Any]) -> list[list[str]]:
    """What the verifier in Python says of each document."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", MANY, str(PYTHON[kind])],
        input=json.dumps(documents), capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: list[list[str]] = json.loads(done.stdout)
    return found


def a_machine() -> MiniRacer:
    """A V8 that has read the verifier: no modules, no timers, nothing but the language."""
    machine = MiniRacer()
    machine.eval(SCRIPT.read_text("utf-8"))
    return machine


def javascript_verdicts(machine: MiniRacer, kind: Kind, documents: Sequence[Any]) -> list[list[str]]:
    """What the verifier in JavaScript says of each document."""
    text = json.dumps(json.dumps(documents))
    machine.eval(f"var found = JSON.parse({text}).map(each => {FUNCTION[kind]}(each))")
    answers = json.loads(str(machine.eval("JSON.stringify(found)")))
    assert all(answer["holds"] == (not answer["problems"]) for answer in answers)
    return [answer["problems"] for answer in answers]


def verdicts(machine: MiniRacer, kind: Kind, documents: Sequence[Any]) -> list[list[str]]:
    """What both say of each document, which has to be the same."""
    python, javascript = python_verdicts(kind, documents), javascript_verdicts(machine, kind, documents)
    assert python == javascript
    return python


def printed(kind: Kind, path: Path) -> tuple[int, list[str]]:
    """Exit code and lines of the Python verifier at a command line."""
    command = [sys.executable, "-I", "-S", str(PYTHON[kind]), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def reported(machine: MiniRacer, path: Path) -> tuple[int, list[str]]:
    """The same of the JavaScript verifier: what its command line prints."""
    text = json.dumps(path.read_text("utf-8"))
    found = json.loads(str(machine.eval(f"JSON.stringify(jifen.report(JSON.parse({text})))")))
    return (0 if found["holds"] else 1), found["lines"]
