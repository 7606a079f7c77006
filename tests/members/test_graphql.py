"""Members and access over GraphQL, asked as every kind of caller."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

import pytest
import strawberry
from asyncpg import Record
from strawberry import relay

from app.auth import Access
from gamification.core.actors import ANONYMOUS, SYSTEM, Actor
from gamification.core.calendar import Calendar
from gamification.core.clock import FixedClock
from gamification.core.database import fetch
from gamification.core.work import Work
from gamification.members import queries
from gamification.members import service as members
from gamification.members.errors import Unauthenticated
from gamification.members.phones import PhoneVault
from gamification.members.ports import Desk
from gamification.members.references import Reference
from schema.admin import access as admin_access
from schema.admin import members as admin_members
from schema.context import Context
from schema.extensions import make_schema
from schema.members import MembersMutation, MembersQuery
from schema.nodes import resolve_node
from tests.members.people import CHEAP, IMPORTED, PASSWORD, Somebody, a_member, a_member_of_staff, count, no_history

pytestmark = pytest.mark.usefixtures("books")


@strawberry.type
class MemberRoot(MembersQuery):
    node: relay.Node | None = strawberry.field(resolver=resolve_node)


@strawberry.type
class AdminRoot(admin_members.MembersQuery, admin_access.AccessQuery):
    node: relay.Node | None = strawberry.field(resolver=resolve_node)


@strawberry.type
class AdminChanges(admin_members.MembersMutation, admin_access.AccessMutation):
    pass


MEMBERS = make_schema(query=MemberRoot, mutation=MembersMutation)
ADMIN = make_schema(
    query=AdminRoot, mutation=AdminChanges, types=[admin_members.Member, admin_access.Staff, admin_access.Integration]
)


@dataclass
class Door:
    """An endpoint without HTTP: its tokens are real, its answers are what GraphQL says."""

    desk: Desk
    access: Access
    clock: FixedClock

    async def ask(self, text: str, token: str | None = None, **variables: Any) -> Any:
        """A member's request; an error is raised as its code."""
        authorization = f"Bearer {token}" if token else None
        actor = await self.access.authenticate(authorization, "member")
        return await self.run(MEMBERS, text, actor, variables)

    async def ask_staff(self, text: str, token: str | None = None, **variables: Any) -> Any:
        """A request at the staff's endpoint."""
        authorization = f"Bearer {token}" if token else None
        actor = await self.access.authenticate(authorization, "staff")
        return await self.run(ADMIN, text, actor, variables)

    async def as_actor(self, text: str, actor: Actor, **variables: Any) -> Any:
        """A request at the staff's endpoint of a caller who needs no token here."""
        return await self.run(ADMIN, text, actor, variables)

    async def run(self, schema: Any, text: str, actor: Actor, variables: dict[str, Any]) -> Any:
        context = Context(work=cast(Work, None), clock=self.clock, actor=actor, locale="en", desk=self.desk)
        result = await schema.execute(text, variable_values=variables, context_value=context)
        if result.errors:
            raise RuntimeError((result.errors[0].extensions or {}).get("code"), result.errors[0].message)
        return result.data


@pytest.fixture
def door(mei: Somebody, vault: PhoneVault, clock: FixedClock) -> Door:
    access = Access(member_key=b"m" * 32, staff_key=b"t" * 32, clock=clock, calendar=Calendar())
    desk = Desk(
        calendar=Calendar(),
        chain=access.chain,
        has_history=no_history(),
        passwords=CHEAP,
        tokens=access,
        vault=vault,
        wechat=mei,
    )
    return Door(desk, access, clock)


OWNER = Actor("staff", UUID(int=1), role="owner")
CALLERS = {
    "anonymous": ANONYMOUS,
    "owner": OWNER,
    "operator": replace(OWNER, role="operator"),
    "cashier": replace(OWNER, role="cashier"),
    "auditor": replace(OWNER, role="auditor"),
    "reader": Actor("integration", UUID(int=2), scopes=frozenset({"members:read"})),
    "till": Actor("integration", UUID(int=2), scopes=frozenset({"orders:write"})),
    "member": Actor("member", UUID(int=3)),
}

LOGIN = """mutation { loginWithWechat(code: "c") { __typename ... on Refusal { code message } ... on SignedIn {
    registered member { id number nickname phone language }
    tokens { refreshToken expiresAt accessToken { value expiresAt } } } } }"""
ME = "{ me { id number nickname phone language birthday { month day } joinedAt } }"
REFRESH = """mutation ($t: String!) { refreshSession(refreshToken: $t) { __typename
    ... on SessionTokens { refreshToken accessToken { value } } ... on Unauthenticated { code reason message } } }"""


