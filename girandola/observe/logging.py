"""How log lines look and where they go.

Knows the standard library's logging only; who logs what is decided where it happens.
"""

import logging
import sys
from logging.handlers import WatchedFileHandler

TRACE = 5
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "none": logging.CRITICAL + 1,
}

MOST_ALIKE = 200
"""Lines of one kind that are logged in a window; errors and debugging have no limit."""
FLOOD_WINDOW = 10.0
"""Seconds."""
_MOST_KINDS = 1000

ROOT = logging.getLogger("girandola")


class LineFormatter(logging.Formatter):
    """One line a record: ``2026-11-22 21:43:05.123 INFO girandola.core.session: text``.

    What comes from outside cannot begin a line of its own; only tracebacks take more than one.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s")
        self.datefmt = "%Y-%m-%d %H:%M:%S"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """See ``logging.Formatter``."""
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")


class FloodLimit(logging.Filter):
    """Leaves lines out where too many of one kind come, and says so.

    Strangers write lines: their refusals. They shall not be able to fill a disk with them, nor to
    use up the time of the loop. Lines of a kind have their text in common, but for its values.
    """

    def __init__(self) -> None:
        super().__init__()
        # By kind: when its window began, how many lines came in it.
        self._kinds: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """See ``logging.Filter``."""
        if not logging.INFO <= record.levelno <= logging.WARNING:
            return True
        kind = (record.name, record.levelno, str(record.msg))
        began, count = self._kinds.get(kind, (0.0, 0))
        if 0 <= record.created - began < FLOOD_WINDOW:
            self._kinds[kind] = (began, count + 1)
            if count == MOST_ALIKE:
                _say_instead(record, f"{record.msg}: too many lines like this, more are left out")
            return count <= MOST_ALIKE
        if len(self._kinds) >= _MOST_KINDS:
            self._kinds.clear()
        self._kinds[kind] = (record.created, 1)
        if count > MOST_ALIKE:
            left_out = count - MOST_ALIKE
            text = record.getMessage()
            _say_instead(record, f"{text} ({left_out} lines like this were left out before)")
        return True


def _say_instead(record: logging.LogRecord, text: str) -> None:
    record.msg, record.args = text, None


def configure(level: str, file: str) -> None:
    """Log from ``level`` on to ``file``, or to the standard error output when it is empty.

    May be called again; a file that was moved away by log rotation is opened anew by itself.
    Raises ``OSError`` when the file cannot be opened; logging then goes on as before.
    """
    handler: logging.Handler
    handler = WatchedFileHandler(file, encoding="utf-8") if file else logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    handler.addFilter(FloodLimit())
    if not file and isinstance(handler, logging.StreamHandler):
        handler.setStream(sys.stderr)
    for old in list(ROOT.handlers):
        ROOT.removeHandler(old)
        old.close()
    ROOT.addHandler(handler)
    ROOT.propagate = False
    ROOT.setLevel(LEVELS[level])
