"""How log lines look and where they go."""

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from girandola.observe.logging import FLOOD_WINDOW, LEVELS, MOST_ALIKE, ROOT, TRACE, configure

logger = logging.getLogger("girandola.core.session")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave logging as it was."""
    handlers, level, propagate = list(ROOT.handlers), ROOT.level, ROOT.propagate
    yield
    for handler in set(ROOT.handlers) - set(handlers):
        ROOT.removeHandler(handler)
        handler.close()
    ROOT.handlers[:] = handlers
    ROOT.setLevel(level)
    ROOT.propagate = propagate


def test_a_line_has_time_level_origin_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "")
    logger.info("client %s: %s", "c1", "subscribed")
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO girandola\.core\.session: "
        r"client c1: subscribed\n",
        err,
    )


def test_what_comes_from_outside_cannot_begin_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "")
    logger.info("user %s", "x\n2026-11-22 21:43:05.123 INFO girandola: forged\r\n")
    err = capsys.readouterr().err
    assert err.endswith(r"user x\n2026-11-22 21:43:05.123 INFO girandola: forged\r\n" + "\n")
    assert err.count("\n") == 1
    assert "\r" not in err


def test_a_traceback_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "")
    try:
        raise OSError("gone")
    except OSError:
        logger.exception("internal error")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("ERROR girandola.core.session: internal error")
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1] == "OSError: gone"


@pytest.mark.parametrize(
    ("level", "logged"),
    [
        ("trace", ["trace", "debug", "info", "warn", "warning", "error", "fatal"]),
        ("debug", ["debug", "info", "warn", "warning", "error", "fatal"]),
        ("info", ["info", "warn", "warning", "error", "fatal"]),
        ("warn", ["warn", "warning", "error", "fatal"]),
        ("warning", ["warn", "warning", "error", "fatal"]),
        ("error", ["error", "fatal"]),
        ("fatal", ["fatal"]),
        ("none", []),
    ],
)
def test_lines_from_the_level_on_are_logged(
    level: str, logged: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    configure(level, "")
    for name, number in LEVELS.items():
        if name != "none":
            logger.log(number, "line at %s", name)
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == logged


def test_trace_is_below_debug() -> None:
    assert 0 < TRACE < logging.DEBUG


def test_lines_go_to_the_file_and_nowhere_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "server.log"
    file.write_text("what was there before\n")
    configure("info", str(file))
    logger.info("grün")
    first, second = file.read_text(encoding="utf-8").splitlines()
    assert first == "what was there before"
    assert second.endswith("INFO girandola.core.session: grün")
    assert capsys.readouterr() == ("", "")


def test_a_file_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    file, moved = tmp_path / "server.log", tmp_path / "server.log.1"
    configure("info", str(file))
    logger.info("before")
    file.rename(moved)
    logger.info("after")
    assert "before" in moved.read_text()
    assert "after" in file.read_text()
    assert "after" not in moved.read_text()


def test_configuring_again_replaces_what_was_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "server.log"
    configure("info", str(file))
    configure("debug", "")
    logger.debug("once")
    assert file.read_text() == ""
    assert capsys.readouterr().err.count("once") == 1
    assert len(ROOT.handlers) == 1


def test_a_file_that_cannot_be_opened_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info", "")
    with pytest.raises(OSError, match="No such file or directory"):
        configure("debug", str(tmp_path / "nowhere" / "server.log"))
    logger.info("still here")
    logger.debug("not this")
    assert capsys.readouterr().err.endswith("still here\n")


def test_the_standard_error_output_of_now_is_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not that of the time when the module was imported."""
    monkeypatch.setattr(sys, "stderr", sys.stdout)
    configure("info", "")
    logger.info("there")
    out, err = capsys.readouterr()
    assert out.endswith("there\n")
    assert err == ""


def test_other_libraries_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "")
    logging.getLogger("aiohttp").info("chatter")
    assert capsys.readouterr().err == ""


def lines_of_a_flood(at: float, count: int, level: int = logging.INFO) -> None:
    """Log lines as a stranger causes them, at a time."""
    for number in range(count):
        record = logger.makeRecord(
            logger.name, level, "file", 1, "peer %d refused: 100%%", (number,), None
        )
        record.created = at
        logger.handle(record)


def test_a_flood_of_lines_alike_is_cut_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("debug", "")
    lines_of_a_flood(1000.0, 10 * MOST_ALIKE)
    logger.info("something else")
    *flood, end, other = capsys.readouterr().err.splitlines()
    assert len(flood) == MOST_ALIKE
    assert flood[-1].endswith(f"peer {MOST_ALIKE - 1} refused: 100%")
    assert "too many lines like this, more are left out" in end
    assert other.endswith("something else")


def test_after_a_flood_the_next_line_tells_how_many_are_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("info", "")
    lines_of_a_flood(1000.0, MOST_ALIKE + 7)
    lines_of_a_flood(1000.0 + FLOOD_WINDOW, 2)
    first, second = capsys.readouterr().err.splitlines()[-2:]
    assert first.endswith("peer 0 refused: 100% (7 lines like this were left out before)")
    assert second.endswith("peer 1 refused: 100%")


@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR])
def test_what_strangers_do_not_write_is_never_cut(
    level: int, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("debug", "")
    lines_of_a_flood(1000.0, 2 * MOST_ALIKE, level)
    assert capsys.readouterr().err.count("\n") == 2 * MOST_ALIKE
