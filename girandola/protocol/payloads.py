"""Which payloads come in: the one rule for all who publish, whatever they speak.

What ``publication_data_format`` of a channel asks for. What passes as JSON here can be sent to
every client that speaks JSON (``raw_json.is_json``).
"""

from girandola.protocol.raw_json import is_json


def fits(data: bytes, wanted: str) -> bool:
    """Tell whether ``data`` is as ``wanted`` says: a value of ``publication_data_format``."""
    match wanted:
        case "":
            return bool(data)
        case "binary":
            return True
        case "json":
            return is_json(data)
        case _:
            return data.lstrip(b" \t\r\n").startswith(b"{") and is_json(data)
