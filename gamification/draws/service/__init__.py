"""The verbs of draws, one module per concern; the only writers of the slice's tables."""

from gamification.draws.service.beacons import enter_beacon_figure, look_for_beacon, schedule_look
from gamification.draws.service.chunks import StillOwed, WorkedOff
from gamification.draws.service.claims import CLAIM_PRIZE, ClaimPrize, PrizeClaimed, claim_prize
from gamification.draws.service.closing import close_draw, draw_winners
from gamification.draws.service.lapsing import lapse_prizes
from gamification.draws.service.planning import default_ticket_points, open_draw, plan_draw
from gamification.draws.service.redriving import redrive_draw
from gamification.draws.service.settlement import FIRST_WIN, GrantWin, finish_settlement, settle_draw
from gamification.draws.service.tickets import (
    BUY_TICKET,
    BuyTicket,
    TicketBought,
    buy_ticket,
    preview_ticket,
)
from gamification.draws.service.voiding import (
    FIRST_TICKET,
    RestoreTicket,
    finish_restoration,
    restore_tickets,
    void_draw,
)

__all__ = [
    "BUY_TICKET",
    "CLAIM_PRIZE",
    "FIRST_TICKET",
    "FIRST_WIN",
    "BuyTicket",
    "ClaimPrize",
    "GrantWin",
    "PrizeClaimed",
    "RestoreTicket",
    "StillOwed",
    "TicketBought",
    "WorkedOff",
    "buy_ticket",
    "claim_prize",
    "close_draw",
    "default_ticket_points",
    "draw_winners",
    "enter_beacon_figure",
    "finish_restoration",
    "finish_settlement",
    "lapse_prizes",
    "look_for_beacon",
    "open_draw",
    "plan_draw",
    "preview_ticket",
    "redrive_draw",
    "restore_tickets",
    "schedule_look",
    "settle_draw",
    "void_draw",
]
