"""The `./run` script, before it hands over to the environment that it made."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from app.local.programme import ROOT


@pytest.fixture
def run() -> ModuleType:
    """The script as a module."""
    spec = spec_from_loader("run", SourceFileLoader("run", str(ROOT / "run")))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ([], ["-n", "2"]),
        (["tests/points", "-x"], ["-n", "2", "tests/points", "-x"]),
        (["-n", "0"], ["-n", "0"]),
        (["-n4"], ["-n4"]),
        (["-p", "no:xdist"], ["-p", "no:xdist"]),
        (["--pdb"], ["--pdb"]),
    ],
)
def test_tests_run_on_every_core_unless_told_otherwise(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, given: list[str], arguments: list[str]
) -> None:
    """`./run test` adds the number of cores, and nothing when the caller chose."""
    monkeypatch.setattr(run, "cores", lambda: 2)
    assert run.test_arguments(given) == ["-m", "pytest", *arguments]


def test_pips_indexes_are_passed_on_to_uv(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip's index, mirror and certificate settings reach uv under uv's names; an index given to uv itself wins."""
    for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "SSL_CERT_FILE", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    settings = {"index-url": "https://a/simple", "extra-index-url": "b\nc", "find-links": "d e", "cert": "f"}
    monkeypatch.setattr(run, "pip_settings", lambda: settings)
    told = run.uv_environment()
    names = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_FIND_LINKS", "SSL_CERT_FILE")
    assert [told[name] for name in names] == ["https://a/simple", "b c", "d,e", "f"]
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://own/simple")
    assert run.uv_environment()["UV_DEFAULT_INDEX"] == "https://own/simple"
    assert "UV_INDEX" not in run.uv_environment()


def test_pips_environment_wins_over_its_files(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """PIP_INDEX_URL is obeyed."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror/simple")
    assert run.pip_settings()["index-url"] == "https://mirror/simple"


def test_the_environment_is_ready_until_the_lock_or_the_python_changes(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The fingerprint of an installed lock is kept in .venv/.ready."""
    lock, config = tmp_path / "requirements.lock", tmp_path / "pyvenv.cfg"
    lock.write_text("a==1")
    config.write_text("home = /usr/bin\nversion = 3.11.2\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    for name, path in {"VENV": tmp_path, "PYTHON": tmp_path / "bin" / "python", "READY": tmp_path / ".ready"}.items():
        monkeypatch.setattr(run, name, path)
    assert not run.is_ready(lock)
    (tmp_path / ".ready").write_text(run.fingerprint(lock) + "\n")
    assert run.is_ready(lock)
    config.write_text("home = /usr/bin\nversion = 3.12.1\n")
    assert not run.is_ready(lock)
    config.write_text("home = /usr/bin\nversion = 3.11.2\n")
    lock.write_text("a==2")
    assert not run.is_ready(lock)


def test_a_python_that_is_too_old_is_told_so(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names both versions."""
    monkeypatch.setattr("sys.version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer; this is 3\.9"):
        run.refuse_unfit_python(None)


def test_a_missing_venv_names_the_package(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian splits venv off; the message names its package. With uv it is not needed."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="apt install python3-venv"):
        run.refuse_unfit_python(None)
    run.refuse_unfit_python("/somewhere/uv")


def pins(lock: str) -> set[str]:
    return set(re.findall(r"^[a-z0-9._-]+==\S+", (ROOT / lock).read_text(), re.MULTILINE))


def test_what_is_tested_is_what_is_served() -> None:
    """The lock for tests holds every pin of the lock that serves, in the same version, and names no address."""
    assert pins("requirements.lock") < pins("requirements-dev.lock")
    for lock in ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock"):
        assert "://" not in (ROOT / lock).read_text()


def test_continuous_integration_calls_the_command_of_the_readme() -> None:
    """`.ci/run` runs `./run test`, and all three can be executed."""
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "exec ./run test"
    assert all((ROOT / name).stat().st_mode & 0o111 for name in ("run", ".ci/run"))


def test_every_command_has_its_line_in_the_help() -> None:
    """`python -m app --help` lists every process and tool with a line of its own."""
    told = subprocess.run(
        [sys.executable, "-m", "app", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    commands = told.partition("Commands:\n")[2]
    names = re.findall(r"^  ([a-z-]+)  +\S", commands, re.MULTILINE)
    assert names == sorted(names)
    assert {"up", "web", "worker", "relay", "migrate", "seed", "demo", "import-orders", "token"} <= set(names)
    assert {"print-schema", "check-invariants", "wechat-standin"} <= set(names)
