"""Log lines: joined to their work, silent about people and secrets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO

import orjson
import pytest
import structlog

from app.telemetry import configure, correlated


@pytest.fixture
def logs() -> Iterator[StringIO]:
    """Logging as a process sets it up, undone afterwards."""
    root, lines = logging.getLogger(), StringIO()
    before, level = root.handlers[:], root.level
    with redirect_stderr(lines):
        configure("worker", "json")
    yield lines
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_json_with_its_process_and_correlation_id(logs: StringIO) -> None:
    """Lines of structlog and of the standard library carry the same fields, and the correlation id of their work."""
    with correlated("c-1"):
        structlog.get_logger("draws").info("draw.settled", winners=3)
        logging.getLogger("some.library").warning("slow %s", "request")
    with correlated() as new:
        structlog.get_logger("draws").info("again")
    first, second, third = (orjson.loads(line) for line in logs.getvalue().splitlines())
    for line in (first, second, third):
        assert line.pop("timestamp").endswith("Z")
    common = {"correlation_id": "c-1", "process": "worker"}
    assert first == {"event": "draw.settled", "winners": 3, "level": "info", "logger": "draws", **common}
    assert second == {"event": "slow request", "level": "warning", "logger": "some.library", **common}
    assert third["correlation_id"] == new != "c-1"


def test_secrets_and_persons_are_hidden(logs: StringIO) -> None:
    """Values under names such as token and phone do not reach the log."""
    structlog.get_logger().info("login", token="t0p", phone="13800138000", code="OK")
    line = orjson.loads(logs.getvalue())
    assert (line["token"], line["phone"], line["code"]) == ("[hidden]", "[hidden]", "OK")


def test_a_fault_is_one_line_with_its_trace(logs: StringIO) -> None:
    """An exception is one JSON line that holds the trace."""
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("fault")
    (line,) = logs.getvalue().splitlines()
    assert "ValueError: broken" in orjson.loads(line)["exception"]
