"""The reference engine: one process, no service needed."""
