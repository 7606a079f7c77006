"""A folder for local servers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.local.accounts import temporary_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that PostgreSQL can reach whoever runs the tests; pytest's own is closed to other accounts."""
    path = Path(tempfile.mkdtemp(dir=temporary_folder()))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)
