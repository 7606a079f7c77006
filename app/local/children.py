"""Starting and stopping child processes that never outlive us."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import click

from app.local.accounts import Account, give_to

BOUND = Path(__file__).with_name("bound.py")
HOST = "127.0.0.1"
POLL_SECONDS = 0.01
LOG_BYTES_MAX = 10_000_000
LOG_LINES_SHOWN = 15

Process = subprocess.Popen[bytes]


class LocalServerFailed(click.ClickException):
    """A local server cannot be had; the message says why and what to do."""


def bound_command(command: Sequence[str], *, death_signal: signal.Signals, account: Account | None = None) -> list[str]:
    """The command line that runs `command` bound to this process, as `account` when one is given."""
    user, group = (str(account.uid), str(account.gid)) if account else ("-", "-")
    return [sys.executable, "-I", "-S", str(BOUND), str(int(death_signal)), str(os.getpid()), user, group, *command]


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    death_signal: signal.Signals,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    standard_input: bytes = b"",
) -> Process:
    """Start a child in a session of its own (Ctrl-C reaches only us). Call it from the main thread: see bound.py."""
    with open_log(log) as output:
        process = subprocess.Popen(
            bound_command(command, death_signal=death_signal, account=account),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(standard_input)
    return process


def open_log(path: Path) -> BinaryIO:
    """Append to a private log; one that has grown large becomes the one old log that is kept."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".old.log"))
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def last_lines(log: Path) -> str:
    """The end of a log, for a message about a child that failed."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-LOG_LINES_SHOWN:])


def wait_until(ready: Callable[[], bool], *, process: Process, name: str, log: Path, seconds_max: float = 60) -> None:
    """Return once `ready()`. Raises LocalServerFailed, with the end of the log, when the child ends or is too slow."""
    deadline = time.monotonic() + seconds_max
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            how = "did not start" if process.returncode is None else f"ended with {process.returncode}"
            raise LocalServerFailed(f"{name} {how}; the end of {log}:\n{last_lines(log)}")
        time.sleep(POLL_SECONDS)


def stop(process: Process, *signals: signal.Signals, seconds_each: float = 10) -> None:
    """Ask the child to end, by one signal after the other, at last by SIGKILL; returns when it has ended."""
    for number in (*signals, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(seconds_each)
        except subprocess.TimeoutExpired:
            continue


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def any_free_port() -> int:
    """A port that was free a moment ago."""
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def lasting_port(file: Path) -> int:
    """The port remembered in `file` while it is free, else a new one, remembered from now on."""
    remembered = int(file.read_text()) if file.exists() else 0
    if remembered and is_free(remembered):
        return remembered
    port = any_free_port()
    file.write_text(str(port))
    return port


def lasting_password(file: Path, account: Account | None = None) -> str:
    """The password kept in `file` (0600), made once."""
    if not file.exists():
        new = file.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            opened.write(secrets.token_hex(24))
        give_to(account, new)
        new.replace(file)
    return file.read_text()
