"""
Listening sockets that a process has from the one that started it, and by which numbers:
a variable of its environment tells.

It must not know what is done with them.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from migrate.errors import MalformedTable
from migrate.gradual.finding import absolute
from migrate.listeners import InheritedSocket

VARIABLE = "TXMIGRATE_SOCKETS"
"""
A JSON object: for each service, by its name, a list of C{[descriptor, path, any]}.
C{path} is that of a UNIX socket, absolute; C{any} tells whether the service asked for
port 0.
"""


def described(
    ports: Mapping[str, Sequence[Any]], first: int
) -> tuple[str, dict[int, int]]:
    """
    @param ports: Twisted's, by the names of the services that have them.
    @param first: the number that the first socket is to have in the other process.
    @return: the value of L{VARIABLE}, and which descriptor of this process is to have
        which number there: the keys are those of the other process.
    """
    places: dict[int, int] = {}
    told: dict[str, list[list[object]]] = {}
    for name, each in ports.items():
        told[name] = []
        for port in each:
            number = first + len(places)
            places[number] = port.fileno()
            path = absolute(port)
            told[name].append([number, path, port.port == 0 and path is None])
    return json.dumps(told), places


def inherited(environ: MutableMapping[str, str]) -> dict[str, list[InheritedSocket]]:
    """
    @param environ: the variable is taken out of it: it is for this process alone.
    @return: what there is, by the names of services; nothing in a process that
        inherited nothing.
    @raise MalformedTable: the variable does not tell of listening sockets.
    """
    text = environ.pop(VARIABLE, "")
    if not text:
        return {}
    found: dict[str, list[InheritedSocket]] = {}
    try:
        for name, sockets in json.loads(text).items():
            found[name] = [_taken(*each) for each in sockets]
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise MalformedTable(f"{VARIABLE} tells of no sockets: {error}") from error
    return found


def _taken(fileno: int, path: str | None, anyNumber: bool) -> InheritedSocket:
    skt = socket.socket(fileno=fileno)
    return InheritedSocket.of(skt, path=path, anyNumber=anyNumber)
