"""
Finding out who is at the other end of a primary stream: by the kernel's word
over a UNIX socket, by a login over TCP.

It must not know what the peer wants.
"""

from __future__ import annotations

import os
import socket
from typing import Any

import attrs
from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred, fail

from migrate.credentials import (
    Accepted,
    ScramClient,
    ScramServer,
    Session,
    UserPolicy,
    peerCredentials,
)
from migrate.errors import MigrationError, NotTrusted, RemoteProtocolError
from migrate.wire import (
    FrameReader,
    FrameWriter,
    LoginAccepted,
    LoginChallenge,
    LoginProof,
    LoginStart,
)


@attrs.frozen
class Login:
    """
    Who a recipient says it is, over TCP.
    """

    user: str
    password: str = attrs.field(repr=False)


def isLocal(sock: socket.socket) -> bool:
    """
    @return: whether the kernel knows who is at the other end.
    """
    return sock.family == socket.AF_UNIX


def isOwn(sock: socket.socket) -> bool:
    """
    @return: whether a process of this very user is at the other end.
    """
    return isLocal(sock) and peerCredentials(sock).uid == os.geteuid()


def _greetings(client: bytes | None, server: bytes | None) -> bytes:
    """
    @return: what a login is bound to: both hellos, so that nobody can have
        changed them on their way.
    """
    assert client is not None
    assert server is not None
    return client + server


@attrs.define(eq=False)
class OriginIdentity:
    """
    The origin's side.

    @ivar loggedIn: whether the peer has proved that it knows a password.
    """

    policy: UserPolicy
    checkers: tuple[ICredentialsChecker, ...]
    reader: FrameReader
    writer: FrameWriter
    loggedIn: bool = attrs.field(default=False, init=False)
    _scram: ScramServer | None = attrs.field(default=None, init=False)

    def identify(self, sock: socket.socket) -> bool:
        """
        @return: true if the peer is trusted already, false if it has to log
            in.
        @raise NotTrusted: it is not, and cannot.
        """
        if isLocal(sock):
            self.policy.check(peerCredentials(sock))
            return True
        if not self.checkers:
            raise NotTrusted(
                "a login is compulsory over TCP: start the migration server with "
                "--auth, such as --auth file:PATH"
            )
        self._scram = ScramServer(
            list(self.checkers),
            binding=_greetings(self.reader.greeting, self.writer.greeting),
        )
        return False

    def challenge(self, message: LoginStart) -> LoginChallenge:
        """
        @raise MigrationError: the login cannot go on.
        """
        if self._scram is None:
            raise RemoteProtocolError("no login is due over a UNIX socket")
        return LoginChallenge(self._scram.challenge(message.user, message.clientFirst))

    def verify(self, message: LoginProof) -> Deferred[Accepted]:
        """
        @return: fails with a L{MigrationError} unless the peer knows the
            password.
        """
        if self._scram is None:
            return fail(RemoteProtocolError("a proof came without a login"))
        done = self._scram.verify(message.clientFinal)
        return done.addErrback(_hide)

    def secure(self, accepted: Accepted) -> list[Any]:
        """
        From here on all frames are authenticated.

        @return: messages that have come since.
        """
        self.loggedIn = True
        self.writer.secure(accepted.toClient)
        return self.reader.secure(accepted.toServer)


def _hide(failure: Any) -> Any:
    """
    What breaks in a checker is no business of the peer's.
    """
    if failure.check(MigrationError):
        return failure
    raise NotTrusted(
        "the login could not be checked; the origin's log says why"
    ) from failure.value


@attrs.define(eq=False)
class RecipientIdentity:
    """
    The recipient's side: it is about to build what the origin describes.

    @ivar proved: whether the origin has proved that it knows the password.
    """

    policy: UserPolicy
    login: Login | None
    reader: FrameReader
    writer: FrameWriter
    proved: bool = attrs.field(default=False, init=False)
    _scram: ScramClient | None = attrs.field(default=None, init=False)

    def identify(self, sock: socket.socket) -> LoginStart | None:
        """
        @return: the beginning of a login, or L{None} if the kernel's word is
            enough.
        @raise NotTrusted: the origin is not trusted, or there is nothing to
            log in with.
        """
        if isLocal(sock):
            self.policy.check(peerCredentials(sock))
            return None
        if self.login is None:
            raise NotTrusted(
                "a login is compulsory over TCP: give --login USER and "
                "--password-file PATH"
            )
        self._scram = ScramClient(
            self.login.user,
            self.login.password,
            binding=_greetings(self.writer.greeting, self.reader.greeting),
        )
        return LoginStart(self.login.user, self._scram.first())

    def prove(self, message: LoginChallenge) -> LoginProof:
        """
        @raise MigrationError: the login cannot go on.
        """
        if self._scram is None:
            raise RemoteProtocolError("a challenge came without a login")
        return LoginProof(self._scram.prove(message.serverFirst))

    def accept(self, message: LoginAccepted) -> list[Any]:
        """
        From here on all frames are authenticated.

        @return: messages that have come since.
        @raise MigrationError: the origin does not know the password.
        """
        if self._scram is None:
            raise RemoteProtocolError("a login was accepted that was not made")
        keys: Session = self._scram.verify(message.serverFinal)
        self.proved = True
        self.writer.secure(keys.toServer)
        return self.reader.secure(keys.toClient)

    def confirm(self, sock: socket.socket) -> None:
        """
        @raise NotTrusted: the origin welcomes a recipient that has not made
            sure of it.
        """
        if not isLocal(sock) and not self.proved:
            raise NotTrusted("the origin has not proved that it knows the password")
