"""What the local servers have in common: one folder, one password, one port that lasts, one child."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from app.local.accounts import Account
from app.local.children import (
    HOST,
    LocalServerFailed,
    Process,
    any_free_port,
    lasting_password,
    lasting_port,
    spawn,
    stop,
    wait_until,
)

STARTS_MAX = 3


class LocalServer(ABC):
    """`launch`, then `wait_ready`, at the end `stop`; launching several before waiting starts them side by side."""

    name: ClassVar[str]
    port_taken: ClassVar[str]  # what the server's log says when its port is in use
    scheme: ClassVar[str]

    def __init__(self, folder: Path, *, log: Path, account: Account | None = None) -> None:
        self.folder = folder.absolute()
        self.log = log
        self.account = account
        self.password = lasting_password(folder / "password", account)
        self.port = 0
        self.process: Process | None = None

    @property
    def url(self) -> str:
        """The address with its password, for a client on this machine."""
        return f"{self.scheme}{self.password}@{HOST}:{self.port}/{self.first_database}"

    @property
    @abstractmethod
    def first_database(self) -> str:
        """The database that the address names."""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    def standard_input(self) -> bytes:
        """What the program reads first."""
        return b""

    @abstractmethod
    def death_signal(self) -> signal.Signals:
        """What the kernel sends the server when we are killed."""

    @abstractmethod
    def stop_signals(self) -> tuple[signal.Signals, ...]:
        """What an orderly stop sends, one after the other."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether our own server (not a stranger on its port) takes connections."""

    def prepare(self) -> None:  # noqa: B027 - most folders are fit as they are
        """Make the folder fit to start on. Raises LocalServerFailed when it cannot be."""

    def launch(self) -> None:
        """Start the server without waiting for it. Raises LocalServerFailed."""
        self.prepare()
        self.port = lasting_port(self.folder / "port")
        self._spawn()

    def wait_ready(self) -> None:
        """Return when it takes connections; a port that was taken between looking and listening is changed."""
        for start in range(STARTS_MAX):
            try:
                assert self.process is not None, "launch comes first"
                return wait_until(self.is_ready, process=self.process, name=self.name, log=self.log)
            except LocalServerFailed as failure:
                if start + 1 == STARTS_MAX or self.port_taken not in str(failure):
                    raise
                self.port = any_free_port()
                (self.folder / "port").write_text(str(self.port))
                self._spawn()

    def stop(self) -> None:
        """Stop in order; returns when the server has ended."""
        if self.process is not None:
            stop(self.process, *self.stop_signals())

    def _spawn(self) -> None:
        self.process = spawn(
            self.command(),
            log=self.log,
            death_signal=self.death_signal(),
            account=self.account,
            standard_input=self.standard_input(),
        )
