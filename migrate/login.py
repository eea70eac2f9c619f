"""
The server's side of a login: SCRAM-SHA-256 against the checkers of
C{twisted.cred}, as strcred's C{--auth} makes them.

A checker is handed credentials that compare a proof with the password it
stores; so it has to store that password readably (C{memory:}, C{file:}).

It must not know how the messages travel.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Generator, Iterable
from typing import Any, cast

import attrs
from twisted.cred.checkers import (
    ICredentialsChecker,
    InMemoryUsernamePasswordDatabaseDontUse,
)
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from zope.interface import implementer

from migrate.errors import NotTrusted, RemoteProtocolError
from migrate.scram import (
    ITERATIONS,
    Secrets,
    Session,
    attributes,
    bindingAttribute,
    checkNonce,
    decode64,
    encode64,
    gs2Header,
    makeNonce,
    unescapeName,
)

SALT = 16
"""
Bytes of salt that a server makes.
"""


def usableCheckers(
    checkers: Iterable[ICredentialsChecker],
) -> list[ICredentialsChecker]:
    """
    Leave out checkers that would have to be told the password.

    @return: those that can check a proof.
    @raise NotTrusted: all would.
    """
    usable = [
        _withByteNames(checker)
        for checker in checkers
        if any(
            interface.isOrExtends(IUsernameHashedPassword)
            for interface in checker.credentialInterfaces
        )
    ]
    if not usable:
        raise NotTrusted(
            "no login is possible: a login never sends the password, so it needs "
            "a checker that knows passwords, such as --auth file:PATH with "
            "USER:PASSWORD lines or --auth memory:USER:PASSWORD; one that knows "
            "only hashes of them, such as --auth unix, cannot check it"
        )
    return usable


def _withByteNames(checker: ICredentialsChecker) -> ICredentialsChecker:
    """
    strcred's C{memory:} stores names as text, and no credentials of Twisted
    find them there: names are bytes.

    @return: a checker that knows the same passwords by names in bytes.
    """
    if not isinstance(checker, InMemoryUsernamePasswordDatabaseDontUse):
        return checker
    twin = InMemoryUsernamePasswordDatabaseDontUse()
    users: dict[Any, Any] = checker.users
    for name, password in users.items():
        twin.addUser(*(_bytes(each) for each in (name, password)))
    return cast(ICredentialsChecker, twin)


def _bytes(value: str | bytes) -> bytes:
    """
    @return: text in UTF-8; what came from a command line as it was there.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return value


@implementer(IUsernameHashedPassword)
@attrs.define
class ScramCredentials:
    """
    A user name and a proof, for a checker to compare with its password.

    @ivar username: the name, in UTF-8.
    @ivar proven: the secrets of the password that the proof was made with,
        once that was found.
    @ivar checks: how many passwords were tried.
    """

    username: bytes
    _proof: bytes = attrs.field(repr=False)
    _message: bytes = attrs.field(repr=False)
    _salt: bytes = attrs.field(repr=False)
    _iterations: int = attrs.field(repr=False)
    proven: Secrets | None = attrs.field(default=None, init=False, repr=False)
    checks: int = attrs.field(default=0, init=False)

    def checkPassword(self, password: bytes) -> bool:
        """
        See L{IUsernameHashedPassword.checkPassword}.
        """
        self.checks += 1
        derived = Secrets.derive(password, self._salt, self._iterations)
        if not derived.proves(self._proof, self._message):
            return False
        self.proven = derived
        return True

    def waste(self) -> None:
        """
        Do the work of a check for a user who is unknown.
        """
        Secrets.derive(b"", self._salt, self._iterations)


@attrs.frozen
class Accepted:
    """
    A login that succeeded.

    @ivar user: what the checker calls the user.
    @ivar serverFinal: the server-final-message.
    @ivar toServer: the key of frames from the client to the server.
    @ivar toClient: the key of frames from the server to the client.
    """

    user: Any
    serverFinal: str
    _session: Session = attrs.field(repr=False)

    @property
    def toServer(self) -> bytes:
        """
        See the class.
        """
        return self._session.toServer

    @property
    def toClient(self) -> bytes:
        """
        See the class.
        """
        return self._session.toClient


@attrs.frozen
class _Challenge:
    """
    What was agreed in the first half of a login.
    """

    user: str
    nonce: str
    salt: bytes
    clientBare: str
    serverFirst: str


