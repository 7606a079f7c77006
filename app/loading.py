"""Loading the modules of a process that stays, in two thirds of the time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

COLLECT_AFTER = 50_000
"""Objects more than before until garbage is looked for. What a request makes refers to itself seldom and is gone when
it is answered, so that looking every 700 objects, as Python does, took a tenth of the process and found nothing."""


@contextmanager
def loading() -> Iterator[None]:
    """Import inside what the process consists of, and build it; both savings were measured over `app.asgi`.

    What is loaded stays: nothing is gained by looking for garbage in it, neither now (a sixth of the time) nor at any
    later collection. And the ORM reads each model's source for comments to be kept in the database (another fifth);
    ours has none.
    """
    import tortoise.models

    read_comments = tortoise.models._get_comments
    tortoise.models._get_comments = lambda cls: {}
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER, 20, 20)
        gc.enable()
        tortoise.models._get_comments = read_comments
