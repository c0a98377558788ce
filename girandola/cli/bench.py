"""``girandola bench``: measure a server. Reads arguments and writes files; measures nothing."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from girandola.bench.report import Report

COMMAND_NAMES = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9")


@click.command("bench")
@click.argument("benchmarks", nargs=-1, type=click.Choice(COMMAND_NAMES, case_sensitive=False))
@click.option("--quick", is_flag=True, help="Smaller and shorter, to see whether all works.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write all figures.")
@click.option("--svg", "svg_file", type=click.Path(dir_okay=False), help="Draw the main figures.")
@click.option(
    "--url", help="WebSocket URL of another server to measure, like ws://127.0.0.1:8000/…"
)
@click.option("--api", help="URL of its server API, like http://127.0.0.1:8000/api.")
@click.option("--api-key", default="", help="Key of its server API.", envvar="BENCH_API_KEY")
@click.option(
    "--token-secret",
    default="",
    help="HMAC key of its connection tokens; without it sessions are anonymous.",
    envvar="BENCH_TOKEN_SECRET",
)
@click.option("--pid", type=click.IntRange(min=1), help="Its process id.")
@click.option("--name", default="other", help="What the results call it.", show_default=True)
@click.option("--no-own", is_flag=True, help="Measure the other server only.")
@click.option(
    "--show-config", is_flag=True, help="Print the configuration another server needs, and exit."
)
def bench(
    benchmarks: tuple[str, ...],
    quick: bool,
    json_file: str | None,
    svg_file: str | None,
    url: str | None,
    api: str | None,
    api_key: str,
    token_secret: str,
    pid: int | None,
    name: str,
    no_own: bool,
    show_config: bool,
) -> None:
    """Measure girandola, a server given by --url, --api and --pid, or both in one run.

    BENCHMARKS are B1 to B9, as docs/performance.md defines them; all when none is named. Linux
    only. Ends with 1 when a figure is void.
    """
    # The bench's parts, and Linux's, are not loaded for the other commands.
    from girandola.bench import run, stage, target

    if show_config:
        shown = target.configuration(api_key or "<api key>", token_secret or "<token secret>")
        click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2))
        return
    given = None
    if url or api or pid or no_own:
        if not (url and api and pid):
            raise click.UsageError("another server is given by --url, --api and --pid together")
        try:
            given = target.GivenServer(name, url, api, api_key, token_secret, pid)
        except (target.TargetError, OSError) as error:
            raise click.UsageError(str(error)) from None
    scale = stage.QUICK if quick else stage.FULL
    report = run.run(
        list(dict.fromkeys(benchmarks)) or list(COMMAND_NAMES),
        run.servers(given, scale, own=not no_own),
        scale,
        _command_line(),
        lambda line: click.echo(line, err=True),
    )
    tell(report, json_file, svg_file)


def tell(report: "Report", json_file: str | None, svg_file: str | None) -> None:
    """Print a report, write it where a file is named, and end with 1 when a figure is void."""
    from girandola.bench import picture

    click.echo(report.as_table())
    try:
        if json_file:
            Path(json_file).write_bytes(report.as_json())
        if svg_file:
            Path(svg_file).write_text(picture.draw(report), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {error.filename}: {error.strerror}") from None
    if any(row.void for row in report.rows):
        sys.exit(1)


def _command_line() -> str:
    """Return what was typed, but for secrets."""
    words: list[str] = []
    for word in sys.argv[1:]:
        option, equals, _ = word.partition("=")
        if words and words[-1] in _SECRETS:
            words.append("…")
        else:
            words.append(f"{option}=…" if equals and option in _SECRETS else word)
    quoted = (word if "…" in word else shlex.quote(word) for word in words)
    return " ".join(("girandola", *quoted))


_SECRETS = {"--api-key", "--token-secret"}
