"""
What lives on the reactor and cannot be moved, said by name, so that no raw
descriptor number ever passes for an ordinary attribute.

It must not know any way around that.
"""

from __future__ import annotations

import importlib

from twisted.internet import abstract

from migrate.adapters.base import refuse
from migrate.graph.registry import Registry

_TLS = (
    "TLS sessions cannot migrate yet",
    "end the session, or terminate TLS in a proxy in front",
)
_TLS_FACTORY = (
    "what speaks TLS on connections, with keys that are in C",
    "listen without TLS, behind a proxy in which TLS ends",
)
_TLS_KEYS = (
    "the keys of TLS are in C",
    "provide it as a resource, or listen without TLS behind a proxy in which TLS ends",
)

# Some modules need not be there: they depend on other packages or systems.
_OPTIONAL = (
    ("twisted.protocols.tls", "BufferingTLSTransport", _TLS),
    ("twisted.protocols.tls", "TLSMemoryBIOProtocol", _TLS),
    ("twisted.protocols.tls", "TLSMemoryBIOFactory", _TLS_FACTORY),
    ("twisted.internet._sslverify", "OpenSSLCertificateOptions", _TLS_KEYS),
    ("twisted.internet._sslverify", "ClientTLSOptions", _TLS_KEYS),
    ("twisted.internet.ssl", "DefaultOpenSSLContextFactory", _TLS_KEYS),
    ("OpenSSL.SSL", "Context", _TLS_KEYS),
    ("OpenSSL.SSL", "Connection", _TLS),
    ("OpenSSL.crypto", "PKey", _TLS_KEYS),
    ("OpenSSL.crypto", "X509", _TLS_KEYS),
)


def present(module: str, name: str) -> type | None:
    """
    @return: a class that this installation may lack.
    """
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    return found if isinstance(found, type) else None


def register(registry: Registry) -> None:
    """
    Add the adapters that refuse.
    """
    refuse(
        registry,
        "FileDescriptor",
        "a descriptor on the reactor that no adapter knows",
        "register an adapter for its class",
        abstract.FileDescriptor,
    )
    for module, name, (what, remedy) in _OPTIONAL:
        found = present(module, name)
        if found is not None:
            refuse(registry, f"{module}.{name}", what, remedy, found)
