"""
Open files, from the descriptor up to the text, and those of L{tempfile}.

A file on disk is opened again on arrival, through its descriptor, so that both
processes have an offset of their own; that works for files without a name too.
Where it cannot be, and for pipes and terminals, the descriptor itself is used,
and nothing is done to its offset before the graph is adopted.

What was written and not yet handed to the kernel is flushed when the origin
pauses.  A writer therefore goes on where the kernel's offset is; a reader where
it said that it was, for it reads ahead.

It must not know the files that live in memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import io
import os
import stat
import tempfile
from typing import Any

from zope.interface import implementer

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.adapters.base import Whole
from migrate.adapters.names import PerCapture, nameOf
from migrate.adapters.newlines import newlineOf
from migrate.errors import LoadError, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading
from migrate.model import Actions, Description, Descriptor, Named

#: What a file is opened again with: all that an open file keeps of its flags.
_KEPT = (
    os.O_ACCMODE
    | os.O_APPEND
    | os.O_NONBLOCK
    | os.O_SYNC
    | os.O_DSYNC
    | getattr(os, "O_DIRECT", 0)
)

_STANDARD = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
_CLOSED = "closed"


def _standard(obj: object) -> Named | None:
    """
    @return: the name of one of the process's standard streams, or of one of
        its layers; L{None} for any other file.
    """
    for stream in _STANDARD:
        for layer in ("", ".buffer", ".buffer.raw"):
            named = nameOf(obj, "sys", stream + layer)
            if named is not None:
                return named
    return None


def _bottom(layer: Any) -> Any:
    """
    @return: the lowest layer of a file.
    """
    below = getattr(layer, "buffer", None) or getattr(layer, "raw", None)
    return layer if below is None else _bottom(below)


@implementer(ILiveAdapter)
class Layer(Whole):
    """
    One layer of an open file.
    """

    def __init__(self, name: str, base: Any, shared: PerCapture[set[int]]) -> None:
        """
        @param base: the class of L{io}.
        @param shared: of one arrival, the descriptors whose offset is the
            origin's too.
        """
        self.name = name
        self.base = base
        self._shared = shared

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        named = _standard(obj)
        if named is not None:
            return named
        return Description(type(obj), self.parts(obj), readAttributes(obj) or None)

    def parts(self, obj: Any) -> tuple[Any, ...]:
        """
        @return: what a layer is made of.
        @raise NotMovable: it cannot be made again.
        """
        raise NotImplementedError

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        writeAttributes(obj, state)

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        if obj.closed or not self.base.writable(obj):
            return Actions()
        return Actions(pause=functools.partial(self.base.flush, obj))

    def _seek(self, obj: Any, position: int | None, loading: ILoading) -> None:
        """
        Go to a position, at once if nobody else is moved by that.
        """
        if position is None:
            return
        go = functools.partial(self.base.seek, obj, position)
        bottom = _bottom(obj)
        if isinstance(bottom, io.FileIO) and bottom.fileno() in self._shared.of(
            loading
        ):
            loading.onAdopt(lambda: _ignore(go()))
        else:
            go()


def _ignore(result: object) -> None:
    """
    Actions return nothing.
    """


class RawFile(Layer):
    """
    Descriptors as files.
    """

    def parts(self, obj: Any) -> tuple[Any, ...]:
        """
        See L{Layer.parts}.
        """
        mode = io.FileIO.mode.__get__(obj)  # type: ignore[attr-defined]
        if obj.closed:
            return (None, mode)
        if not obj.closefd:
            raise NotMovable(
                f"another object owns the descriptor of the file {obj.name!r}",
                "open it with closefd=True",
            )
        return (Descriptor(io.FileIO.fileno(obj)), mode)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        descriptor, mode = arguments
        made = io.FileIO.__new__(cls)
        if descriptor is None:
            io.FileIO.__init__(made, os.open(os.devnull, os.O_RDWR), mode)
            # Only now, for what stands upon it cannot be made of a closed one.
            loading.afterFill(functools.partial(io.FileIO.close, made))
            return made
        fileno, own = _independent(loading.own(descriptor))
        closeUp = functools.partial(os.close, fileno)
        if own:
            position = os.lseek(fileno, 0, os.SEEK_CUR)
            io.FileIO.__init__(made, fileno, mode)
            # In a mode that appends, the constructor went to the end.
            os.lseek(fileno, position, os.SEEK_SET)
        else:
            if "a" in mode and _isOnDisk(fileno):
                closeUp()
                raise LoadError("a file that is appended to cannot be opened again")
            self._shared.of(loading).add(fileno)
            io.FileIO.__init__(made, fileno, mode)
        loading.onDiscard(functools.partial(io.FileIO.close, made))
        return made

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        return Actions(release=functools.partial(_closeSilently, obj))


def _closeSilently(raw: Any) -> None:
    """
    Close this process's copy.  What stands upon it has flushed, and takes
    itself for closed from then on.
    """
    with contextlib.suppress(OSError):
        io.FileIO.close(raw)


def _isOnDisk(fileno: int) -> bool:
    """
    @return: whether a descriptor has an offset that matters.
    """
    return stat.S_ISREG(os.fstat(fileno).st_mode)


def _independent(fileno: int) -> tuple[int, bool]:
    """
    Take a received descriptor, and give one with an offset of its own at the
    same place.

    @return: the descriptor, and whether its offset is its own.
    """
    if not _isOnDisk(fileno):
        return fileno, False
    flags = fcntl.fcntl(fileno, fcntl.F_GETFL) & _KEPT
    try:
        again = os.open(f"/proc/self/fd/{fileno}", flags | os.O_CLOEXEC)
    except OSError:
        return fileno, False
    os.lseek(again, os.lseek(fileno, 0, os.SEEK_CUR), os.SEEK_SET)
    os.close(fileno)
    return again, True


def _demandFile(obj: Any) -> None:
    """
    @raise NotMovable: what is written to C{obj} does not end in a descriptor,
        so that it would have to be flushed before it is described.
    """
    bottom = _bottom(obj)
    if obj.writable() and not isinstance(bottom, io.FileIO):
        raise NotMovable(
            f"a {type(obj).__name__} that writes to a {type(bottom).__name__}",
            f"keep the {type(bottom).__name__} alone, and write to it",
        )


class Buffered(Layer):
    """
    Buffered files.
    """

    def parts(self, obj: Any) -> tuple[Any, ...]:
        """
        See L{Layer.parts}.
        """
        if obj.closed:
            return (obj.raw, _CLOSED)
        _demandFile(obj)
        if not obj.readable():
            return (obj.raw, None)
        if not obj.seekable():
            raise NotMovable(
                f"the file {getattr(obj, 'name', '')!r} has read ahead of a pipe or "
                "terminal, and shows nobody what",
                "open it with buffering=0",
            )
        return (obj.raw, self.base.tell(obj))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        raw, position = arguments
        made = self.base.__new__(cls)
        self.base.__init__(made, raw)
        if position != _CLOSED:
            self._seek(made, position, loading)
        return made


class Text(Layer):
    """
    Text files.  One that is both read and written is flushed by asking it for
    its position.
    """

    def parts(self, obj: Any) -> tuple[Any, ...]:
        """
        See L{Layer.parts}.
        """
        position: Any = _CLOSED
        if not obj.closed:
            _demandFile(obj)
            position = self._position(obj) if obj.readable() else None
        newline = newlineOf(obj)
        return (
            obj.buffer,
            obj.encoding,
            obj.errors,
            newline,
            obj.line_buffering,
            obj.write_through,
            position,
        )

    def _position(self, obj: Any) -> int:
        """
        @raise NotMovable: it is being iterated over.
        """
        try:
            return io.TextIOWrapper.tell(obj)
        except OSError as e:
            name = getattr(obj, "name", "")
            raise NotMovable(
                f"the file {name!r} does not tell its position: {e}",
                "read it with readline(), or to its end",
            ) from e

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        *parts, position = arguments
        made = io.TextIOWrapper.__new__(cls)
        io.TextIOWrapper.__init__(made, *parts)
        if position != _CLOSED:
            self._seek(made, position, loading)
        return made


@implementer(ILiveAdapter)
class Unlinker(Whole):
    """
    What removes a temporary file once its object is gone: it must do that in
    the process that has the file, and only there.
    """

    name = "tempfile"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        return Description(type(obj), (), readAttributes(obj))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        made = cls.__new__(cls)
        # What has been made and is thrown away before it is filled ends here.
        made.file, made.delete, made.close_called = None, False, True
        made.cleanup_called = True
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """

        def arm() -> None:
            """
            The file is this process's to remove.
            """
            vars(obj).clear()
            writeAttributes(obj, state)

        loading.onAdopt(arm)

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """

        def release() -> None:
            """
            Let this process forget the file.
            """
            obj.delete, obj.close_called, obj.cleanup_called = False, True, True

        return Actions(release=release)


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    shared: PerCapture[set[int]] = PerCapture(set)
    registry.register(io.FileIO, RawFile("fileio", io.FileIO, shared))
    for base in (io.BufferedReader, io.BufferedWriter, io.BufferedRandom):
        registry.register(base, Buffered(base.__name__.lower(), base, shared))
    registry.register(io.TextIOWrapper, Text("textfile", io.TextIOWrapper, shared))
    registry.register(tempfile._TemporaryFileCloser, Unlinker())  # type: ignore[attr-defined]
