"""Which value is mixed into a draw's seed, when it is due, and what a relay's answer is worth: pure decisions."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, NamedTuple
from uuid import UUID

from gamification.beacons.errors import BeaconNotDue, BeaconOverdue
from gamification.core.errors import InvalidInput
from gamification.core.policy import Problem

Kind = Literal["NONE", "DRAND", "FIGURE"]
ProofLevel = Literal["OPERATOR", "PUBLIC"]

DRAND_DELAY_SECONDS = 300
FIGURE_DELAY = timedelta(minutes=5)
"""A figure is due this long after the planned closing at least, so that a closing may be a little late."""
FIGURE_WAIT_MAX = timedelta(days=30)
PATIENCE = timedelta(hours=24)
"""How long after its due instant a value may be absent before the draw is voided."""
PAUSE_MIN, PAUSE_MAX = timedelta(seconds=3), timedelta(seconds=60)
"""Between two looks for a round: half of the time waited so far, within these bounds."""
NAME_LENGTH_MAX = 100
SOURCE_LENGTH_MAX = 500
VALUE_LENGTH_MAX = 100
SIGNATURE_HEX_LENGTH = 96


@dataclass(frozen=True, slots=True)
class Chain:
    """A drand chain. `genesis` is the instant of round 1 in Unix seconds; the key is a compressed G2 point in hex."""

    hash: str
    public_key: str
    scheme: str
    genesis: int
    period_seconds: int

    def round_from(self, instant: datetime) -> int:
        """The first round whose instant is not before this one."""
        elapsed = instant - datetime.fromtimestamp(self.genesis, UTC)
        return max(0, -(-elapsed // timedelta(seconds=self.period_seconds))) + 1

    def instant_of(self, number: int) -> datetime:
        """When a round is due to be signed; nobody can know it much before."""
        return datetime.fromtimestamp(self.genesis + (number - 1) * self.period_seconds, UTC)


SCHEME = "bls-unchained-g1-rfc9380"
QUICKNET = Chain(
    hash="52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971",
    public_key=(
        "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc2"
        "2b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
    ),
    scheme=SCHEME,
    genesis=1_692_803_367,
    period_seconds=3,
)
"""drand's quicknet, whose parameters are published by the League of Entropy."""


class Appointment(NamedTuple):
    """What a closing fixes: the round's number, where there are rounds, and the instant at which the value is due."""

    number: int | None
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class NoBeacon:
    """The committed seed decides alone."""

    kind: ClassVar[Kind] = "NONE"
    proof_level: ClassVar[ProofLevel] = "OPERATOR"

    def terms(self) -> dict[str, Any]:
        """Its part of a draw's terms."""
        return {"kind": "none"}

    def planning_problems(self, closes_at: datetime) -> Iterator[Problem]:
        """What is wrong with it in a draw that closes at an instant."""
        yield from ()

    def appointment(self, closed_at: datetime) -> Appointment:
        """Nothing to wait for."""
        return Appointment(None, None)


@dataclass(frozen=True, slots=True)
class DrandBeacon:
    """A round of a drand chain, `delay_seconds` after the closing or as soon after that as there is one."""

    chain: Chain = QUICKNET
    delay_seconds: int = DRAND_DELAY_SECONDS
    kind: ClassVar[Kind] = "DRAND"
    proof_level: ClassVar[ProofLevel] = "PUBLIC"

    def terms(self) -> dict[str, Any]:
        """Its part of a draw's terms."""
        return {
            "kind": "drand",
            "chain": self.chain.hash,
            "public_key": self.chain.public_key,
            "scheme": self.chain.scheme,
            "genesis": self.chain.genesis,
            "period_seconds": self.chain.period_seconds,
            "delay_seconds": self.delay_seconds,
        }

    def planning_problems(self, closes_at: datetime) -> Iterator[Problem]:
        """Nothing of it is left to whoever plans."""
        yield from ()

    def appointment(self, closed_at: datetime) -> Appointment:
        """The round that a closing at this instant leads to."""
        number = self.chain.round_from(closed_at + timedelta(seconds=self.delay_seconds))
        return Appointment(number, self.chain.instant_of(number))


@dataclass(frozen=True, slots=True)
class FigureBeacon:
    """A figure that others will publish at `due_at`, in a place (`source`) where everybody can look it up."""

    name_zh: str
    name_en: str
    source: str
    due_at: datetime
    kind: ClassVar[Kind] = "FIGURE"
    proof_level: ClassVar[ProofLevel] = "PUBLIC"

    def terms(self) -> dict[str, Any]:
        """Its part of a draw's terms."""
        names = {"zh-CN": self.name_zh, "en": self.name_en}
        return {"kind": "figure", "name": names, "source": self.source, "due_at": self.due_at}

    def planning_problems(self, closes_at: datetime) -> Iterator[Problem]:
        """What is wrong with it in a draw that closes at an instant."""
        texts = (
            ("nameZh", self.name_zh, NAME_LENGTH_MAX),
            ("nameEn", self.name_en, NAME_LENGTH_MAX),
            ("source", self.source, SOURCE_LENGTH_MAX),
        )
        for name, text, most in texts:
            if not 1 <= len(text.strip()) <= most:
                yield Problem(f"beacon.figure.{name}", f"1 to {most} characters")
        if not closes_at + FIGURE_DELAY <= self.due_at <= closes_at + FIGURE_WAIT_MAX:
            yield Problem("beacon.figure.dueAt", "5 minutes to 30 days after closesAt")

    def appointment(self, closed_at: datetime) -> Appointment:
        """The instant was declared."""
        return Appointment(None, self.due_at)


