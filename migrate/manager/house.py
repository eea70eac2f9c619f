"""
The control endpoint of a manager: there are no services to be had, and other questions
are answered.

It must not know any question.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import DeferredList, maybeDeferred
from twisted.internet.unix import Port

from migrate.admission import Answering
from migrate.errors import ControlError
from migrate.filenos import closeAll
from migrate.server import MigrationServer


class House(MigrationServer):
    """
    See this module.
    """

    opening = "orders are taken at {control}"

    def __init__(
        self, control: str, answers: Mapping[str, Answering], **options: Any
    ) -> None:
        """
        @param control: where to listen.
        @param answers: by the names of the questions.
        @param options: see L{MigrationServer}.
        """
        super().__init__(control, **options)
        self.answers = {**self.answers, **answers}

    def listen(self) -> None:
        """
        See L{MigrationServer.listen}.
        """
        try:
            super().listen()
        except ControlError as error:
            raise ControlError(
                f"{error} (there is one manager at an endpoint: see txmigrate manager "
                "status, or use another --manager)"
            ) from error

    def adopt(self, fileno: int) -> None:
        """
        Listen by a socket that listens already.

        @param fileno: of the socket; it is this process's own from now on.
        """
        port: Any
        if self.control.kind == "unix":
            # The reactor would open it to everybody.
            port = Port._fromListeningDescriptor(
                self.reactor, fileno, self.controlFactory
            )
            port.mode = self.control.mode
            port.startListening()
        else:
            port = self.reactor.adoptStreamPort(
                fileno, socket.AF_INET, self.controlFactory
            )
        closeAll([fileno])
        self.serve(port)

    def stopService(self) -> Any:
        """
        See L{MigrationServer.stopService}.

        @return: fires once the socket is gone.
        """
        port, self.port = self.port, None
        gone = maybeDeferred(lambda: None if port is None else port.stopListening())
        return DeferredList([gone, maybeDeferred(super().stopService)])

    def fileno(self) -> int:
        """
        @return: the descriptor of the socket that listens.
        """
        port: Any = self.port
        found: int = port.fileno()
        return found
