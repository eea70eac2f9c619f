"""
The memory file that crosses an execution: an archive that the next image runs first.

It must not know what is in a graph, nor who reads it.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import attrs

from migrate.interfaces import IDump
from migrate.memory import seal
from migrate.reexec import bootstrap
from migrate.reexec.sources import Keeper

FORMAT = 1
"""
What the next release has to know to read it.
"""


@attrs.define(eq=False)
class Archive:
    """
    One such file, while it is written.

    @ivar keeper: has what the next image runs first.
    @ivar fileno: its descriptor, which is closed by L{close}.
    """

    keeper: Keeper
    fileno: int = attrs.field(init=False)
    _zip: Any = attrs.field(init=False)
    _graphs: list[dict[str, Any]] = attrs.field(factory=list, init=False)
    _sources: dict[str, dict[str, Any]] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        """
        Begin it.
        """
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        self.fileno = os.memfd_create("migrate-reexec", flags)
        self._zip = zipfile.ZipFile(os.fdopen(self.fileno, "w+b", closefd=False), "w")
        kept = self.keeper.modules.get(bootstrap.__name__)
        path = Path(bootstrap.__file__)
        text = path.read_bytes() if kept is None else kept.content()
        self._zip.writestr("__main__.py", text)

    def keep(self) -> None:
        """
        Put in all that it takes to run this program again.
        """
        for number, (name, kept) in enumerate(self.keeper.modules.items()):
            entry = f"sources/{number}"
            self._zip.writestr(entry, kept.data)
            self._sources[name] = {
                "entry": entry,
                "path": kept.path,
                "package": kept.package,
                "extension": kept.extension,
                "stamp": list(kept.stamp),
            }

    def add(self, dump: IDump, **about: Any) -> None:
        """
        Put a graph in.

        @param about: what is to be known of it.
        """
        entry = f"graphs/{len(self._graphs)}"
        lengths = []
        with self._zip.open(entry, "w", force_zip64=True) as file:
            for chunk in dump.chunks:
                lengths.append(len(chunk))
                file.write(chunk)
        self._graphs.append(
            {
                **about,
                "entry": entry,
                "chunks": lengths,
                "filenos": list(dump.filenos),
                "objects": dump.objects,
                "bytes": dump.size,
                "externals": sorted(dump.externals),
            }
        )

    @property
    def filenos(self) -> list[int]:
        """
        All descriptors that the graphs mention.
        """
        return [each for graph in self._graphs for each in graph["filenos"]]

    @property
    def totals(self) -> dict[str, int]:
        """
        How much there is in it.
        """
        return {
            "objects": sum(graph["objects"] for graph in self._graphs),
            "bytes": sum(graph["bytes"] for graph in self._graphs),
            "descriptors": len(self.filenos),
        }

    def finish(self, state: dict[str, Any]) -> None:
        """
        Nothing can be changed any more.
        """
        whole = {
            **state,
            "format": FORMAT,
            "graphs": self._graphs,
            "sources": self._sources,
        }
        self._zip.writestr("state.json", json.dumps(whole))
        self._zip.close()
        seal(self.fileno)

    def close(self) -> None:
        """
        Let go of it.
        """
        os.close(self.fileno)
