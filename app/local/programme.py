"""The whole programme on one machine: stores, migrations, demonstration data, processes, addresses."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from app.local.children import HOST, LocalServerFailed, is_free, last_lines, lasting_port
from app.local.endpoints import Endpoints, Tokens, endpoints_file
from app.local.secrets import lasting_secrets
from app.local.stores import FolderHeld, held, running_stores
from app.local.supervisor import Program, Supervisor
from app.settings import LOCAL_WECHAT_APPID, Settings

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".jifen"
WEB_SECONDS_MAX = 60.0
WEB = "web"  # the program that answers on the port
WEB_ENDS_MAX = 3


def app_program(name: str, *options: str) -> Program:
    """A command of `python -m app` as a process of its own."""
    return Program(name, ("-P", "-m", "app", name, *options))


PROGRAMS = tuple(app_program(name) for name in ("web", "worker", "relay"))

Prepare = Callable[[Settings], Awaitable[Tokens]]


async def prepare_demonstration(settings: Settings) -> Tokens:
    """Bring the database up to date, and give an empty one the demonstration programme."""
    from app.migrate import migrate
    from app.seed import ensure_demonstration

    await migrate(settings.database_url)
    return await ensure_demonstration(settings)


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
    return {**ours, "CHECKPOINT_DIRECTORY": str(folder.resolve() / "checkpoints"), **given, **stores}


def with_wechat(folder: Path, environment: dict[str, str]) -> tuple[dict[str, str], list[Program]]:
    """Without WECHAT_BASE_URL a stand-in takes WeChat's place: its address, and the program that serves it."""
    if environment.get("WECHAT_BASE_URL"):
        return environment, []
    port = lasting_port(folder / "wechat.port")
    address = {"WECHAT_BASE_URL": f"http://{HOST}:{port}", "WECHAT_APPID": LOCAL_WECHAT_APPID}
    standin = app_program("wechat-standin", "--port", str(port))
    return {**environment, **address}, [standin]


def refuse_taken_port(port: int) -> None:
    """Raises LocalServerFailed when another program listens on the port."""
    if not is_free(port):
        raise LocalServerFailed(f"port {port} is taken; choose one with PORT, such as PORT={port + 1}")


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
            settings = settings_from(environment)
            refuse_taken_port(settings.port)
            tokens = await prepare(settings)
            environment |= {"GRAPHIQL_MEMBER_TOKEN": tokens.member, "GRAPHIQL_STAFF_TOKEN": tokens.owner}
            async with Supervisor([*programs, *standin], environment=environment, logs=folder / "logs") as supervisor:
                await wait_for_web(settings, supervisor)
                endpoints = Endpoints.at(settings.origin, stores, tokens)
                endpoints.write(folder)
                try:
                    yield endpoints
                finally:
                    endpoints_file(folder).unlink(missing_ok=True)


async def wait_for_web(settings: Settings, supervisor: Supervisor) -> None:
    """Return once /livez answers. Raises LocalServerFailed, with the end of its log, when it does not."""
    deadline = time.monotonic() + WEB_SECONDS_MAX
    while not await is_live(settings.host, settings.port):
        if supervisor.ends[WEB] >= WEB_ENDS_MAX or time.monotonic() > deadline:
            log = supervisor.log(WEB)
            raise LocalServerFailed(f"the web process does not answer; the end of {log}:\n{last_lines(log)}")
        await asyncio.sleep(0.05)


async def is_live(host: str, port: int) -> bool:
    """Whether GET /livez is answered with 200."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        writer.write(f"GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        status = await asyncio.wait_for(reader.readline(), timeout=2)
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
    return b" 200 " in status


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
def tool_settings(folder: Path = FOLDER, given: Mapping[str, str] = os.environ) -> Iterator[Settings]:
    """Settings for a tool: of the given servers, of the programme that serves here, else of stores that run meanwhile.

    In production everything is given. Raises FolderHeld while another tool works or a programme starts.
    """
    if given.get("ENVIRONMENT") == "production":
        yield settings_from(given)
    elif (endpoints := served_from(folder)) is not None:
        yield settings_from(process_environment(folder, {**endpoints.stores.environment(), **given}, given))
    else:
        with held(open_folder(folder)), running_stores(folder, environment=given) as stores:
            yield settings_from(process_environment(folder, stores.environment(), given))
