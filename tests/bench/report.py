"""What a run says: medians, spread, ratios to the first of ours; as JSON with every sample, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from tests.bench.operations import Operation
from tests.bench.rounds import Sample

HEADINGS = (
    "contender",
    "server CPU µs",
    "database CPU µs",
    "CPU ×",
    "requests/s",
    "requests/s ×",
    "p50 ms",
    "p99 ms",
    "memory MiB",
)
BULK = ("what", "rows", "seconds", "per second", "× floor", "process CPU µs", "database CPU µs", "peak MiB")
CPU = ("server_us", "database_us")


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of some samples, and how far they lie apart: (largest − smallest) ÷ median."""

    median: float
    spread: float

    def __str__(self) -> str:
        digits = 0 if self.median >= 100 else 1 if self.median >= 10 else 2
        return f"{self.median:,.{digits}f} ±{self.spread / 2:.0%}"


def figure(values: Sequence[float]) -> Figure:
    """Median and spread."""
    middle = median(values)
    return Figure(middle, (max(values) - min(values)) / middle if middle else 0.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One contender at one operation. A figure is None where there is no server."""

    contender: str
    figures: Mapping[str, Figure | None]
    cpu_us: float
    ran_out: bool

    def __getitem__(self, name: str) -> Figure | None:
        return self.figures[name]


MEASURED = ("server_us", "database_us", "per_second", "p50_ms", "p99_ms", "memory_mib", "client_us")


def row_of(contender: str, samples: Sequence[Sample]) -> Row:
    """The samples of one contender at one operation, summed up."""
    figures: dict[str, Figure | None] = {}
    for name in MEASURED:
        values = [getattr(each, name) for each in samples]
        figures[name] = None if None in values else figure(values)
    cpu_us = median(sum(getattr(each, name) or 0.0 for name in CPU) for each in samples)
    return Row(contender, figures, cpu_us, any(each.ran_out for each in samples))


def rows_of(operation: Operation, samples: Sequence[Sample]) -> list[Row]:
    """A row per contender, in the order in which they were first measured by name of the run's list."""
    own = [each for each in samples if each.operation == operation.name]
    names = list(dict.fromkeys(each.contender for each in own))
    return [row_of(name, [each for each in own if each.contender == name]) for name in names]


def table(rows: Sequence[Row], reference: str) -> list[str]:
    """Markdown. Ratios are to the reference's row: of CPU in all, and of requests per second."""
    known = {row.contender: row for row in rows}
    base = known.get(reference, rows[0])
    lines = [f"| {' | '.join(HEADINGS)} |", f"|---|{'---:|' * (len(HEADINGS) - 1)}"]
    return lines + [f"| {' | '.join(_cells(row, base))} |" for row in rows]


def _cells(row: Row, base: Row) -> list[str]:
    rate, base_rate = row["per_second"], base["per_second"]
    assert rate is not None and base_rate is not None, "every load has a rate"
    return [
        row.contender + (" (members ran out)" if row.ran_out else ""),
        _text(row["server_us"]),
        _text(row["database_us"]),
        f"{row.cpu_us / base.cpu_us:.2f}" if row["server_us"] is not None else "–",
        _text(rate),
        f"{rate.median / base_rate.median:.2f}",
        _text(row["p50_ms"]),
        _text(row["p99_ms"]),
        _text(row["memory_mib"], spread=False),
    ]


def _bulk_cells(told: Mapping[str, Any]) -> list[str]:
    """What a line of the table in bulk says behind its name; a dash where nothing was measured."""
    formats = {
        "rows": ",", "seconds": ".1f", "per_second": ",.0f", "floors": ".2f", "server_us": ".1f", "database_us": ".1f",
        "peak_mib": ",.0f",
    }  # fmt: skip
    return [format(told[name], shape) if name in told else "–" for name, shape in formats.items()]


def _text(value: Figure | None, *, spread: bool = True) -> str:
    if value is None:
        return "–"
    return str(value) if spread else f"{value.median:,.0f}"


@dataclass(frozen=True, slots=True)
class Report:
    """A run: where it ran, what was measured, who could not take part and why."""

    surroundings: Mapping[str, Any]
    operations: Sequence[Operation]
    samples: Sequence[Sample]
    order: Sequence[str]
    absent: Mapping[str, str]
    bulk: Sequence[Mapping[str, Any]] = ()

    def markdown(self) -> str:
        """Tables, one per operation, and what must be known to read them."""
        lines = [f"- {name}: {value}" for name, value in self.surroundings.items()]
        lines += [f"- not here: {name} ({reason})" for name, reason in self.absent.items()]
        for operation in self.operations:
            rows = sorted(rows_of(operation, self.samples), key=lambda row: self.order.index(row.contender))
            if rows:
                lines += ["", f"### {operation.name}: {operation.title}", "", *table(rows, self.order[0])]
                lines += ["", self._client_line(rows)]
        if self.bulk:
            lines += ["", "### Bulk", "", f"| {' | '.join(BULK)} |", f"|---|{'---:|' * (len(BULK) - 1)}"]
            lines += [f"| {each['what']} | {' | '.join(_bulk_cells(each))} |" for each in self.bulk]
        return "\n".join(lines) + "\n"

    def _client_line(self, rows: Sequence[Row]) -> str:
        costs = [row["client_us"] for row in rows if row["server_us"] is not None]
        medians = [cost.median for cost in costs if cost is not None]
        return f"The client cost {min(medians):.0f} to {max(medians):.0f} µs per request." if medians else ""

    def json(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "surroundings": dict(self.surroundings),
            "absent": dict(self.absent),
            "results": {
                operation.name: [
                    {"contender": row.contender, "cpu_us": row.cpu_us}
                    | {name: asdict(each) if each else None for name, each in row.figures.items()}
                    for row in rows_of(operation, self.samples)
                ]
                for operation in self.operations
            },
            "bulk": list(self.bulk),
            "samples": [asdict(each) for each in self.samples],
        }
