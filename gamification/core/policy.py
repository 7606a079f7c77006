"""Programme policy: rates, prices, limits and odds as immutable versions.

A policy is a frozen dataclass of a slice's `rules.py` with a `kind` and a `problems()` check. Published bodies are
never changed; a later version takes effect from its instant on. `Policies` keeps all versions in memory: they are few,
immutable, and asked for by every decision.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

import orjson
from pydantic import TypeAdapter, ValidationError

from gamification.core.actors import Actor
from gamification.core.audit import audit
from gamification.core.database import execute, fetch, fetch_row, fetch_value
from gamification.core.errors import Refusal
from gamification.core.transactions import transaction

_SINCE_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a policy cannot be published: where in the body, and what is wrong."""

    path: str
    reason: str


class Policy(Protocol):
    """A body of programme policy. `problems` says what would make it unfit for publication."""

    kind: ClassVar[str]

    def problems(self) -> Sequence[Problem]:
        """What is wrong with this body, by field; nothing when it may be published."""


P = TypeVar("P", bound=Policy)


@dataclass(frozen=True, slots=True)
class Version(Generic[P]):
    """A published policy: which version it is, from when it holds (None: since ever), and its body."""

    version: int
    effective_from: datetime | None
    body: P


@dataclass(kw_only=True, eq=False)
class PolicyMissing(Refusal):
    """No version of this policy holds at that instant: the programme has not been published yet."""

    kept = False
    kind: str
    messages = {"zh-CN": "尚未发布规则:{kind}", "en": "No published policy of kind {kind}."}


@dataclass(kw_only=True, eq=False)
class PolicyInvalid(Refusal):
    """A policy that may not be published; names the first offending node and how many there are."""

    kept = False
    kind: str
    path: str
    reason: str
    problems: int
    messages = {
        "zh-CN": "规则 {kind} 的 {path} 无效:{reason}(共 {problems} 处)",
        "en": "Policy {kind} is invalid at {path}: {reason} ({problems} in all).",
    }


@dataclass(kw_only=True, eq=False)
class PolicyInThePast(Refusal):
    """A new version would rewrite decisions that were already made."""

    kept = False
    kind: str
    earliest: datetime
    messages = {
        "zh-CN": "规则 {kind} 的生效时间不得早于 {earliest}",
        "en": "Policy {kind} cannot take effect before {earliest}.",
    }


@cache
def adapter(body: type[P]) -> TypeAdapter[P]:
    """The validator of a policy's body, built once."""
    return TypeAdapter(body)


class Policies:
    """Every published version, in memory; `refresh` reads what is new."""

    def __init__(self) -> None:
        self.revision = 0
        self._versions: dict[str, list[tuple[datetime, int, Any]]] = {}
        self._parsed: dict[tuple[str, int], Version[Any]] = {}

    def at(self, policy: type[P], instant: datetime) -> Version[P]:
        """The version in force at an instant. Refuses: PolicyMissing."""
        versions = self._versions.get(policy.kind, [])
        index = len(versions)
        if index and versions[-1][0] > instant:
            index = bisect_right(versions, instant, key=lambda each: each[0])
        if index == 0:
            raise PolicyMissing(kind=policy.kind)
        since, version, body = versions[index - 1]
        return self._parse(policy, since, version, body)

    def latest(self, policy: type[P]) -> Version[P] | None:
        """The newest published version, whether in force yet or not; None when there is none."""
        versions = self._versions.get(policy.kind, [])
        return self._parse(policy, *max(versions, key=lambda each: each[1])) if versions else None

    def numbered(self, policy: type[P], version: int) -> Version[P]:
        """The version of that number, which has to be published."""
        found = next(each for each in self._versions[policy.kind] if each[1] == version)
        return self._parse(policy, *found)

    def all(self, policy: type[P]) -> list[Version[P]]:
        """All versions in the order in which they take effect."""
        return [self._parse(policy, *each) for each in self._versions.get(policy.kind, [])]

    def _parse(self, policy: type[P], since: datetime, version: int, body: Any) -> Version[P]:
        key = (policy.kind, version)
        if key not in self._parsed:
            effective = None if since == _SINCE_EVER else since
            self._parsed[key] = Version(version, effective, adapter(policy).validate_python(body))
        return cast(Version[P], self._parsed[key])

    async def refresh(self) -> None:
        """Read the versions published since the last look."""
        rows = await fetch(
            "SELECT revision, kind, version, effective_from, body FROM policy_version WHERE revision > $1 ORDER BY 1",
            self.revision,
        )
        self._add(tuple(row) for row in rows if row["revision"] > self.revision)  # unless another task did meanwhile

    def _add(self, rows: Iterable[tuple[int, str, int, datetime | None, str]]) -> None:
        for revision, kind, version, effective_from, body in rows:
            if revision <= self.revision:
                continue  # another task read it meanwhile
            versions = self._versions.setdefault(kind, [])
            versions.append((effective_from or _SINCE_EVER, version, orjson.loads(body)))
            versions.sort(key=lambda each: (each[0], each[1]))
            self.revision = revision


