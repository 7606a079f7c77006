"""Logs: one line per event, JSON for machines or coloured text for people, each with the correlation id of its work."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from gamification.core.correlation import correlation_id
from gamification.core.ids import new_id

HIDDEN = "[hidden]"
# Names under which a secret or a person's data could slip into a log line.
PRIVATE_NAMES = frozenset(
    {"authorization", "access_token", "openid", "password", "phone", "refresh_token", "secret", "session_key", "token"}
)


def configure(process: str, log_format: Literal["json", "console"]) -> None:
    """Send structlog and the standard library's loggers to standard error, in one form. `process` names the writer."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_correlation_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_private_values,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last_steps(process, log_format))
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


def last_steps(process: str, log_format: Literal["json", "console"]) -> list[Processor]:
    """What turns an event into its line."""
    clean = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if log_format == "console":
        plain = structlog.dev.plain_traceback  # a richer one shows local variables, and with them secrets
        return [clean, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]

    def add_process(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {**event, "process": process}

    render = structlog.processors.JSONRenderer(serializer=as_json)
    return [clean, add_process, structlog.processors.format_exc_info, render]


def as_json(event: EventDict, **_: object) -> str:
    """One line of JSON; what JSON does not know is written as text."""
    return orjson.dumps(event, default=str).decode()


def add_correlation_id(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Join the line to the request or the job it belongs to."""
    if (current := correlation_id.get()) is not None:
        event.setdefault("correlation_id", current)
    return event


def hide_private_values(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A last guard: values under these names never reach a log."""
    return {name: HIDDEN if name in PRIVATE_NAMES else value for name, value in event.items()}


@contextmanager
def correlated(given: str | None = None) -> Iterator[str]:
    """Everything inside belongs to the given correlation id, or to a new one."""
    current = given or str(new_id())
    reset = correlation_id.set(current)
    try:
        yield current
    finally:
        correlation_id.reset(reset)
