"""The documents of this repository as tests read them: their code blocks, links, tables and the files they name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FRONT = ("README.md", "README.zh-CN.md")
PAGES = [
    *(ROOT / name for name in (*FRONT, "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]

MADE_BY_RUNNING = {".jifen/endpoints.json"}

_FENCE = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FILE = re.compile(r"`((?:\.?\w[\w.-]*/)+[\w-]+\.(?:py|md|toml|lock|csv|json)|(?:\.?\w[\w.-]*/){2,})`")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language, the words behind that, and its text."""

    place: str
    language: str
    words: tuple[str, ...]
    text: str

    def notes(self, pattern: str) -> list[re.Match[str]]:
        """The comment lines that match."""
        return list(re.finditer(rf"^# {pattern}$", self.text, re.MULTILINE))


def name_of(page: Path) -> str:
    """A page's name as people say it, such as docs/ARCHITECTURE.md."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, *languages: str) -> list[Block]:
    """The blocks of a page in these languages (all, when none is named), in order."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        indent, language, words, body = match.groups()
        if not languages or language in languages:
            line = text.count("\n", 0, match.start()) + 1
            body = re.sub(rf"^{indent}", "", body, flags=re.MULTILINE)
            found.append(Block(f"{name_of(page)}:{line}", language, tuple(words.split()), body))
    return found


def prose(page: Path) -> str:
    """A page without its blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def dead_links(page: Path) -> list[str]:
    """Links to files that are not there; addresses elsewhere and places within the page are left out."""
    targets = [link.partition("#")[0] for link in _LINK.findall(prose(page)) if "://" not in link]
    return [target for target in targets if target and not (page.parent / target).exists()]


def missing_files(page: Path) -> list[str]:
    """Files and folders that the prose names by their path (`app/relay.py`, `app/local/`) and that do not exist.

    A path may also be told from the page's own folder, or within the product (`core/work.py`).
    """
    places = (ROOT, page.parent, ROOT / "gamification")
    named = set(_FILE.findall(prose(page))) - MADE_BY_RUNNING
    return sorted(each for each in named if not any((place / each).exists() for place in places))


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as the places that show Markdown make them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def table_rows(page: Path, first_cell: str) -> list[list[str]]:
    """The cells of every table row whose first cell matches."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in prose(page).splitlines()
        if line.startswith("|")
    ]
    return [row for row in rows if re.fullmatch(first_cell, row[0])]
