"""Commands that write, check and explain configurations.

They print to stdout what a person or a script wants to have, and everything else to stderr.
"""

import os
import platform
import secrets
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click

import girandola
from girandola.config.document import html, markdown
from girandola.config.dump import environment, rendered, tree
from girandola.config.file import format_of
from girandola.config.load import Loaded, Sources, load
from girandola.config.problems import ConfigError, Problem
from girandola.config.schema import SECTIONS, Config

_config = click.option(
    "-c", "--config", default="config.json", show_default=True, help="Configuration file."
)
_base = click.option(
    "-b", "--base", default="", help="Start from this configuration file, not from the defaults."
)


@click.command("version")
def version() -> None:
    """Print the version."""
    click.echo(f"girandola v{girandola.__version__} (Python version: {platform.python_version()})")


# ── files ────────────────────────────────────────────────────────────────────────────────────


@click.command("genconfig")
@_config
def genconfig(config: str) -> None:
    """Write a minimal configuration with secrets of its own.

    It is closed: users need a token, and may subscribe to channels that list them, such as
    news#42, or that their token names.
    """
    write_new(config, rendered(_minimal(), format_of(config)))


def _minimal() -> dict[str, Any]:
    """Return what a new server needs, with fresh secrets. Every permission is a user's own."""
    return {
        "generation": "v6",
        "client": {"token": {"hmac_secret_key": secrets.token_urlsafe(32)}, "allowed_origins": []},
        "channel": {"without_namespace": {"allow_user_limited_channels": True}},
        "http_api": {"key": secrets.token_urlsafe(32)},
        "admin": {"password": secrets.token_urlsafe(16), "secret": secrets.token_urlsafe(32)},
        "classic": {"secret": secrets.token_urlsafe(32)},
    }


def write_new(path: str, text: str, *, check: bool = True) -> None:
    """Write a file that only its owner may read, and keep it only if it loads.

    Without ``check`` it is kept as soon as it is written.

    Raises:
        ConfigError: it exists, cannot be written, or does not load.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError([Problem(path, "", "exists already, and is not overwritten")]) from None
    except OSError as error:
        raise ConfigError([Problem(path, "", f"cannot be written: {error.strerror}")]) from None
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if check:
            load(path)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise


@click.command("checkconfig")
@_config
@click.option(
    "-s",
    "--strict",
    is_flag=True,
    help="Fail on unknown names, too, and on values that are not of the type of their option.",
)
@click.option("--generation", default="", help="Whose configuration it is: v1 (2018) to v6.")
def checkconfig(config: str, strict: bool, generation: str) -> None:
    """Check a file, and the environment with it, and say of which generation they are."""
    flags = {"generation": generation} if generation else {}
    loaded = _existing(Sources(path=config, flags=flags).load(), config)
    if strict and (loaded.unknown or loaded.casts):
        raise ConfigError([Problem("", "", line) for line in (*loaded.unknown, *loaded.casts)])
    for line in loaded.warnings:
        click.echo(f"warning: {line}", err=True)
    click.echo(f"ok, read as v{loaded.generation}: {loaded.why}")


def _existing(loaded: Loaded, path: str) -> Loaded:
    """Return what was loaded, from a file that must be there."""
    if not loaded.found:
        detail = f"cannot be found; girandola genconfig -c {path} writes a new one"
        raise ConfigError([Problem(path, "", detail)])
    return loaded


# ── everything that can be configured ────────────────────────────────────────────────────────


@click.command("defaultconfig")
@_config
@_base
@click.option("-d", "--dry-run", is_flag=True, help="Print it; write no file.")
def defaultconfig(config: str, base: str, dry_run: bool) -> None:
    """Write a complete configuration: every option, with its default.

    With a base it is also a way to turn a configuration of 2018 into one of today.
    """
    text = rendered(tree(_based_on(base).config), format_of(config))
    if dry_run:
        click.echo(text, nl=False)
    else:
        write_new(config, text)


@click.command("defaultenv")
@_base
@click.option("--base-non-zero-only", is_flag=True, help="Print only what the base sets.")
def defaultenv(base: str, base_non_zero_only: bool) -> None:
    """Print every variable of the environment, with its default."""
    loaded = _based_on(base)
    only = loaded.given if base_non_zero_only else None
    for line in environment(loaded.config, only):
        click.echo(line)


def _based_on(path: str) -> Loaded:
    if not path:
        return Loaded(config=Config())
    loaded = _existing(load(path), path)
    for line in loaded.warnings:
        click.echo(f"warning: {line}", err=True)
    return loaded


@click.command("configdoc")
@click.option("-m", "--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
@click.option("-s", "--section", default="", help="Only this section, such as client.token.")
@click.option(
    "-l",
    "--base-level",
    default=0,
    type=click.IntRange(0, 5),
    help="How much deeper every heading is.",
)
@click.option(
    "-p",
    "--port",
    default=6060,
    type=click.IntRange(0, 65535),
    show_default=True,
    help="Without -m: show the page on this port of this machine.",
)
def configdoc(as_markdown: bool, section: str, base_level: int, port: int) -> None:
    """Explain every option: as Markdown, or as a page on a local port."""
    if section and section not in SECTIONS:
        known = ", ".join(sorted(SECTIONS))
        raise ConfigError([Problem("--section", section, f"unknown, expected one of {known}")])
    if as_markdown:
        click.echo(markdown(section, base_level), nl=False)
        return
    try:
        server = page_server(html(section, base_level), port)
    except OSError as error:
        detail = f"cannot be listened on: {error.strerror}"
        raise ConfigError([Problem("", f"port {port}", detail)]) from None
    with server:
        click.echo(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)", err=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("", err=True)


def page_server(page: str, port: int) -> HTTPServer:
    """Return a server, not yet running, that shows one page to this machine only."""
    body = page.encode()

    class Page(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            """Show the page, whatever the path."""
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the terminal quiet."""

    return HTTPServer(("127.0.0.1", port), Page)


COMMANDS: list[click.Command] = [
    version,
    genconfig,
    checkconfig,
    defaultconfig,
    defaultenv,
    configdoc,
]
"""Everything here, in the order in which help lists it."""
