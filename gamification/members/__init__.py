"""Members and access: who a person is, what they are known by, and who may ask for what.

Theory of operation
-------------------
A *member* is one person in the programme. Everything the outside world knows a person by is a line of one directory,
`member_reference (namespace, value) -> member_id`:

| namespace | value | who proves it |
|---|---|---|
| `external` | the id of the till or of an import | an integration, an import |
| `card` | the number of a card | staff, who see the card |
| `phone` | the blind index of a phone number (HMAC-SHA256), never the number | WeChat, at `bind_phone` |
| `wechat` | `appid:openid`, the identity of a login | WeChat |
| `unionid` | the person across one company's apps; may be absent and arrive later | WeChat |

An order may name a person nobody has met: `ensure_members` then creates a member who is *unclaimed*. When the person
logs in through WeChat and binds the phone (or staff bind the card), the unclaimed member with its history is claimed:
the fresh login, if it has no history of its own, becomes a tombstone (`MERGED`) that points to the claimed member, and
its references and sessions move there. Two members who both have a history are never merged by a login.

A *session* belongs to one member or one member of staff. Its refresh token is opaque, stored as a hash, and replaced at
every use; a used token that comes back within `REFRESH_GRACE` gets the very same successor again (the answer was lost),
later it ends the whole session, since two parties hold it. An access token names its session, so that ending the
session ends the token.

States of a member
------------------
| from | verb | to |
|---|---|---|
| – | `register`, `login_with_wechat`, `ensure_members` | ACTIVE |
| ACTIVE | `block` | BLOCKED |
| BLOCKED | `unblock` | ACTIVE |
| ACTIVE | `bind_phone`, `bind_card` (as the fresh login that claims another) | MERGED |

ERASED is the tombstone of a person who asked to be forgotten.

Invariants
----------
 M1 a (namespace, value) belongs to at most one member.
 M2 a reference belongs to a member who is ACTIVE or BLOCKED; a tombstone has none.
 M3 MERGED exactly when `merged_into_id` is set; it points to a member who is not merged.
 M4 a member has at most one phone, and its sealed copy exists only beside the directory's line.
 M5 a live session has exactly one refresh token that was not used.
 M6 a live session belongs to a member who is no tombstone, or to staff who are not disabled.
"""
