"""
What the fakes of L{twisted.internet.testing} note beside a graph moves with it,
as what they stand for would: that a memory reactor listens, that it connects,
and who is connected.

It must not know how anything is moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import attrs
from zope.interface import implementer

from migrate.adapters.carriers import touches
from migrate.adapters.plain import AttributesAdapter
from migrate.interfaces import ICapture, ILiveAdapter, ILoading, ISeeker
from migrate.model import Actions, Description

NOTES = (
    *("tcpServers", "sslServers", "unixServers"),
    *("tcpClients", "sslClients", "unixClients"),
    *("connectors", "whenRunningHooks"),
)
"""
The lists of a memory reactor in which entries belong to services.
"""


@attrs.define(eq=False, slots=False)
class Note:
    """
    Something that a process knows of a graph which does not know it.

    @ivar place: one of L{NOTES}; or the number of a client.
    @ivar entry: what is noted; the protocol and the transport of a client.
    """

    place: str | int
    entry: Any


class Notebook(Protocol):
    """
    Where one process keeps its notes.
    """

    def notes(self) -> Iterator[tuple[str | int, Any]]:
        """
        @return: place and entry of each.
        """

    def note(self, note: Note) -> None:
        """
        Something that was noted elsewhere has come here.
        """

    def forget(self, note: Note) -> None:
        """
        Something has left.
        """


@implementer(ILiveAdapter)
class NoteAdapter(AttributesAdapter):
    """
    Knows what a process has noted.
    """

    def __init__(self, notebook: Notebook) -> None:
        super().__init__("migrate.testing.Note")
        self._notebook = notebook

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        return Description(Note, (), dict(vars(obj)))

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        super().fill(obj, state, loading)
        loading.onAdopt(partial(self._notebook.note, obj))

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        return Actions(release=partial(self._notebook.forget, obj))


@implementer(ISeeker)
class NoteSeeker:
    """
    Finds the notes that concern a graph.
    """

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook
        # A walk that asks again has to get the same objects.
        self._met: WeakKeyDictionary[Any, dict[int, Note]] = WeakKeyDictionary()

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        met = self._met.setdefault(capture, {})
        for place, entry in self._notebook.notes():
            if id(entry) not in met and touches([entry], capture.contains):
                met[id(entry)] = Note(place, entry)
        yield from met.values()
