"""girandola: a real-time messaging server that speaks Centrifugo's protocols.

This file holds the version number and nothing else, so that importing it is free.
"""

__version__ = "0.1.0"