async def login(door: Door) -> Any:
    return (await door.ask(LOGIN))["loginWithWechat"]


async def test_a_member_signs_in_asks_refreshes_and_signs_out(door: Door) -> None:
    """The whole life of a session over GraphQL."""
    signed = await login(door)
    token, refresh = signed["tokens"]["accessToken"]["value"], signed["tokens"]["refreshToken"]
    assert signed["registered"] and signed["member"]["phone"] is None and signed["member"]["language"] == "EN"
    assert (await door.ask(ME, token))["me"]["number"] == signed["member"]["number"]
    assert (await door.ask(ME))["me"] is None
    following = (await door.ask(REFRESH, t=refresh))["refreshSession"]
    assert (await door.ask(ME, following["accessToken"]["value"]))["me"]["id"] == signed["member"]["id"]
    assert (await door.ask("mutation { signOut { sessions } }", token)) == {"signOut": {"sessions": 1}}
    with pytest.raises(Unauthenticated) as refusal:
        await door.ask(ME, token)
    assert refusal.value.reason == "SESSION_ENDED"
    assert (await door.ask(REFRESH, t=following["refreshToken"]))["refreshSession"] == {
        "__typename": "Unauthenticated",
        "code": "UNAUTHENTICATED",
        "reason": "SESSION_ENDED",
        "message": "You are not signed in. Please sign in again.",
    }


async def test_signing_out_everywhere_ends_every_session_at_once(door: Door) -> None:
    """The other devices' tokens are refused by this process with the next request."""
    first, second = [(await login(door))["tokens"]["accessToken"]["value"] for _ in range(2)]
    await door.ask(ME, first)
    assert await door.ask("mutation { signOut(everywhere: true) { sessions } }", second) == {"signOut": {"sessions": 2}}
    with pytest.raises(Unauthenticated):
        await door.ask(ME, first)


async def test_the_profile_shows_the_phone_without_its_middle(door: Door) -> None:
    """Binding answers the member with a masked phone; the profile keeps what was chosen."""
    token = (await login(door))["tokens"]["accessToken"]["value"]
    bound = await door.ask(
        'mutation { bindPhone(code: "p") { ... on PhoneBound { claimed member { phone } } } }', token
    )
    assert bound == {"bindPhone": {"claimed": False, "member": {"phone": "138****8000"}}}
    changed = await door.ask(
        """mutation { updateProfile(input: {nickname: " 小梅 ", language: ZH_CN, birthday: {month: 5, day: 1}}) {
             ... on Member { nickname language birthday { month day } } } }""",
        token,
    )
    assert changed["updateProfile"] == {"nickname": "小梅", "language": "ZH_CN", "birthday": {"month": 5, "day": 1}}
    again = await door.ask(
        """mutation { updateProfile(input: {birthday: {month: 6, day: 1}}) { __typename
             ... on BirthdayLocked { changesOn message } } }""",
        token,
    )
    assert again["updateProfile"] == {
        "__typename": "BirthdayLocked",
        "changesOn": "2027-03-02",
        "message": "You can change it from 2027-03-02.",
    }


async def test_declaring_to_be_an_adult_is_for_members(door: Door, clock: FixedClock) -> None:
    """It shows on the member from then on; a visitor is told to sign in."""
    declare = "mutation { declareAdult { ... on Member { adultDeclaredAt } } }"
    with pytest.raises(RuntimeError, match="UNAUTHENTICATED"):
        await door.ask(declare)
    token = (await login(door))["tokens"]["accessToken"]["value"]
    assert (await door.ask("{ me { adultDeclaredAt } }", token))["me"] == {"adultDeclaredAt": None}
    assert (await door.ask(declare, token))["declareAdult"] == {"adultDeclaredAt": clock.now().isoformat()}


async def test_claiming_gives_a_token_that_speaks_for_the_claimed_member(
    door: Door, vault: PhoneVault, clock: FixedClock
) -> None:
    """After a claim the old token ends at once, the new one is the imported member's."""
    phone = vault.reference("+8613800138000")
    old = (await members.ensure_members([phone], origin=IMPORTED, now=clock.now()))[phone]
    token = (await login(door))["tokens"]["accessToken"]["value"]
    bound = await door.ask(
        'mutation { bindPhone(code: "p") { ... on PhoneBound { claimed member { id } accessToken { value } } } }', token
    )
    assert bound["bindPhone"]["claimed"] is True
    assert bound["bindPhone"]["member"]["id"] == relay.to_base64("Member", old)
    assert (await door.ask(ME, bound["bindPhone"]["accessToken"]["value"]))["me"]["phone"] == "138****8000"
    with pytest.raises(Unauthenticated) as refusal:
        await door.ask(ME, token)
    assert refusal.value.reason == "SESSION_MOVED"


