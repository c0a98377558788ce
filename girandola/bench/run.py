"""A whole run: which benchmarks, on which servers, one after the other."""

import os
from collections.abc import Callable, Iterator

from girandola.bench import calls, crowd, doors, fanout, idle, machine, usage
from girandola.bench.fleet import BenchError
from girandola.bench.machine import Cores
from girandola.bench.report import Report, Row
from girandola.bench.stage import Scale, Stage
from girandola.bench.target import GivenServer, OwnServer, Target, TargetError

BENCHMARKS: dict[str, Callable[[Stage], Iterator[Row]]] = {
    "B1": fanout.cost,
    "B2": fanout.ceiling,
    "B3": fanout.latency,
    "B4": idle.idle,
    "B5": crowd.crowd,
    "B6": calls.publishing,
    "B7": calls.history,
    "B8": fanout.growth,
    "B9": doors.transports,
}
"""What can be measured, in the order of the definitions (docs/performance.md)."""


def servers(given: GivenServer | None, scale: Scale, *, own: bool = True) -> list[Target]:
    """Return what is to be measured, one after the other in each benchmark."""
    cores = machine.choose_cores()
    targets: list[Target] = [OwnServer(cores.server, scale.ping_interval)] if own else []
    if given is not None:
        targets.append(given)
    return targets


def run(
    benchmarks: list[str],
    targets: list[Target],
    scale: Scale,
    command: str,
    tell: Callable[[str], object],
) -> Report:
    """Measure, and return what was found. ``tell`` hears a line for each case.

    A benchmark that cannot be measured on a server leaves one void row that says why.
    """
    cores = machine.choose_cores()
    report = Report(
        machine=machine.describe(),
        command=command,
        scale=scale.name,
        conditions=_conditions(cores, targets),
    )
    # The bench itself stays off the server's core.
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores.load})
    try:
        for benchmark in benchmarks:
            for target in targets:
                for row in _rows(benchmark, target, Stage(target, scale, cores)):
                    report.rows.append(row)
                    tell(_line(row))
    finally:
        os.sched_setaffinity(0, before)
    return report


def _rows(benchmark: str, target: Target, stage: Stage) -> Iterator[Row]:
    try:
        yield from BENCHMARKS[benchmark](stage)
    except (BenchError, TargetError, usage.ProcessGone) as error:
        yield Row(
            benchmark=benchmark,
            case="not measured",
            server=target.name,
            figures={},
            void=[str(error)],
        )


def _conditions(cores: Cores, targets: list[Target]) -> list[str]:
    """Say what figures depend on beside the machine."""
    lines = [
        f"server on core {cores.server}, load on core {cores.load}"
        if cores.apart
        else "server and load share the only core: the figures are not comparable",
        f"open files: {machine.raise_open_files():,} a process",
    ]
    for target in targets:
        if isinstance(target, GivenServer):
            allowed = usage.allowed_cores(target.pid)
            where = ", ".join(map(str, allowed))
            line = f"{target.name}: process {target.pid}, on core {where}"
            if allowed != [cores.server]:
                line += f" and not on core {cores.server} alone: not comparable"
            lines.append(line)
    return lines


def _line(row: Row) -> str:
    figures = ", ".join(f"{name} {value:.4g}" for name, value in row.figures.items())
    void = f" VOID: {'; '.join(row.void)}" if row.void else ""
    return f"{row.benchmark} {row.server}: {row.case}: {figures}{void}"
