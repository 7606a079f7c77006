"""The correlation id of the work at hand: it joins a request, its outbox rows and the jobs they start in the logs."""

from __future__ import annotations

from contextvars import ContextVar

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
