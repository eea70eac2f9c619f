"""
What a graph may name, where the origin is not as good as this process itself.

A graph from a process of the same user, or of root, could do anything anyhow.
From any other, only what the operator names is imported, built or called, and
what every moved service needs.

It must not know who the origin is, nor how it proved that.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from zope.interface import implementer

from migrate.errors import ControlError
from migrate.graph.environment import TrustingPolicy
from migrate.graph.names import ADAPTERS
from migrate.interfaces import IPolicy

_BUILTINS = (
    "NoneType NotImplementedType bool bytearray bytes complex dict ellipsis float "
    "frozenset int list object range set slice str tuple NotImplemented Ellipsis "
    "ArithmeticError AssertionError AttributeError BaseException BufferError "
    "ConnectionAbortedError ConnectionError ConnectionRefusedError "
    "ConnectionResetError EOFError Exception IndexError KeyError LookupError "
    "MemoryError OSError OverflowError RuntimeError StopIteration TimeoutError "
    "TypeError UnicodeDecodeError UnicodeEncodeError UnicodeError ValueError"
)

OWN: dict[str, str] = {
    "builtins": _BUILTINS,
    "collections": "Counter OrderedDict defaultdict deque",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "migrate.shares": "Connection Share",
    "socket": "AddressFamily SocketKind",
    "uuid": "UUID",
    "twisted.application.internet": (
        "StreamServerEndpointService TCPClient TCPServer TimerService UDPServer "
        "UNIXClient UNIXServer"
    ),
    "twisted.application.service": "MultiService Service",
    "twisted.internet.address": "HostnameAddress IPv4Address IPv6Address UNIXAddress",
    "twisted.internet.base": "DelayedCall",
    "twisted.internet.defer": "Deferred",
    "twisted.internet.protocol": (
        "ClientFactory DatagramProtocol Factory Protocol ServerFactory"
    ),
    "twisted.internet.task": "LoopingCall",
    "twisted.internet.tcp": "Client Connector Port Server",
    "twisted.internet.udp": "MulticastPort Port",
    "twisted.internet.unix": "Client Connector DatagramPort Port Server",
    "twisted.logger": "Logger",
    "twisted.logger._logger": "Logger",
    "twisted.protocols.basic": (
        "Int16StringReceiver Int32StringReceiver LineOnlyReceiver LineReceiver "
        "NetstringReceiver"
    ),
    "twisted.python.failure": "Failure",
    "twisted.python.lockfile": "FilesystemLock",
}
"""
What needs no C{--allow}, by module: values, containers, and what Twisted keeps
of a port, a connection, a timer.  The names themselves, and nothing inside
them.
"""

CODE = frozenset(
    (
        *("automat.InputImplementer", "automat.TypeMachine", "builtin", "cell"),
        *("class", "classmethod", "classprovides", "code", "cached_property"),
        *("code.InteractiveInterpreter", "codeop.Compile", "descriptor"),
        *("enumclass", "finalizer", "function", "implements", "interface"),
        *("property", "provides", "staticmethod", "tempfile", "typevar"),
    )
)
"""
Adapters that make classes or code, or reach into what exists already.
"""

_OWN = frozenset((m, name) for m, names in OWN.items() for name in names.split())


def _isInside(name: str, outer: str) -> bool:
    """
    @return: whether a dotted name is C{outer}, or of something inside it.
    """
    return name == outer or name.startswith(f"{outer}.")


@attrs.frozen
class Allowed:
    """
    One thing that an operator named.

    @ivar module: a module or a package.
    @ivar qualname: a class or function in it, with all that is inside; empty
        for everything in the module, and in those below it.
    """

    module: str
    qualname: str = ""

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """
        @param text: C{MODULE} or C{MODULE:QUALNAME}.
        @raise ControlError: it is neither.
        """
        module, colon, qualname = text.partition(":")
        parts = [*module.split("."), *(qualname.split(".") if colon else ())]
        if not all(part.isidentifier() for part in parts):
            raise ControlError(f"--allow {text}: it has to be MODULE or MODULE:NAME")
        return cls(module, qualname)

    def permits(self, module: str, qualname: str) -> bool:
        """
        @return: whether this speaks of that name.
        """
        if self.qualname:
            return module == self.module and _isInside(qualname, self.qualname)
        return _isInside(module, self.module)


def _isPrivate(qualname: str) -> bool:
    """
    @return: whether a path leads to what Python keeps for itself, such as a
        function's globals.
    """
    parts = qualname.split(".")
    return any(part.startswith("__") and part.endswith("__") for part in parts)


@implementer(IPolicy)
@attrs.frozen
class AllowList:
    """
    Keeps out what is neither in L{OWN} nor named.  Adapters in L{CODE} are kept
    out whatever is named, unless C{builtins:compile} is.
    """

    allowed: tuple[Allowed, ...] = ()

    def permits(self, module: str, qualname: str) -> bool:
        """
        See L{IPolicy.permits}.
        """
        if module == ADAPTERS:
            return qualname not in CODE or self._names("builtins", "compile")
        if _isPrivate(qualname):
            return False
        return (module, qualname) in _OWN or self._names(module, qualname)

    def _names(self, module: str, qualname: str) -> bool:
        return any(each.permits(module, qualname) for each in self.allowed)


@attrs.frozen
class Policies:
    """
    Which policy holds for which origin.

    @ivar allow: what the operator named; L{None} if nothing was said.
    """

    allow: tuple[Allowed, ...] | None = None

    @classmethod
    def fromNames(cls, names: Iterable[str]) -> Policies:
        """
        @param names: the values of C{--allow}.
        @raise ControlError: one is no name.
        """
        return cls(tuple(map(Allowed.parse, names)) or None)

    def forOrigin(self, own: bool) -> IPolicy:
        """
        @param own: whether the kernel says that the origin is a process of this
            user, or of root.
        @return: what its graphs may name.
        """
        if own and self.allow is None:
            return TrustingPolicy()
        return AllowList(self.allow or ())
