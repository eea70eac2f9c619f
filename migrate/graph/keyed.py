"""
Containers whose keys are hashed by what they hold, which on arrival may come
later than the container: they are looked at again once it is there.

It must not know how a container was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from migrate.errors import LoadError
from migrate.graph.making import hashesOf


@attrs.define(eq=False)
class Keyed:
    """
    A dictionary, a set or a frozenset.

    @ivar content: what it is to hold: members, or keys and values by turns;
        L{None} for a frozenset, which cannot be filled anew.
    @ivar size: how many keys it had at the origin.
    """

    container: Any
    content: Sequence[Any] | None
    size: int
    _hashes: dict[int, int] | None = None
    _settled: bool = False

    def put(self) -> None:
        """
        Put the content in, by the hashes that the keys have now.

        @raise Exception: whatever comes of hashing a key.
        """
        self._hashes = None
        if self.content is None:
            self._hashes = hashesOf(self.container)
            return
        self.container.clear()
        if type(self.container) is dict:
            keys, values = self.content[::2], self.content[1::2]
            self.container.update(zip(keys, values, strict=True))
        else:
            self.container.update(self.content)
        self._hashes = hashesOf(self.container)

    def isRight(self) -> bool:
        """
        @return: whether no key is lost, and all are where their hashes are.
        @raise Exception: whatever comes of hashing a key.
        """
        return self._hashes == hashesOf(self.container) and (
            self._settled or len(self.container) == self.size
        )

    def settle(self) -> None:
        """
        Whatever changes the content from here on is meant to.
        """
        self._settled = True

    def mend(self) -> None:
        """
        Put the content in anew: what it is now, if that was settled.

        @raise Exception: whatever comes of hashing a key.
        """
        if self.content is None and len(self.container) == self.size:
            raise LoadError("a frozenset holds what is hashed by what refers to it")
        if self.content is None:
            return
        if self._settled:
            # Not a copy: that would keep the hashes.
            held = self.container
            self.content = (
                [part for pair in held.items() for part in pair]
                if type(held) is dict
                else list(held)
            )
        self.put()


@attrs.define(eq=False)
class AllKeyed:
    """
    The keyed containers of one arrival.

    @ivar hint: what to do about a graph that cannot be made.
    """

    hint: str
    _all: list[Keyed] = attrs.field(factory=list)

    def add(self, keyed: Keyed) -> None:
        """
        Fill one, if its keys can be hashed already.
        """
        self._all.append(keyed)
        self._try(keyed.put)

    def settle(self) -> None:
        """
        Everything is filled: have the containers find their keys, whose hashes
        may be others now.  What cannot be hashed yet may be later.
        """
        self._rounds()
        for keyed in self._all:
            if self._try(keyed.isRight):
                keyed.settle()

    def finish(self) -> None:
        """
        Everything has its final state: have the containers find their keys.

        @raise LoadError: they do not.
        """
        self._rounds()
        for keyed in self._all:
            try:
                if not keyed.isRight():
                    keyed.mend()
                right = keyed.isRight()
            except Exception as e:
                reason = (
                    str(e) if isinstance(e, LoadError) else f"{type(e).__name__}: {e}"
                )
                raise self._error(keyed, reason) from e
            if not right:
                raise self._error(
                    keyed, "keys that differ at the origin are equal here"
                )

    def _error(self, keyed: Keyed, reason: str) -> LoadError:
        """
        @return: that a container could not be made, and why.
        """
        name = type(keyed.container).__name__
        return LoadError(f"a {name} could not be made again: {reason}; {self.hint}")

    def _rounds(self) -> None:
        """
        Mend containers until all are right: each may change the hash of what
        holds it, which is a key of others.
        """
        for _ in self._all:
            wrong = [keyed for keyed in self._all if not self._try(keyed.isRight)]
            mended = [self._try(keyed.mend) for keyed in wrong]
            if not any(mended):
                break

    def _try(self, action: Any) -> bool:
        """
        @return: whether C{action} did what it should.
        """
        try:
            return action() is not False
        except Exception:
            return False
