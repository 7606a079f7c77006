"""Who asks: the one answer of authentication, and what every verb and every audit line is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from uuid import UUID

ActorKind = Literal["anonymous", "member", "staff", "integration", "system"]
Role = Literal["owner", "operator", "cashier", "auditor"]


@dataclass(frozen=True)
class Actor:
    """A caller: a member, a member of staff with a role, an integration with scopes, a job, or nobody known."""

    kind: ActorKind
    id: UUID | None = None
    role: Role | None = None
    stores: frozenset[str] = field(default_factory=frozenset)
    scopes: frozenset[str] = field(default_factory=frozenset)
    session_id: UUID | None = None

    @cached_property
    def key(self) -> str:
        """Stable text for receipts and audit lines, such as `member:0198…`."""
        return f"{self.kind}:{self.id}" if self.id else self.kind

    @property
    def member_id(self) -> UUID | None:
        """The member's id, None for anybody else."""
        return self.id if self.kind == "member" else None


ANONYMOUS = Actor("anonymous")
SYSTEM = Actor("system")
