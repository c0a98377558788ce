"""That a browser of the tests does not outlive them, however they end."""

import os
import select
import subprocess
import sys

from tests.browser.chromium import TIMEOUT, Browser, kill

START_AND_WAIT = """
import sys
from tests.browser.chromium import Browser

browser = Browser(sys.argv[1])
print(*browser.processes(), flush=True)
sys.stdin.read()
"""


def test_nothing_of_a_browser_is_left_after_its_stop(chromium: str) -> None:
    browser = Browser(chromium)
    before = browser.processes()
    browser.stop()
    assert len(before) > 1
    assert browser.processes() == []


def test_a_browser_ends_with_the_tests_even_when_these_are_killed(chromium: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, chromium],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as tests:
        assert tests.stdout is not None
        processes = [os.pidfd_open(int(number)) for number in tests.stdout.readline().split()]
        kill(tests.pid)
    assert len(processes) > 1
    for process in processes:
        ended, _, _ = select.select([process], [], [], TIMEOUT)
        assert ended
        os.close(process)