async def test_a_refusal_is_an_answer_with_a_code_and_a_message(
    door: Door, clock: FixedClock, vault: PhoneVault
) -> None:
    """A phone of somebody else is a typed answer, not an error."""
    other = await a_member(clock)
    await members.bind_phone(
        member_id=other.id,
        code="c",
        wechat=Somebody(),
        vault=vault,
        has_history=no_history(),
        now=clock.now(),
    )
    token = (await login(door))["tokens"]["accessToken"]["value"]
    answer = await door.ask('mutation { bindPhone(code: "p") { __typename ... on Refusal { code message } } }', token)
    assert answer["bindPhone"] == {
        "__typename": "PhoneTaken",
        "code": "PHONE_TAKEN",
        "message": "This phone number is bound to another member.",
    }


async def test_a_member_reaches_nobody_else(door: Door, clock: FixedClock) -> None:
    """`node` with another member's id is null, with one's own the member; signed out it is null."""
    other = await a_member(clock)
    signed = await login(door)
    token = signed["tokens"]["accessToken"]["value"]
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert await door.ask(node, token, id=relay.to_base64("Member", other.id)) == {"node": None}
    assert await door.ask(node, id=signed["member"]["id"]) == {"node": None}
    assert await door.ask(node, token, id=signed["member"]["id"]) == {"node": {"id": signed["member"]["id"]}}


@pytest.mark.parametrize(
    "field",
    ["signOut { sessions }", 'bindPhone(code: "c") { __typename }', "updateProfile(input: {}) { __typename }"],
)
async def test_nobody_changes_a_profile_without_signing_in(door: Door, field: str) -> None:
    """A member's mutations are closed to callers who are not signed in."""
    with pytest.raises(RuntimeError, match="UNAUTHENTICATED"):
        await door.ask(f"mutation {{ {field} }}")
    assert await count("member") == 0


LOGIN_STAFF = """mutation ($p: String!) { loginStaff(login: "lin", password: $p) { __typename
    ... on Refusal { code } ... on StaffSignedIn {
        staff { login role } tokens { refreshToken accessToken { value } } } } }"""
VIEWER = "{ viewer { __typename ... on Staff { login role stores } ... on Integration { name scopes lastUsedOn } } }"


async def test_staff_sign_in_and_see_who_they_are(door: Door, clock: FixedClock, vault: PhoneVault) -> None:
    """A session of staff over GraphQL; a staff refresh token is worth nothing at the members' endpoint."""
    await a_member_of_staff(clock, vault)
    refused = await door.ask_staff(LOGIN_STAFF, p="wrong")
    assert refused["loginStaff"] == {"__typename": "LoginRefused", "code": "LOGIN_REFUSED"}
    signed = (await door.ask_staff(LOGIN_STAFF, p=PASSWORD))["loginStaff"]
    token, refresh = signed["tokens"]["accessToken"]["value"], signed["tokens"]["refreshToken"]
    viewer = await door.ask_staff(VIEWER, token)
    assert viewer["viewer"] == {"__typename": "Staff", "login": "lin", "role": "OWNER", "stores": []}
    assert (await door.ask_staff(VIEWER))["viewer"] is None
    assert (await door.ask(REFRESH, t=refresh))["refreshSession"]["reason"] == "REFRESH_UNKNOWN"
    assert (await door.ask_staff(REFRESH, t=refresh))["refreshSession"]["__typename"] == "SessionTokens"
    assert await door.ask_staff("mutation { signOut { sessions } }", token) == {"signOut": {"sessions": 1}}


async def test_an_owner_makes_an_integration_whose_token_works_until_it_is_disabled(door: Door) -> None:
    """The token is shown once, works at the staff's endpoint, and ends with the integration."""
    made = await door.as_actor(
        """mutation { createIntegration(name: "till", scopes: ["orders:write"]) {
             ... on IntegrationCreated { token integration { id scopes } } } }""",
        OWNER,
    )
    token, made_id = made["createIntegration"]["token"], made["createIntegration"]["integration"]["id"]
    viewer = (await door.ask_staff(VIEWER, token))["viewer"]
    assert viewer == {
        "__typename": "Integration",
        "name": "till",
        "scopes": ["orders:write"],
        "lastUsedOn": "2026-03-02",
    }
    disable = "mutation ($id: ID!) { disableIntegration(id: $id) { ... on Integration { disabledAt } } }"
    assert (await door.as_actor(disable, OWNER, id=made_id))["disableIntegration"]["disabledAt"] is not None
    with pytest.raises(Unauthenticated):
        await door.ask_staff(VIEWER, token)


