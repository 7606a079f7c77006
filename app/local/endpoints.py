"""Where a programme is reached and with which tokens: kept in a file while it serves, and shown to people."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from app.local.secrets import write_private
from app.local.stores import Stores

FIRST_QUERY = "{ me { nickname points { available } tierProgress { current { name } } } }"


@dataclass(frozen=True, slots=True)
class Tokens:
    """One ready token of each kind of caller."""

    member: str
    owner: str
    cashier: str
    integration: str

    def write(self, folder: Path) -> None:
        """Keep them where their owner alone may read them."""
        write_private(tokens_file(folder), json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The tokens that were kept last; None when none were."""
        file = tokens_file(folder)
        return cls(**json.loads(file.read_text())) if file.exists() else None


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What `endpoints.json` holds."""

    member_url: str
    admin_url: str
    graphiql_url: str
    database_url: str
    redis_url: str
    tokens: Tokens

    @classmethod
    def at(cls, origin: str, stores: Stores, tokens: Tokens) -> Self:
        """The addresses under `origin`, such as http://127.0.0.1:8000."""
        return cls(
            member_url=f"{origin}/graphql",
            admin_url=f"{origin}/admin/graphql",
            graphiql_url=f"{origin}/graphiql",
            database_url=stores.database_url,
            redis_url=stores.redis_url,
            tokens=tokens,
        )

    def write(self, folder: Path) -> None:
        """Only its owner may read it: it holds tokens and passwords."""
        write_private(endpoints_file(folder), json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What is served from this folder now; None while nothing is, or not yet."""
        file = endpoints_file(folder)
        if not file.exists():
            return None
        values = json.loads(file.read_text())
        return cls(**{**values, "tokens": Tokens(**values["tokens"])})

    @property
    def stores(self) -> Stores:
        """The addresses of the two stores alone."""
        return Stores(self.database_url, self.redis_url)

    def curl(self) -> str:
        """A first request that works when pasted."""
        body = json.dumps({"query": FIRST_QUERY})
        headers = ["Content-Type: application/json", f"Authorization: Bearer {self.tokens.member}"]
        words = ["curl", self.member_url, *(word for header in headers for word in ("-H", header)), "-d", body]
        return shlex.join(words)

    def lines(self) -> list[str]:
        """The addresses, the tokens and the first request, for a person."""
        return [
            f"GraphiQL        {self.graphiql_url}",
            f"Members' API    {self.member_url}",
            f"Staff's API     {self.admin_url}",
            f"PostgreSQL      {self.database_url}",
            f"Valkey          {self.redis_url}",
            "",
            *(f"{kind + ' token':<17} {token}" for kind, token in asdict(self.tokens).items()),
            "",
            "A first request, to be pasted:",
            self.curl(),
        ]


def endpoints_file(folder: Path) -> Path:
    """Where a running programme writes how it can be reached."""
    return folder / "endpoints.json"


def tokens_file(folder: Path) -> Path:
    """Where the tokens are kept for GraphiQL's page, and from one start to the next."""
    return folder / "tokens.json"
