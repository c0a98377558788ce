"""One object out of file, environment and flags."""
