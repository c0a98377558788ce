"""The command that writes the configuration of today for one of an older generation.

The configuration goes to stdout or into a file, everything that is said about it to stderr.
"""

import click

from girandola.cli.config import write_new
from girandola.config.file import FORMATS, format_of
from girandola.config.load import surroundings
from girandola.config.migrate import Migration, migrated
from girandola.config.problems import ConfigError, Problem, one_line


def _texts(
    context: click.Context, option: click.Parameter, value: tuple[str, str] | None
) -> tuple[str, str] | None:
    """Refuse arguments that are no UTF-8: no client can have such a name."""
    try:
        "".join(value or ()).encode()
    except UnicodeEncodeError:
        raise click.BadParameter("expected UTF-8") from None
    return value


@click.command("migrateconfig")
@click.argument("file")
@click.option("-o", "--output", default="", help="Write this file, which is new, not stdout.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["json", "toml", "yaml"]),
    help="How to write it; else as the name of OUTPUT, or of FILE, says.",
)
@click.option("--generation", default="", help="Whose configuration it is: v1 (2018) to v6.")
@click.option(
    "--env",
    "with_env",
    is_flag=True,
    help="Write what the environment and .env say, too. Without it they are not read.",
)
@click.option(
    "--explain",
    nargs=2,
    metavar="USER CHANNEL",
    callback=_texts,
    help="Show what USER ('': anonymous) may do in CHANNEL before and after; exit with 1 if that "
    "differs.",
)
def migrateconfig(
    file: str,
    output: str,
    format_: str | None,
    generation: str,
    with_env: bool,
    explain: tuple[str, str] | None,
) -> None:
    """Write the configuration of today that means the same as FILE, of any generation.

    Only what differs from today's defaults is written, secrets included. What has no counterpart,
    is not built yet, or was open without being said goes to stderr, as does the table of --explain.
    """
    flags = {"generation": generation} if generation else {}
    environment = surroundings(file, flags) if with_env else None
    environ = environment.variables if environment else None
    found = migrated(file, _format(file, output, format_), environ, flags)
    for line in (*(environment.warnings if environment else ()), *_told(found)):
        click.echo(one_line(line), err=True)
    if output:
        write_new(output, found.text, check=False)
    else:
        click.echo(found.text, nl=False)
    if explain and not _explain(found, *explain):
        raise click.exceptions.Exit(1)


def _format(file: str, output: str, wanted: str | None) -> str:
    """Return the format to write; the name of a file that is read by it must fit."""
    if output and wanted and format_of(output) != wanted:
        endings = " or ".join(suffix for suffix, name in FORMATS.items() if name == wanted)
        detail = f"expected a name that ends in {endings}, as --format says"
        raise ConfigError([Problem(output, "", detail)])
    return wanted or format_of(output or file)


def _told(found: Migration) -> list[str]:
    before = found.before
    return [
        f"{before.path}: read as v{before.generation}: {before.why}",
        *(f"warning: {line}" for line in dict.fromkeys(before.warnings)),
        *(f"note: {line}" for line in found.notes),
    ]


def _explain(found: Migration, user: str, channel: str) -> bool:
    """Print who may do what; tell whether it is the same before and after."""
    # The server's parts are not loaded for a command that only writes a file.
    from girandola.app.explain import compared

    try:
        rows = compared(found.before.config, found.after.config, user, channel)
    except ValueError as error:
        raise ConfigError([Problem(found.before.path, "", str(error))]) from None
    who = f"user {user!r}" if user else "an anonymous user"
    table = [("", f"before (v{found.before.generation})", "after (v6)", "")]
    table += [
        (row.what, str(row.before), str(row.after), "differs" if row.differs else row.after.why)
        for row in rows
    ]
    widths = [max(len(cells[column]) for cells in table) for column in range(3)]
    click.echo(one_line(f"{who} in channel {channel!r}:"), err=True)
    for cells in table:
        line = "  ".join(text.ljust(width) for text, width in zip(cells, (*widths, 0), strict=True))
        click.echo(one_line(line).rstrip(), err=True)
    return not any(row.differs for row in rows)
