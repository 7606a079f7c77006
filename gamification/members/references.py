"""What a member is known by, and where a member came from: the values that verbs and other slices pass around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gamification.members.rules import Namespace


class Reference(NamedTuple):
    """A line of the directory: a namespace and a value in it. A phone's value is its blind index."""

    namespace: Namespace
    value: str


class MemberNumber(NamedTuple):
    """A member by the number that the member reads out; not a line of the directory."""

    number: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a member came from: a channel such as `wechat`, `store`, `import`, and a store where there was one."""

    channel: str
    store: str | None = None


def wechat_reference(appid: str, openid: str) -> Reference:
    """The identity of a WeChat login: an openid means nothing without its appid."""
    return Reference("wechat", f"{appid}:{openid}")
