"""The keys of a local programme: random, made once, kept in a file that only its owner reads."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

NAMES = (
    "MEMBER_TOKEN_KEY",
    "STAFF_TOKEN_KEY",
    "PHONE_KEY",
    "PHONE_INDEX_KEY",
    "WECHAT_SECRET",
    "LOG_SIGNING_KEY",
    "QUOTE_KEY",
)
KEY_BYTES = 32


def lasting_secrets(folder: Path) -> dict[str, str]:
    """The keys by the names of their settings; a name that the file lacks gets a new key."""
    file = folder / "secrets.json"
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    known = {name: secrets.token_hex(KEY_BYTES) for name in NAMES} | kept
    if known != kept:
        write_private(file, json.dumps(known, indent=2))
    return known


def write_private(file: Path, text: str) -> None:
    """Write a file of mode 0600, whole or not at all."""
    new = file.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(text)
    new.replace(file)
