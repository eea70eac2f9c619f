"""
Descriptors that are at the recipient before the graph which mentions them.

It must not know how they got there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs


class HasFileno(Protocol):
    """
    What owns a descriptor for as long as that is open: a socket, for one.
    """

    def fileno(self) -> int:
        """
        @return: the number of the descriptor; -1 once it is closed.
        """


@attrs.define(eq=False)
class Ahead:
    """
    Sockets of which the recipient has copies.

    @ivar filenos: their numbers in this process when they were sent, in that order.
        One of them may have been closed since, and its number be another's.
    """

    filenos: list[int] = attrs.field(factory=list, init=False)
    _owners: list[HasFileno] = attrs.field(factory=list, init=False)

    def add(self, owners: Sequence[HasFileno]) -> list[int]:
        """
        @param owners: of descriptors that are sent in this turn.
        @return: these.
        """
        filenos = [owner.fileno() for owner in owners]
        self._owners += owners
        self.filenos += filenos
        return filenos

    def places(self) -> dict[int, int]:
        """
        @return: the place of each among these that is open still, by its number: as
            long as its owner has that, it is nobody else's.
        """
        both = enumerate(zip(self._owners, self.filenos, strict=True))
        return {
            fileno: place for place, (owner, fileno) in both if owner.fileno() == fileno
        }
