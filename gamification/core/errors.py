"""Refusals: every expected "no" is data, with its numbers and a message in the caller's language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Self, get_type_hints

from pydantic import TypeAdapter

LOCALES = ("zh-CN", "en")
DEFAULT_LOCALE = "zh-CN"


def _code_of(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


class Refusal(Exception):
    """An expected "no". Subclasses are keyword-only dataclasses whose fields are the numbers of the refusal.

    `code` is derived from the class name (`InsufficientPoints` → `INSUFFICIENT_POINTS`); `messages` holds one format
    string per locale over the fields. `kept` says whether an idempotency receipt stores it: business refusals are
    kept and replayed, refusals about rate, access or the shape of the input are not.
    """

    code: ClassVar[str] = "REFUSED"
    kept: ClassVar[bool] = True
    messages: ClassVar[Mapping[str, str]] = {}
    by_code: ClassVar[dict[str, type[Refusal]]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.code = _code_of(cls.__name__)
        known = Refusal.by_code.get(cls.code)
        assert known is None or known.__qualname__ == cls.__qualname__, f"two refusals share the code {cls.code}"
        Refusal.by_code[cls.code] = cls

    def fields(self) -> dict[str, Any]:
        """The numbers of this refusal by name."""
        return {name: getattr(self, name) for name in type(self).field_names()}

    @classmethod
    def field_names(cls) -> list[str]:
        """The names of the numbers, in the order in which they are declared."""
        return [each.name for each in fields(cls)]  # type: ignore[arg-type]

    def message(self, locale: str = DEFAULT_LOCALE) -> str:
        """What the caller reads; falls back to the programme's default language."""
        template = self.messages.get(locale) or self.messages[DEFAULT_LOCALE]
        return template.format(**self.fields())

    def __str__(self) -> str:
        return self.message("en")

    @classmethod
    def restore(cls, values: Mapping[str, Any]) -> Self:
        """The refusal that a receipt stored under its fields."""
        return cls(**{name: _adapter(cls.code, name).validate_python(value) for name, value in values.items()})


@cache
def _adapter(code: str, name: str) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(Refusal.by_code[code])[name])


def restore_refusal(code: str, values: Mapping[str, Any]) -> Refusal:
    """The refusal that was stored as a code and its fields."""
    return Refusal.by_code[code].restore(values)


@dataclass(kw_only=True, eq=False)
class InvalidInput(Refusal):
    """An input that is out of its bounds; names the field and the limit."""

    kept = False
    field: str
    reason: str
    messages = {"zh-CN": "参数 {field} 无效:{reason}", "en": "Invalid {field}: {reason}."}


@dataclass(kw_only=True, eq=False)
class NotFound(Refusal):
    """Nothing of that kind under that id, or nothing that the caller may see."""

    kept = False
    kind: str
    id: str
    messages = {"zh-CN": "未找到 {kind} {id}", "en": "No {kind} {id}."}


@dataclass(kw_only=True, eq=False)
class IdempotencyConflict(Refusal):
    """The same idempotency key came with another input."""

    kept = False
    key: str
    messages = {
        "zh-CN": "幂等键 {key} 已用于另一请求",
        "en": "The idempotency key {key} was used for another request.",
    }


@dataclass(kw_only=True, eq=False)
class Overloaded(Refusal):
    """More commands wait already than this process, or this member, may have waiting; nothing was begun."""

    kept = False
    limit: int
    messages = {
        "zh-CN": "请求过多,已有 {limit} 个在等待,请稍后重试",
        "en": "Too many requests: {limit} are waiting already. Try again in a moment.",
    }
