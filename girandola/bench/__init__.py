"""Measuring a server from outside: girandola's own, or any that speaks the same protocols.

Nothing here imports another room: what is measured is known by its address and process id only.
"""
