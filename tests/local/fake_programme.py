"""`python -m tests.local.fake_programme FOLDER`: `up` with real stores, and a small web process in place of the API."""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from app.local.endpoints import Tokens
from app.local.readiness import WEB
from app.local.supervisor import Program
from app.local.up import up
from app.settings import Settings


class Answer(BaseHTTPRequestHandler):
    """Answers everything with the number of its process."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


async def prepare(settings: Settings) -> Tokens:
    return Tokens(member="m", owner="o", cashier="c", integration="i")


if __name__ == "__main__":
    if sys.argv[1:] == ["web"]:
        HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
    else:
        up(
            Path(sys.argv[1]),
            programs=[Program(WEB, ("-P", "-m", "tests.local.fake_programme", "web"))],
            prepare=prepare,
        )
