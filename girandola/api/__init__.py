"""The server API: every method once, and the request shapes of all generations."""
