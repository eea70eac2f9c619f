"""
SSH: servers that wait for somebody move, with their host keys; a connection
does not, for the keys of its ciphers are in C.

It must not know what is done over SSH.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from twisted.conch.ssh.keys import BadKeyError, Key
from twisted.conch.ssh.transport import SSHTransportBase

from migrate.adapters.base import Whole
from migrate.adapters.plain import AttributesAdapter, copyAttributes, giveAttributes
from migrate.errors import LoadError, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description

#: What a factory may have as attributes of its class, which is where the plugin
#: C{manhole} puts them, although they are of this process only.
_HOST_KEYS = ("publicKeys", "privateKeys")

_PUBLIC, _PRIVATE = "BLOB", "PRIVATE_BLOB"


class KeyAdapter(Whole):
    """
    Knows L{Key}, which keeps what counts in an object of C: it goes in the form
    that agents exchange keys in.
    """

    name = "twisted.conch.ssh.keys.Key"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        state = copyAttributes(obj)
        del state["_keyObject"]
        blob = obj.blob() if obj.isPublic() else obj.privateBlob()
        kind = _PUBLIC if obj.isPublic() else _PRIVATE
        return Description(type(obj), (kind, blob), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{migrate.interfaces.IAdapter.make}.

        @raise LoadError: that is no key.
        """
        kind, blob = arguments
        if kind not in (_PUBLIC, _PRIVATE):
            raise LoadError(f"keys have no form {kind!r}")
        made = cls.__new__(cls)
        try:
            made._keyObject = Key.fromString(blob, type=kind)._keyObject
        except (BadKeyError, ValueError, TypeError) as error:
            # Not with the error's own words: they might tell of a secret.
            raise LoadError(f"a {kind} came that is no key") from error
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        giveAttributes(obj, state)


class FactoryAdapter(AttributesAdapter):
    """
    Knows L{twisted.conch.ssh.factory.SSHFactory}.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        state = copyAttributes(obj)
        for name in _HOST_KEYS:
            # A class goes by name, and that of the recipient has no keys.
            found = getattr(obj, name, None)
            if found is not None:
                state[name] = found
        return Description(type(obj), (), state)


class ConnectionAdapter(AttributesAdapter):
    """
    Knows L{SSHTransportBase}, the protocol of either side.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        over = _ending(obj)
        if over():
            return Description(type(obj), (), copyAttributes(obj))
        raise NotMovable(
            f"an SSH connection with {_peerOf(obj.transport)}, whose ciphers keep "
            "their state in C",
            "have it closed, or try again once it has ended",
            over=over,
        )


def _peerOf(transport: Any) -> str:
    """
    @return: who is at the other end, for a person.
    """
    peer = transport.getPeer()
    return f"{peer.host}:{peer.port}" if hasattr(peer, "port") else str(peer)


def _ending(protocol: Any) -> Callable[[], bool]:
    """
    @return: what tells whether a protocol has no connection any more.
    """
    kept = weakref.ref(protocol)

    def over() -> bool:
        found = kept()
        transport = None if found is None else found.transport
        return transport is None or not getattr(transport, "connected", 1)

    return over


def register(registry: Registry) -> None:
    """
    Add the adapters of SSH.
    """
    # To import it installs a reactor, so not before there is a service.
    from twisted.conch.ssh.factory import SSHFactory

    registry.register(Key, KeyAdapter())
    registry.register(
        SSHFactory, FactoryAdapter("twisted.conch.ssh.factory.SSHFactory")
    )
    registry.register(
        SSHTransportBase,
        ConnectionAdapter("twisted.conch.ssh.transport.SSHTransportBase"),
    )
