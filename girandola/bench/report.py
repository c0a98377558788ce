"""What a run found: rows of figures, and how they are written as a table and as JSON.

Knows the names and units of all figures; not how they were measured.
"""

import msgspec
from msgspec import Struct

from girandola.bench.machine import Machine

FORMAT = 1
"""Of the JSON; a change that readers notice raises it."""


class Unit(Struct, frozen=True):
    """How a figure is called and printed."""

    title: str
    digits: int = 0


UNITS = {
    "cpu_us": Unit("CPU µs/message", 2),
    "user_us": Unit("user µs", 2),
    "spread": Unit("spread %"),
    "deliveries_per_s": Unit("deliveries/s"),
    "p50_ms": Unit("p50 ms", 2),
    "p95_ms": Unit("p95 ms", 2),
    "p99_ms": Unit("p99 ms", 2),
    "p99.9_ms": Unit("p99.9 ms", 2),
    "bytes_per_connection": Unit("bytes/connection"),
    "bytes_per_subscription": Unit("bytes/subscription"),
    "cpu_us_per_s": Unit("CPU µs/s each", 2),
    "sessions_per_s": Unit("sessions/s"),
    "cpu_ms_per_session": Unit("CPU ms/session", 3),
    "until_last_s": Unit("s until the last", 2),
    "lost": Unit("lost"),
    "requests_per_s": Unit("requests/s"),
    "cpu_us_per_publish": Unit("CPU µs/publish", 2),
    "cpu_us_each": Unit("CPU µs each", 1),
    "bytes_per_message": Unit("bytes/message"),
    "slope": Unit("slope", 3),
}
"""Every figure there is, in the order of the table's columns."""

TITLES = {
    "B1": "Fan-out: CPU per delivered message",
    "B2": "Most deliveries a second with p99 under 50 ms and nothing lost",
    "B3": "From publish to receive",
    "B4": "Idle connections",
    "B5": "Session start, and all back at once with recovery",
    "B6": "Server API",
    "B7": "History",
    "B8": "Growth at 20,000 deliveries a second",
    "B9": "Transports: idle connections, and fan-out",
}


class Row(Struct, kw_only=True):
    """The figures of one case on one server.

    ``load`` is the share of its core that the load took. ``void`` says why the figures do not
    count; empty, they do. ``notes`` are deviations that a reader must know of.
    """

    benchmark: str
    case: str
    server: str
    figures: dict[str, float]
    load: float = 0.0
    void: list[str] = []
    notes: list[str] = []


class Report(Struct, kw_only=True):
    """A run as a whole."""

    machine: Machine
    command: str
    scale: str
    """``full``, or a smaller one whose figures are not for publication."""
    conditions: list[str] = []
    rows: list[Row] = []
    format: int = FORMAT

    def as_json(self) -> bytes:
        """Return everything, for programs."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def as_table(self) -> str:
        """Return everything, for people."""
        machine = self.machine
        lines = [
            f"{machine.processor}, {machine.cores} cores, {machine.memory_mb} MB, "
            f"Linux {machine.kernel}, Python {machine.python}",
            f"commit {machine.commit or 'unknown'}, {machine.date}, load average before "
            f"{machine.load_average}",
            *self.conditions,
        ]
        if self.scale != "full":
            lines.append(f"A {self.scale} run: its figures are not for publication.")
        for benchmark in dict.fromkeys(row.benchmark for row in self.rows):
            rows = [row for row in self.rows if row.benchmark == benchmark]
            lines += ["", f"{benchmark}  {TITLES.get(benchmark, '')}", *_table(rows)]
        return "\n".join(lines) + "\n"


def read(data: bytes) -> Report:
    """Return a report from its JSON. Raises ``msgspec.ValidationError`` when it is none."""
    return msgspec.json.decode(data, type=Report)


def shown(name: str, value: float) -> str:
    """Return a figure as people read it."""
    return f"{value:,.{UNITS[name].digits}f}"


def _table(rows: list[Row]) -> list[str]:
    several = len({row.server for row in rows}) > 1
    names = [name for name in UNITS if any(name in row.figures for row in rows)]
    head = ["case", *(["server"] if several else []), *(UNITS[name].title for name in names)]
    body = [_cells(row, names, several) for row in rows]
    widths = [max(map(len, column)) for column in zip([*head, "load"], *body, strict=True)]
    lines = [_line([*head, "load"], widths, text=1 + several)]
    for row, cells in zip(rows, body, strict=True):
        remarks = [*(f"VOID: {reason}" for reason in row.void), *row.notes]
        line = _line(cells, widths, text=1 + several)
        lines.append(f"{line}  {'; '.join(remarks)}" if remarks else line)
    return lines


def _cells(row: Row, names: list[str], several: bool) -> list[str]:
    figures = [shown(name, row.figures[name]) if name in row.figures else "" for name in names]
    return [row.case, *([row.server] if several else []), *figures, f"{row.load:.0%}"]


def _line(cells: list[str], widths: list[int], text: int) -> str:
    padded = (
        cell.ljust(width) if number < text else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  " + "  ".join(padded)