@attrs.define
class ScramServer:
    """
    Has one client log in, once: L{challenge}, L{verify}.

    The salt is new in each login, so it says nothing about whether there is
    such a user.

    @ivar checkers: those of C{twisted.cred} that decide, each in turn.
    @ivar binding: what the login is bound to.  Empty: nothing.
    """

    checkers: list[ICredentialsChecker] = attrs.field(converter=usableCheckers)
    binding: bytes = b""
    iterations: int = ITERATIONS
    _nonceSource: Callable[[], str] = attrs.field(default=makeNonce, repr=False)
    _saltSource: Callable[[int], bytes] = attrs.field(
        default=secrets.token_bytes, repr=False
    )
    _credentialsFactory: Callable[..., ScramCredentials] = attrs.field(
        default=ScramCredentials, repr=False
    )
    _started: bool = attrs.field(default=False, init=False)
    _challenge: _Challenge | None = attrs.field(default=None, init=False, repr=False)

    def challenge(self, user: str, clientFirst: str) -> str:
        """
        @param user: whom the client says it is, outside of SCRAM.
        @param clientFirst: its client-first-message.
        @return: the server-first-message.
        @raise RemoteProtocolError: that message is none, or not bound as this
            server is, or names another user; or there was one before.
        """
        if self._started:
            raise RemoteProtocolError("the login was begun twice")
        self._started = True
        header = gs2Header(self.binding)
        if not clientFirst.startswith(header):
            raise RemoteProtocolError("the login is not bound to this conversation")
        bare = clientFirst[len(header) :]
        name, clientNonce = attributes(bare, "n", "r")
        checkNonce(clientNonce)
        said = unescapeName(name)
        if said != user:
            raise RemoteProtocolError("the login names two users")
        nonce, salt = clientNonce + self._nonceSource(), self._saltSource(SALT)
        first = f"r={nonce},s={encode64(salt)},i={self.iterations}"
        self._challenge = _Challenge(said, nonce, salt, bare, first)
        return first

    def verify(self, clientFinal: str) -> Deferred[Accepted]:
        """
        Ask the checkers.

        @param clientFinal: the client-final-message.
        @return: fires with L{Accepted}; or fails with L{NotTrusted}, in the
            same way for an unknown user and a wrong password; or with
            L{RemoteProtocolError}; or with what broke in a checker.
        @raise RemoteProtocolError: there is no challenge to answer.
        """
        if self._challenge is None:
            raise RemoteProtocolError("a proof came without a challenge")
        challenge, self._challenge = self._challenge, None
        return maybeDeferred(self._verify, challenge, clientFinal)

    @inlineCallbacks
    def _verify(
        self, challenge: _Challenge, clientFinal: str
    ) -> Generator[Deferred[Any], Any, Accepted]:
        bare, proof = self._answer(challenge, clientFinal)
        message = f"{challenge.clientBare},{challenge.serverFirst},{bare}".encode()
        for checker in self.checkers:
            credentials = self._credentialsFactory(
                _bytes(challenge.user),
                proof,
                message,
                challenge.salt,
                self.iterations,
            )
            try:
                user = yield maybeDeferred(checker.requestAvatarId, credentials)
            except UnauthorizedLogin:
                if not credentials.checks:
                    credentials.waste()
                continue
            if credentials.proven is not None:
                return _accept(user, credentials.proven, message)
        raise NotTrusted(
            f"the login of {challenge.user!r} was refused: there is no such user, "
            f"or the password is wrong"
        )

    def _answer(self, challenge: _Challenge, text: str) -> tuple[str, bytes]:
        """
        @return: a client-final-message without its proof, and the proof.
        """
        bare, found, proof = text.rpartition(",p=")
        bound, nonce = attributes(bare, "c", "r")
        if not found or nonce != challenge.nonce:
            raise RemoteProtocolError("the proof is not an answer to the challenge")
        if bound != bindingAttribute(self.binding):
            raise NotTrusted(
                "the two sides did not greet each other with the same words: "
                "somebody in between has changed them"
            )
        decoded = decode64(proof)
        if len(decoded) != 32:
            raise RemoteProtocolError("the proof is not one of SCRAM-SHA-256")
        return bare, decoded


def _accept(user: object, proven: Secrets, message: bytes) -> Accepted:
    """
    @return: what a client with these secrets is told.
    """
    return Accepted(
        user, f"v={encode64(proven.signature(message))}", proven.session(message)
    )
