"""A journey through the whole programme, told step by step: what `./run demo` prints.

It uses nothing but the public endpoints, as the mini-program, a till and the brand's staff do.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import click
import httpx

from app.local.endpoints import Endpoints
from gamification.core.clock import SystemClock

DRAW_OPEN_SECONDS = 4
LOOK_SECONDS = 0.25
SETTLED_LOOKS_MAX = 240
TICKETS = 3
ORDERS_YUAN = (100, 250, 200, 800)

LOGIN = """mutation ($code: String!) { loginWithWechat(code: $code) {
  ... on SignedIn { member { id number } tokens { accessToken { value } } } ... on Refusal { code message } } }"""
RECORD_ORDER = """mutation ($input: RecordOrderInput!) { recordOrder(input: $input) {
  ... on OrderRecorded { points ladderPoints growth raisedTo available } ... on Refusal { code message } } }"""
RECORD_REFUND = """mutation ($input: RecordRefundInput!) { recordRefund(input: $input) {
  ... on RefundRecorded { status pointsRevoked growthRevoked available } ... on Refusal { code message } } }"""
QUOTE = """query ($lines: [QuoteLineInput!]!, $points: Points) {
  quoteDeduction(lines: $lines, requestedPoints: $points) {
  ... on DeductionQuote { points earnedIfUsed earnedIfNotUsed quote } ... on Refusal { code message } } }"""
HOLD = """mutation ($input: HoldPointsInput!) { holdPoints(input: $input) {
  ... on HoldChanged { available held } ... on Refusal { code message } } }"""
CHECK_IN = """mutation { checkIn {
  ... on CheckedIn { streak points alreadyCheckedIn } ... on Refusal { code message } } }"""
PLAN_DRAW = """mutation ($input: PlanDrawInput!) { planDraw(input: $input) {
  ... on Draw { id } ... on Refusal { code message } } }"""
OPEN_DRAW = """mutation ($id: ID!) { openDraw(id: $id) {
  ... on Draw { id commitment termsHash } ... on Refusal { code message } } }"""
DECLARE_ADULT = "mutation { declareAdult { ... on Member { adultDeclaredAt } ... on Refusal { code message } } }"
BUY_TICKET = """mutation ($draw: ID!, $key: String!) { buyDrawTicket(drawId: $draw, idempotencyKey: $key) {
  ... on DrawTicketBought { points available } ... on Refusal { code message } } }"""
DRAW = """query ($id: ID!) { draw(id: $id) { state winners(first: 10) { edges { node {
  rank number prizePoints } } } } }"""
DONATE = """mutation ($input: DonatePointsInput!) { donatePoints(input: $input) {
  ... on DonationMade { available donation { points fen certificate { serial verificationCode } } }
  ... on Refusal { code message } } }"""
CAMPAIGNS = "{ charityCampaigns(first: 1) { edges { node { id title pointsPerUnit } } } }"
VERIFY = "query ($code: String!) { verifyCertificate(code: $code) { serial title units donatedOn } }"
STATEMENT = """{ me { points { available growth } tierProgress { current { name } missing }
  entries(first: 30) { edges { node { kind points available explanation } } } } }"""


class Caller:
    """One caller at one endpoint."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str | None = None) -> None:
        self._http = http
        self._url = url
        self._headers = {"accept-language": "en", **({"authorization": f"Bearer {token}"} if token else {})}

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """The value of the only root field. A refusal or an error ends the journey."""
        body = {"query": query, "variables": variables or {}}
        answer = (await self._http.post(self._url, json=body, headers=self._headers)).json()
        if answer.get("errors"):
            raise click.ClickException(answer["errors"][0]["message"])
        (value,) = answer["data"].values()
        if isinstance(value, dict) and value.keys() == {"code", "message"}:
            raise click.ClickException(f"{value['code']}: {value['message']}")
        return value


async def run(endpoints: Endpoints) -> None:
    """The journey against a programme that serves."""
    async with httpx.AsyncClient(timeout=20) as http:
        till = Caller(http, endpoints.admin_url, endpoints.tokens.integration)
        owner = Caller(http, endpoints.admin_url, endpoints.tokens.owner)
        member, number = await _register(http, endpoints)
        await _spend(till, member, number)
        await _pay_with_points(till, member, number)
        await _check_in(member)
        await _draw(owner, member)
        await _donate(member)
        await _statement(member)
    click.echo("\nThe journey is complete.")


def _say(step: str, *lines: str) -> None:
    click.echo(f"\n{step}")
    for line in lines:
        click.echo(f"   {line}")


async def _register(http: httpx.AsyncClient, endpoints: Endpoints) -> tuple[Caller, str]:
    visitor = Caller(http, endpoints.member_url)
    signed_in = await visitor.ask(LOGIN, {"code": f"dev-{secrets.token_hex(6)}"})
    number = signed_in["member"]["number"]
    _say("1. A person opens the mini-program and joins through WeChat.", f"member {number}")
    return Caller(http, endpoints.member_url, signed_in["tokens"]["accessToken"]["value"]), number


