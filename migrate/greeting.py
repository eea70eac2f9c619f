"""
What a process says of itself first, and what it accepts of another.

It must not know how that is sent.
"""

from __future__ import annotations

import os
import platform
import secrets
import sys

import twisted
from migrate import __version__
from migrate.errors import IncompatiblePeer
from migrate.handover import Role
from migrate.wire import PROTOCOL, Hello


def hello(role: Role) -> Hello:
    """
    @return: what this process says of itself.
    """
    return Hello(
        protocol=PROTOCOL,
        python=platform.python_version(),
        twisted=twisted.__version__,
        packages={"txmigrate": __version__},
        pid=os.getpid(),
        role=role.value,
        nonce=secrets.token_bytes(32),
        byteorder=sys.byteorder,
        platform=sys.platform,
    )


def checkVersions(peer: Hello, role: Role) -> None:
    """
    @param role: that of this side.
    @raise IncompatiblePeer: the two sides cannot be bridged.
    """
    if peer.role == role.value:
        raise IncompatiblePeer(f"the peer is a migration {role.value} too")
    if peer.protocol != PROTOCOL:
        raise IncompatiblePeer(
            f"the peer speaks version {peer.protocol} of the protocol and this "
            f"process version {PROTOCOL}: install the same txmigrate in both"
        )
