"""What members and access refuse. None is kept in a receipt: each is about access or the shape of an input."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from gamification.core.errors import Refusal

UnauthenticatedReason = Literal[
    "TOKEN_MALFORMED",
    "TOKEN_INVALID",
    "TOKEN_EXPIRED",
    "SESSION_ENDED",
    "SESSION_MOVED",
    "REFRESH_UNKNOWN",
    "REFRESH_REUSED",
    "INTEGRATION_UNKNOWN",
]


class AccessRefusal(Refusal):
    """A refusal about access: never stored, so that the next attempt is judged anew."""

    kept = False


@dataclass(kw_only=True, eq=False)
class Unauthenticated(AccessRefusal):
    """The caller showed a token that is worth nothing; the reason is a code and says nothing more."""

    reason: UnauthenticatedReason
    messages = {"zh-CN": "登录状态无效,请重新登录", "en": "You are not signed in. Please sign in again."}


@dataclass(kw_only=True, eq=False)
class WechatCodeInvalid(AccessRefusal):
    """WeChat does not know this code, or it is older than five minutes (40029)."""

    messages = {
        "zh-CN": "微信凭证无效或已过期,请重试",
        "en": "The WeChat code is invalid or too old. Please try again.",
    }


@dataclass(kw_only=True, eq=False)
class WechatCodeUsed(AccessRefusal):
    """The code was used before (40163)."""

    messages = {"zh-CN": "微信凭证已被使用,请重试", "en": "The WeChat code was used before. Please try again."}


@dataclass(kw_only=True, eq=False)
class WechatBusy(AccessRefusal):
    """WeChat did not answer, or answers too many at the moment (-1, 45011)."""

    retry_after_seconds: int
    messages = {
        "zh-CN": "微信服务繁忙,请 {retry_after_seconds} 秒后重试",
        "en": "WeChat is busy. Please try again in {retry_after_seconds} seconds.",
    }


@dataclass(kw_only=True, eq=False)
class WechatUserBlocked(AccessRefusal):
    """WeChat holds this person for a risk and gives no login (40226)."""

    messages = {"zh-CN": "微信判定该账号存在风险,无法登录", "en": "WeChat does not let this account sign in."}


@dataclass(kw_only=True, eq=False)
class WechatIdentityConflict(AccessRefusal):
    """The openid and the unionid of one login belong to two members; staff must merge them."""

    messages = {
        "zh-CN": "该微信对应两个会员账号,请联系客服合并",
        "en": "This WeChat account belongs to two members. Please ask our staff to merge them.",
    }


@dataclass(kw_only=True, eq=False)
class MemberBlocked(AccessRefusal):
    """Staff blocked this member."""

    messages = {"zh-CN": "会员账号已被停用,请联系客服", "en": "This membership is blocked. Please contact our staff."}


@dataclass(kw_only=True, eq=False)
class MemberNotActive(AccessRefusal):
    """The verb does not lead on from the member's status."""

    status: str
    messages = {"zh-CN": "会员当前状态({status})不支持此操作", "en": "Not possible while the member is {status}."}


@dataclass(kw_only=True, eq=False)
class PhoneTaken(AccessRefusal):
    """Another member, known to be somebody, has bound this phone."""

    messages = {"zh-CN": "该手机号已绑定其他会员", "en": "This phone number is bound to another member."}


@dataclass(kw_only=True, eq=False)
class ReferenceTaken(AccessRefusal):
    """Another member is already known by this reference."""

    namespace: str
    messages = {"zh-CN": "该{namespace}已属于其他会员", "en": "This {namespace} reference belongs to another member."}


@dataclass(kw_only=True, eq=False)
class ClaimNeedsStaff(AccessRefusal):
    """An imported membership could be claimed, but this one has a history too: two histories are merged by staff."""

    messages = {
        "zh-CN": "已有会员记录,且当前账号也有积分记录,请联系客服合并",
        "en": "There is an earlier membership, and this one has a history too. Please ask our staff to merge them.",
    }


@dataclass(kw_only=True, eq=False)
class BirthdayLocked(AccessRefusal):
    """The birthday may change once a year."""

    changes_on: date
    messages = {"zh-CN": "生日每年只能修改一次,{changes_on} 起可再次修改", "en": "You can change it from {changes_on}."}


@dataclass(kw_only=True, eq=False)
class LoginRefused(AccessRefusal):
    """The login or the password is wrong; which of the two is not said."""

    messages = {"zh-CN": "账号或密码错误", "en": "Wrong login or password."}


@dataclass(kw_only=True, eq=False)
class LoginLocked(AccessRefusal):
    """Too many wrong passwords in a row for this login, whether it exists or not."""

    until: datetime
    messages = {"zh-CN": "失败次数过多,{until} 后可重试", "en": "Too many attempts. Try again after {until}."}


@dataclass(kw_only=True, eq=False)
class LoginTaken(AccessRefusal):
    """A member of staff has this login."""

    login: str
    messages = {"zh-CN": "账号 {login} 已存在", "en": "The login {login} is taken."}


@dataclass(kw_only=True, eq=False)
class PasswordTooShort(AccessRefusal):
    """A staff password has a least length."""

    length_min: int
    messages = {"zh-CN": "密码至少 {length_min} 位", "en": "A password has at least {length_min} characters."}


@dataclass(kw_only=True, eq=False)
class LastOwnerStays(AccessRefusal):
    """The only owner who can still sign in cannot be disabled."""

    messages = {"zh-CN": "至少保留一名所有者账号", "en": "The last owner cannot be disabled."}


@dataclass(kw_only=True, eq=False)
class IntegrationNameTaken(AccessRefusal):
    """An integration has this name."""

    name: str
    messages = {"zh-CN": "集成 {name} 已存在", "en": "An integration named {name} exists."}
