"""
The clients of the services that tests run.

It must not know what any service answers.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from tests.waiting import DEADLINE, Expectations


class Client(Protocol):
    """
    One connection of a test: sends, and waits for what comes.

    @ivar received: every byte that has come.
    """

    def __init__(self, reactor: Any) -> None:
        self.received = b""
        self._taken = 0
        self._over: BaseException | None = None
        self._expectations = Expectations(
            reactor, lambda: f"the peer said {self.received[-2000:]!r}"
        )

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Protocol.dataReceived}.
        """
        self.received += data
        self._expectations.look()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Protocol.connectionLost}.
        """
        self._over = reason.value
        self._expectations.close(f"disconnected: {reason.getErrorMessage()}")

    @property
    def alive(self) -> bool:
        """
        Whether the connection has not ended.
        """
        return self._over is None

    def send(self, data: bytes) -> None:
        """
        Send bytes as they are.
        """
        assert self.transport is not None
        self.transport.write(data)

    def sendLine(self, line: bytes) -> None:
        """
        Send bytes, and the end of a line as networks write it.
        """
        self.send(line + b"\r\n")

    def expect(
        self, pattern: bytes, deadline: float = DEADLINE
    ) -> Deferred[re.Match[bytes]]:
        """
        Wait for bytes like C{pattern} in what no earlier wait has taken, and
        take all up to their end.  One wait at a time.

        @param pattern: a regular expression; it may match what is not a whole
            line, such as a prompt.
        @param deadline: in seconds.
        @return: fires with the match; fails with L{NeverCame}, also as soon
            as the connection ends.
        """
        wanted = re.compile(pattern)

        def probe() -> re.Match[bytes] | None:
            found = wanted.search(self.received, self._taken)
            if found is not None:
                self._taken = found.end()
            return found

        return self._expectations.expect(probe, f"bytes like {pattern!r}", deadline)

    def line(self, deadline: float = DEADLINE) -> Deferred[bytes]:
        """
        Wait for the rest of a line, and take it.

        @param deadline: in seconds.
        @return: fires with it, without its end; fails with L{NeverCame}.
        """
        return self.expect(rb"(.*?)\r?\n", deadline).addCallback(
            lambda match: match.group(1)
        )

    def ask(self, line: bytes, deadline: float = DEADLINE) -> Deferred[bytes]:
        """
        Send a line and wait for the line that answers.

        @param deadline: in seconds.
        @return: fires with the answer; fails with L{NeverCame}.
        """
        self.sendLine(line)
        return self.line(deadline)

    def closed(self, deadline: float = DEADLINE) -> Deferred[BaseException]:
        """
        Wait for the connection's end, whichever side ends it.

        @param deadline: in seconds.
        @return: fires with the reason, such as
            L{twisted.internet.error.ConnectionDone}; fails with L{NeverCame}.
        """
        return self._expectations.expect(
            lambda: self._over, "the connection's end", deadline
        )

    def disconnect(self, deadline: float = DEADLINE) -> Deferred[BaseException]:
        """
        Have the connection end, after all that was sent.

        @param deadline: in seconds.
        @return: as L{closed}.
        """
        assert self.transport is not None
        self.transport.loseConnection()
        return self.closed(deadline)
