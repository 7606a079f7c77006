"""A PostgreSQL of our own: initialised once, started in the foreground as a child, stopped by SIGINT."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import ClassVar

from app.local.accounts import own_folder, reachable_programs, server_account
from app.local.binaries import postgres_binaries, postgres_major
from app.local.children import HOST, LocalServerFailed
from app.local.server import LocalServer

FORMER_SECONDS_MAX = 15
LOCALE = ("-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "timezone": "UTC",
    "shared_buffers": "128MB",
    "max_connections": "100",
}
# A crash loses everything, which is what a test run may lose; commits cost a third.
DISPOSABLE_SETTINGS = {
    "max_connections": "200",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "max_wal_size": "4GB",
}


class LocalPostgres(LocalServer):
    """PostgreSQL in `folder` (or, as root with a closed parent directory, behind the link `folder`)."""

    name: ClassVar[str] = "PostgreSQL"
    port_taken: ClassVar[str] = "could not create any TCP/IP sockets"
    scheme: ClassVar[str] = "postgres://postgres:"

    def __init__(self, folder: Path, *, log: Path, disposable: bool = False) -> None:
        account = server_account()
        self.disposable = disposable
        self.binaries = reachable_programs(postgres_binaries(), account)
        super().__init__(own_folder(folder, account), log=log, account=account)
        self.data = self.folder / "data"

    @property
    def first_database(self) -> str:
        return "postgres"

    def command(self) -> list[str]:
        settings = SETTINGS | (DISPOSABLE_SETTINGS if self.disposable else {}) | {"port": str(self.port)}
        command = [str(self.binaries / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return command

    def death_signal(self) -> signal.Signals:
        return signal.SIGQUIT if self.disposable else signal.SIGINT

    def stop_signals(self) -> tuple[signal.Signals, ...]:
        return (signal.SIGQUIT,) if self.disposable else (signal.SIGINT, signal.SIGQUIT)

    def prepare(self) -> None:
        if self.data.exists():
            self._refuse_other_version()
        else:
            self._initialise()
        self._await_former()

    def is_ready(self) -> bool:
        """The server itself says so in the eighth line of its pid file."""
        lines = self._pid_file()
        assert self.process is not None
        return len(lines) > 7 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"

    def _initialise(self) -> None:
        """Make the data folder under another name and rename it, so that it is whole or absent."""
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        command = [str(self.binaries / "initdb"), "-D", str(new), "-U", "postgres", "-A", "scram-sha-256", *LOCALE]
        command += [f"--pwfile={self.folder / 'password'}", "--no-sync", "--no-instructions"]
        if self.account is None:
            done = subprocess.run(command, capture_output=True, text=True, cwd="/")
        else:
            user, group = self.account.uid, self.account.gid
            done = subprocess.run(
                command, capture_output=True, text=True, cwd="/", user=user, group=group, extra_groups=[]
            )
        if done.returncode != 0:
            raise LocalServerFailed(f"initdb failed in {self.folder}:\n{done.stdout}{done.stderr}")
        new.rename(self.data)

    def _refuse_other_version(self) -> None:
        made_by, here = (self.data / "PG_VERSION").read_text().strip(), postgres_major(self.binaries)
        if made_by != str(here):
            raise LocalServerFailed(
                f"{self.data} was made by PostgreSQL {made_by}, and here is {here}. "
                "Carry it over with pg_upgrade, or move the folder away to start anew."
            )

    def _await_former(self) -> None:
        """Let the server of a killed launcher finish its stop; remove a pid file that names another program."""
        deadline = time.monotonic() + FORMER_SECONDS_MAX
        while (former := self._former()) is not None:
            if time.monotonic() > deadline:
                raise LocalServerFailed(f"PostgreSQL is already running on {self.data} as process {former}")
            time.sleep(0.05)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _former(self) -> int | None:
        """The process that serves this data folder now, whoever started it."""
        lines = self._pid_file()
        pid = int(lines[0]) if lines and lines[0].isdigit() else 0
        return pid if pid and serves(pid, self.data) else None

    def _pid_file(self) -> list[str]:
        file = self.data / "postmaster.pid"
        return file.read_text().split("\n") if file.exists() else []


def serves(pid: int, data: Path) -> bool:
    """Whether the process lives and is a postgres on this folder (an ended process's number is soon used again)."""
    if Path("/proc/self").exists():
        command = Path(f"/proc/{pid}/cmdline")
        told = command.read_bytes().replace(b"\0", b" ").decode(errors="replace") if command.exists() else ""
    else:
        told = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True).stdout
    return "postgres" in told and str(data) in told
