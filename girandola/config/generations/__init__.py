"""Configurations of Centrifugo 2 to 5, and how all six generations are told apart."""
