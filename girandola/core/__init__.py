"""What it means: sessions, subscriptions, the hub and the node. No I/O, no asyncio, no configuration file."""
