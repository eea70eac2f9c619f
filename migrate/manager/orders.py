"""
The command lines of the processes that a manager starts.

It must not know when they are started.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from migrate.control import ControlAddress

_RUN = "from twisted.scripts.twistd import run; run()"


@attrs.frozen
class Orders:
    """
    How processes are started.

    @ivar twistd: options of C{twistd} itself.
    @ivar common: options that both plugins have.
    @ivar server: options that only the first process has.
    @ivar successor: options that only the others have.
    @ivar services: what is published: C{NAME=CALLABLE}, by name.
    @ivar plugins: C{NAME=TAP OPTIONS}, by name.
    """

    twistd: tuple[str, ...]
    common: tuple[str, ...]
    server: tuple[str, ...]
    successor: tuple[str, ...]
    services: dict[str, str]
    plugins: dict[str, str]

    def names(self) -> list[str]:
        """
        @return: what is published.
        """
        return [*self.services, *self.plugins]

    def makers(self) -> list[str]:
        """
        @return: the dotted names of what services are made by.
        """
        return [what.replace(":", ".", 1) for what in self.services.values()]

    def first(
        self, python: str, control: ControlAddress, names: Sequence[str]
    ) -> list[str]:
        """
        @param names: what is to be published.
        @return: the command of a process that makes the services anew.
        """
        published = []
        for name in names:
            if name in self.services:
                published += ["--service", f"{name}={self.services[name]}"]
            elif name in self.plugins:
                published += ["--plugin", f"{name}={self.plugins[name]}"]
        return [
            *self._twistd(python, "migrate-server", control),
            *self.server,
            *published,
        ]

    def next(self, python: str, control: ControlAddress) -> list[str]:
        """
        @return: the command of a process that takes over whatever is available.
        """
        return [
            *self._twistd(python, "migrate-client", control),
            *self.successor,
            "--all",
        ]

    def _twistd(self, python: str, plugin: str, control: ControlAddress) -> list[str]:
        # The script that is first in the PATH may be another Python's.
        command = [python, "-c", _RUN, "-n", "--pidfile=", *self.twistd, plugin]
        return [*command, "--control", endpoint(control), *self.common]


def endpoint(control: ControlAddress) -> str:
    """
    @return: the description of an endpoint that means the same in any directory.
    """
    if control.kind == "unix":
        path = control.path.replace("\\", "\\\\").replace(":", "\\:")
        return f"unix:{path}:mode={control.mode:o}:backlog={control.backlog}"
    return str(control)