async def test_an_owner_makes_and_disables_accounts(door: Door) -> None:
    """An account is made once; a taken login is an answer; a disabled account says since when."""
    create = """mutation ($login: String!) { createStaff(input: {login: $login, name: "Lin", role: OWNER,
        password: "correct horse battery"}) { __typename ... on Staff { id } ... on LoginTaken { login message } } }"""
    first = (await door.as_actor(create, OWNER, login="lin"))["createStaff"]
    again = (await door.as_actor(create, OWNER, login="lin"))["createStaff"]
    assert again == {"__typename": "LoginTaken", "login": "lin", "message": "The login lin is taken."}
    disable = "mutation ($id: ID!) { disableStaff(id: $id) { __typename ... on Staff { disabledAt } } }"
    assert (await door.as_actor(disable, OWNER, id=first["id"]))["disableStaff"]["__typename"] == "LastOwnerStays"
    await door.as_actor(create, OWNER, login="zhou")
    assert (await door.as_actor(disable, OWNER, id=first["id"]))["disableStaff"]["disabledAt"] is not None


SEARCH = """query ($search: MemberSearch, $first: Int! = 20, $after: String) {
    members(search: $search, first: $first, after: $after) { edges { node {
        number status phone references { namespace value } claimedAt } } pageInfo { hasNextPage endCursor } } }"""


async def found(door: Door, search: dict[str, Any] | None) -> list[str]:
    answer = await door.as_actor(SEARCH, OWNER, search=search)
    return [edge["node"]["number"] for edge in answer["members"]["edges"]]


async def test_staff_find_members_by_number_card_phone_and_its_tail(
    door: Door, clock: FixedClock, vault: PhoneVault, mei: Somebody
) -> None:
    """Each way of looking finds the member, and only it."""
    member = await a_member(clock, Reference("card", "C1"))
    other = await a_member(clock)
    await members.bind_phone(
        member_id=member.id, code="c", wechat=mei, vault=vault, has_history=no_history(), now=clock.now()
    )
    for search in (
        {"number": member.number},
        {"reference": {"namespace": "CARD", "value": "C1"}},
        {"phone": "138 0013 8000"},
        {"phoneTail": "8000"},
        {"phoneTail": "8000", "status": "ACTIVE"},
    ):
        assert await found(door, search) == [member.number], search
    assert await found(door, {"phoneTail": "8000", "status": "BLOCKED"}) == []
    assert await found(door, None) == [other.number, member.number]
    for search in ({"phoneTail": "800"}, {"phone": "12"}):
        with pytest.raises(RuntimeError, match="BAD_USER_INPUT"):
            await found(door, search)


