"""Every benchmark runs against real servers; tiny numbers, counts and shapes, never times."""

import ast
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs

import girandola.bench
from girandola.bench import doors, fanout, idle, machine, run, stage
from girandola.bench.fleet import Pace
from girandola.bench.machine import Cores
from girandola.bench.report import Report, Row
from girandola.bench.stage import LOAD_LIMIT, Delivered, Scale, Stage
from girandola.bench.target import GivenServer, OwnServer, TargetError, configuration
from girandola.bench.usage import Cpu
from girandola.cli.bench import COMMAND_NAMES, bench

TINY = Scale(
    name="tiny",
    sizes=(2, 12),
    rates=(2000,),
    seconds=0.05,
    least_publications=4,
    least_bursts=2,
    middle=5,
    large=12,
    small=3,
    rounds=2,
    latency_seconds=1.0,
    first_rate=500.0,
    step=2.0,
    most_steps=2,
    sessions=12,
    call_seconds=0.05,
    broadcast=10,
    batch=5,
    stored=20,
    settling=0.0,
)
CASES = {
    "B1": (4, {"cpu_us", "user_us", "spread"}),
    "B2": (1, {"deliveries_per_s", "p99_ms"}),
    "B3": (2, {"p50_ms", "p95_ms", "p99_ms", "p99.9_ms"}),
    "B4": (4, {"bytes_per_connection", "bytes_per_subscription", "cpu_us_per_s"}),
    "B5": (3, {"sessions_per_s", "cpu_ms_per_session", "until_last_s", "lost"}),
    "B6": (5, {"requests_per_s", "cpu_us_per_publish", "p99_ms"}),
    "B7": (9, {"cpu_us_each", "bytes_per_message"}),
    "B8": (9, {"cpu_us", "slope"}),
    "B9": (20, {"bytes_per_connection", "cpu_us_per_s", "cpu_us", "user_us"}),
}
"""How many rows a benchmark has at this scale, and which figures at least."""

PINGED = ("B4", "B9")
"""Those that wait for pings."""

TIMING = (
    *("of its core", "core was full", "of the server's core"),
    *("rate was not kept up", "p99", "of a void row", "connections were lost"),
)
"""Words of those reasons for a void row that a busy machine may bring about."""


def measure(benchmark: str, *targets: GivenServer | OwnServer) -> Report:
    lines: list[str] = []
    scale = structs.replace(TINY, ping_interval=0.5) if benchmark in PINGED else TINY
    report = run.run([benchmark], list(targets), scale, "girandola bench", lines.append)
    assert len(lines) == len(report.rows)
    return report


def check(benchmark: str, rows: list[Row]) -> None:
    count, names = CASES[benchmark]
    assert len(rows) == count, rows
    for row in rows:
        unexplained = [why for why in row.void if not any(word in why for word in TIMING)]
        assert not unexplained, row
        assert all(
            value >= 0
            for name, value in row.figures.items()
            if "bytes" not in name and name != "slope"
        ), row
    if benchmark != "B2" or not rows[0].void:
        assert names <= {name for row in rows for name in row.figures}


@pytest.mark.parametrize("benchmark", CASES)
def test_a_benchmark_measures_a_server_of_its_own(benchmark: str) -> None:
    interval = 0.5 if benchmark in PINGED else TINY.ping_interval
    (target,) = run.servers(None, structs.replace(TINY, ping_interval=interval))
    report = measure(benchmark, target)  # type: ignore[arg-type]  # it is our own server
    check(benchmark, report.rows)
    assert {row.server for row in report.rows} == {"girandola"}
    assert report.scale == "tiny"


def test_a_transport_that_a_server_does_not_have_leaves_a_void_row_of_its_own() -> None:
    cores = machine.choose_cores()
    with OwnServer(cores.server) as own:
        other = given(own)
        other.address = structs.replace(other.address, path="/nowhere/websocket")
        stage = Stage(other, structs.replace(TINY, ping_interval=0.0), cores)
        rows = {row.case: row for row in doors.transports(stage)}
    assert len(rows) == 13
    assert all("HTTP/1.1 404" in row.void[0] for row in rows.values())
    assert "fan-out: one-way SSE" in rows


def test_pings_of_streams_are_answered_so_that_none_is_lost() -> None:
    """An answer that is not taken is a failure to count, and one that is not given a loss."""
    cores = machine.choose_cores()
    scale = structs.replace(TINY, ping_interval=2.0)
    with Stage(OwnServer(cores.server, 2.0), scale, cores).fresh() as running:
        seen = idle.watch(running, 1, intervals=1, transport="sse")
    assert seen.connections == 12
    assert not [why for why in seen.problems if "of its core" not in why]


def test_all_that_was_cut_is_recovered() -> None:
    with OwnServer(machine.choose_cores().server) as own:
        report = measure("B5", given(own))
    assert [row.figures["lost"] for row in report.rows if "lost" in row.figures] == [0]