async def _spend(till: Caller, member: Caller, number: str) -> None:
    _say("2. The till sends orders; points follow the month's ladder, growth raises the tier.")
    ids = [secrets.token_hex(8) for _ in ORDERS_YUAN]
    for external_id, yuan in zip(ids, ORDERS_YUAN, strict=True):
        paid = {
            "externalId": external_id,
            "member": {"number": number},
            "paidAt": SystemClock().now().isoformat(),
            "paidFen": yuan * 100,
            "lines": [{"netFen": yuan * 100, "category": "coffee"}],
        }
        posted = await till.ask(RECORD_ORDER, {"input": paid})
        raised = f", raised to {posted['raisedTo']}" if posted["raisedTo"] else ""
        click.echo(f"   {yuan} yuan: {posted['points']:+} points, {posted['growth']:+} growth{raised}")
    refund = {
        "externalId": secrets.token_hex(8), "orderExternalId": ids[1], "refundedAt": SystemClock().now().isoformat(),
    }  # fmt: skip
    taken = await till.ask(RECORD_REFUND, {"input": refund})
    click.echo(f"   the {ORDERS_YUAN[1]} yuan come back: {-taken['pointsRevoked']} points, {taken['available']} left")


async def _pay_with_points(till: Caller, member: Caller, number: str) -> None:
    """An order of 30 yuan, of which 5 are paid with points: quoted, held while the member pays, taken by the order."""
    order, line = secrets.token_hex(8), {"netFen": 3_000}
    quote = await member.ask(QUOTE, {"lines": [line], "points": 500})
    _say(
        "3. The member pays a part of the next order with points.",
        f"{quote['points']} points may pay; the order would earn {quote['earnedIfUsed']} points with them and "
        f"{quote['earnedIfNotUsed']} without",
    )
    whose = {"number": number}
    wanted = {"member": whose, "orderExternalId": order, "quote": quote["quote"], "idempotencyKey": order}
    held = await till.ask(HOLD, {"input": wanted})
    click.echo(f"   while the member pays, {held['held']} points are held and {held['available']} are available")
    paid = {
        "externalId": order, "member": whose, "paidAt": SystemClock().now().isoformat(), "lines": [line],
        "paidFen": line["netFen"] - quote["points"], "deductionPoints": quote["points"],
    }  # fmt: skip
    posted = await till.ask(RECORD_ORDER, {"input": paid})
    click.echo(f"   the order takes them: {posted['points']:+} points earned on the cash, {posted['available']} left")


async def _check_in(member: Caller) -> None:
    first, second = await member.ask(CHECK_IN), await member.ask(CHECK_IN)
    again = "nothing happens" if second["alreadyCheckedIn"] else "it is counted twice"
    _say("4. The member checks in, and taps twice.", f"day {first['streak']}: {first['points']:+} points; then {again}")


async def _draw(owner: Caller, member: Caller) -> None:
    now = SystemClock().now()
    plan = {
        "titleZh": "演示抽奖", "titleEn": "Demonstration draw", "ticketPoints": 50, "opensAt": now.isoformat(),
        "closesAt": (now + timedelta(seconds=DRAW_OPEN_SECONDS)).isoformat(),
        "prizes": [
            {"nameZh": "一等奖", "nameEn": "First prize", "points": 1_000, "quantity": 1},
            {"nameZh": "二等奖", "nameEn": "Second prize", "points": 100, "quantity": 5},
        ],
    }  # fmt: skip
    draw_id = (await owner.ask(PLAN_DRAW, {"input": plan}))["id"]
    opened = await owner.ask(OPEN_DRAW, {"id": draw_id})
    _say("5. Staff open a draw; its seed is committed before the first ticket.", f"commitment {opened['commitment']}")
    await member.ask(DECLARE_ADULT)
    for _ in range(TICKETS):
        ticket = await member.ask(BUY_TICKET, {"draw": draw_id, "key": secrets.token_hex(8)})
    click.echo(f"   {TICKETS} tickets at {ticket['points']} points, {ticket['available']} points left")
    click.echo(f"   it closes after {DRAW_OPEN_SECONDS} seconds; the worker draws, settles and pays …")
    settled = await _settled(member, draw_id)
    for edge in settled["winners"]["edges"]:
        win = edge["node"]
        click.echo(f"   rank {win['rank']}: ticket {win['number']} wins {win['prizePoints']} points")


async def _settled(member: Caller, draw_id: str) -> Any:
    for _ in range(SETTLED_LOOKS_MAX):
        draw = await member.ask(DRAW, {"id": draw_id})
        if draw["state"] == "SETTLED":
            return draw
        await asyncio.sleep(LOOK_SECONDS)
    raise click.ClickException("the draw was not settled; look at the worker's log")


async def _donate(member: Caller) -> None:
    campaign = (await member.ask(CAMPAIGNS))["edges"][0]["node"]
    gift = {"campaignId": campaign["id"], "units": 1, "displayName": "小明", "idempotencyKey": secrets.token_hex(8)}
    given = (await member.ask(DONATE, {"input": gift}))["donation"]
    seen = await member.ask(VERIFY, {"code": given["certificate"]["verificationCode"]})
    _say(
        f"6. The member gives {given['points']} points to “{campaign['title']}”: the brand pledges "
        f"{given['fen'] // 100} yuan.",
        f"certificate {seen['serial']} of {seen['donatedOn']}, verified by its code",
    )


async def _statement(member: Caller) -> None:
    me = await member.ask(STATEMENT)
    tier, points = me["tierProgress"], me["points"]
    _say(f"7. {tier['current']['name']}, {points['available']} points, growth {points['growth']}. The statement:")
    for edge in reversed(me["entries"]["edges"]):
        entry = edge["node"]
        click.echo(f"   {entry['points']:+6} → {entry['available']:6}  {entry['kind']:<16} {entry['explanation']}")
