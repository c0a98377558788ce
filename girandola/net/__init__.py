"""Sockets: HTTP/1.1, WebSocket frames, listeners. Knows bytes and requests, no messages."""
