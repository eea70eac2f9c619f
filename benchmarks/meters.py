"""
What the kernel tells of a process: the processor time and the memory that it takes.

It must not know whose processes they are.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import attrs

#: Written to C{clear_refs}, it lets the peak of the resident memory begin anew.
_RESET_PEAK = "5"


def processorSeconds(pid: int) -> float:
    """
    @return: for how long the threads of a process were on a processor, in seconds,
        exact to a nanosecond where the kernel counts so.
    """
    try:
        tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
    except (FileNotFoundError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@attrs.frozen
class Memory:
    """
    The resident memory of a process, in bytes.

    @ivar private: anonymous memory and mapped files of the file system.
    @ivar shared: shared memory, memory files that are mapped among it.
    @ivar peak: the most that both ever were together, since that was reset.
    """

    private: int
    shared: int
    peak: int

    @property
    def resident(self) -> int:
        """
        Both.
        """
        return self.private + self.shared

    @classmethod
    def of(cls, pid: int) -> Memory:
        """
        @raise OSError: there is no such process.
        @raise KeyError: it has ended, but for its exit status.
        """
        text = Path(f"/proc/{pid}/status").read_text()
        kilobytes = dict(re.findall(r"(?m)^(\w+):\s+(\d+) kB$", text))
        sizes = {name: int(size) * 1024 for name, size in kilobytes.items()}
        private = sizes["RssAnon"] + sizes["RssFile"]
        return cls(private, sizes["RssShmem"], sizes["VmHWM"])


def proportional(pid: int) -> int:
    """
    @return: the resident memory of a process, in bytes; of what several share, each
        has its part.
    """
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"(?m)^Pss:\s+(\d+) kB$", text)
    assert found is not None
    return int(found[1]) * 1024


def resetPeak(pid: int) -> None:
    """
    Let C{Memory.peak} be what is resident now.
    """
    Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)


def memoryFiles(pid: int) -> dict[int, int]:
    """
    @return: how much memory each memory file takes that a process has open, in
        bytes, by its inode.  That counts in nobody's resident memory unless it is
        mapped.
    """
    found = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        # It may be closed meanwhile.
        with suppress(FileNotFoundError):
            if os.readlink(entry).startswith("/memfd:"):
                about = entry.stat()
                found[about.st_ino] = about.st_blocks * 512
    return found


def sharedMemory() -> int:
    """
    @return: all shared memory of the machine, in bytes.
    """
    found = re.search(r"(?m)^Shmem:\s+(\d+) kB$", Path("/proc/meminfo").read_text())
    assert found is not None
    return int(found[1]) * 1024


def availableMemory() -> int:
    """
    @return: what this machine can still give, in bytes.
    """
    text = Path("/proc/meminfo").read_text()
    found = re.search(r"(?m)^MemAvailable:\s+(\d+) kB$", text)
    assert found is not None
    return int(found[1]) * 1024
