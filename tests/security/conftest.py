"""Attacks are tried on a served demonstration programme of their own."""

from __future__ import annotations

from tests.stories.conftest import own_settings, programme, seeded

__all__ = ["own_settings", "programme", "seeded"]
