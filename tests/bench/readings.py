"""CPU time and memory of whole process trees, as Linux's kernel counts them.

`/proc/PID/task/*/schedstat` counts nanoseconds on a processor per thread; what has ended meanwhile stands, in ticks, in
the times of waited-for children of whoever started it. CPU per request varies less than requests per second on a
machine that does other things too.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STATE, PARENT, USER, SYSTEM, CHILDREN_USER, CHILDREN_SYSTEM, RESIDENT = 0, 1, 11, 12, 13, 14, 21
"""Places in `/proc/PID/stat` behind the command's name."""
LOOKS_MAX = 20


@dataclass(frozen=True, slots=True)
class Reading:
    """What a process and everything it started have used so far, and hold now."""

    cpu_ns: int
    memory_bytes: int


def is_possible() -> bool:
    """Whether this kernel tells."""
    return (PROC / "self" / "schedstat").exists()


class _Ended(Exception):
    """A process ended between two looks at it: its time may stand with its parent by now, which was read already."""


def reading(pid: int) -> Reading:
    """The figures of a process and all its descendants; looked at again where one of them ends meanwhile."""
    for _ in range(LOOKS_MAX):
        try:
            return _reading(pid)
        except _Ended:
            continue
    raise TimeoutError(f"the processes below {pid} end faster than they can be read")


def _reading(pid: int) -> Reading:
    stats = {each: stat for each in processes() if (stat := _stat(each))}
    family = _family(pid, stats)
    cpu_ns = sum(_own_ns(each, stats[each]) + _ended_ns(stats[each]) for each in family)
    return Reading(cpu_ns, sum(int(stats[each][RESIDENT]) * PAGE_BYTES for each in family))


def processes() -> list[int]:
    """The ids of all processes."""
    return [int(each.name) for each in PROC.iterdir() if each.name.isdigit()]


def _family(pid: int, stats: dict[int, list[str]]) -> list[int]:
    children: dict[int, list[int]] = {}
    for each, stat in stats.items():
        children.setdefault(int(stat[PARENT]), []).append(each)
    family, found = [], [pid] if pid in stats else []
    while found:
        family.append(each := found.pop())
        found.extend(children.get(each, ()))
    return family


def _stat(pid: int) -> list[str]:
    """The fields behind the command's name, which may hold blanks and parentheses; nothing for who has ended."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _own_ns(pid: int, stat: list[str]) -> int:
    """Of all its threads; of a process that ended and is not waited for yet, what it is known to have used."""
    if stat[STATE] == "Z":
        return (int(stat[USER]) + int(stat[SYSTEM])) * TICK_NS
    try:
        threads = [(thread / "schedstat").read_text() for thread in (PROC / str(pid) / "task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        raise _Ended from None
    if not threads:
        raise _Ended
    return sum(int(each.split()[0]) for each in threads)


def _ended_ns(stat: list[str]) -> int:
    return (int(stat[CHILDREN_USER]) + int(stat[CHILDREN_SYSTEM])) * TICK_NS
