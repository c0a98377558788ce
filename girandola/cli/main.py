"""The command line: ``girandola`` runs the server, its sub-commands do the rest.

Reads arguments and nothing else; configuration errors end here, each on a line of its own.
"""

import sys
from difflib import get_close_matches
from typing import Any, NoReturn

import click

from girandola.cli import bench, config, migrate, tokens
from girandola.cli.flags import FLAGS, spelled_out
from girandola.config.load import ConfigError, Sources


class Server(click.Group):
    """The group that is a server when no sub-command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read Go's spellings of flags, too."""
        return super().parse_args(ctx, spelled_out(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when the one asked for does not exist."""
        if args and self.get_command(ctx, args[0]) is None:
            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List commands in the order in which they were added."""
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags group by group, then the commands."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for flag in FLAGS:
            names = f"-{flag.short}, --{flag.name}" if flag.short else f"--{flag.name}"
            value = "" if flag.boolean else " VALUE"
            groups.setdefault(flag.group, []).append((names + value, flag.help))
        for title, rows in groups.items():
            with formatter.section(title):
                if any(text for _, text in rows):
                    formatter.write_dl(rows)
                else:
                    formatter.write_text(", ".join(names.split(" VALUE")[0] for names, _ in rows))
        self.format_commands(ctx, formatter)


def _flag_options() -> list[click.Parameter]:
    return [
        click.Option(
            [*([f"-{flag.short}"] if flag.short else []), f"--{flag.name}", _key(flag.name)]
        )
        for flag in FLAGS
    ]


def _key(flag: str) -> str:
    """Return the Python name under which click keeps a flag."""
    return "flag_" + flag.replace(".", "__")


@click.pass_context
def _serve(ctx: click.Context, /, **values: str | None) -> None:
    if ctx.invoked_subcommand is not None:
        return
    flags = {flag.name: values[_key(flag.name)] for flag in FLAGS}
    path = flags.pop("config")
    sources = Sources(
        path="config.json" if path is None else path,
        flags={name: text for name, text in flags.items() if text is not None},
    )
    loaded = sources.load()
    # The server's parts are not loaded for a command that only prints something.
    from girandola.cli.serve import serve

    ctx.exit(serve(loaded, sources))


@click.command("help")
@click.argument("command", required=False)
@click.pass_context
def _help(ctx: click.Context, command: str | None) -> None:
    """Print help, of a command if one is named."""
    if command is None:
        click.echo(ctx.find_root().get_help())
        return
    _, found, _ = girandola.resolve_command(ctx, [command])
    if found is not None:
        with click.Context(found, info_name=command, parent=ctx.find_root()) as own:
            click.echo(found.get_help(own))


girandola = Server(
    "girandola",
    callback=_serve,
    params=_flag_options(),
    invoke_without_command=True,
    help="Run the server, or a command. Without a command: the server.",
    context_settings={"help_option_names": ["-h", "--help"]},
    options_metavar="[FLAGS]",
    subcommand_metavar="[COMMAND]",
)
"""The whole command line."""

for _command in (*config.COMMANDS, migrate.migrateconfig, *tokens.COMMANDS, bench.bench, _help):
    girandola.add_command(_command)


def main(arguments: list[str] | None = None, **extra: Any) -> NoReturn:
    """Run the command line and exit: 1 for a bad configuration, 2 for bad usage."""
    try:
        girandola.main(arguments, prog_name="girandola", **extra)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        sys.exit(1)
    sys.exit(0)
