"""The stand-alone verifiers as files, for anybody: the very texts of docs/verifiers/."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

FOLDER = Path(__file__).parents[1] / "docs" / "verifiers"
TYPES = {
    "verify.js": "text/javascript",
    "verify_draw.py": "text/x-python",
    "verify_play.py": "text/x-python",
    "verify_ledger.py": "text/x-python",
}
FRESH = "public, max-age=3600"


@dataclass(frozen=True, slots=True)
class Text:
    """A file as it is answered."""

    name: str
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Any page may read or run it."""
        return {
            "content-type": f"{TYPES[self.name]}; charset=utf-8",
            "etag": f'"{hashlib.sha256(self.body).hexdigest()}"',
            "cache-control": FRESH,
            "access-control-allow-origin": "*",
            "cross-origin-resource-policy": "cross-origin",
        }


async def _answer(text: Text, request: Request) -> Response:
    if request.headers.get("if-none-match") == text.headers["etag"]:
        return Response(status_code=304, headers=text.headers)
    return Response(text.body, headers=text.headers)


def verifier_routes() -> list[BaseRoute]:
    """`/verifiers/verify.js` and the others; an installation without its documents serves none."""
    texts = [Text(name, (FOLDER / name).read_bytes()) for name in TYPES if (FOLDER / name).is_file()]
    return [Route(f"/verifiers/{each.name}", partial(_answer, each)) for each in texts]
