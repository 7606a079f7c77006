"""What callers see of an error, and what the log says of it.

An expected error carries a code. Everything else is a fault: the caller reads INTERNAL_ERROR and a correlation id; the
log line carries that id, the operation's name, the path, the kind of error and where it was raised, but no variables.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import structlog
from asyncpg.exceptions import CharacterNotInRepertoireError, UntranslatableCharacterError
from graphql import GraphQLError
from strawberry.exceptions import StrawberryInputCoercionError

from gamification.core.correlation import correlation_id
from gamification.core.errors import DEFAULT_LOCALE, InvalidInput, Overloaded, Refusal
from gamification.core.ids import new_id
from gamification.core.policy import PolicyMissing

log = structlog.get_logger(__name__)

FAULT_MESSAGES: Mapping[str, str] = {
    "zh-CN": "系统繁忙,请稍后重试",
    "en": "Something went wrong on our side.",
}
UNSTORABLE_MESSAGES: Mapping[str, str] = {
    "zh-CN": "文本中含有无法保存的字符",
    "en": "A text holds a character that cannot be stored.",
}
UNSTORABLE = (CharacterNotInRepertoireError, UntranslatableCharacterError)
"""How PostgreSQL refuses U+0000, wherever in a text it stands: the caller's fault and not ours."""

FRAMES_MAX = 12
SUMMARY_LENGTH_MAX = 200
_LONG_NUMBER = re.compile(r"\d{7,}")
_ADDRESS = re.compile(r"\S+@\S+")
_QUOTED = re.compile(r"""(['"]).*?\1""")


def current_correlation() -> str:
    """The correlation id of the request at hand; a new one where none was given."""
    return correlation_id.get() or str(new_id())


def shown_errors(
    errors: Iterable[GraphQLError], *, locale: str = DEFAULT_LOCALE, operation: str | None = None
) -> list[GraphQLError]:
    """The errors of an execution as the caller may read them; faults among them are logged."""
    return [_shown(error, locale, operation) for error in errors]


def with_code(error: GraphQLError, code: str) -> GraphQLError:
    """The same error with a code; one that it has already stays."""
    return _replaced(error, error.message, {"code": code, **(error.extensions or {})})


def fault(error: BaseException, *, locale: str = DEFAULT_LOCALE, operation: str | None = None) -> GraphQLError:
    """Log a fault outside any field, and what the caller reads of it."""
    current = current_correlation()
    _log_fault(error, operation, None, current)
    return GraphQLError(_fault_message(locale), extensions={"code": "INTERNAL_ERROR", "correlationId": current})


def _shown(error: GraphQLError, locale: str, operation: str | None) -> GraphQLError:
    cause = _cause(error)
    if isinstance(cause, GraphQLError) and "code" in (cause.extensions or {}):
        return error
    if isinstance(cause, InvalidInput):
        return _replaced(error, cause.message(locale), {"code": "BAD_USER_INPUT", "argument": cause.field})
    if isinstance(cause, Overloaded) or (isinstance(cause, Refusal) and cause.code == "UNAUTHENTICATED"):
        return _replaced(error, cause.message(locale), {"code": cause.code})
    if isinstance(cause, PolicyMissing):
        return _replaced(error, cause.message(locale), {"code": cause.code, "kind": cause.kind})
    if _is_coercion(error, cause):
        return _replaced(error, error.message, {"code": "BAD_USER_INPUT"})
    if isinstance(cause, UNSTORABLE) or isinstance(cause.__cause__, UNSTORABLE):
        return _replaced(error, UNSTORABLE_MESSAGES[locale], {"code": "BAD_USER_INPUT"})
    current = current_correlation()
    _log_fault(cause, operation, error.path, current)
    return _replaced(error, _fault_message(locale), {"code": "INTERNAL_ERROR", "correlationId": current})


def _cause(error: GraphQLError) -> Exception:
    cause: Exception = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _is_coercion(error: GraphQLError, cause: Exception) -> bool:
    """Whether graphql-core or strawberry could not read an input.

    graphql-core points at the input's place in the document, for a variable without a path; an error without a place
    comes from writing an answer, which is our fault.
    """
    if isinstance(cause, StrawberryInputCoercionError):
        return True
    if error.path is None:
        return bool(error.nodes)
    return isinstance(cause, GraphQLError) and cause is not error and bool(cause.nodes)


def _replaced(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message, error.nodes, source=error.source, positions=error.positions, path=error.path, extensions=extensions
    )


def _fault_message(locale: str) -> str:
    return FAULT_MESSAGES.get(locale, FAULT_MESSAGES[DEFAULT_LOCALE])


def _log_fault(error: BaseException, operation: str | None, path: Iterable[Any] | None, current: str) -> None:
    log.error(
        "graphql.fault",
        operation=operation,
        path=".".join(map(str, path)) if path else None,
        correlation_id=current,
        error=type(error).__name__,
        refusal=error.code if isinstance(error, Refusal) else None,
        summary=summary(error),
        frames=_frames(error),
    )


def summary(error: BaseException) -> str:
    """The first line of an error's text, with everything taken out that could be a person's: values, numbers, mail."""
    first = "" if isinstance(error, Refusal) else str(error).partition("\n")[0]
    for pattern in (_QUOTED, _ADDRESS, _LONG_NUMBER):
        first = pattern.sub("…", first)
    return first[:SUMMARY_LENGTH_MAX]


def _frames(error: BaseException) -> list[str]:
    found = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
    return [f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in found]
