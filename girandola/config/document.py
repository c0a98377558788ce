"""The documentation of the configuration, made from the schema: Markdown and HTML.

Knows what options exist and how text is marked up; not where it is shown.
"""

from collections.abc import Iterator
from html import escape
from itertools import groupby

from msgspec import Struct

from girandola.config.dump import written
from girandola.config.generations.flat import (
    BY_RULE,
    CHANNEL_NAMES,
    CHANNEL_OPTIONS,
    TOP_OPTIONS,
    FlatOption,
    versions,
)
from girandola.config.names import CLASSIC, CLASSIC_CHANNEL, NOT_BUILT, TOP, ClassicName
from girandola.config.schema import NAMESPACE_OPTIONS, OPTIONS, TREE, Option, Section
from girandola.config.text import env_name
from girandola.config.unbuilt import UNBUILT, UNBUILT_CHANNEL
from girandola.config.values import expectation


class Heading(Struct, frozen=True):
    """A heading; ``depth`` is 1 for the title."""

    depth: int
    text: str


class Table(Struct, frozen=True):
    """Rows of cells; what stands between backticks is code."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Table | str
"""A string is a paragraph."""

_INTRODUCTION = (
    "This file is generated from the schema by `girandola configdoc -m`; change "
    "`girandola/options.py` or `girandola/config/schema.py` instead.",
    "Values come from, each over the one before: defaults, the configuration file (`-c`, "
    "`config.json` by default; `.json`, `.toml`, `.yaml` or `.yml`), the environment, flags.",
    "A variable of the environment is `GIRANDOLA_` (or `CENTRIFUGO_`; the first wins) and the "
    "option in upper case with dots as underscores: "
    f"`GIRANDOLA_{env_name('client.ping_interval')}`. An empty one counts as not set. Booleans are "
    "`true`, `false`, `1`, `0`; lists of texts are separated by spaces; lists of objects are "
    "JSON. `GIRANDOLA_CHANNEL_NAMESPACES` may also be names separated by spaces, and one option "
    "of one namespace is `GIRANDOLA_CHANNEL_NAMESPACES_<NAME>_<OPTION>`. A file `.env` in the "
    "working directory sets what the environment does not, for a configuration of v6.",
    "Names are read in upper and lower case. A value of a file that is not of the type of its "
    'option, but can mean only one thing, is cast (`"8000"` for a number, `"*"` for a list of '
    "one, `123456` for a text); `checkconfig --strict` lists these. `${CENTRIFUGO_VAR_X}` or "
    "`${GIRANDOLA_VAR_X}` in a text stands for that variable, which must be set.",
    'Durations are texts with units h, m, s, ms, us, ns: `"25s"`, `"1m30s"`, `"720h"`, `"500ms"`.',
)

_GENERATIONS = (
    "Configurations of Centrifugo of every generation are read: v1 (2018), v2, v3, v4, v5 and v6 "
    "(today), each with the defaults and permissions that it had. The generation is told by names "
    "that only it has, in the file, the environment and the flags; `girandola checkconfig` says "
    'which it is and why. It can be stated: `"generation": "v3"` in the file, `--generation v3`, '
    "`GIRANDOLA_GENERATION=v3`. Then names of other generations have no effect, with a warning.",
    "Names of several generations that disagree stop the start, as does a doubt in which one "
    "reading is open and another one closed; the message says what to write. "
    "`name`, `engine`, `address`, `port`, `log_level`, `log_file`, `pid_file`, `admin`, `web` and "
    "`debug`, and the sections `classic`, `legacy` and `sockjs`, go with today's options too.",
)

_CLASSIC = (
    "In a configuration of 2018 any browser's origin may connect; "
    "users may subscribe to channels without a token and to user-limited channels, and read "
    "history where there is one; an empty secret is accepted, with a warning, unless another key "
    "verifies connections. Values are read as leniently as in 2018. Where v1 is stated, options "
    "of today may be added, but not for the same thing. Without a key under `client.token`, "
    "`secret` also verifies the JSON Web Tokens of today's clients.",
    "`api_port` and `admin_port` are the internal listener, where the API is then; one of them "
    "alone leaves the API, or the admin pages, where it was in 2018. Two different ones are "
    "refused: there is one internal listener. `ssl` holds for both listeners; `ssl_autocert` wins "
    "over it and needs `ssl_autocert_http`.",
    "Channel options at the top level are for channels outside any namespace; in `namespaces` each "
    "item has them, too, and inherits nothing.",
)


def blocks(section: str = "") -> Iterator[Block]:
    """Yield the document, or the part about one section such as ``client`` or ``client.token``."""
    if not section:
        yield Heading(1, "Configuration")
        yield from _INTRODUCTION
    yield from _options(section)
    if not section:
        yield from _generations()
        yield from _classic()
        yield from _between()
        yield from _unbuilt()


def _options(section: str) -> Iterator[Block]:
    shown = [
        entry
        for entry in TREE
        if not section or entry.path == section or entry.path.startswith(section + ".")
    ]
    # Sections first within their parent would tear the tables apart: group by parent instead.
    parents = sorted(
        {entry.path.rpartition(".")[0] for entry in shown if isinstance(entry, Option)}
    )
    sections = {entry.path: entry for entry in TREE if isinstance(entry, Section)}
    order = list(sections)
    for parent in sorted(parents, key=lambda path: order.index(path) if path else len(order)):
        if parent:
            yield Heading(2 + parent.count("."), f"`{parent}`")
            yield sections[parent].description
        elif not section:
            yield Heading(2, "Other options")
        options = [
            e for e in shown if isinstance(e, Option) and e.path.rpartition(".")[0] == parent
        ]
        yield _table(options)
        if parent == "channel":
            yield "Each item of `channel.namespaces` has a name and the options of " + (
                "`channel.without_namespace`:"
            )
            yield _table([NAMESPACE_OPTIONS["name"]])


def _table(options: list[Option]) -> Table:
    rows = tuple(
        (f"`{option.path}`", expectation(option), _default(option), option.description)
        for option in options
    )
    return Table(("Option", "Takes", "Default", "Meaning"), rows)


def _default(option: Option) -> str:
    value = written(option, option.default)
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    return f"`{value}`" if value not in ("", []) else "empty"


def _generations() -> Iterator[Block]:
    yield Heading(2, "Generations")
    yield from _GENERATIONS


def _classic() -> Iterator[Block]:
    yield Heading(2, "Names of 2018")
    yield from _CLASSIC
    entries = [entry for entry in CLASSIC.values() if entry.targets]
    yield Table(("2018", "Sets"), tuple((f"`{e.name}`", _targets(e)) for e in entries))
    for built, title in ((True, "Not built yet"), (False, "Without a meaning here")):
        names = [
            f"`{e.name}`" for e in CLASSIC.values() if e.note and (e.note == NOT_BUILT) is built
        ]
        yield f"{title}: {', '.join(names)}."


def _targets(entry: ClassicName) -> str:
    inside = CLASSIC_CHANNEL.get(entry.name)
    if inside is not None:
        return ", ".join(f"`{name}`" for name in inside.targets) + f" of `{TOP.rstrip('.')}`"
    seconds = any(path in OPTIONS and OPTIONS[path].kind == "duration" for path in entry.targets)
    names = ", ".join(f"`{path}`" for path in entry.targets)
    return names + (" (seconds)" if seconds else "")


def _between() -> Iterator[Block]:
    yield Heading(2, "Names of Centrifugo 2 to 5")
    yield (
        "A name without a path takes part in a rule: it is translated together with others. What "
        "has no counterpart is said so in the log."
    )
    rows = [
        (f"`{name}`", versions(option.generations), _target(option))
        for table in (TOP_OPTIONS, CHANNEL_OPTIONS)
        for name, option in table.items()
        if table is TOP_OPTIONS or name not in CHANNEL_NAMES
    ]
    yield Table(("Name", "Generations", "Sets"), tuple(rows))


def _target(option: FlatOption) -> str:
    if option.target in ("", BY_RULE):
        return "by rule" if option.target else "no counterpart"
    inside = option.name in CHANNEL_OPTIONS and option.name != "name"
    return f"`{option.target}`" + (" of the channels" if inside else "")


def _unbuilt() -> Iterator[Block]:
    yield Heading(2, "Options of Centrifugo 6 that are not built yet")
    yield "They are known, and have no effect; a value other than the default gives a warning."
    paths = sorted(path for path in UNBUILT if not path.startswith(TOP))
    rows = [
        (f"`{top}`", ", ".join(f"`{path}`" for path in group))
        for top, group in groupby(paths, lambda path: path.partition(".")[0])
    ]
    in_channel = ", ".join(f"`{name}`" for name in sorted(UNBUILT_CHANNEL))
    yield Table(("Section", "Options"), (*rows, ("channel options", in_channel)))


# ── marking up ───────────────────────────────────────────────────────────────────────────────


def markdown(section: str = "", base_level: int = 0) -> str:
    """Return the document in Markdown; ``base_level`` makes every heading that much deeper."""
    parts = []
    for block in blocks(section):
        match block:
            case Heading(depth, text):
                parts.append(f"{'#' * (depth + base_level)} {text}")
            case Table(head, rows):
                lines = [head, ("---",) * len(head), *rows]
                parts.append("\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines))
            case str():
                parts.append(block)
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    """Escape what would end a cell, and what would be a tag outside of code."""
    pieces = text.replace("|", r"\|").split("`")
    return "`".join(p if i % 2 else p.replace("<", "&lt;") for i, p in enumerate(pieces))


def html(section: str = "", base_level: int = 0) -> str:
    """Return the document as one HTML page that needs nothing else."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>girandola</title>',
        "<style>body{font:16px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
        "td,th{text-align:left;vertical-align:top;padding:.2em 1em .2em 0}</style>",
    ]
    for block in blocks(section):
        match block:
            case Heading(depth, text):
                tag = f"h{min(depth + base_level, 6)}"
                parts.append(f"<{tag}>{_inline(text)}</{tag}>")
            case Table(head, rows):
                parts.append("<table>" + _row(head, "th"))
                parts.extend(_row(row, "td") for row in rows)
                parts.append("</table>")
            case str():
                parts.append(f"<p>{_inline(block)}</p>")
    return "\n".join(parts) + "\n"


def _row(cells: tuple[str, ...], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in cells) + "</tr>"


def _inline(text: str) -> str:
    """Escape, and mark as code every other piece between backticks."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(pieces))