Beacon = NoBeacon | DrandBeacon | FigureBeacon
NO_BEACON = NoBeacon()


def beacon_of(terms: Mapping[str, Any]) -> Beacon:
    """The beacon that a draw's published terms name; none where they are from before there were beacons."""
    given = terms.get("beacon", {"kind": "none"})
    match given["kind"]:
        case "none":
            return NO_BEACON
        case "drand":
            chain = Chain(
                given["chain"], given["public_key"], given["scheme"], given["genesis"], given["period_seconds"]
            )
            return DrandBeacon(chain, given["delay_seconds"])
        case "figure":
            name, due_at = given["name"], datetime.fromisoformat(given["due_at"])
            return FigureBeacon(name["zh-CN"], name["en"], given["source"], due_at)
        case kind:
            raise ValueError(f"terms with a beacon of an unknown kind: {kind}")


def mixed_seed(seed: bytes, draw_id: UUID, value: str | None) -> bytes:
    """What orders the tickets: the seed, or HMAC-SHA256(seed, `beacon|<draw>|<value>`) where there is a value."""
    return seed if value is None else hmac.digest(seed, f"beacon|{draw_id}|{value}".encode(), "sha256")


def could_have_been_known(due_at: datetime | None, closed_at: datetime) -> bool:
    """Whether a value was due when the tickets were not yet frozen; such a draw proves nothing."""
    return due_at is not None and due_at <= closed_at


def given_up_at(due_at: datetime) -> datetime:
    """From when on an absent value voids the draw."""
    return due_at + PATIENCE


def next_look_at(kind: Kind, due_at: datetime, now: datetime) -> datetime:
    """When to look again for a value that is due and was not there.

    A round by growing pauses, so that it is found within a minute of being there; a figure comes by itself, so only the
    end of the patience is waited for.
    """
    if kind == "FIGURE":
        return given_up_at(due_at)
    return min(now + min(max((now - due_at) // 2, PAUSE_MIN), PAUSE_MAX), given_up_at(due_at))


Reason = Literal[
    "NOT_THERE", "TIMED_OUT", "UNREACHABLE", "UNWELL", "JUNK", "WRONG_ROUND", "WRONG_RANDOMNESS", "WRONG_SIGNATURE"
]


class Miss(Exception):
    """Why a relay gave no value; `reason` tells the ways apart."""

    def __init__(self, reason: Reason, relay: str = "") -> None:
        super().__init__(f"{relay}: {reason}" if relay else reason)
        self.reason: Reason = reason
        self.relay = relay


class Round(NamedTuple):
    """A round of a chain: its randomness is the SHA-256 of its signature, and `source` the relay that answered."""

    number: int
    signature: bytes
    source: str

    @property
    def value(self) -> str:
        """What is mixed into the seed."""
        return hashlib.sha256(self.signature).hexdigest()


def read_round(answer: object, number: int, relay: str) -> Round:
    """What a relay answered as a round, its signature not yet checked. Raises Miss for anything else."""
    match answer:
        case {"round": int(given), "randomness": str(randomness), "signature": str(signature)}:
            if given != number or isinstance(given, bool):
                raise Miss("WRONG_ROUND", relay)
        case _:
            raise Miss("JUNK", relay)
    if len(signature) != SIGNATURE_HEX_LENGTH or not set(signature) <= set("0123456789abcdef"):
        raise Miss("JUNK", relay)
    found = Round(number, bytes.fromhex(signature), relay)
    if randomness != found.value:
        raise Miss("WRONG_RANDOMNESS", relay)
    return found


def checked_figure(value: str) -> str:
    """A figure as it was published. Refuses: InvalidInput for what is blank, too long, or looks like another text.

    Two writings that look the same would be two results to choose from, so only the plain one (NFKC) is taken, with
    single blanks within.
    """
    plain = " ".join(unicodedata.normalize("NFKC", value).split())
    if value != plain or not 1 <= len(value) <= VALUE_LENGTH_MAX or not value.isprintable():
        reason = f"1 to {VALUE_LENGTH_MAX} plain characters (NFKC) as published, with single blanks, none around"
        raise InvalidInput(field="value", reason=reason)
    return value


def check_in_time(due_at: datetime, now: datetime) -> None:
    """Refuses: BeaconNotDue before a figure is due, BeaconOverdue once its absence voids the draw."""
    if now < due_at:
        raise BeaconNotDue(due_at=due_at)
    if now >= given_up_at(due_at):
        raise BeaconOverdue(given_up_at=given_up_at(due_at))
