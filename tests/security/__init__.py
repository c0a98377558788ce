"""Attacks: what strangers could do, tried on a real server."""
