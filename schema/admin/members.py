"""Members as staff and integrations see them: found, blocked, known by a card."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, cast
from uuid import UUID

import strawberry
from strawberry import relay

from gamification.members import errors, models, queries, references, rules, service
from schema.admin.adjustment_lines import AdjustmentsOfMember
from schema.benefits import MemberBenefits
from schema.context import Info
from schema.earning import EarningOfMember
from schema.execution.batches import Answers, batched
from schema.holds import HoldsOfMember
from schema.members import Birthday, ClaimNeedsStaff, Language, MemberNotActive, birthday_of
from schema.nodes import key_of
from schema.paging import PAGE_DEFAULT, After, Connection, First, Key, Keyset
from schema.permissions import Allow
from schema.permissions import Integration as HasScope
from schema.permissions import Staff as IsStaff
from schema.points import PointsOfMember
from schema.refusals import BadInput, Refusal
from schema.sessions import admits, forget
from schema.statements import StatementsOfMember
from schema.tiers import TiersOfMember
from schema.usual_refusals import NotFound

MEMBERS = Keyset("members", Key("id", UUID))
READERS = Allow(IsStaff(), HasScope("members:read"))
OPERATORS = Allow(IsStaff("owner", "operator"))
COUNTER = Allow(IsStaff("owner", "operator", "cashier"))


@strawberry.enum(description="Where a member stands.")
class MemberStatus(Enum):
    ACTIVE = strawberry.enum_value("ACTIVE", description="May sign in.")
    BLOCKED = strawberry.enum_value("BLOCKED", description="Blocked by staff.")
    ERASED = strawberry.enum_value("ERASED", description="Asked to be forgotten; the ledger stays.")
    MERGED = strawberry.enum_value("MERGED", description="Became another member.")


@strawberry.enum(description="What a value that a member is known by is.")
class ReferenceNamespace(Enum):
    EXTERNAL = strawberry.enum_value("external", description="The id of the till or of an import.")
    CARD = strawberry.enum_value("card", description="The number of a card.")


@strawberry.type(description="Something a member is known by.")
class MemberReference:
    namespace: ReferenceNamespace = strawberry.field(description="What the value is.")
    value: str = strawberry.field(description="The value.")


def reference_of(reference: references.Reference) -> MemberReference:
    """A reference as it is shown."""
    return MemberReference(namespace=ReferenceNamespace(reference.namespace), value=reference.value)


@strawberry.input(description="Something a member is known by.")
class MemberReferenceInput:
    namespace: ReferenceNamespace = strawberry.field(description="What the value is.")
    value: str = strawberry.field(description="The value, 1 to 128 characters.")


@strawberry.input(description="Which members; what is left out does not narrow.")
class MemberSearch:
    number: str | None = strawberry.field(default=None, description="The member number.")
    reference: MemberReferenceInput | None = strawberry.field(default=None, description="A card or a till's id.")
    phone: str | None = strawberry.field(default=None, description="The whole phone number.")
    phone_tail: str | None = strawberry.field(default=None, description="The last four digits of the phone number.")
    status: MemberStatus | None = strawberry.field(default=None, description="Where they stand.")


@strawberry.type(description="A person in the programme.")
class Member(
    PointsOfMember,
    StatementsOfMember,
    HoldsOfMember,
    TiersOfMember,
    MemberBenefits,
    EarningOfMember,
    AdjustmentsOfMember,
    relay.Node,
):
    id: relay.NodeID[UUID]
    number: str = strawberry.field(description="The member number.")
    nickname: str | None = strawberry.field(description="The name the member chose.")
    language: Language = strawberry.field(description="The language of messages to the member.")
    status: MemberStatus = strawberry.field(description="Where the member stands.")
    birthday: Birthday | None = strawberry.field(description="The birthday the member declared.")
    joined_at: datetime = strawberry.field(description="When the member joined.")
    claimed_at: datetime | None = strawberry.field(
        description="When a person proved to be this member; null while it was only imported."
    )
    origin_channel: str = strawberry.field(description="How the member came, such as wechat, store or import.")
    origin_store: str | None = strawberry.field(description="The store where the member joined.")
    merged_into_id: strawberry.Private[UUID | None]

    @classmethod
    def of(cls, row: models.Member | queries.MemberLine) -> "Member":
        return cls(
            id=row.id,
            number=row.number,
            nickname=row.nickname,
            language=Language(row.locale),
            status=MemberStatus(row.status),
            birthday=birthday_of(row),
            joined_at=row.joined_at,
            claimed_at=row.claimed_at,
            origin_channel=row.origin_channel,
            origin_store=row.origin_store,
            merged_into_id=row.merged_into_id,
        )

    @classmethod
    async def resolve_nodes(cls, *, info: Any, node_ids: Iterable[str], required: bool = False) -> Any:
        ids = [UUID(each) for each in node_ids]
        return [await member_of(each, info) if admits(READERS, info) else None for each in ids]

    @batched(description="The bound phone number without its middle.")
    @staticmethod
    async def phone(members: Sequence[Any], info: Info) -> Answers[str | None]:
        reading = queries.MaskedPhones(info.context.desk.vault)
        return await info.context.load_many(reading, [member.id for member in members])

    @batched(description=f"Cards and till ids the member is known by, at most {queries.REFERENCES_MAX}.")
    @staticmethod
    async def references(members: Sequence[Any], info: Info) -> Answers[list[MemberReference]]:
        found = await info.context.load_many(queries.references_by_members, [member.id for member in members])
        return [[reference_of(each) for each in known] for known in found]

    @strawberry.field(description="The member that this one became.")
    async def merged_into(self, info: Info) -> "Member | None":
        return await member_of(self.merged_into_id, info) if self.merged_into_id else None


async def member_of(member_id: UUID, info: Info) -> Member | None:
    """The member with that id, read together with others."""
    row: queries.MemberLine | None = await info.context.load(queries.members_by_ids, member_id)
    return Member.of(row) if row else None


class ReferenceTaken(Refusal, of=errors.ReferenceTaken, describe={"namespace": "What the value is."}):
    pass


@strawberry.type(description="A card that is bound.")
class CardBound:
    member: Member = strawberry.field(description="Whose it is now.")
    claimed: bool = strawberry.field(description="Whether the member became an earlier member with that card.")


BlockMemberResult = Annotated[
    Member | NotFound | MemberNotActive, strawberry.union("BlockMemberResult", description="Blocked, or why not.")
]
UnblockMemberResult = Annotated[
    Member | NotFound | MemberNotActive, strawberry.union("UnblockMemberResult", description="Unblocked, or why not.")
]
BindCardResult = Annotated[
    CardBound | ReferenceTaken | ClaimNeedsStaff | MemberNotActive | NotFound,
    strawberry.union("BindCardResult", description="Bound, or why not."),
]

MemberId = Annotated[strawberry.ID, strawberry.argument(description="The global id of the member.")]
Reason = Annotated[str, strawberry.argument(description="Why, for the audit trail: 1 to 500 characters.")]


@strawberry.type
class MembersQuery:
    @strawberry.field(description="A member.", extensions=[READERS])
    async def member(self, info: Info, id: MemberId) -> Member | None:
        return await member_of(key_of(id, "Member"), info)

    @strawberry.field(description="Members, the latest first.", extensions=[READERS])
    async def members(
        self,
        info: Info,
        search: Annotated[MemberSearch | None, strawberry.argument(description="Which; all when left out.")] = None,
        first: First = PAGE_DEFAULT,
        after: After = None,
    ) -> Connection[Member]:
        page = MEMBERS.page(first, after)
        behind: Any = page.after[0] if page.after else None
        rows = await queries.members_page(wanted_members(search, info), after=behind, limit=page.limit)
        return page.connection(rows, Member.of)


def wanted_members(search: MemberSearch | None, info: Info) -> queries.MemberFilter:
    """A search as the product understands it; phones become blind indexes. Raises BadInput."""
    if search is None:
        return queries.MemberFilter()
    given = search.reference
    reference = references.Reference(cast(rules.Namespace, given.namespace.value), given.value) if given else None
    if search.phone is not None:
        phone = rules.normalise_phone(search.phone)
        if phone is None or reference is not None:
            raise BadInput("`phone` is no phone number, or stands beside a reference.", argument="phone")
        reference = info.context.desk.vault.reference(phone)
    tail = search.phone_tail
    if tail is not None and not (len(tail) == 4 and tail.isascii() and tail.isdigit()):
        raise BadInput("`phoneTail` is four digits.", argument="phoneTail")
    return queries.MemberFilter(
        number=search.number,
        reference=reference,
        tail_index=info.context.desk.vault.tail_index(tail) if tail else None,
        status=str(search.status.value) if search.status else None,
    )


@strawberry.type
class MembersMutation:
    @strawberry.mutation(description="Block a member; every session ends.", extensions=[OPERATORS])
    async def block_member(self, info: Info, id: MemberId, reason: Reason) -> BlockMemberResult:
        context = info.context
        member, ended = await service.block_member(
            member_id=key_of(id, "Member"), reason=reason, actor=context.actor, now=context.now
        )
        forget(info, ended)
        return Member.of(member)

    @strawberry.mutation(description="Let a blocked member in again.", extensions=[OPERATORS])
    async def unblock_member(self, info: Info, id: MemberId, reason: Reason) -> UnblockMemberResult:
        context = info.context
        member = await service.unblock_member(
            member_id=key_of(id, "Member"), reason=reason, actor=context.actor, now=context.now
        )
        return Member.of(member)

    @strawberry.mutation(
        description="Bind a card that staff have seen; an earlier member known by it is claimed.", extensions=[COUNTER]
    )
    async def bind_card(
        self,
        info: Info,
        id: MemberId,
        card: Annotated[str, strawberry.argument(description="The card's number, 1 to 128 characters.")],
    ) -> BindCardResult:
        context = info.context
        binding = await service.bind_card(
            member_id=key_of(id, "Member"),
            card=card,
            actor=context.actor,
            vault=context.desk.vault,
            has_history=context.desk.has_history,
            now=context.now,
        )
        member = await member_of(binding.member_id, info)
        assert member is not None, "a card is bound to a member who exists"
        return CardBound(member=member, claimed=binding.claimed)
