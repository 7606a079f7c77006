"""A Valkey of our own: with an append-only file, so that its contents survive a restart, or without any for tests."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import ClassVar

from app.local.binaries import valkey_binary
from app.local.children import HOST
from app.local.server import LocalServer

DATABASES = 64  # a test run gives each of its processes one


class LocalValkey(LocalServer):
    """Valkey in `folder`, run by whoever starts it."""

    name: ClassVar[str] = "Valkey"
    port_taken: ClassVar[str] = "Address already in use"
    scheme: ClassVar[str] = "redis://:"

    def __init__(self, folder: Path, *, log: Path, disposable: bool = False) -> None:
        self.disposable = disposable
        self.program = valkey_binary()
        folder.mkdir(mode=0o700, exist_ok=True)
        super().__init__(folder, log=log)

    @property
    def first_database(self) -> str:
        return "0"

    def command(self) -> list[str]:
        """The settings go by standard input, since a command line with a password is readable by everyone."""
        return [str(self.program), "-"]

    def standard_input(self) -> bytes:
        lines = [
            f"bind {HOST}",
            f"port {self.port}",
            f'dir "{self.folder}"',
            f"requirepass {self.password}",
            f"databases {DATABASES}",
            f"appendonly {'no' if self.disposable else 'yes'}",
            'save ""',
        ]
        return "".join(f"{line}\n" for line in lines).encode()

    def death_signal(self) -> signal.Signals:
        """Each write reached the kernel before it was answered: killing loses nothing, and frees the folder at once."""
        return signal.SIGKILL

    def stop_signals(self) -> tuple[signal.Signals, ...]:
        return (signal.SIGTERM,)

    def is_ready(self) -> bool:
        """Our server is told from a stranger on its port by the password."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := connection.recv(100)):
                    answer += part
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"
