"""The life of a server process: start, serve, reload, drain, stop.

Knows signals, files of the process and exit codes; what is served was built in ``build.py``.
"""

import asyncio
import gc
import logging
import os
import platform
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from girandola import __version__
from girandola.app.activation import take_sockets
from girandola.app.build import Application
from girandola.app.clock import LoopClock
from girandola.app.listeners import Listeners
from girandola.app.routes import sockjs_prefixes
from girandola.config.load import Loaded, Sources, reload_differences
from girandola.config.problems import ConfigError, Problem
from girandola.config.schema import Config
from girandola.net.capacity import raise_descriptor_limit
from girandola.observe import logging as log_lines

logger = logging.getLogger(__name__)


def run(loaded: Loaded, sources: Sources) -> int:
    """Serve until told to stop; return the exit code.

    ``sources`` is where ``loaded`` came from; SIGHUP reads it again.
    """
    config = loaded.config
    try:
        _configure_logging(config)
    except OSError as error:
        return _refuse_to_start(str(error))
    for warning in loaded.warnings:
        logger.warning("%s", warning)
    for cast in loaded.casts:
        logger.debug("%s", cast)
    before, limit = raise_descriptor_limit()
    if limit != before:
        logger.info("limit of open files raised from %d to %d", before, limit)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_serve(loaded, sources))
    except OSError as error:
        return _refuse_to_start(str(error))


def _configure_logging(config: Config) -> None:
    """Log as configured. Raises ``OSError`` that names option and file."""
    try:
        log_lines.configure(config.log.level, config.log.file)
    except OSError as error:
        raise OSError(f"log.file: cannot open {config.log.file!r}: {error.strerror}") from None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(loaded: Loaded, sources: Sources) -> int:
    config = _named(loaded.config)
    clock = LoopClock()
    try:
        listeners = Listeners(config, clock, take_sockets(os.environ))
        application = Application(config, clock, separate_internal=listeners.separate_internal)
    except (OSError, ValueError) as error:
        return _refuse_to_start(str(error))
    stopping: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    process = _Process(application, listeners, loaded, sources)
    process.listen_to_signals(stopping)
    pid_file = _PidFile(config.pid_file)
    try:
        # HTTP comes last: who sees it answer may count on every other port, too.
        await application.start()
        await listeners.start(application.router, application.internal_router)
        # Not before: a second start by mistake must not take the file of the running server.
        pid_file.write()
    except OSError as error:
        await listeners.stop_accepting()
        await application.close()
        return _refuse_to_start(error.strerror or str(error))
    _say_hello(loaded, listeners)
    # What is built by now lives as long as the process; collections need not look at it again.
    gc.collect()
    gc.freeze()
    logger.info("stopping: %s", await stopping)
    try:
        return await _stop(application, listeners, process.config.shutdown.timeout)
    finally:
        pid_file.remove()


async def _stop(
    application: Application,
    listeners: Listeners,
    timeout: float,  # noqa: ASYNC109  what is left then is cut off
) -> int:
    """Close everything in order within ``timeout`` seconds, and cut off what does not end."""
    await listeners.stop_accepting()
    listeners.close_idle()
    try:
        await asyncio.wait_for(application.close(), timeout)
    except TimeoutError:
        logger.warning("sessions did not end within %gs", timeout)
        await listeners.drain(0.0)
        return 1
    cut_off = await listeners.drain(timeout)
    logger.info("stopped")
    return 1 if cut_off else 0


class _Process:
    """What happens to the running process from outside."""

    def __init__(
        self, application: Application, listeners: Listeners, loaded: Loaded, sources: Sources
    ) -> None:
        self._application = application
        self._listeners = listeners
        self._sources = sources
        self.config = loaded.config

    def listen_to_signals(self, stopping: "asyncio.Future[str]") -> None:
        """Stop at SIGINT and SIGTERM, reload at SIGHUP."""
        loop = asyncio.get_running_loop()

        def stop(name: str) -> None:
            if not stopping.done():
                stopping.set_result(name)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, f"received {number.name}")
        loop.add_signal_handler(signal.SIGHUP, self.reload)

    def reload(self) -> None:
        """Read the configuration again; a bad one changes nothing and is explained."""
        try:
            loaded = self._sources.load()
            if not loaded.found:
                raise ConfigError([Problem(loaded.path, "", "there is no such file any more")])
            self._apply(loaded.config)
        except (ConfigError, ValueError, OSError) as error:
            for line in str(error).splitlines():
                logger.error("reload: %s", line)
            logger.error("reload: the old configuration stays")
            return
        for warning in loaded.warnings:
            logger.warning("reload: %s", warning)
        for name in reload_differences(self.config, loaded.config):
            logger.warning("reload: %s changes with the next start only", name)
        self.config = loaded.config
        logger.info("reload: the new configuration holds from now on")

    def _apply(self, config: Config) -> None:
        """Go by a configuration as a whole, or raise and leave everything as it was."""
        # Also where the options stay as they are: the files may have been renewed.
        certificates = self._listeners.certificates(config)
        self._application.reconfigure(config)
        try:
            _configure_logging(config)
        except OSError:
            self._application.reconfigure(self.config)
            raise
        self._listeners.use(certificates)


class _PidFile:
    """The file that holds our process id as long as we run; none where the path is empty."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._content = f"{os.getpid()}\n"

    def write(self) -> None:
        """Raises ``OSError`` that names option and file."""
        if self._path is not None:
            try:
                self._path.write_text(self._content, encoding="ascii")
            except OSError as error:
                raise OSError(f"pid_file: cannot write {self._path}: {error.strerror}") from None

    def remove(self) -> None:
        """Remove the file, if it still is ours."""
        try:
            if self._path is not None and self._path.read_bytes() == self._content.encode():
                self._path.unlink()
        except OSError as error:
            logger.warning("pid_file: cannot remove %s: %s", self._path, error.strerror)


def _named(config: Config) -> Config:
    """Give the node the name it gets when nobody chose one."""
    if config.node.name:
        return config
    name = f"{socket.gethostname()}_{config.http_server.port}"
    return structs.replace(config, node=structs.replace(config.node, name=name))


def _say_hello(loaded: Loaded, listeners: Listeners) -> None:
    config = loaded.config
    where = f"v{loaded.generation} configuration {Path(loaded.path).absolute()} ({loaded.why})"
    logger.info(
        "girandola %s, Python %s, pid %d, engine %s, %s",
        __version__,
        platform.python_version(),
        os.getpid(),
        config.engine.type,
        where if loaded.found else f"no file {loaded.path}, defaults",
    )
    if loaded.dotenv:
        logger.info("variables from %s", loaded.dotenv)
    if not config.client.allowed_origins:
        logger.info("client.allowed_origins is empty: browsers cannot connect")
    for address, paths in listeners.where:
        *others, last = [_told(path, config) for path in paths] or ["nothing"]
        logger.info(
            "serving %s on %s", f"{', '.join(others)} and {last}" if others else last, address
        )


def _told(path: str, config: Config) -> str:
    """Return how the log names a path: SockJS has all that is below its own."""
    outside = config.http_server.http_prefix.rstrip("/")
    if path.rstrip("/") in [outside + prefix for prefix in sockjs_prefixes(config)]:
        return f"{path} (SockJS)"
    return path


def _refuse_to_start(reason: str) -> int:
    for line in reason.splitlines():
        logger.critical("cannot start: %s", line)
    return 1
