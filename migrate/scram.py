"""
SCRAM-SHA-256 (RFC 5802, RFC 7677), mutual and bound to one conversation: its
arithmetic, its messages and the client.

What a conversation binds, such as the digests of both greetings, takes the
place of the channel binding: the client says C{p=txmigrate-greeting} and sends
it in C{c=}, the server compares, and both signatures cover it.  So nobody in
between can have changed a version in a greeting.

Both sides know the salted password, and it is never sent, so the keys for the
frames that follow the login are made of it: HMAC-SHA256 under the salted
password over a label and the AuthMessage, with one label for each direction.
The AuthMessage has the nonces of both sides, so each login gives other keys.

Existing libraries want the salted keys of a user before the first answer,
which C{twisted.cred} cannot give, and keep the salted password to themselves.

It must not know who stores passwords, nor how the messages travel.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Callable
from hashlib import pbkdf2_hmac, sha256

import attrs

from migrate.errors import LocalProtocolError, NotTrusted, RemoteProtocolError
from migrate.saslprep import prepare

ITERATIONS = 32_768
"""
Rounds of PBKDF2 that a server asks for: about 15 ms.
"""

MIN_ITERATIONS = 4096
"""
Rounds below which a client gives no proof: RFC 7677's minimum.
"""

MAX_ITERATIONS = 1_000_000
"""
Rounds above which a client does not let itself be put to work.
"""

MIN_SALT = 8
"""
Bytes of salt below which a client gives no proof.
"""

MIN_NONCE = 16
"""
Characters of its own that either side has to add to the nonce.
"""

BINDING_NAME = "txmigrate-greeting"
"""
What a bound client calls what it is bound to.
"""

_TO_SERVER = b"txmigrate frames from the recipient to the origin\0"
_TO_CLIENT = b"txmigrate frames from the origin to the recipient\0"
_NONCE = re.compile(r"[\x21-\x2b\x2d-\x7e]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def makeNonce() -> str:
    """
    @return: 32 random characters.
    """
    return base64.b64encode(secrets.token_bytes(24)).decode("ascii")


def octets(password: str | bytes) -> bytes:
    """
    @return: what is hashed of a password.
    """
    if isinstance(password, bytes):
        # Bytes that are no UTF-8 come back out of this as they were.
        password = password.decode("utf-8", "surrogateescape")
    return prepare(password).encode("utf-8", "surrogateescape")


def mac(key: bytes, data: bytes) -> bytes:
    """
    @return: HMAC-SHA256.
    """
    return hmac.digest(key, data, "sha256")


def xor(left: bytes, right: bytes) -> bytes:
    """
    @return: the exclusive or of two strings of 32 bytes.
    """
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


@attrs.frozen
class Session:
    """
    What a login leaves behind.

    @ivar toServer: the key of frames from the client to the server.
    @ivar toClient: the key of frames from the server to the client.
    """

    toServer: bytes = attrs.field(repr=False)
    toClient: bytes = attrs.field(repr=False)


@attrs.frozen
class Secrets:
    """
    What both sides make of a password, a salt and a number of rounds.
    """

    _salted: bytes = attrs.field(repr=False)

    @classmethod
    def derive(cls, password: str | bytes, salt: bytes, iterations: int) -> Secrets:
        """
        @param iterations: rounds of PBKDF2.
        """
        return cls(pbkdf2_hmac("sha256", octets(password), salt, iterations))

    def proof(self, message: bytes) -> bytes:
        """
        @return: the ClientProof for an AuthMessage.
        """
        key = mac(self._salted, b"Client Key")
        return xor(key, mac(sha256(key).digest(), message))

    def proves(self, proof: bytes, message: bytes) -> bool:
        """
        @return: whether C{proof} is that of these secrets.
        """
        return hmac.compare_digest(proof, self.proof(message))

    def signature(self, message: bytes) -> bytes:
        """
        @return: the ServerSignature for an AuthMessage.
        """
        return mac(mac(self._salted, b"Server Key"), message)

    def session(self, message: bytes) -> Session:
        """
        @return: the keys for what follows a login with that AuthMessage.
        """
        return Session(
            toServer=mac(self._salted, _TO_SERVER + message),
            toClient=mac(self._salted, _TO_CLIENT + message),
        )


def gs2Header(binding: bytes) -> str:
    """
    @param binding: what the login is bound to; nothing if empty.
    """
    return f"p={BINDING_NAME},," if binding else "n,,"


def bindingAttribute(binding: bytes) -> str:
    """
    @return: what the client sends in C{c=}.
    """
    return encode64(gs2Header(binding).encode("ascii") + binding)


def encode64(data: bytes) -> str:
    """
    @return: Base64, padded.
    """
    return base64.b64encode(data).decode("ascii")


def decode64(text: str) -> bytes:
    """
    The reverse of L{encode64}; nothing else is taken.

    @raise RemoteProtocolError: it is not Base64.
    """
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise RemoteProtocolError("the login has a field that is no Base64") from None


def attributes(text: str, *names: str) -> list[str]:
    """
    Take a SCRAM message apart.

    @param names: the attributes that it has to begin with, in their order.
        Extensions behind them are passed over, as the RFC says.
    @return: their values.
    @raise RemoteProtocolError: it has others.
    """
    fields = text.split(",")
    values = []
    for name, field in zip(names, fields, strict=False):
        if not field.startswith(f"{name}="):
            raise RemoteProtocolError(f"the login lacks the field {name!r}")
        values.append(field[2:])
    if len(values) < len(names):
        raise RemoteProtocolError(f"the login lacks the field {names[len(values)]!r}")
    return values


def checkNonce(added: str) -> None:
    """
    @param added: what one side added to the nonce.
    @raise RemoteProtocolError: that is too short, or no printable text.
    """
    if len(added) < MIN_NONCE or not _NONCE.fullmatch(added):
        raise RemoteProtocolError(
            f"the login has a nonce with less than {MIN_NONCE} fit characters"
        )


def number(text: str) -> int:
    """
    @raise RemoteProtocolError: C{text} is no positive number of up to 9 digits.
    """
    if not _NUMBER.fullmatch(text):
        raise RemoteProtocolError("the login has no number of rounds")
    return int(text)


def escapeName(name: str) -> str:
    """
    @return: a user name as C{n=} takes it.
    """
    return name.replace("=", "=3D").replace(",", "=2C")


def unescapeName(text: str) -> str:
    """
    The reverse of L{escapeName}.

    @raise RemoteProtocolError: it has another C{=}, or nothing at all.
    """
    if not re.fullmatch("(?:[^=,]|=3D|=2C)+", text):
        raise RemoteProtocolError("the login has no proper user name")
    return text.replace("=2C", ",").replace("=3D", "=")


@attrs.define
class ScramClient:
    """
    Logs in, once: L{first}, L{prove}, L{verify}.

    @ivar user: as whom.
    @ivar binding: what the login is bound to; the server has to be bound to
        the same.  Empty: nothing.
    """

    user: str
    _password: str | bytes | None = attrs.field(repr=False)
    binding: bytes = b""
    _nonceSource: Callable[[], str] = attrs.field(default=makeNonce, repr=False)
    _nonce: str | None = attrs.field(default=None, init=False, repr=False)
    _bare: str = attrs.field(default="", init=False, repr=False)
    _message: bytes = attrs.field(default=b"", init=False, repr=False)
    _secrets: Secrets | None = attrs.field(default=None, init=False, repr=False)

    def first(self) -> str:
        """
        @return: the client-first-message.
        @raise LocalProtocolError: it was started before.
        """
        if self._nonce is not None:
            raise LocalProtocolError("this login was started before")
        self._nonce = self._nonceSource()
        self._bare = f"n={escapeName(prepare(self.user))},r={self._nonce}"
        return gs2Header(self.binding) + self._bare

    def prove(self, serverFirst: str) -> str:
        """
        Takes some milliseconds of work, as many as the server asks for.

        @return: the client-final-message.
        @raise RemoteProtocolError: the server's message is none.
        @raise NotTrusted: the server asks for a proof that is easy to guess
            the password from, or for too much work.
        @raise LocalProtocolError: this is not the next step.
        """
        if self._nonce is None or self._password is None:
            raise LocalProtocolError("this login is not at its second step")
        nonce, salt, iterations = self._challenge(serverFirst, self._nonce)
        self._secrets = Secrets.derive(self._password, salt, iterations)
        self._password = None
        bare = f"c={bindingAttribute(self.binding)},r={nonce}"
        self._message = f"{self._bare},{serverFirst},{bare}".encode()
        return f"{bare},p={encode64(self._secrets.proof(self._message))}"

    def _challenge(self, text: str, own: str) -> tuple[str, bytes, int]:
        """
        @return: nonce, salt and rounds of a server-first-message.
        """
        nonce, salt64, rounds = attributes(text, "r", "s", "i")
        if not nonce.startswith(own):
            raise NotTrusted("the server answered another login than this one")
        checkNonce(nonce[len(own) :])
        salt, iterations = decode64(salt64), number(rounds)
        if len(salt) < MIN_SALT or iterations < MIN_ITERATIONS:
            raise NotTrusted(
                f"the server wants a proof with {iterations} rounds and "
                f"{len(salt)} bytes of salt; less than {MIN_ITERATIONS} and "
                f"{MIN_SALT} would give the password away"
            )
        if iterations > MAX_ITERATIONS:
            raise NotTrusted(
                f"the server wants {iterations} rounds; {MAX_ITERATIONS} are enough"
            )
        return nonce, salt, iterations

    def verify(self, serverFinal: str) -> Session:
        """
        Verify the server in turn.

        @return: the keys of both directions.
        @raise NotTrusted: the server does not know the password.
        @raise RemoteProtocolError: its message is none.
        @raise LocalProtocolError: this is not the next step.
        """
        if self._secrets is None:
            raise LocalProtocolError("this login is not at its third step")
        derived, self._secrets = self._secrets, None
        (signature,) = attributes(serverFinal, "v")
        expected = derived.signature(self._message)
        if not hmac.compare_digest(decode64(signature), expected):
            raise NotTrusted(
                "the server took the login without knowing the password; "
                "it is not the one it should be"
            )
        return derived.session(self._message)
