"""The server side of SockJS 1.x (classic.md section 4.16)."""
