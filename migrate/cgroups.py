"""
Control groups, by which systemd tells whose service a process is of.

It must not know what is done about them.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.logger import Logger

_log = Logger()

NAMED = "name=systemd"
"""
The hierarchy of the old kind that systemd keeps for itself.
"""

UNIFIED = ""
"""
The one hierarchy of the new kind.
"""


def cgroupOf(pid: int, proc: Path = Path("/proc")) -> str:
    """
    @return: the control group that a supervisor knows a process by: that of the
        hierarchy named C{systemd}, or else the unified one.  Empty if there is none,
        or no such process.
    """
    groups = groupsOf(pid, proc)
    return groups.get(NAMED, groups.get(UNIFIED, ""))


def groupsOf(pid: int, proc: Path = Path("/proc")) -> dict[str, str]:
    """
    @return: the control group of a process in each hierarchy, by the name of that.
    """
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return {}
    return {name: path for _, name, path in (line.split(":", 2) for line in lines)}


def attach(pid: int, proc: Path = Path("/proc")) -> bool:
    """
    Put another process into the control groups of this one, as far as a supervisor
    knows its processes by them: started by hand, it is of the unit from now on.

    @return: whether it is in them.
    """
    own, its = groupsOf(os.getpid(), proc), groupsOf(pid, proc)
    for name, root, where in mounted(proc / "self" / "mountinfo"):
        if name not in own or own[name] == its.get(name):
            continue
        file = where / os.path.relpath(own[name], root) / "cgroup.procs"
        try:
            file.write_text(str(pid))
        except OSError as error:
            _log.warn(
                "process {pid} is not of the control group {group}: {why}",
                pid=pid,
                group=own[name],
                why=str(error),
            )
            return False
    return True


def mounted(mountinfo: Path) -> list[tuple[str, str, Path]]:
    """
    @return: for every mounted hierarchy by which a supervisor knows processes its name,
        the group that is mounted, and where.
    """
    found = []
    for line in mountinfo.read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        root, where = fields.split()[3:5]
        kind, _, options = rest.split(" ", 2)
        if kind == "cgroup2":
            found.append((UNIFIED, root, Path(where)))
        elif kind == "cgroup" and NAMED in options.split(","):
            found.append((NAMED, root, Path(where)))
    return found
