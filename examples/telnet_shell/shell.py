"""
An interactive Python shell over telnet, with a login.

All of it is Twisted's own: its telnet, its line editor, its interpreter.  What
is here for the sake of migration is one line, in L{Shell.connectionMade}: it
has the source kept of what is defined at the prompt.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from twisted.application.internet import TCPServer
from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.manhole import ColoredManhole
from twisted.conch.telnet import (
    AuthenticatingTelnetProtocol,
    ITelnetProtocol,
    TelnetBootstrapProtocol,
    TelnetTransport,
)
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory
from zope.interface import implementer

from migrate.adapters.prompts import keepSource

DEFAULT_PORT = 8023


class Shell(ColoredManhole):
    """
    One session's prompt.
    """

    def connectionMade(self) -> None:
        """
        The user has logged in.
        """
        super().connectionMade()
        keepSource(self.interpreter)


def noLogout() -> None:
    """
    Nothing is kept of a user who has left.
    """


@implementer(IRealm)
class ShellRealm:
    """
    Gives everyone who may log in a shell of their own.
    """

    def requestAvatar(self, avatarId: object, mind: object, *interfaces: object) -> Any:
        """
        See L{IRealm.requestAvatar}.
        """
        if ITelnetProtocol not in interfaces:
            raise NotImplementedError("a shell is reached by telnet only")
        names = {"__name__": "__console__", "__doc__": None}
        session = TelnetBootstrapProtocol(ServerProtocol, Shell, names)
        return ITelnetProtocol, session, noLogout


class ShellFactory(ServerFactory):
    """
    Speaks telnet to whoever connects, and asks for a login.
    """

    def __init__(self, portal: Portal) -> None:
        self.portal = portal

    def buildProtocol(self, addr: IAddress | None) -> TelnetTransport:
        """
        See L{ServerFactory.buildProtocol}.
        """
        session = TelnetTransport(AuthenticatingTelnetProtocol, self.portal)
        session.factory = self
        return session


def makeService(environ: Mapping[str, str] = os.environ) -> TCPServer:
    """
    @param environ: C{SHELL_PORT}, where 0 is any free port; the log says
        which.  C{SHELL_USER} and C{SHELL_PASSWORD}, both C{admin} unless given.
    @return: the shell's service, on the loopback interface.
    """
    user = environ.get("SHELL_USER", "admin")
    password = environ.get("SHELL_PASSWORD", "admin")
    checker = InMemoryUsernamePasswordDatabaseDontUse(**{user: password.encode()})
    factory = ShellFactory(Portal(ShellRealm(), [checker]))
    port = int(environ.get("SHELL_PORT", DEFAULT_PORT))
    return TCPServer(port, factory, interface="127.0.0.1")
