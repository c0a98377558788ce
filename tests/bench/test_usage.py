"""What a process uses is read from the system, children included."""

import os
import subprocess
import sys
import time

import pytest

from girandola.bench import usage


def test_processor_time_is_that_of_the_process() -> None:
    before = usage.cpu(os.getpid())
    began = time.process_time()
    while time.process_time() - began < 0.05:
        sum(range(10_000))
    used = usage.cpu(os.getpid()) - before
    assert 0.02 < used.total <= time.process_time()
    assert 0.0 <= used.user <= used.total


def test_processor_time_is_told_in_less_than_ticks() -> None:
    """A second of a cheap case has but a few of them."""
    code = "import sys; sys.stdout.write('.'); sys.stdout.flush(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        ticks = usage.cpu(child.pid).total * os.sysconf("SC_CLK_TCK")
        child.communicate(b"\n")
    assert ticks != pytest.approx(round(ticks), abs=1e-6)


def test_the_samples_divide_the_time_between_two_looks() -> None:
    used = usage.Cpu(5.0, 30, 50) - usage.Cpu(3.0, 20, 20)
    assert used.total == 2.0
    assert used.user == pytest.approx(0.5)
    assert usage.Cpu(0.004, 0, 0).user == 0.0


def test_a_core_tells_how_long_it_was_idle_and_a_core_that_is_not_there_nothing() -> None:
    number = min(os.sched_getaffinity(0))
    core = usage.core(number)
    assert core.idle > 0.0
    assert core.stolen >= 0.0
    assert usage.core(10_000) == usage.Core()


def test_memory_and_time_of_children_count() -> None:
    alone = usage.resident_bytes(os.getpid())
    code = (
        "import sys; x = bytearray(30_000_000); sys.stdout.write('.'); sys.stdout.flush(); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.read(1)
        assert usage.resident_bytes(os.getpid()) > alone + 30_000_000
        before = usage.cpu(os.getpid())
        child.communicate(b"\n")
    # What a child that has ended used is known in ticks.
    assert usage.cpu(os.getpid()).total > before.total - 1.5 / os.sysconf("SC_CLK_TCK")


def test_limits_and_cores_are_read() -> None:
    assert usage.max_open_files(os.getpid()) > 2
    assert set(usage.allowed_cores(os.getpid())) == os.sched_getaffinity(0)


@pytest.mark.parametrize(
    "ask", [usage.cpu, usage.resident_bytes, usage.max_open_files, usage.allowed_cores]
)
def test_a_process_that_is_gone_is_named(ask: object) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert callable(ask)
    with pytest.raises(usage.ProcessGone, match=f"process {process.pid}: "):
        ask(process.pid)
