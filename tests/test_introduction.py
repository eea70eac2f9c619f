"""
Tests for L{migrate.introduction}.  What is said, and in which order, is tested with the
handover.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from migrate.conversation import Deadlines
from migrate.credentials import UserPolicy
from migrate.introduction import RecipientIntroduction


class Transport(StringTransport):
    """
    That of a socket, as long as there is one.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self.socket = sock

    def getHandle(self) -> Any:
        """
        @return: the socket.
        @raise AttributeError: the connection was lost.
        """
        return self.socket


class OriginTests(SynchronousTestCase):
    """
    Whose process the origin is.
    """

    def identified(self, sock: socket.socket) -> RecipientIntroduction:
        """
        @return: a conversation by a socket, which was lost soon.
        """
        introduction = RecipientIntroduction(Clock(), Deadlines(), UserPolicy())
        introduction.transport = Transport(sock)
        self.assertFalse(introduction.originIsOwn)
        try:
            introduction.doIdentify(None)
        finally:
            del introduction.transport.socket
        return introduction

    def test_own(self) -> None:
        """
        That is known when the connection is lost, too.
        """
        here, there = socket.socketpair()
        self.addCleanup(here.close)
        self.addCleanup(there.close)
        self.assertTrue(self.identified(here).originIsOwn)
