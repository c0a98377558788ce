"""The clock of a running server, under both event loops."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from girandola.app.clock import LoopClock

Scenario = Callable[[LoopClock], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a scenario under one of the loops, with five seconds for all of it."""

    async def with_clock(scenario: Scenario) -> None:
        async with asyncio.timeout(5):
            await scenario(LoopClock())

    def run(scenario: Scenario) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(with_clock(scenario))

    return run


def tasks() -> int:
    return len(asyncio.all_tasks())


def test_what_never_waits_is_over_at_once_and_costs_no_task(run: Run) -> None:
    async def scenario(clock: LoopClock) -> None:
        done = []

        async def work() -> None:
            done.append(asyncio.current_task())

        before = tasks()
        clock.spawn(work())
        assert done == [asyncio.current_task()]
        assert tasks() == before

    run(scenario)


def test_what_waits_has_run_up_to_there_and_goes_on_in_a_task(run: Run) -> None:
    async def scenario(clock: LoopClock) -> None:
        steps: list[object] = []
        finished = asyncio.Event()
        waiter = clock.waiter()

        async def work() -> None:
            steps.append("before")
            steps.append(await waiter)
            steps.append("after")
            finished.set()

        before = tasks()
        clock.spawn(work())
        assert steps == ["before"]
        assert tasks() == before + 1
        waiter.set_result("value")
        assert steps == ["before"], "whoever waits goes on later"
        await finished.wait()
        assert steps == ["before", "value", "after"]
        await asyncio.sleep(0)
        assert tasks() == before

    run(scenario)


def test_it_may_wait_often_and_for_anything(run: Run) -> None:
    """For a turn of the loop, a future that is done by then, one that fails, a child task."""

    async def scenario(clock: LoopClock) -> None:
        steps: list[str] = []
        finished = asyncio.Event()
        failing = clock.waiter()

        async def child() -> str:
            await asyncio.sleep(0)
            return "child"

        async def work() -> None:
            await asyncio.sleep(0)
            steps.append("turn")
            ready = clock.waiter()
            clock.call_soon(ready.set_result, "ready")
            steps.append(await ready)
            try:
                await failing
            except OSError as error:
                steps.append(str(error))
            steps.append(await asyncio.create_task(child()))
            finished.set()

        clock.spawn(work())
        failing.set_exception(OSError("failed"))
        await finished.wait()
        assert steps == ["turn", "ready", "failed", "child"]

    run(scenario)


def test_a_first_wait_that_is_over_before_the_task_begins(run: Run) -> None:
    async def scenario(clock: LoopClock) -> None:
        waiter, finished = clock.waiter(), asyncio.Event()

        async def work() -> None:
            assert await waiter == 1
            finished.set()

        clock.spawn(work())
        waiter.set_result(1)
        await finished.wait()

    run(scenario)


def test_many_wait_for_the_same_and_go_on_in_order(run: Run) -> None:
    async def scenario(clock: LoopClock) -> None:
        waiter, order = clock.waiter(), []
        finished = asyncio.Event()

        async def work(number: int) -> None:
            await waiter
            order.append(number)
            if number == 9:
                finished.set()

        for number in range(10):
            clock.spawn(work(number))
        waiter.set_result(None)
        await finished.wait()
        assert order == list(range(10))

    run(scenario)


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
def test_an_exception_that_gets_out_is_logged(
    run: Run, waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """And nobody else is bothered by it."""

    async def scenario(clock: LoopClock) -> None:
        async def work() -> None:
            if waits:
                await asyncio.sleep(0)
            raise OSError("out it gets")

        clock.spawn(work())
        for _ in range(3):
            await asyncio.sleep(0)

    run(scenario)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "out it gets"


def test_a_cancelled_task_lets_its_coroutine_clean_up_and_is_not_logged(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(clock: LoopClock) -> None:
        steps: list[str] = []
        cleaned = asyncio.Event()

        async def work() -> None:
            try:
                await clock.waiter()
            finally:
                await asyncio.sleep(0)
                steps.append("cleaned up")
                cleaned.set()

        others = asyncio.all_tasks()
        clock.spawn(work())
        (task,) = asyncio.all_tasks() - others
        await asyncio.sleep(0)
        task.cancel()
        await cleaned.wait()
        await asyncio.sleep(0)
        assert steps == ["cleaned up"]
        assert task.cancelled()

    run(scenario)
    assert caplog.records == []


def test_a_coroutine_may_refuse_to_be_cancelled(run: Run) -> None:
    async def scenario(clock: LoopClock) -> None:
        finished = asyncio.Event()

        async def work() -> None:
            try:
                await clock.waiter()
            except asyncio.CancelledError:
                await asyncio.sleep(0)
                finished.set()

        others = asyncio.all_tasks()
        clock.spawn(work())
        (task,) = asyncio.all_tasks() - others
        await asyncio.sleep(0)
        task.cancel()
        await finished.wait()
        await task

    run(scenario)


def test_spawning_from_within_spawned_work(run: Run) -> None:
    async def scenario(clock: LoopClock) -> None:
        order: list[str] = []

        async def inner() -> None:
            order.append("inner")

        async def outer() -> None:
            order.append("before")
            clock.spawn(inner())
            order.append("after")

        clock.spawn(outer())
        assert order == ["before", "inner", "after"]

    run(scenario)


def test_context_variables_of_the_beginning_hold_to_the_end(run: Run) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")

    async def scenario(clock: LoopClock) -> None:
        finished, seen = asyncio.Event(), []

        async def work() -> None:
            seen.append(variable.get())
            await asyncio.sleep(0)
            seen.append(variable.get())
            finished.set()

        variable.set("mine")
        clock.spawn(work())
        variable.set("somebody else's")
        await finished.wait()
        assert seen == ["mine", "mine"]

    run(scenario)


def test_calls_happen_in_the_order_asked_for(run: Run) -> None:
    async def scenario(clock: LoopClock) -> None:
        order: list[str] = []
        finished = asyncio.Event()
        clock.call_later(0.03, finished.set)
        clock.call_later(0.02, order.append, "later")
        clock.call_later(0.025, order.append, "never").cancel()
        clock.call_soon(order.append, "soon")
        clock.call_soon(order.append, "and then")
        assert order == []
        await finished.wait()
        assert order == ["soon", "and then", "later"]

    run(scenario)


def test_it_tells_both_times(run: Run) -> None:
    async def scenario(clock: LoopClock) -> None:
        assert abs(clock.time() - time.time()) < 1
        assert abs(clock.now() - asyncio.get_running_loop().time()) < 1

    run(scenario)
