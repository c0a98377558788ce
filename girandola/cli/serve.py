"""The server itself, as the command line starts it."""

from girandola.app.run import run
from girandola.config.load import Loaded, Sources


def serve(loaded: Loaded, sources: Sources) -> int:
    """Serve until told to stop; return the exit code of the process."""
    return run(loaded, sources)