def given(own: OwnServer, **other: str) -> GivenServer:
    address = own.address
    urls = {
        "url": f"ws://{address.host}:{address.port}{address.path}",
        "api": f"http://localhost:{address.port}{address.api_path}/",
    }
    return GivenServer(
        "other", **(urls | other), key=address.key, secret=address.secret, pid=own.pid
    )


def test_a_server_given_by_url_and_pid_is_measured_beside_our_own_in_one_run() -> None:
    with OwnServer(machine.choose_cores().server) as own:
        report = measure("B6", OwnServer(machine.choose_cores().server), given(own))
    check("B6", [row for row in report.rows if row.server == "girandola"])
    check("B6", [row for row in report.rows if row.server == "other"])
    assert any(f"other: process {own.pid}, on core" in line for line in report.conditions)


def test_any_server_that_speaks_the_protocol_can_be_measured() -> None:
    """The floor shares not a line with girandola's server."""
    floor = [sys.executable, "-m", "girandola.bench.floor", "0"]
    with subprocess.Popen(floor, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        url = f"127.0.0.1:{int(process.stdout.readline())}"
        other = GivenServer("floor", f"ws://{url}/", f"http://{url}/api", "", "", process.pid)
        report = measure("B1", other)
        process.terminate()
    check("B1", report.rows)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"url": "http://127.0.0.1:8000/"}, "expected a URL like ws://"),
        ({"api": "127.0.0.1:8000"}, "expected a URL like http://"),
        ({"api": "http://127.0.0.2:8000/api"}, "expected on the same host"),
    ],
)
def test_an_address_that_cannot_be_measured_is_named(other: dict[str, str], expected: str) -> None:
    with (
        OwnServer(machine.choose_cores().server) as own,
        pytest.raises(TargetError, match=expected),
    ):
        given(own, **other)


def test_a_wrong_key_leaves_a_void_row_that_quotes_the_answer() -> None:
    with OwnServer(machine.choose_cores().server) as own:
        other = given(own)
        address = other.address
        other.address = type(address)(
            address.host, address.port, address.path, address.api_port, address.api_path, "no", ""
        )
        report = measure("B6", other)
    assert len(report.rows) == 1
    assert "HTTP/1.1 401" in report.rows[0].void[0]


def test_a_session_that_is_refused_leaves_a_void_row_that_quotes_the_answer() -> None:
    with OwnServer(machine.choose_cores().server) as own:
        other = given(own)
        address = other.address
        other.address = type(address)(
            address.host,
            address.port,
            address.path,
            address.api_port,
            address.api_path,
            address.key,
            "another secret",
        )
        report = measure("B2", other)
    assert len(report.rows) == 1
    assert "5 of 5 sessions did not come up" in report.rows[0].void[0]
    assert "invalid token" in report.rows[0].void[0]


# ── when figures do not count ────────────────────────────────────────────────────────────────


def test_messages_that_did_not_arrive_make_a_row_void() -> None:
    cores = machine.choose_cores()
    with Stage(OwnServer(cores.server), TINY, cores).fresh() as running:
        running.join(running.sessions(2, lambda _: ["bench"]))
        pace = Pace(channels=["bench"], rate=1000.0, count=3)
        delivered = running.deliver((pace, 3), patience=0.1)
    assert "6 of 9 messages arrived" in delivered.problems


class BusyFleet:
    """A load that uses as much of its core as it is told to."""

    def __init__(self) -> None:
        self.used = Cpu()

    def cpu(self) -> Cpu:
        return self.used


@pytest.mark.parametrize(("seconds", "void"), [(0.0, False), (1e6, True)])
def test_a_load_above_its_share_of_a_core_makes_a_row_void(seconds: float, void: bool) -> None:
    fleet = BusyFleet()
    window = stage.Window(os.getpid(), fleet)  # type: ignore[arg-type]  # only its time is asked
    fleet.used = Cpu(total=seconds)
    window.stop()
    assert (window.load > LOAD_LIMIT) == void == bool(window.problems())


def test_a_rate_that_was_not_kept_up_makes_a_row_void() -> None:
    pace = Pace(channels=["c"], rate=10.0, count=11)
    problems = stage._pace_problems
    assert problems(pace, 0, 1.1) == []
    assert problems(pace, 0, 1.5) == ["the rate was not kept up: 1.50 s instead of 1.10 s"]
    assert problems(pace, 2, 1.1) == ["2 publications failed"]


# ── arithmetic ───────────────────────────────────────────────────────────────────────────────


def test_the_slope_is_that_of_the_logarithms() -> None:
    assert fanout.slope([(10, 5.0), (100, 5.0), (1000, 5.0)]) == pytest.approx(0.0)
    assert fanout.slope([(10, 1.0), (100, 10.0), (1000, 100.0)]) == pytest.approx(1.0)
    assert fanout.slope([(10, 4.0)]) == 0.0


