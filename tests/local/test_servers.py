"""The local PostgreSQL and Valkey: found, started, told from strangers, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.local import binaries
from app.local.accounts import own_folder, reachable_programs, server_account
from app.local.binaries import postgres_binaries, postgres_major, valkey_binary
from app.local.children import BOUND, LocalServerFailed, any_free_port, lasting_password, lasting_port
from app.local.postgres import LocalPostgres
from app.local.stores import DISPOSABLE_PREFIX, FolderHeld, disposable_stores, held, remove_abandoned, running_stores
from app.local.valkey import LocalValkey


def test_the_programs_come_from_the_wheels() -> None:
    """PostgreSQL 18 and Valkey are found in the installed packages."""
    assert postgres_major(postgres_binaries()) == 18
    assert valkey_binary().name == "valkey-server"


def test_servers_that_are_too_old_are_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PostgreSQL 18 the message says what was looked at, and names DATABASE_URL."""
    for name in ("postgres", "initdb"):
        (folder / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 15.18'\n")
        (folder / name).chmod(0o755)
    monkeypatch.setattr(binaries, "postgres_candidates", lambda: iter([folder, folder / "absent"]))
    with pytest.raises(LocalServerFailed) as failure:
        postgres_binaries()
    assert f"{folder} (version 15), {folder / 'absent'} (no server that runs)" in str(failure.value)
    assert "DATABASE_URL" in str(failure.value)


def test_without_valkey_the_message_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any Valkey the message names REDIS_URL."""
    monkeypatch.setattr(binaries, "valkey_candidates", lambda: iter([Path("/absent")]))
    with pytest.raises(LocalServerFailed, match="REDIS_URL"):
        valkey_binary()


def test_a_child_needs_nothing_of_the_interpreters_library_once_it_is_another_user() -> None:
    """An account that cannot reach the interpreter's library (one in root's closed home) can still run a server."""
    program = f"""
import os, runpy, sys
bound = runpy.run_path({str(BOUND)!r})
sys.path.clear(), sys.meta_path.clear()
bound["die_with_parent"]({int(signal.SIGTERM)}, os.getppid())
"""
    ended = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_nothing_local_is_started_for_a_store_that_is_given(folder: Path) -> None:
    """DATABASE_URL and REDIS_URL are used as they are."""
    given = {"DATABASE_URL": "postgres://elsewhere/jifen", "REDIS_URL": "redis://elsewhere/0"}
    with running_stores(folder, environment=given) as stores:
        assert stores.environment() == given
    assert list(folder.iterdir()) == []


def test_a_stale_pid_file_does_not_stop_a_start_but_a_living_server_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pid file that names another program is removed; one that names a living server of the folder is believed."""
    monkeypatch.setattr("app.local.postgres.FORMER_SECONDS_MAX", 0)
    first = LocalPostgres(folder / "postgres", log=folder / "first.log")
    first.prepare()
    (first.data / "postmaster.pid").write_text(f"{os.getpid()}\n{first.data}\n")
    first.launch()
    try:
        first.wait_ready()
        second = LocalPostgres(folder / "postgres", log=folder / "second.log")
        assert first.process is not None
        with pytest.raises(LocalServerFailed, match=f"already running on .* as process {first.process.pid}$"):
            second.launch()
    finally:
        first.stop()
    assert not (first.data / "postmaster.pid").exists()


def test_a_port_stays_the_same_while_it_is_free(folder: Path) -> None:
    """A server comes back on its port; when another program has taken it, on a new one, from then on."""
    file = folder / "port"
    first = lasting_port(file)
    assert lasting_port(file) == first
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", first))
        stranger.listen()
        second = lasting_port(file)
        assert second != first
    assert lasting_port(file) == second


def test_a_port_that_is_taken_at_the_last_moment_is_changed(folder: Path) -> None:
    """When another program listens first, the server starts on another port; nobody talks to the stranger."""
    valkey = LocalValkey(folder / "valkey", log=folder / "valkey.log", disposable=True)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", any_free_port()))
        stranger.listen()
        taken = valkey.port = stranger.getsockname()[1]
        valkey._spawn()
        try:
            valkey.wait_ready()
            assert valkey.port != taken
            assert (valkey.folder / "port").read_text() == str(valkey.port)
        finally:
            valkey.stop()


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    """A child that ends at once is reported with the end of its log."""
    valkey = LocalValkey(folder / "valkey", log=folder / "valkey.log")
    valkey.password = "two words"
    valkey.launch()
    with pytest.raises(LocalServerFailed, match=r"Valkey ended with 1; the end of .*valkey\.log"):
        valkey.wait_ready()


def test_a_password_is_made_once_and_private(folder: Path) -> None:
    """A server's password is random, stays, and is readable by its owner alone."""
    file = folder / "password"
    password = lasting_password(file)
    assert len(password) == 48
    assert lasting_password(file) == password
    assert file.stat().st_mode & 0o777 == 0o600


def test_one_process_at_a_time_holds_a_folder(folder: Path) -> None:
    """A held folder is refused to others until its holder lets go."""
    with held(folder), pytest.raises(FolderHeld), held(folder):
        pass
    with held(folder):
        pass


def test_disposable_stores_leave_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a test run is gone at its end; that of a run that was killed goes with the next one."""
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    abandoned = folder / f"{DISPOSABLE_PREFIX}killed"
    (abandoned / "postgres").mkdir(parents=True)
    given = {"DATABASE_URL": "postgres://elsewhere/jifen"}
    with disposable_stores(given):
        assert not abandoned.exists()
        (own,) = folder.iterdir()
        remove_abandoned(folder)
        assert own.exists()
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another account")
def test_started_by_root_postgres_belongs_to_nobody(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root in a closed directory the folder lies in the temporary folder behind a link, private to nobody."""
    account = server_account()
    assert account is not None
    lasting = folder / "lasting"
    lasting.mkdir(mode=0o711)
    monkeypatch.setattr("app.local.accounts.LASTING_TEMPORARY_FOLDER", lasting)
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    real = own_folder(closed / "postgres", account)
    assert (closed / "postgres").is_symlink()
    assert real.is_relative_to(lasting)
    assert (real.stat().st_uid, real.stat().st_mode & 0o777) == (account.uid, 0o700)
    assert own_folder(closed / "postgres", account) == real


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another account")
def test_programs_in_a_closed_directory_run_from_a_copy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy is complete, root's alone, made once; one that others could change is refused."""
    monkeypatch.setattr("app.local.accounts.LASTING_TEMPORARY_FOLDER", folder)
    monkeypatch.setattr("app.local.accounts.open_to_others", lambda path: False)
    account = server_account()
    copied = reachable_programs(postgres_binaries(), account)
    assert postgres_major(copied) == 18
    told = subprocess.run([copied / "initdb", "--version"], user="nobody", capture_output=True, text=True, check=True)
    assert told.stdout.startswith("initdb (PostgreSQL) 18.")
    assert reachable_programs(postgres_binaries(), account) == copied
    (copy,) = folder.iterdir()
    copy.chmod(0o777)
    with pytest.raises(PermissionError, match="not a folder of root's alone"):
        reachable_programs(postgres_binaries(), account)
