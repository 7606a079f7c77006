"""What is written in this repository, read once for all tests of how it is written."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("app", "schema", "gamification", "migrations")
SHOWN_DOT_FOLDERS = {".ci", ".github"}


@dataclass(frozen=True)
class Source:
    """A Python file: its text and its tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def place(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    @property
    def imported(self) -> set[str]:
        """Every module that is named by an import, wherever in the file it stands."""
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.module and not node.level, f"{self.place}:{node.lineno} imports relatively"
                found |= {_module(node.module, alias.name) for alias in node.names}
        return found


def _module(package: str, name: str) -> str:
    place = ROOT.joinpath(*package.split("."), name)
    return f"{package}.{name}" if place.with_suffix(".py").is_file() or place.is_dir() else package


@cache
def source(path: Path) -> Source:
    """One Python file."""
    text = path.read_text()
    return Source(path, text, ast.parse(text))


def sources(*folders: str, name: str = "*.py") -> list[Source]:
    """The Python files of these folders (of the product, when none is named) and of their folders."""
    return [source(path) for folder in folders or PRODUCT for path in sorted((ROOT / folder).rglob(name))]


def slices(name: str) -> list[Source]:
    """The files of this name in all slices: `gamification/<slice>/<name>`."""
    return [source(path) for path in sorted((ROOT / "gamification").glob(f"*/{name}"))]


def written_files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file that somebody wrote: not the caches, environments and data in folders that begin with a dot."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            yield path
        elif path.name != "__pycache__" and (not path.name.startswith(".") or path.name in SHOWN_DOT_FOLDERS):
            yield from written_files(path)


def written_text() -> Iterator[tuple[str, int, str]]:
    """Every line of every text file that somebody wrote: its place, its number from 1, and what it says."""
    for path in written_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            yield str(path.relative_to(ROOT)), number, line