async def test_a_page_of_members_costs_three_statements_however_long(
    door: Door, clock: FixedClock, vault: PhoneVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Phones and references of a page are read together, and pages follow one another without gap or repeat."""
    for number in range(7):
        await a_member(clock, Reference("card", f"C{number}"))
    asked: list[str] = []

    async def counted(sql: str, *arguments: object) -> list[Record]:
        asked.append(sql)
        return await fetch(sql, *arguments)

    monkeypatch.setattr(queries, "fetch", counted)
    seen: list[str] = []
    after = None
    for size in (3, 3, 1):
        asked.clear()
        page = (await door.as_actor(SEARCH, OWNER, first=3, after=after))["members"]
        assert len(page["edges"]) == size and len(asked) == 3
        seen += [edge["node"]["references"][0]["value"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == ["C6", "C5", "C4", "C3", "C2", "C1", "C0"] and page["pageInfo"]["hasNextPage"] is False


async def test_blocking_over_graphql_ends_the_members_session_at_once(door: Door) -> None:
    """The member's next request is refused; unblocking lets the member sign in again."""
    signed = await login(door)
    token, own_id = signed["tokens"]["accessToken"]["value"], signed["member"]["id"]
    await door.ask(ME, token)
    block = 'mutation ($id: ID!) { blockMember(id: $id, reason: "resale") { ... on Member { status } } }'
    assert await door.as_actor(block, OWNER, id=own_id) == {"blockMember": {"status": "BLOCKED"}}
    with pytest.raises(Unauthenticated):
        await door.ask(ME, token)
    assert (await login(door))["code"] == "MEMBER_BLOCKED"
    unblock = 'mutation ($id: ID!) { unblockMember(id: $id, reason: "cleared") { ... on Member { status } } }'
    assert await door.as_actor(unblock, OWNER, id=own_id) == {"unblockMember": {"status": "ACTIVE"}}
    assert (await login(door))["__typename"] == "SignedIn"
    nobody = relay.to_base64("Member", UUID(int=9))
    answer = await door.as_actor(block.replace("... on Member { status }", "__typename"), OWNER, id=nobody)
    assert answer == {"blockMember": {"__typename": "NotFound"}}


async def test_a_card_bound_at_the_counter_claims(door: Door, clock: FixedClock) -> None:
    """A cashier binds the card of an imported member to a fresh one, who becomes it."""
    card = Reference("card", "C1")
    old = (await members.ensure_members([card], origin=IMPORTED, now=clock.now()))[card]
    fresh = await a_member(clock)
    answer = await door.as_actor(
        'mutation ($id: ID!) { bindCard(id: $id, card: "C1") { ... on CardBound { claimed member { id } } } }',
        CALLERS["cashier"],
        id=relay.to_base64("Member", fresh.id),
    )
    assert answer["bindCard"] == {"claimed": True, "member": {"id": relay.to_base64("Member", old)}}
    merged = "query ($id: ID!) { member(id: $id) { status mergedInto { id } } }"
    tombstone = await door.as_actor(merged, OWNER, id=relay.to_base64("Member", fresh.id))
    assert tombstone["member"] == {"status": "MERGED", "mergedInto": {"id": relay.to_base64("Member", old)}}


NOBODY = relay.to_base64("Member", UUID(int=9))
OPEN_TO = {
    "{ members { edges { cursor } } }": {"owner", "operator", "cashier", "auditor", "reader"},
    f'{{ member(id: "{NOBODY}") {{ id }} }}': {"owner", "operator", "cashier", "auditor", "reader"},
    f'mutation {{ blockMember(id: "{NOBODY}", reason: "x") {{ __typename }} }}': {"owner", "operator"},
    f'mutation {{ unblockMember(id: "{NOBODY}", reason: "x") {{ __typename }} }}': {"owner", "operator"},
    f'mutation {{ bindCard(id: "{NOBODY}", card: "C1") {{ __typename }} }}': {"owner", "operator", "cashier"},
    'mutation { createStaff(input: {login: "x1x", name: "x", password: "short", role: OWNER}) { __typename } }': {
        "owner"
    },
    'mutation { createIntegration(name: "x", scopes: ["a:b"]) { __typename } }': {"owner"},
    f'mutation {{ disableStaff(id: "{relay.to_base64("Staff", UUID(int=9))}") {{ __typename }} }}': {"owner"},
    f'mutation {{ disableIntegration(id: "{relay.to_base64("Integration", UUID(int=9))}") {{ __typename }} }}': {
        "owner"
    },
}


@pytest.mark.parametrize("text", OPEN_TO)
async def test_each_field_is_open_to_those_named_and_closed_to_all_others(door: Door, text: str) -> None:
    """Asked as every kind of caller: who is not named reads FORBIDDEN, who is not signed in UNAUTHENTICATED."""
    for name, actor in CALLERS.items():
        if name in OPEN_TO[text]:
            await door.as_actor(text, actor)
            continue
        with pytest.raises(RuntimeError, match="UNAUTHENTICATED" if name == "anonymous" else "FORBIDDEN"):
            await door.as_actor(text, actor)


async def test_nodes_of_the_staffs_schema_are_null_for_who_may_not_see_them(
    door: Door, clock: FixedClock, vault: PhoneVault
) -> None:
    """A cashier sees no colleague's account; a till without members:read sees no member."""
    staff, member = await a_member_of_staff(clock, vault), await a_member(clock)
    integration, _ = await members.create_integration(name="t", scopes=["a:b"], actor=SYSTEM, now=clock.now())
    node = "query ($id: ID!) { node(id: $id) { __typename } }"
    seen = {
        (kind, name): (await door.as_actor(node, actor, id=relay.to_base64(kind, key)))["node"] is not None
        for kind, key in (("Staff", staff.id), ("Member", member.id), ("Integration", integration.id))
        for name, actor in CALLERS.items()
    }
    readers = {("Member", name) for name in ("owner", "operator", "cashier", "auditor", "reader")}
    assert {each for each, visible in seen.items() if visible} == readers | {
        ("Staff", "owner"),
        ("Integration", "owner"),
    }
