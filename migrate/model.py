"""
The values that pass between the walls: what an adapter says of an object, and
what the jellier, the unjellier and the janitor make of it.  Nobody changes one; those
of which there are thousands are not frozen only because that costs time.

It must not know any serializer's format, nor how anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs


@attrs.frozen
class Named:
    """
    An object that stays outside the graph and is found again by its name.

    @ivar module: the module's name, as in C{sys.modules}.
    @ivar qualname: the dotted path inside it; empty for the module itself.
    """

    module: str
    qualname: str = ""

    def __str__(self) -> str:
        return f"{self.module}:{self.qualname}"


@attrs.frozen
class External:
    """
    An object that stays outside the graph and whose place another one takes
    at the recipient: the reactor, the parent service, a resource.

    @ivar name: what both sides call it: C{"reactor"}, C{"parent"}, ...
    """

    name: str


@attrs.define
class Descriptor:
    """
    A file descriptor, wherever it stands in arguments or state.  The origin
    keeps its own; what arrives is a new one, owned by the loading until an
    adapter claims it with C{loading.own}.
    """

    fileno: int


@attrs.frozen
class Weak:
    """
    A reference, in arguments, that does not pull its target into the graph:
    the target has to be there by another, strong path (or to be movable by
    name), or the object that holds this is refused.
    """

    target: object


@attrs.define
class Description:
    """
    What an object is, said without a word of how that is written.

    @ivar cls: the class to make it of; goes by name, or by its own adapter.
    @ivar arguments: the values needed before a blank can be made.  A cycle
        through arguments alone is refused.
    @ivar state: attribute names, or names that the adapter chose, to values;
        given to C{fill} once everything it mentions is made.  The mapping
        itself is no object of the graph: it is read at once and not kept.
    """

    cls: type
    arguments: tuple[object, ...] = ()
    state: Mapping[str, object] | None = None


def _nothing() -> None:
    """
    Nothing has to be done.
    """


@attrs.define
class Actions:
    """
    What the janitor does to one live object of the origin.

    @ivar pause: take it out of the reactor's hands.  Called after the capture,
        in the order in which the walk met the objects.
    @ivar resume: put it back exactly as it was before C{pause}.  Called in
        reverse order.  Must not fail.
    @ivar release: the recipient owns the original: unregister, close this
        process's copies, forget.  Never tells the application, the peer or
        the file system.  Only ever called once paused; must not fail.
    """

    pause: Callable[[], None] = _nothing
    resume: Callable[[], None] = _nothing
    release: Callable[[], None] = _nothing
