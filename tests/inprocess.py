"""
One whole move inside one process: from one reactor to another one, through a
serializer, each descriptor as a copy, the janitor included.

It must not know any adapter.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from typing import Any

import attrs

from migrate.adapters import defaultRegistry
from migrate.graph import Environment, TableSerializer
from migrate.interfaces import ILoader, ISerializer
from migrate.janitor import Janitor


def descriptors() -> int:
    """
    @return: how many descriptors this process has open, garbage apart.
    """
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@attrs.define(eq=False)
class Move:
    """
    A move of C{root}.

    @ivar outside: what stays outside of the graph, by name: at the origin and
        at the recipient.
    @ivar made: the root of what has been made, once it is.
    """

    root: Any
    origin: Any
    recipient: Any
    outside: tuple[Mapping[str, object], Mapping[str, object]] = ({}, {})
    serializer: ISerializer = attrs.field(factory=TableSerializer)
    made: Any = None
    _loader: ILoader | None = None
    _janitor: Janitor | None = None

    def prepare(self) -> Any:
        """
        Everything up to the commit.

        @return: the root of what has been made.
        """
        registry = defaultRegistry()
        here, there = (
            Environment(registry, reactor, outside)
            for reactor, outside in zip(
                (self.origin, self.recipient), self.outside, strict=True
            )
        )
        dump: Any = self.serializer.dump(self.root, "service", here)
        self._janitor = Janitor(dump.live, dump.capture)
        self._janitor.pause()
        self._janitor.hold()
        self._loader = self.serializer.loader(there)
        # Whatever can be made and filled before the rest has come is.
        self._loader.receive([os.dup(fileno) for fileno in dump.filenos])
        for chunk in dump.chunks:
            self._loader.feed(chunk)
        self.made = self._loader.finish(())
        return self.made

    def commit(self) -> Any:
        """
        The recipient owns it, the origin lets go.

        @return: the root of what has been made.
        """
        assert self._loader is not None
        assert self._janitor is not None
        self._loader.adopt()
        self._janitor.release()
        return self.made

    def rollBack(self) -> None:
        """
        The recipient throws it away, the origin goes on.
        """
        assert self._loader is not None
        assert self._janitor is not None
        self._loader.discard()
        self._janitor.resume()

    def go(self) -> Any:
        """
        Prepare and commit.
        """
        self.prepare()
        return self.commit()
