"""
A twistd that notes when it does what of a handover: C{python -m benchmarks.observed
FILE OPTIONS}, the options being those of twistd.  To FILE it appends a line of JSON
for each thing that it did, once a conversation is over, or the process: C{[role, what,
begin, end]}, in seconds of the clock that all processes have in common.

It must not know what is measured with that.
"""

from __future__ import annotations

import atexit
import json
import sys
import time
from pathlib import Path
from typing import Any

#: Who did what, from when until when.
Note = tuple[str, str, float, float]


class Notes:
    """
    What was done, until that is written down.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._notes: list[Note] = []

    def add(self, who: str, what: str, began: float) -> None:
        """
        Something is done that began at an instant.
        """
        self._notes.append((who, what, began, time.monotonic()))

    def write(self) -> None:
        """
        Append it to the file, and forget it.
        """
        with self._path.open("a") as file:
            file.write("".join(json.dumps(note) + "\n" for note in self._notes))
        self._notes.clear()


def observed(kind: type[Any], notes: Notes) -> type[Any]:
    """
    @param kind: a class of conversations.
    @return: one whose instances note what they do.
    """

    class Observed(kind):  # type: ignore[misc]
        def connectionMade(self) -> None:
            notes.add(self.role.value, "connect", time.monotonic())
            super().connectionMade()

        def perform(self, effect: Any, detail: object) -> None:
            began = time.monotonic()
            try:
                super().perform(effect, detail)
            finally:
                notes.add(self.role.value, effect.name.lower(), began)
            if effect.name == "CLOSE":
                notes.write()

    return Observed


def main() -> None:
    """
    Be twistd.
    """
    began = time.monotonic()
    # Late: how long this takes is told, too.
    from twisted.scripts import twistd

    from migrate.client import MigrationClient
    from migrate.server import MigrationServer

    notes = Notes(Path(sys.argv.pop(1)))
    notes.add("process", "import", began)
    atexit.register(notes.write)
    server, client = MigrationServer, MigrationClient
    server.originConversation = observed(server.originConversation, notes)
    client.recipientConversation = observed(client.recipientConversation, notes)
    twistd.run()


if __name__ == "__main__":
    main()
