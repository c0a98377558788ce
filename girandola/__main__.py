"""``python -m girandola``: the same as the console script ``girandola``."""

from girandola.cli.main import main

main()
