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
    assert used.total == used.user + used.system > 0.02


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
    assert usage.cpu(os.getpid()).total >= before.total


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
