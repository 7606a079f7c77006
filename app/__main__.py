"""Every process and tool of Jifen, each with its line in `python -m app --help`.

What a command needs is imported when it runs: `--help` and `up` must not wait for what they do not use.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from app.loading import loading

GRACEFUL_SHUTDOWN_SECONDS = 15


class Elsewhere(click.Command):
    """A command whose options and body stand together in a module of their own, loaded when it is called."""

    def __init__(self, name: str, module: str, line: str) -> None:
        super().__init__(name, help=line)
        self.module = module

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        command: click.Command = import_module(self.module).command
        return command.make_context(info_name, args, parent, **extra)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 140})
def main() -> None:
    """Jifen, a loyalty engine: its processes and tools."""


@main.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Where everything is kept (.jifen of the checkout).")
def up(folder: Path | None) -> None:
    """Everything on this machine: PostgreSQL, Valkey, migrations, demonstration data, web, worker and relay."""
    from app.local import programme
    from app.local import up as local

    local.up(folder or programme.FOLDER)


@main.command()
def web() -> None:
    """The API: the members' and the staff's GraphQL endpoints, GraphiQL, health."""
    with loading():
        import uvicorn

        from app.asgi import create_app
        from app.settings import Settings
        from app.telemetry import configure

        settings = Settings()
        configure("web", settings.log_format)
        application = create_app(settings)
    uvicorn.run(
        application,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
        log_config=None,
        access_log=False,
        server_header=False,
    )


@main.command()
@click.option("--with-relay", is_flag=True, help="Be the relay as well: enough for one machine.")
def worker(with_relay: bool) -> None:
    """The worker: runs the jobs that the relay announces, until SIGTERM."""
    with loading():
        import uvloop

        from app import background
        from app.settings import Settings
        from app.telemetry import configure
        from app.wiring import open_work
        from app.worker import run

    settings = Settings()
    configure("worker", settings.log_format)
    uvloop.run(background.run(settings) if with_relay else run(settings, lambda: open_work(settings)))


@main.command()
def relay() -> None:
    """The relay: announces what is due in the outbox to the worker, until SIGTERM."""
    with loading():
        import uvloop

        from app.relay import run
        from app.settings import Settings
        from app.telemetry import configure

    settings = Settings()
    configure("relay", settings.log_format)
    uvloop.run(run(settings))


@main.command()
def migrate() -> None:
    """Apply the migrations that the database lacks."""
    from app.local.programme import tool_settings
    from app.migrate import migrate as apply_missing

    with tool_settings(prepared=False) as settings:
        applied = asyncio.run(apply_missing(settings.database_url))
    click.echo("\n".join(applied) or "The database is up to date.")


@main.command()
def seed() -> None:
    """Apply migrations, and give an empty database the demonstration programme."""
    from app.local.preparation import prepare_demonstration
    from app.local.programme import tool_settings

    with tool_settings(prepared=False) as settings:
        asyncio.run(prepare_demonstration(settings))
    click.echo("The demonstration programme is there.")


@main.command()
@click.option("--folder", type=click.Path(path_type=Path), help="Where the data lives; .jifen when left out.")
def demo(folder: Path | None) -> None:
    """A journey from registration to a settled draw and a certificate, told step by step."""
    from app.demo import run
    from app.local import programme
    from app.local.up import until_signal

    async def tell() -> None:
        async with programme.joined_or_serving(folder or programme.FOLDER) as endpoints:
            await run(endpoints)

    asyncio.run(until_signal(tell()))


@main.command("wechat-standin")
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="Where it listens, on 127.0.0.1.")
@click.option("--appid", envvar="WECHAT_APPID", required=True, help="The only appid it knows (or WECHAT_APPID).")
@click.option("--secret", envvar="WECHAT_SECRET", required=True, help="That appid's secret (or WECHAT_SECRET).")
def wechat_standin(port: int, appid: str, secret: str) -> None:
    """A stand-in for WeChat's server, for local runs and tests."""
    import uvicorn

    from app.local.wechat import stand_in

    uvicorn.run(stand_in(appid=appid, secret=secret), port=port, log_level="warning", access_log=False)


main.add_command(Elsewhere("import-orders", "app.imports", "Import orders and refunds from a CSV or JSONL file."))
main.add_command(Elsewhere("programme", "app.programmes", "Write the whole programme as one file, or publish one."))
main.add_command(Elsewhere("token", "app.tokens", "Print a token for a member, a member of staff or an integration."))
main.add_command(Elsewhere("print-schema", "app.print_schema", "Print the GraphQL schemas as SDL."))
main.add_command(Elsewhere("verify-ledger", "app.verify_ledger", "Recompute the ledger's transparency log."))
main.add_command(Elsewhere("create-owner", "app.owners", "Make the first owner of an installation."))
main.add_command(Elsewhere("check-invariants", "app.check_invariants", "Check that the books agree."))

for command in main.commands.values():
    command.short_help = command.help  # the whole line, where click would cut it


if __name__ == "__main__":
    main(prog_name="python -m app")
