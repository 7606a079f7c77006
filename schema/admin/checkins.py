"""A member's check-ins as staff see them."""

import strawberry

from schema.admin.members import READERS, MemberId
from schema.checkins import CheckIn, CheckInState, check_ins_of, state_of
from schema.context import Info
from schema.nodes import key_of
from schema.paging import PAGE_DEFAULT, After, Connection, First


@strawberry.type
class AdminCheckInsQuery:
    @strawberry.field(description="Where a member stands with check-ins today.", extensions=[READERS])
    async def check_in_state(self, info: Info, member_id: MemberId) -> CheckInState:
        return await state_of(key_of(member_id, "Member", argument="memberId"), info)

    @strawberry.field(description="A member's check-ins, the latest first.", extensions=[READERS])
    async def check_ins(
        self, info: Info, member_id: MemberId, first: First = PAGE_DEFAULT, after: After = None
    ) -> Connection[CheckIn]:
        return await check_ins_of(key_of(member_id, "Member", argument="memberId"), info, first, after)
