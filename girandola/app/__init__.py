"""The only place where objects meet: configuration into objects, start, reload, stop."""
