"""Progress of long work where there is no terminal."""

from __future__ import annotations

from io import StringIO

from app.progress import Progress


class Seconds:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_elsewhere_than_on_a_terminal_progress_is_a_plain_line_every_five_seconds() -> None:
    """Lines come at most every five seconds, and one at the end with the total."""
    stream, seconds = StringIO(), Seconds()
    with Progress("Importing", total=4000, unit="orders", stream=stream, monotonic=seconds) as progress:
        progress.advance(500)
        seconds.now += 5
        progress.advance(700)
        seconds.now += 1
        progress.advance(800)
        seconds.now += 4
        progress.advance(2000)
    assert stream.getvalue().splitlines() == [
        "Importing: 1,200 of 4,000 orders (30 %), 240 per second",
        "Importing: 4,000 of 4,000 orders (100 %), 400 per second",
    ]


def test_without_a_total_progress_counts() -> None:
    """Work of unknown length tells how far it is."""
    stream, seconds = StringIO(), Seconds()
    with Progress("Reading", stream=stream, monotonic=seconds) as progress:
        seconds.now += 2
        progress.advance(10)
    assert stream.getvalue() == "Reading: 10, 5 per second\n"
