"""The doors: each carries frames of a codec between a socket and a session."""
