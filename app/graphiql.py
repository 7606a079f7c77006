"""GraphiQL, served by us: the editor's files come out of a package, the page around it is our own.

Nothing is asked of another host: the page's policy allows none, and every file carries its integrity. The page stands
on a path of its own, so an endpoint never has to guess whether a browser or a program is asking.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha384
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from app.security import PAGE_POLICY

PACKAGE = "graphene_django_graphiql_static"
PACKAGE_FOLDER = f"static/{PACKAGE}"
PAGES = Path(__file__).parent / "pages"
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

STYLES = ("assets/graphiql.min.css", "page/graphiql.css")
SCRIPTS = (
    "assets/react.production.min.js",
    "assets/react-dom.production.min.js",
    "assets/graphiql.min.js",
    "page/graphiql.js",
)


@dataclass(frozen=True, slots=True)
class ReadyQuery:
    """A query that opens as a tab, named by its operation."""

    query: str
    variables: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class IdeEndpoint:
    """An endpoint that the page can switch to. The token of `holder` fills the header editor, on this machine only."""

    name: str
    label: str
    url: str
    queries: Sequence[ReadyQuery] = ()
    holder: str = ""


def graphiql_routes(path: str, endpoints: Sequence[IdeEndpoint], tokens_file: str = "") -> list[BaseRoute]:
    """The page at `path` and its files below it. `tokens_file`, read at each request, has tokens by their holders."""
    template = _template(path)

    async def page(request: Request) -> Response:
        settings = _settings(endpoints, _tokens(tokens_file) if _is_local(request) else {})
        html = template.replace("{settings}", settings)
        return HTMLResponse(html, headers={"content-security-policy": PAGE_POLICY})

    return [
        Route(path, page, methods=["GET"]),
        Mount(f"{path}/assets", PageFiles(packages=[(PACKAGE, PACKAGE_FOLDER)])),
        Mount(f"{path}/page", PageFiles(directory=PAGES)),
    ]


class PageFiles(StaticFiles):
    """Files that a browser may keep, if it asks each time whether they are still the same."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """A file that browsers keep, but ask about before each use."""
        response = super().file_response(*arguments, **options)
        response.headers["cache-control"] = "no-cache"
        return response


def _tokens(file: str) -> Mapping[str, str]:
    tokens: dict[str, str] = orjson.loads(Path(file).read_bytes()) if file and Path(file).exists() else {}
    return tokens


def _settings(endpoints: Sequence[IdeEndpoint], tokens: Mapping[str, str]) -> str:
    """What the page's script reads. `<` is written as an escape, so that no text can end the script element."""
    shown = [
        {
            "name": each.name,
            "label": each.label,
            "url": each.url,
            "headers": {"Authorization": f"Bearer {tokens[each.holder]}"} if each.holder in tokens else None,
            "queries": [{"query": ready.query, "variables": ready.variables} for ready in each.queries],
        }
        for each in endpoints
    ]
    return orjson.dumps({"endpoints": shown}).decode().replace("<", "\\u003c")


def _is_local(request: Request) -> bool:
    """Whether the address bar names this machine: another name that leads here must not be given a token."""
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname in LOCAL_HOSTS
    except ValueError:
        return False


def _template(path: str) -> str:
    styles = [f'<link rel="stylesheet" href="{path}/{each}" integrity="{_integrity(each)}">' for each in STYLES]
    scripts = [f'<script src="{path}/{each}" integrity="{_integrity(each)}"></script>' for each in SCRIPTS]
    page = (PAGES / "graphiql.html").read_text("utf-8")
    return page.replace("{styles}", "\n".join(styles)).replace("{scripts}", "\n".join(scripts))


def _integrity(file: str) -> str:
    folder, _, name = file.partition("/")
    source = files(PACKAGE).joinpath(PACKAGE_FOLDER, name) if folder == "assets" else PAGES / name
    return "sha384-" + b64encode(sha384(source.read_bytes()).digest()).decode()
