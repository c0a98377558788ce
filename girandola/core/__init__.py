"""What it means: sessions, subscriptions, hub and node. No I/O, no asyncio, no config file."""
