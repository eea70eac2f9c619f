"""
The adapters: one module a family, each with C{register(registry)}.

They must know neither the wire nor any serializer's format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from migrate.graph.registry import Registry

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

#: The families that every graph may need, in the order of registration.
MODULES = (
    "refusals",
    "values",
    "views",
    "sentinels",
    "containers",
    "buffers",
    "errorvalues",
    "callables",
    "functions",
    "classes",
    "enumclasses",
    "typevariables",
    "declarations",
    "references",
    "synchronization",
    "evolving",
    "files",
    "sockets",
    "unmovable",
    "suspended",
    "pulling",
    "prompts",
    "streams",
    "ports",
    "datagrams",
    "pipes",
    "children",
    "watched",
    "timers",
    "deferreds",
    "futures",
    "eventloops",
    "cooperation",
    "machines",
    "loggers",
    "threads",
    "triggers",
    "protocols",
)

#: The families that only services need which use a certain package: module to
#: the packages whose classes, or whose classes' bases, are defined there.
DEFERRED: dict[str, tuple[str, ...]] = {
    "databases": ("twisted.enterprise",),
    "websockets": ("autobahn",),
    "routing": ("werkzeug",),
    "webgzip": ("twisted.web.server",),
    "jabber": ("twisted.words.xish",),
    "inotify": ("twisted.internet.inotify",),
    "serialports": ("serial", "twisted.internet._posixserialport"),
    "ssh": ("twisted.conch.ssh",),
    "amp": ("twisted.protocols.amp",),
    "spread": ("twisted.spread",),
    "adopted": ("twisted.internet.endpoints",),
    "webclient": ("twisted.web.client",),
}


def _deferrer(module: str) -> Callable[[Registry], None]:
    """
    @return: what registers the adapters of a module once it is called.
    """

    def register(registry: Registry) -> None:
        import_module(f"{__name__}.{module}").register(registry)

    return register


def defaultRegistry() -> Registry:
    """
    The adapters are imported only now: who imports a single one of them does
    not pay for all.

    @return: a new registry with all the adapters of this package.
    """
    registry = Registry()
    for name in MODULES:
        import_module(f"{__name__}.{name}").register(registry)
    for name, packages in DEFERRED.items():
        registry.defer(packages, _deferrer(name))
    return registry


def installedRegistry(
    entryPoints: Callable[[], Iterable[EntryPoint]] | None = None,
) -> Registry:
    """
    Find the adapters that applications brought when they were installed.  Each
    entry point of the group C{txmigrate.adapters} names a function that is
    called with a registry::

        [project.entry-points."txmigrate.adapters"]
        shop = "shop.adapters:register"

    One that cannot be had is logged, and changes nothing.

    @param entryPoints: finds them; by default all that is installed.
    @return: a new registry, with the adapters of this package too.
    """
    from migrate.adapters.installed import addInstalled, installed

    return addInstalled(defaultRegistry(), entryPoints or installed)


__all__ = ["defaultRegistry", "installedRegistry"]
