"""Measure girandola and the Go core in one run: scripts/bench-go builds the latter and calls this.

The servers are treated alike: each is a new process for every measurement, alone on the same core.
Knows of the Go core how it is started (main.go); what is measured is written in girandola.bench.
"""

import json
import os
import secrets
import select
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from girandola.bench import machine, run, stage
from girandola.bench.target import (
    HOST,
    START_TIMEOUT,
    STOP_TIMEOUT,
    Address,
    TargetError,
    configuration,
)
from girandola.cli.bench import tell


class GoCore:
    """The Go core with a configuration of the bench, alone on ``core``; a new process each time."""

    def __init__(self, program: Path, core: int, ping_interval: float) -> None:
        self.name = "Go core"
        self.pid = 0
        self._program = program
        self._core = core
        self._ping_interval = ping_interval
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "GoCore":
        key, secret = secrets.token_hex(16), secrets.token_hex(16)
        with tempfile.TemporaryDirectory(prefix="go-core-") as folder:
            config = Path(folder) / "config.json"
            wanted = configuration(key, secret, self._ping_interval)
            config.write_text(json.dumps(wanted), encoding="utf-8")
            try:
                port = self._start(config)
            except BaseException:
                self._stop()
                raise
        self.address = Address(HOST, port, "/connection/websocket", port, "/api", key, secret)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self, config: Path) -> int:
        """Start it, and return its port once it listens. What it logs goes to our stderr."""
        with machine.on_core(self._core):
            self._process = subprocess.Popen(  # noqa: S603 - the program that was just built
                [str(self._program), "-config", str(config), "-address", f"{HOST}:0"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                env={**os.environ, "GOMAXPROCS": "1"},
            )
        self.pid = self._process.pid
        stdout = self._process.stdout
        if stdout is None or not select.select([stdout], [], [], START_TIMEOUT)[0]:
            raise TargetError(f"the Go core did not start within {START_TIMEOUT:g} s")
        _, _, port = stdout.readline().decode().rpartition(":")
        if not port:
            raise TargetError("the Go core did not start; it says why above")
        return int(port)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@click.command()
@click.argument(
    "benchmarks", nargs=-1, type=click.Choice(list(run.BENCHMARKS), case_sensitive=False)
)
@click.option("--quick", is_flag=True, help="Smaller and shorter, to see whether all works.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False), help="Write all figures.")
@click.option("--svg", "svg_file", type=click.Path(dir_okay=False), help="Draw the main figures.")
@click.option("--program", type=click.Path(path_type=Path), required=True, hidden=True)
@click.option("--no-own", is_flag=True, help="Measure the Go core only.")
def measure(
    benchmarks: tuple[str, ...],
    quick: bool,
    json_file: str | None,
    svg_file: str | None,
    program: Path,
    no_own: bool,
) -> None:
    """Measure girandola and the Go core. Ends with 1 when a figure is void."""
    # Servers are ended on the way out, and SIGTERM is a way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    scale = stage.QUICK if quick else stage.FULL
    cores = machine.choose_cores()
    targets = run.servers(None, scale, own=not no_own)
    targets.append(GoCore(program.resolve(), cores.server, scale.ping_interval))
    report = run.run(
        list(dict.fromkeys(benchmarks)) or list(run.BENCHMARKS),
        targets,
        scale,
        shlex.join(("scripts/bench-go", *sys.argv[3:])),
        lambda line: click.echo(line, err=True),
    )
    tell(report, json_file, svg_file)


if __name__ == "__main__":
    measure(prog_name="scripts/bench-go")
