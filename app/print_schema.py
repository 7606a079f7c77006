"""`python -m app print-schema`: both GraphQL schemas as SDL, to read, to write under review, or to compare with it."""

from __future__ import annotations

from pathlib import Path

import click

import schema

FOLDER = Path(schema.__file__).parent
NAMES = ("member.graphql", "admin.graphql")


def printed_schemas() -> dict[Path, str]:
    """The SDL of the members' and the staff's schema as they are now, each with the file that should say the same."""
    from schema.admin.root import schema as admin
    from schema.root import schema as member

    return {FOLDER / name: each.as_str() + "\n" for name, each in zip(NAMES, (member, admin), strict=True)}


def stale_files() -> list[Path]:
    """The files that do not say what the schemas are."""
    return [
        path
        for path, text in printed_schemas().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


@click.command()
@click.option("--write", is_flag=True, help="Write both into the folder of the schemas.")
@click.option("--check", is_flag=True, help="Print nothing; fail when a written one is not what the schema is now.")
def command(write: bool, check: bool) -> None:
    """Print the GraphQL schemas as SDL."""
    if write and check:
        raise click.UsageError("--write and --check exclude each other.")
    if check:
        if stale := stale_files():
            raise click.ClickException(f"{', '.join(path.name for path in stale)}: write anew with --write.")
    elif write:
        for path, text in printed_schemas().items():
            path.write_text(text, encoding="utf-8")
            click.echo(f"Wrote {path.name}.")
    else:
        click.echo("\n".join(f"# {path.name}\n\n{text}" for path, text in printed_schemas().items()), nl=False)
