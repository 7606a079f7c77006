"""The two stores together: local ones where no address is given, started side by side."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.local.accounts import temporary_folder
from app.local.postgres import LocalPostgres
from app.local.valkey import LocalValkey

DISPOSABLE_PREFIX = "jifen-disposable-"


class FolderHeld(Exception):
    """Another process works in this folder."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where PostgreSQL and Valkey are reached."""

    database_url: str
    redis_url: str

    def environment(self) -> dict[str, str]:
        """The addresses as the environment variables that settings read."""
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


@contextmanager
def running_stores(
    folder: Path, *, environment: Mapping[str, str] = os.environ, disposable: bool = False
) -> Iterator[Stores]:
    """Start what `environment` gives no address for, and stop it at the end. Call it from the main thread."""
    database_url, redis_url = environment.get("DATABASE_URL"), environment.get("REDIS_URL")
    logs = folder / "logs"
    servers: list[LocalPostgres | LocalValkey] = []
    try:
        if not redis_url:
            servers.append(valkey := LocalValkey(folder / "valkey", log=logs / "valkey.log", disposable=disposable))
            valkey.launch()
        if not database_url:
            postgres = LocalPostgres(folder / "postgres", log=logs / "postgres.log", disposable=disposable)
            servers.append(postgres)
            postgres.launch()
        for server in servers:
            server.wait_ready()
        yield Stores(database_url or postgres.url, redis_url or valkey.url)
    finally:
        for server in reversed(servers):
            server.stop()


@contextmanager
def disposable_stores(environment: Mapping[str, str]) -> Iterator[Stores]:
    """Private stores that keep nothing: fast, and gone with their folder at the end, for test runs."""
    parent = temporary_folder()
    remove_abandoned(parent)
    new = Path(tempfile.mkdtemp(prefix=f"new-{DISPOSABLE_PREFIX}", dir=parent))
    new.chmod(0o711)
    with held(new):
        folder = new.rename(new.with_name(new.name.removeprefix("new-")))  # held before it can look abandoned
        try:
            with running_stores(folder, environment=environment, disposable=True) as stores:
                yield stores
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder that ends with this process, however it ends. Raises FolderHeld when another has it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderHeld(str(folder)) from None
        yield
    finally:
        os.close(handle)


def remove_abandoned(parent: Path) -> None:
    """Remove the folders of test runs that were killed: those whose lock nobody holds."""
    for folder in parent.glob(f"{DISPOSABLE_PREFIX}*"):
        try:
            with held(folder):
                shutil.rmtree(folder, ignore_errors=True)
        except (FolderHeld, FileNotFoundError, PermissionError):
            continue
