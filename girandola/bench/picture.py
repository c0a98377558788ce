"""The main figures of a run as an SVG picture, fit for a README in light and dark.

Draws bars for a handful of headline figures, one bar a server. Knows reports only.
"""

import re
from xml.sax.saxutils import escape

from msgspec import Struct

from girandola.bench.report import Report, Row, shown

WIDTH = 800
_LEFT = 24
_BAR_X = 200
_BAR_WIDTH = 460
_BAR_HEIGHT = 14
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 17px; font-weight: 600 }
.what { font-weight: 600 }
.small { font-size: 11px; fill: #57606a }
.track { fill: #eaeef2 }
.s0 { fill: #c2410c }
.s1 { fill: #64748b }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .small { fill: #8d96a0 }
  .track { fill: #21262d }
  .s0 { fill: #fb923c }
  .s1 { fill: #94a3b8 }
}
"""


class Headline(Struct, frozen=True):
    """A figure worth showing: of which benchmark and case, and what it is called."""

    benchmark: str
    case: tuple[str, ...]
    """Words that all stand in the case."""
    figure: str
    title: str
    unit: str
    lower_is_better: bool = True


HEADLINES = (
    Headline("B1", ("1,000 subscribers", "20,000/s", "one"), "cpu_us", "CPU a message", "µs"),
    Headline(
        "B1",
        ("1,000 subscribers", "20,000/s", "bursts"),
        "cpu_us",
        "CPU a message, in bursts",
        "µs",
    ),
    Headline("B2", (), "deliveries_per_s", "Most deliveries a second", "/s", lower_is_better=False),
    Headline("B3", ("(a)",), "p99_ms", "Latency to 1,000, p99", "ms"),
    Headline("B3", ("(b)",), "p99_ms", "Small channel beside a large one, p99", "ms"),
    Headline("B4", (", 1 subscriptions",), "bytes_per_connection", "Memory a connection", "bytes"),
    Headline("B4", (", 1 subscriptions",), "cpu_us_per_s", "CPU a second, idle connection", "µs"),
    Headline("B5", ("sessions", "JWT"), "cpu_ms_per_session", "CPU to start a session", "ms"),
    Headline("B5", ("all cut",), "until_last_s", "Reconnect of all, with recovery", "s"),
    Headline("B6", ("no subscriber",), "cpu_us_per_publish", "CPU of a publish by the API", "µs"),
    Headline("B9", ("idle: SSE,",), "bytes_per_connection", "Memory a connection, SSE", "bytes"),
    Headline(
        "B9",
        ("idle: HTTP streaming,",),
        "bytes_per_connection",
        "Memory a connection, HTTP streaming",
        "bytes",
    ),
    Headline("B9", ("fan-out: SSE,", "one at"), "cpu_us", "CPU a message, SSE", "µs"),
    Headline(
        "B9",
        ("fan-out: HTTP streaming,", "one at"),
        "cpu_us",
        "CPU a message, HTTP streaming",
        "µs",
    ),
)


def draw(report: Report) -> str:
    """Return the picture. Void figures are not drawn; a run without any says so."""
    servers = list(dict.fromkeys(row.server for row in report.rows))
    panels = [(headline, rows) for headline in HEADLINES if (rows := _rows(report.rows, headline))]
    parts = [_text(_LEFT, 34, "girandola on one core", "title")]
    parts += _legend(servers)
    y = 74
    for headline, rows in panels:
        drawn, y = _panel(headline, rows, servers, y)
        parts += drawn
    if not panels:
        parts.append(_text(_LEFT, y, "No valid figure was measured."))
        y += 24
    for line in _footer(report):
        parts.append(_text(_LEFT, y, line, "small"))
        y += 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 8}" width="{WIDTH}" '
        f'role="img"><title>Benchmarks of girandola</title><style>{_STYLE}</style>'
        + "".join(parts)
        + "</svg>\n"
    )


def _rows(rows: list[Row], headline: Headline) -> list[Row]:
    return [
        row
        for row in rows
        if row.benchmark == headline.benchmark
        and headline.figure in row.figures
        and not row.void
        and all(word in row.case for word in headline.case)
    ]


def _legend(servers: list[str]) -> list[str]:
    parts, x = [], _BAR_X
    for number, server in enumerate(servers):
        parts.append(_bar(x, 46, 10, 10, number))
        parts.append(_text(x + 16, 55, server, "small"))
        x += 40 + 7 * len(server)
    return parts


def _panel(
    headline: Headline, rows: list[Row], servers: list[str], y: int
) -> tuple[list[str], int]:
    """Return the title and bars of a figure, and where the next one begins."""
    better = "less is better" if headline.lower_is_better else "more is better"
    parts = [
        _text(_LEFT, y + 12, f"{headline.title}, {headline.unit}", "what"),
        _text(WIDTH - _LEFT, y + 12, f"{headline.benchmark}, {better}", "small", end=True),
    ]
    y += 20
    longest = max(row.figures[headline.figure] for row in rows) or 1.0
    for row in rows:
        value = row.figures[headline.figure]
        width = max(2, round(_BAR_WIDTH * value / longest))
        parts.append(
            f'<rect class="track" x="{_BAR_X}" y="{y}" width="{_BAR_WIDTH}" '
            f'height="{_BAR_HEIGHT}" rx="3"/>'
        )
        parts.append(_bar(_BAR_X, y, width, _BAR_HEIGHT, servers.index(row.server)))
        parts.append(_text(_LEFT, y + 12, row.server))
        parts.append(_text(_BAR_X + _BAR_WIDTH + 12, y + 12, shown(headline.figure, value)))
        y += _BAR_HEIGHT + 6
    return parts, y + 10


def _footer(report: Report) -> list[str]:
    machine = report.machine
    lines = [
        f"{machine.processor}, one core for the server, one for the load; Python {machine.python}, "
        f"Linux {machine.kernel}",
        f"commit {machine.commit or 'unknown'}, {machine.date[:10]}; "
        + _without_files(report.command),
    ]
    if report.scale != "full":
        lines.append(f"A {report.scale} run: not for publication.")
    return lines


def _bar(x: int, y: int, width: int, height: int, number: int) -> str:
    return f'<rect class="s{number % 2}" x="{x}" y="{y}" width="{width}" height="{height}" rx="3"/>'


def _text(x: int, y: int, text: str, kind: str = "", *, end: bool = False) -> str:
    style = f' class="{kind}"' if kind else ""
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x}" y="{y}"{style}{anchor}>{escape(text)}</text>'


def _without_files(command: str) -> str:
    """Return a command line but for where its results went, which concerns nobody else."""
    return re.sub(r" --(?:json|svg)[ =]\S+", "", command)
