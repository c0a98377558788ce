"""Calls cent 2.1.0, which has the import name of today's cent and so runs in a process of its own.

Reads ``{"address", "secret", "calls": [[method, *arguments], …]}``; ``["batch", [method, {…}], …]``
sends several commands in one request. Prints a list of ``{"result"}`` or ``{"error", "text"}``.
"""

import json
import sys
from typing import Any

import cent.core


def carry_out(client: Any, method: str, *arguments: Any) -> Any:
    if method == "batch":
        for command, parameters in arguments:
            client.add(command, parameters)
        return client.send()
    return getattr(client, method)(*arguments)


def main() -> None:
    order = json.load(sys.stdin)
    client = cent.core.Client(order["address"], order["secret"], timeout=10)
    answers: list[dict[str, Any]] = []
    for call in order["calls"]:
        try:
            answers.append({"result": carry_out(client, *call)})
        except cent.core.CentException as error:
            answers.append({"error": type(error).__name__, "text": str(error)})
    print(json.dumps(answers))


main()