def parse_policy(policy: type[P], body: Any) -> P:
    """A body as it came over the wire, checked. Refuses: PolicyInvalid."""
    try:
        parsed: P = adapter(policy).validate_python(body)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"]) or "body"
        raise PolicyInvalid(kind=policy.kind, path=path, reason=first["msg"], problems=error.error_count()) from error
    problems = parsed.problems()
    if problems:
        raise PolicyInvalid(kind=policy.kind, path=problems[0].path, reason=problems[0].reason, problems=len(problems))
    return parsed


@dataclass(frozen=True, slots=True)
class Publication:
    """A version that is published, or would be: its number, from when it holds (None: since ever), SHA-256 of its body.

    `replaces` is the version that holds until then, as (version, body); None for the first of a kind.
    """

    kind: str
    version: int
    effective_from: datetime | None
    hash: bytes
    replaces: tuple[int, Mapping[str, Any]] | None


async def preview_policy(body: P, *, now: datetime, effective_from: datetime | None = None) -> Publication:
    """What `publish_policy` would do now, not done. Refuses: PolicyInvalid, PolicyInThePast."""
    return await _decide(type(body).kind, _document(body), now, effective_from)


async def publish_policy(
    body: P, *, actor: Actor, now: datetime, effective_from: datetime | None = None
) -> Publication:
    """Publish an immutable version, with a line in the audit trail; the first of a kind holds since ever.

    A later one takes effect at `effective_from`, now at the earliest. Refuses: PolicyInvalid, PolicyInThePast.
    Locks: one advisory lock over all kinds, so that versions have no gaps and revisions become visible in their order,
    which `Policies.refresh` rests on.
    """
    document = _document(body)
    async with transaction():
        await execute("SELECT pg_advisory_xact_lock(hashtext('policy_version'))")
        made = await _decide(type(body).kind, document, now, effective_from)
        await execute(
            """INSERT INTO policy_version (kind, version, effective_from, body, hash, published_by, published_at)
               VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7)""",
            made.kind,
            made.version,
            made.effective_from,
            document.decode(),
            made.hash,
            actor.key,
            now,
        )
        await _audit(made, orjson.loads(document), actor, now)
    return made


def _document(body: Policy) -> bytes:
    """The checked body as the JSON that is stored and hashed. Refuses: PolicyInvalid."""
    parse_policy(type(body), adapter(type(body)).dump_python(body))
    return orjson.dumps(adapter(type(body)).dump_python(body, mode="json"), option=orjson.OPT_SORT_KEYS)


async def _decide(kind: str, document: bytes, now: datetime, effective_from: datetime | None) -> Publication:
    known: int = await fetch_value("SELECT coalesce(max(version), 0) FROM policy_version WHERE kind = $1", kind)
    if known and effective_from is not None and effective_from < now:
        raise PolicyInThePast(kind=kind, earliest=now)
    since = (effective_from or now) if known else None
    row = await fetch_row(
        """SELECT version, body FROM policy_version WHERE kind = $1 AND (effective_from IS NULL OR effective_from <= $2)
            ORDER BY effective_from DESC NULLS LAST, version DESC LIMIT 1""",
        kind,
        since,
    )
    replaces = (row["version"], orjson.loads(row["body"])) if row else None
    return Publication(kind, known + 1, since, hashlib.sha256(document).digest(), replaces)


async def _audit(made: Publication, body: Mapping[str, Any], actor: Actor, now: datetime) -> None:
    since = made.effective_from.isoformat() if made.effective_from else None
    before = {"version": made.replaces[0], "body": made.replaces[1]} if made.replaces else None
    after = {"version": made.version, "effective_from": since, "body": body}
    await audit(actor, "policy.published", "policy", made.kind, now=now, before=before, after=after)
