"""The verbs of members and access, one module per concern; the only writers of the slice's tables."""

from gamification.members.service.claims import Binding, bind_card, bind_phone, reseal_phones
from gamification.members.service.directory import ensure_members, known_members
from gamification.members.service.integrations import (
    add_integration_secret,
    create_integration,
    disable_integration,
    mark_integration_used,
)
from gamification.members.service.profile import declare_adult, update_profile
from gamification.members.service.registration import Login, find_member, login_with_wechat, register
from gamification.members.service.sessions import (
    SessionGrant,
    open_member_session,
    open_staff_session,
    purge_due_sessions,
    refresh_session,
    sign_out,
    sign_out_everywhere,
)
from gamification.members.service.staff import create_staff, disable_staff, login_staff
from gamification.members.service.standing import block_member, unblock_member

__all__ = [
    "Binding",
    "Login",
    "SessionGrant",
    "add_integration_secret",
    "bind_card",
    "bind_phone",
    "block_member",
    "create_integration",
    "create_staff",
    "declare_adult",
    "disable_integration",
    "disable_staff",
    "ensure_members",
    "find_member",
    "known_members",
    "login_staff",
    "login_with_wechat",
    "mark_integration_used",
    "open_member_session",
    "open_staff_session",
    "purge_due_sessions",
    "refresh_session",
    "register",
    "reseal_phones",
    "sign_out",
    "sign_out_everywhere",
    "unblock_member",
    "update_profile",
]
