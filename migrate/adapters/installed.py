"""
The adapters that applications bring: found by what was installed, and registered
one application after the other, so that none can spoil what the others did.

It must not know any application.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger, LogLevel

from migrate.graph.registry import NameTaken, Registry

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "txmigrate.adapters"
"""
The group of entry points that name what registers adapters.
"""

_log = Logger()


def installed() -> Iterable[EntryPoint]:
    """
    @return: the entry points of all that is installed.
    """
    # Only now, where a failure costs no more than the adapters.
    from importlib import metadata

    return metadata.entry_points(group=GROUP)


def addInstalled(
    registry: Registry, entryPoints: Callable[[], Iterable[EntryPoint]]
) -> Registry:
    """
    Register what entry points name.

    @param registry: it is not changed.
    @param entryPoints: finds them.  Their order does not matter: they come by
        the names of their distributions.
    @return: a registry with all the adapters.
    """
    owners = dict.fromkeys(registry.names, "this package")
    try:
        found = sorted(entryPoints(), key=lambda each: (_ownerOf(each), each.name))
    except Exception:
        _fail("no adapters of applications: what is installed cannot be listed")
        return registry
    for entryPoint in found:
        registry = _added(registry, entryPoint, owners)
        owner = _spoken(entryPoint)
        owners |= dict.fromkeys(registry.names - owners.keys(), owner)
    return registry


def _added(
    registry: Registry, entryPoint: EntryPoint, owners: dict[str, str]
) -> Registry:
    """
    @param owners: who has which name.
    @return: C{registry}, and what an entry point registers: all of it or
        nothing.
    """
    twin = registry.copy()
    register: Any = None
    try:
        register = entryPoint.load()
        register(twin)
    except NameTaken as error:
        _log.error(
            "no adapters of {whose}: an adapter named {name!r} is registered by "
            "{owner} already; one of them has to choose another name",
            whose=_spoken(entryPoint),
            name=error.name,
            owner=owners.get(error.name, "itself"),
        )
    except (Exception, SystemExit):
        _fail(
            "no adapters of {whose}: {what} failed",
            whose=_spoken(entryPoint),
            what="its import" if register is None else "the registration",
        )
    else:
        return twin
    return registry


def _fail(text: str, **details: Any) -> None:
    """
    Log the exception that is being handled.  As a critical one it would be
    printed to standard error too, if it came before the log was opened; that is
    for the one line that says why a program ended.
    """
    _log.failure(text, level=LogLevel.error, **details)


def _ownerOf(entryPoint: EntryPoint) -> str:
    """
    @return: the distribution that brought an entry point; empty if none did.
    """
    distribution: Any = getattr(entryPoint, "dist", None)
    return "" if distribution is None else f"{distribution.name} {distribution.version}"


def _spoken(entryPoint: EntryPoint) -> str:
    """
    @return: what a person knows an entry point by.
    """
    owner = _ownerOf(entryPoint)
    text = f"{entryPoint.name} = {entryPoint.value}"
    return f"{text} ({owner})" if owner else text
