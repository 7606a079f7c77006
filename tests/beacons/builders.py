"""Real rounds of drand's quicknet, and relays that stand in for drand's."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from gamification.beacons.rules import QUICKNET, Miss

SIGNATURES: Mapping[int, str] = {
    1: "b55e7cb2d5c613ee0b2e28d6750aabbb78c39dcc96bd9d38c2c2e12198df95571de8e8e402a0cc48871c7089a2b3af4b",
    100: "a4a4ff2320c23471a4bf9540ee5fc68e4c6a750dc89fd8bbeb9ba56e0708673b2d285461388f14537332492726efd282",
    1000: "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
    1001: "b33bf3667cbd5a82de3a24b4e0e9fe5513cc1a0e840368c6e31f5fcfa79bea03f73896b25883abf2853d10337fb8fa41",
    1002: "ab066f9c12dd6de1336fca0f925192fb0c72a771c3e4c82ede1fd362c1a770f9eb05843c6308ce2530b53a99c0281a6e",
}
"""As drand published them; each checks itself by the chain's key."""
RANDOMNESS_OF_1000 = "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"


def answer_for(number: int, **instead: Any) -> dict[str, Any]:
    """What an honest relay says about a round, with changes."""
    signature = SIGNATURES[number]
    randomness = hashlib.sha256(bytes.fromhex(signature)).hexdigest()
    return {"round": number, "randomness": randomness, "signature": signature, **instead}


@dataclass
class ToldRelay:
    """A relay that says what it was told to: an answer, or a miss; it notes what it was asked."""

    says: object = None
    name: str = "https://relay.example"
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def ask(self, chain_hash: str, number: int) -> object:
        self.asked.append((chain_hash, number))
        if isinstance(self.says, Miss):
            raise self.says
        return answer_for(number) if self.says is None else self.says


@dataclass
class StandIn:
    """An HTTP server on this machine in a relay's place: `answers` by path, as status line and body; None hangs."""

    address: str = ""
    answers: dict[str, tuple[str, bytes] | None] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)

    def knows(self, number: int, document: object = None, status: str = "200 OK") -> None:
        """From now on it answers so for a round; as drand does when nothing is said."""
        body = document if isinstance(document, bytes) else orjson.dumps(document or answer_for(number))
        self.answers[f"/{QUICKNET.hash}/public/{number}"] = (status, body)

    def hangs(self, number: int) -> None:
        """From now on it begins an answer for a round and never ends it."""
        self.answers[f"/{QUICKNET.hash}/public/{number}"] = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close; a client may leave before it has asked."""
        try:
            await self.answer((await reader.readuntil(b"\r\n\r\n")).decode(), reader, writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a request whose head was read."""
        self.heard.append(head)
        answer = self.answers.get(head.split()[1], ("404 Not Found", b""))
        if answer is None:
            writer.write(b"HTTP/1.1 200 OK\r\n")
            await writer.drain()
            await reader.read()  # until the client has had enough
        else:
            status, body = answer
            writer.write(
                f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
            )


@asynccontextmanager
async def a_stand_in() -> AsyncIterator[StandIn]:
    """A stand-in that serves during the block."""
    stand_in = StandIn()
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    stand_in.address = f"http://{host}:{port}"
    async with server:
        yield stand_in
