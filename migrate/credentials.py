"""
Who may claim a service, and who may be trusted to send one.

On one host the kernel says which user the other process is; a L{UserPolicy}
decides.  Over a network a login does: L{ScramClient} and L{ScramServer}, which
prove to each other that they know a password.

It must not know what is claimed, nor how messages travel.
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
from collections.abc import Iterable

import attrs

from migrate.errors import ControlError, NotTrusted
from migrate.login import Accepted, ScramCredentials, ScramServer, usableCheckers
from migrate.scram import ScramClient, Session

__all__ = [
    "Accepted",
    "PeerCredentials",
    "ScramClient",
    "ScramCredentials",
    "ScramServer",
    "Session",
    "UserPolicy",
    "peerCredentials",
    "usableCheckers",
]

_UCRED = struct.Struct("iII")
_ROOT = 0


def _describe(uid: int) -> str:
    """
    @return: what a person calls that user.
    """
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def _optionValue(uid: int) -> str:
    """
    @return: what C{--peer} takes for that user.
    """
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@attrs.frozen
class PeerCredentials:
    """
    What the kernel says of the process at the other end of a UNIX socket:
    of the one that called C{connect}, or C{listen} and not a later owner.

    @ivar pid: its process, as seen from here; 0 if it is not.
    @ivar uid: its effective user.
    @ivar gid: its effective group.
    """

    pid: int
    uid: int
    gid: int


def peerCredentials(sock: socket.socket) -> PeerCredentials:
    """
    Ask the kernel who is at the other end.

    @param sock: a connected UNIX socket.
    @raise NotTrusted: the kernel cannot tell: it is another kind of socket, or
        the platform has no such call.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if sock.family != socket.AF_UNIX or option is None:
        raise NotTrusted(
            "the kernel cannot tell who is at the other end: that takes a UNIX "
            "socket, on Linux; elsewhere use a login (--auth)"
        )
    try:
        data = sock.getsockopt(socket.SOL_SOCKET, option, _UCRED.size)
    except OSError as error:
        raise NotTrusted(
            f"the kernel does not tell who is at the other end: {error.strerror}"
        ) from error
    return PeerCredentials(*_UCRED.unpack(data))


def _uid(name: str) -> int:
    """
    @param name: a user's name, or a number.
    @raise ControlError: there is no such user.
    """
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        if name.isascii() and name.isdigit() and int(name) < (1 << 32) - 1:
            return int(name)
    raise ControlError(f"--peer {name}: there is no user of that name")


def _ownAndRoot() -> frozenset[int]:
    """
    @return: the users that could do anything to this process anyhow.
    """
    return frozenset({os.geteuid(), _ROOT})


@attrs.frozen
class UserPolicy:
    """
    The users whose processes are trusted.

    @ivar allowed: their numbers; by default this process's own effective user
        and root.
    """

    allowed: frozenset[int] = attrs.field(factory=_ownAndRoot)

    @classmethod
    def fromNames(cls, names: Iterable[str]) -> UserPolicy:
        """
        @param names: users, by name or number, that are trusted beside this
            process's own and root.
        @raise ControlError: there is no user of that name.
        """
        return cls(_ownAndRoot() | {_uid(name) for name in names})

    def trusts(self, credentials: PeerCredentials) -> bool:
        """
        @return: whether it is such a user's process.
        """
        return credentials.uid in self.allowed

    def check(self, credentials: PeerCredentials) -> None:
        """
        @raise NotTrusted: it is another user's process.
        """
        if self.trusts(credentials):
            return
        trusted = ", ".join(map(_describe, sorted(self.allowed)))
        raise NotTrusted(
            f"process {credentials.pid} at the other end belongs to "
            f"{_describe(credentials.uid)}; trusted are {trusted}; "
            f"--peer {_optionValue(credentials.uid)} would add that user"
        )
