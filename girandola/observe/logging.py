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


def configure(level: str, file: str) -> None:
    """Log from ``level`` on to ``file``, or to the standard error output when it is empty.

    May be called again; a file that was moved away by log rotation is opened anew by itself.
    Raises ``OSError`` when the file cannot be opened; logging then goes on as before.
    """
    handler: logging.Handler
    handler = WatchedFileHandler(file, encoding="utf-8") if file else logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    if not file and isinstance(handler, logging.StreamHandler):
        handler.setStream(sys.stderr)
    for old in list(ROOT.handlers):
        ROOT.removeHandler(old)
        old.close()
    ROOT.addHandler(handler)
    ROOT.propagate = False
    ROOT.setLevel(LEVELS[level])
