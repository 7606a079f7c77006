"""The verbs of instant draws, one module per concern; the only writers of the slice's tables."""

from gamification.instant_draws.service.planning import plan_draw, publish_draw, publish_odds
from gamification.instant_draws.service.playing import PLAY, QUOTE, Play, Played, PlayQuote, play, preview_play
from gamification.instant_draws.service.running import end_draw, end_due_draw, pause_draw, resume_draw
from gamification.instant_draws.service.seeds import DAYS_AHEAD, make_seeds

__all__ = [
    "DAYS_AHEAD",
    "PLAY",
    "QUOTE",
    "Play",
    "PlayQuote",
    "Played",
    "end_draw",
    "end_due_draw",
    "make_seeds",
    "pause_draw",
    "plan_draw",
    "play",
    "preview_play",
    "publish_draw",
    "publish_odds",
    "resume_draw",
]
