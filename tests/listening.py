"""
The servers that the services of tests are clients of, at the test's own side.

It must not know what is said.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import ServerFactory

from tests.clients import Client
from tests.waiting import DEADLINE, Expectations


class Listener(ServerFactory):
    """
    Listens on the loopback interface, or a UNIX socket, and can stop and begin again.

    @ivar port: the TCP port, or the path of a UNIX socket.
    @ivar accepted: the test's end of every connection, in order.
    """

    noisy = False

    def __init__(self, testCase: Any, port: int | str, reactor: Any = None) -> None:
        """
        @param testCase: the test at whose end nobody listens any more.
        @param port: a TCP port, or the path of a UNIX socket.
        @param reactor: the running reactor, unless it is the installed one.
        """
        if reactor is None:
            from twisted.internet import reactor
        self.accepted: list[Client] = []
        self._reactor: Any = reactor
        self.port = port
        self._taken = 0
        self._listening: Any = None
        self._crowded: socket.socket | None = None
        self._guest: socket.socket | None = None
        self._expectations = Expectations(
            reactor, lambda: f"{len(self.accepted)} connections came"
        )
        testCase.addCleanup(self.close)

    def start(self) -> None:
        """
        Let connections in.
        """
        if isinstance(self.port, str):
            self._listening = self._reactor.listenUNIX(self.port, self)
            return
        if self._crowded is None:
            self._listening = self._reactor.listenTCP(
                self.port, self, interface="127.0.0.1"
            )
            return
        self._listening = self._reactor.adoptStreamPort(
            self._crowded.fileno(), socket.AF_INET, self
        )
        self._crowded.close()
        self._crowded = None

    def crowd(self) -> None:
        """
        Let whoever connects to the TCP port wait at the door until L{start}, as no more
        connections fit into the kernel's queue than the one that is there.
        """
        self._crowded = socket.create_server(("127.0.0.1", self.port), backlog=0)
        self._crowded.setblocking(False)
        self._guest = socket.create_connection(("127.0.0.1", self.port))

    @inlineCallbacks
    def stop(self) -> Any:
        """
        Let no more connections in; those that are stay.
        """
        listening, self._listening = self._listening, None
        if listening is not None:
            yield listening.stopListening()

    @inlineCallbacks
    def close(self) -> Any:
        """
        Stop, and end every connection.
        """
        yield self.stop()
        for skt in (self._crowded, self._guest):
            if skt is not None:
                skt.close()
        for client in self.accepted:
            if client.alive:
                yield client.disconnect()

    def buildProtocol(self, address: Any) -> Client:
        """
        See L{ServerFactory.buildProtocol}.
        """
        client = Client(self._reactor)
        self.accepted.append(client)
        self._reactor.callLater(0, self._expectations.look)
        return client

    def next(self, deadline: float = DEADLINE) -> Deferred[Client]:
        """
        Wait for one more connection than were waited for before.

        @param deadline: in seconds.
        @return: fires with the test's end of it; fails with L{NeverCame}.
        """

        def probe() -> Client | None:
            if len(self.accepted) <= self._taken:
                return None
            self._taken += 1
            return self.accepted[self._taken - 1]

        return self._expectations.expect(probe, "a connection", deadline)
