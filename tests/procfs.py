"""
What the kernel knows of a process, read from C{/proc}.

It must not know whose processes they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def descriptors(pid: int) -> dict[int, str]:
    """
    @return: the open descriptors of a process, each with what it stands for,
        such as C{"socket:[4711]"}.
    """
    found = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found[int(entry.name)] = os.readlink(entry)
    return found


def residentBytes(pid: int) -> int:
    """
    @return: the memory that a process has in use, in bytes.
    """
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def alive() -> Iterator[tuple[int, int, bytes]]:
    """
    @return: of every process that lives, zombies left out: its id, its
        parent's, and its environment when it was started, if that can be read.
    """
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(FileNotFoundError, ProcessLookupError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                yield int(entry.name), int(parent), _environ(entry / "environ")


def _environ(path: Path) -> bytes:
    with suppress(PermissionError):
        return path.read_bytes()
    return b""
