"""How the web process puts its parts together."""

from __future__ import annotations

from app.settings import Settings
from app.wiring import open_work, sharing_flushes
from gamification.core.lanes import LaneLimits, Lanes


async def test_the_web_process_shares_flushes_as_its_settings_say(settings: Settings) -> None:
    """Two lanes, and what the pool has beside them for members who are waited for; afterwards commands go alone."""
    work = await open_work(settings)
    async with sharing_flushes(settings, work):
        assert isinstance(work.lanes, Lanes)
        assert work.lanes.limits == LaneLimits(lanes=2, beside=2, waiting_max=2000, member_max=100)
    assert work.lanes is None


async def test_without_lanes_every_command_is_written_alone(settings: Settings) -> None:
    """WRITE_LANES=0 leaves the work as it is, and one connection beside the lanes is there however small the pool."""
    work = await open_work(settings)
    async with sharing_flushes(settings.model_copy(update={"write_lanes": 0}), work):
        assert work.lanes is None
    small = settings.model_copy(update={"database_pool_max": 1, "write_waiting_max": 10})
    async with sharing_flushes(small, work):
        assert isinstance(work.lanes, Lanes)
        assert work.lanes.limits == LaneLimits(lanes=2, beside=1, waiting_max=10)