def test_a_pace_makes_the_deliveries_asked_for_in_whole_bursts() -> None:
    full = stage.FULL
    assert fanout.pace(full, 1000, 20_000, 1) == Pace(channels=["bench"], rate=20.0, count=100)
    bursts = fanout.pace(full, 10_000, 20_000, 10)
    assert (bursts.rate, bursts.count, bursts.burst) == (2.0, 50, 10)


@pytest.mark.parametrize("count", [1, 10, 47, 100])
@pytest.mark.parametrize("burst", [1, 10])
def test_rounds_of_a_pace_are_whole_bursts_that_follow_one_another(count: int, burst: int) -> None:
    whole = Pace(channels=["a", "b"], rate=20.0, count=count, burst=burst, first=3)
    rounds = whole.rounds(5)
    assert len(rounds) == min(5, -(-count // burst))
    assert sum(each.count for each in rounds) == count
    for before, after in pairwise(rounds):
        assert before.count % burst == 0
        assert after.first == before.first + before.count
    assert all(structs.replace(each, count=count, first=3) == whole for each in rounds)
    assert rounds[0].first == 3


def delivered(*laps: Cpu) -> Delivered:
    window = stage.Window(os.getpid(), BusyFleet())  # type: ignore[arg-type]  # only its time is asked
    window.laps = list(laps)
    return Delivered(window, [1000] * len(laps), 1000 * len(laps), {}, [])


def test_what_a_message_costs_is_the_median_so_that_no_single_second_decides() -> None:
    calm = [Cpu(0.010, 1, 3), Cpu(0.011, 0, 0), Cpu(0.012, 1, 3)]
    disturbed = delivered(*calm, Cpu(0.090, 1, 3), Cpu(0.0115, 0, 0))
    assert disturbed.cpu_us == pytest.approx(11.5)
    assert disturbed.spread == pytest.approx((90 - 10) / 11.5 * 100)
    assert delivered(*calm).cpu_us == pytest.approx(11.0)


def test_samples_of_all_seconds_together_tell_user_time_from_system_time() -> None:
    """A single second has too few of them."""
    seconds = delivered(Cpu(0.010, 0, 2), Cpu(0.010, 2, 0), Cpu(0.010, 0, 0))
    assert seconds.user_us == pytest.approx(5.0)


def test_no_more_sessions_are_opened_than_the_server_may_have_descriptors_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stage.usage, "max_open_files", lambda _: 133)
    cores = Cores(0, 0)
    own = OwnServer(machine.choose_cores().server)
    with Stage(own, TINY, cores).fresh() as running:
        assert len(running.sessions(12, lambda _: [])) == 5
        assert running.notes == ["5 connections instead of 12: descriptors of the server"]


# ── the command ──────────────────────────────────────────────────────────────────────────────


def test_the_command_writes_table_json_and_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "QUICK", TINY)
    json_file, svg_file = tmp_path / "figures.json", tmp_path / "figures.svg"
    arguments = ["b6", "--quick", "--json", str(json_file), "--svg", str(svg_file)]
    result = CliRunner().invoke(bench, arguments)
    assert "B6  Server API" in result.stdout
    figures = json.loads(json_file.read_bytes())
    assert [row["benchmark"] for row in figures["rows"]] == ["B6"] * 5
    assert result.exit_code == int(any(row["void"] for row in figures["rows"]))
    assert svg_file.read_text().startswith("<svg ")


def test_another_server_needs_url_api_and_pid() -> None:
    result = CliRunner().invoke(bench, ["B1", "--url", "ws://127.0.0.1:1/"])
    assert result.exit_code == 2
    assert "--url, --api and --pid together" in result.output


def test_a_process_that_does_not_exist_is_bad_usage() -> None:
    arguments = ["--url", "ws://127.0.0.1:1/", "--api", "http://127.0.0.1:1/api", "--pid"]
    result = CliRunner().invoke(bench, [*arguments, str(2**22 + 1)])
    assert result.exit_code == 2
    assert "--pid: process 4194305: No such file or directory" in result.output


def test_the_configuration_for_another_server_is_shown() -> None:
    result = CliRunner().invoke(bench, ["--show-config", "--api-key", "K", "--token-secret", "S"])
    assert json.loads(result.output) == configuration("K", "S")


def test_the_secrets_on_the_command_line_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from girandola.cli.bench import _command_line

    words = ["girandola", "bench", "--api-key", "SECRET", "--token-secret=SECRET", "--quick"]
    monkeypatch.setattr("sys.argv", words)
    assert _command_line() == "girandola bench --api-key … --token-secret=… --quick"


def test_the_commands_names_are_the_benchmarks() -> None:
    assert tuple(run.BENCHMARKS) == COMMAND_NAMES


def test_the_bench_imports_nothing_of_girandola_but_itself() -> None:
    """It measures from outside: any server, of any version."""
    for file in Path(girandola.bench.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                assert not name.startswith("girandola") or name.startswith("girandola.bench"), file
