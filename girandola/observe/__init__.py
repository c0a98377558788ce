"""Read-only views of the running server."""
