"""The whole programme on one machine: stores, migrations, demonstration data, processes, addresses."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import ValidationError

from app.local.children import HOST, LocalServerFailed, is_free, lasting_port
from app.local.endpoints import Endpoints, endpoints_file, tokens_file
from app.local.preparation import Prepare, kept_tokens, new_tokens, prepare_demonstration, refuse_unprepared
from app.local.readiness import WEB, WECHAT, accept, wait_for_start
from app.local.secrets import lasting_secrets
from app.local.stores import FolderHeld, held, running_stores
from app.local.supervisor import Program, Supervisor
from app.settings import LOCAL_WECHAT_APPID, Settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".jifen"
DATABASE_SECONDS_MAX = 10.0


def app_program(name: str, *options: str) -> Program:
    """A command of `python -m app` as a process of its own."""
    return Program(name, ("-P", "-m", "app", name, *options))


PROGRAMS = (app_program(WEB), app_program("worker", "--with-relay"))


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Settings as a process with this environment would read them."""
    known = {name.upper() for name in Settings.model_fields}
    values: dict[str, Any] = {name.lower(): value for name, value in environment.items() if name.upper() in known}
    return Settings(**values)


def open_folder(folder: Path) -> Path:
    """The folder of everything kept; others may pass through (PostgreSQL may run as another account), not look."""
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    folder.chmod(0o711)
    return folder.resolve()


def process_environment(folder: Path, stores: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """What the processes are told: our keys, then what the caller's environment says, then the stores."""
    ours = {**lasting_secrets(folder), "HOST": HOST, "PORT": "8000", "PYTHONPATH": str(ROOT)}
    files = {"CHECKPOINT_DIRECTORY": folder / "checkpoints", "GRAPHIQL_TOKENS_FILE": tokens_file(folder)}
    return {**ours, **{name: str(file.resolve()) for name, file in files.items()}, **given, **stores}


def with_wechat(folder: Path, environment: dict[str, str]) -> tuple[dict[str, str], list[Program]]:
    """Without WECHAT_BASE_URL a stand-in takes WeChat's place: its address, and the program that serves it."""
    if environment.get("WECHAT_BASE_URL"):
        return environment, []
    port = lasting_port(folder / "wechat.port")
    address = {"WECHAT_BASE_URL": f"http://{HOST}:{port}", "WECHAT_APPID": LOCAL_WECHAT_APPID}
    standin = app_program(WECHAT, "--port", str(port))
    return {**environment, **address}, [standin]


def refuse_taken_port(port: int) -> None:
    """Raises LocalServerFailed when another program listens on the port."""
    if not is_free(port):
        raise LocalServerFailed(f"port {port} is taken; choose one with PORT, such as PORT={port + 1}")


def fit_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment. Raises LocalServerFailed with the names and the reasons, never the values."""
    try:
        return settings_from(environment)
    except ValidationError as unfit:
        told = [": ".join([*(str(each).upper() for each in fault["loc"]), fault["msg"]]) for fault in unfit.errors()]
        raise LocalServerFailed("; ".join(told)) from None


async def refuse_lost_database(settings: Settings, given: Mapping[str, str]) -> None:
    """Raises LocalServerFailed when the given database cannot be reached; our own one was waited for."""
    if not given.get("DATABASE_URL"):
        return
    try:
        connection = await asyncpg.connect(settings.database_url, timeout=DATABASE_SECONDS_MAX, statement_cache_size=0)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        told = str(fault) or type(fault).__name__
        raise LocalServerFailed(f"no connection to the database that DATABASE_URL names: {told}") from None
    await connection.close()


@asynccontextmanager
async def serving(
    folder: Path,
    *,
    given: Mapping[str, str] = os.environ,
    programs: Sequence[Program] = PROGRAMS,
    prepare: Prepare = prepare_demonstration,
) -> AsyncIterator[Endpoints]:
    """Serve from the folder while inside. Raises FolderHeld, LocalServerFailed. One of the programs is named `web`."""
    with held(open_folder(folder)):
        endpoints_file(folder).unlink(missing_ok=True)
        with running_stores(folder, environment=given) as stores:
            environment = process_environment(folder, stores.environment(), given)
            environment, standin = with_wechat(folder, environment)
            settings = fit_settings(environment)
            refuse_taken_port(settings.port)
            await refuse_lost_database(settings, given)
            kept = await kept_tokens(folder, settings)
            tokens = kept or await new_tokens(folder, settings, prepare)
            async with Supervisor([*programs, *standin], environment=environment, logs=folder / "logs") as supervisor:
                await wait_for_start(settings, supervisor)
                endpoints = Endpoints.at(settings.origin, stores, tokens)
                if kept and not await accept(endpoints):  # of another database, under other keys, or signed out
                    endpoints = replace(endpoints, tokens=await new_tokens(folder, settings, prepare))
                endpoints.write(folder)
                try:
                    yield endpoints
                finally:
                    endpoints_file(folder).unlink(missing_ok=True)


@asynccontextmanager
async def joined_or_serving(folder: Path = FOLDER) -> AsyncIterator[Endpoints]:
    """The programme that serves from this folder already, else one that serves while inside."""
    if (endpoints := served_from(folder)) is not None:
        yield endpoints
    else:
        async with serving(folder) as started:
            yield started


def served_from(folder: Path) -> Endpoints | None:
    """Where a living programme serves from this folder; None when nobody does."""
    if not folder.exists():
        return None
    try:
        with held(folder):
            return None
    except FolderHeld:
        return Endpoints.read(folder)


@contextmanager
def tool_settings(
    folder: Path = FOLDER, given: Mapping[str, str] = os.environ, *, prepared: bool = True
) -> Iterator[Settings]:
    """Settings for a tool: of the given servers, of the programme that serves here, else of stores that run meanwhile.

    In production everything is given. Raises FolderHeld while another tool works or a programme starts, and
    LocalServerFailed where the database is not `prepared`, unless the tool is the one that prepares it.
    """
    with _settings(folder, given) as settings:
        if prepared:
            asyncio.run(refuse_lost_database(settings, given))
            asyncio.run(refuse_unprepared(settings))
        yield settings


@contextmanager
def _settings(folder: Path, given: Mapping[str, str]) -> Iterator[Settings]:
    if given.get("ENVIRONMENT") == "production":
        yield fit_settings(given)
    elif (endpoints := served_from(folder)) is not None:
        yield fit_settings(process_environment(folder, {**endpoints.stores.environment(), **given}, given))
    else:
        with held(open_folder(folder)), running_stores(folder, environment=given) as stores:
            yield fit_settings(process_environment(folder, stores.environment(), given))
