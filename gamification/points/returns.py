"""What comes back: to the lots it was taken from, to a child where a lot is at its end, and what then ends at once.

A restoration gives back what was redeemed, a release what was only held. Both go the same way, last taken first, and
repay debt before anything becomes available.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gamification.points.models import POINTS
from gamification.points.postings import Postings
from gamification.points.rows import Posted, Source
from gamification.points.rules import Lot, Taken, last_taken_first

RESTORED_LIFE = timedelta(days=30)
"""How long restored points live at least, once per lot."""


class Returns(Postings):
    """A book that can give back."""

    def return_points(
        self,
        takes: Iterable[Taken],
        points: int,
        *,
        returned: int = 0,
        held: bool,
        extend: bool,
        source: Source,
        kind: str,
        trace: Mapping[str, Any],
        at: datetime | None = None,
    ) -> Posted:
        """Post points back to the lots of `takes`, of which `returned` came back before.

        Out of the held bucket, or else out of what was redeemed. With `extend`, points of a lot that has less than
        `RESTORED_LIFE` left form a child that lives at least so long; else they share the fate of their lot, and what
        comes back to a lot that has ended expires again, at the instant `at` (now, unless given).
        """
        seq, at = self.points.seq + 1, at or self.now
        repaid = left = min(points, self.points.debt)
        restored: list[Lot] = []
        for line, (take, part) in enumerate(last_taken_first(takes, points, returned)):
            used = min(left, part)
            left -= used
            lot = self.lots_by_key[take.key]
            until = self._extended_until(lot, take.extended_until) if extend else None
            if until is not None:
                self._extend(lot, seq, line, part, used, until)
            else:
                self.change_lot(lot, remaining=lot.remaining + part - used)
                self.allocate(seq, lot, used - part)
                self.due_by(lot.expires_at)
                restored.append(lot)
        self.post(
            POINTS, kind, source, trace, at,
            available=points - repaid, held=-points if held else 0, debt=-repaid, redeemed=0 if held else -points,
        )  # fmt: skip
        self._expire_what_has_ended(restored, at)
        return Posted(seq, points, self.points.available)

    def expire(self, lot: Lot, at: datetime) -> None:
        """Post that what remains of a lot has reached its end. A lot that points came back to may do so again."""
        points, name = lot.remaining, lot_name(lot)
        source_id = f"{name}@{self.points.seq}" if lot.expired else name
        self.change_lot(lot, remaining=0, expired=lot.expired + points)
        self.allocate(self.points.seq + 1, lot, points)
        self.post(POINTS, "EXPIRY", ("lot", source_id), {"lot": name}, at, available=-points, expired=points)
        if lot.order_id is not None:
            place = (lot.order_id, lot.order_line)
            self.expired_now[place] = self.expired_now.get(place, 0) + points

    def _expire_what_has_ended(self, stale: Sequence[Lot], at: datetime) -> None:
        for key in [lot.key for lot in stale]:
            lot = self.lots_by_key[key]
            if lot.expires_at is not None and lot.expires_at <= at and lot.remaining:
                self.expire(lot, at)

    def _extended_until(self, lot: Lot, known: datetime | None) -> datetime | None:
        """Until when a child of this lot lives; None when restored points share the fate of the lot itself."""
        if lot.expires_at is None or lot.expires_at >= self.now + RESTORED_LIFE or lot.root_seq is not None:
            return None
        children = (each for each in self.lots_by_key.values() if (each.root_seq, each.root_line) == lot.key)
        until = max((at for at in (known, *(each.expires_at for each in children)) if at is not None), default=None)
        if until is None:
            return self.now + RESTORED_LIFE
        return until if until > max(lot.expires_at, self.now) else None

    def _extend(self, lot: Lot, seq: int, line: int, points: int, used: int, until: datetime) -> None:
        """Put restored points into a child lot that lives until then."""
        child = lot._replace(
            seq=seq, line=line, original=points, remaining=points - used, expired=0, pending=False,
            activates_at=self.now, expires_at=until,
            root_seq=lot.seq, root_line=lot.line,
        )  # fmt: skip
        self.lots_by_key[child.key] = child
        self.new_lots.add(child.key)
        self.allocate(seq, child, used)
        self.due_by(child.expires_at)


def lot_name(lot: Lot) -> str:
    """What a lot is called in sources and traces: its entry and its line."""
    return f"{lot.seq}.{lot.line}"
