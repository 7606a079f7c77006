"""Who signs the transparency log, from the settings."""

from __future__ import annotations

from pathlib import Path

from app.settings import Settings
from gamification.transparency.checkpoints import Signer
from gamification.transparency.keeper import Copies, Keeper


def keeper_of(settings: Settings) -> Keeper:
    """Who signs the log's checkpoints and where copies go, from the settings."""
    signer = Signer.of(settings.log_origin, settings.log_signing_key.get_secret_value())
    return Keeper(signer, Copies(Path(settings.checkpoint_directory)) if settings.checkpoint_directory else None)
