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


def groupsOf(pid: int, proc: Path = Path("/proc")) -> dict[str, str]:
    """
    @return: the control groups that a supervisor may know a process by, by the name of
        the hierarchy.
    """
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return {}
    groups = {name: path for _, name, path in (line.split(":", 2) for line in lines)}
    return {name: groups[name] for name in (NAMED, UNIFIED) if name in groups}


def spoken(groups: dict[str, str]) -> str:
    """
    @return: the one that tells most, for a person.
    """
    return max(groups.values(), key=len, default="none")


def attach(pid: int, proc: Path = Path("/proc")) -> bool:
    """
    Put another process into the control groups of this one, as far as a supervisor
    knows its processes by them: started by hand, it is of the unit from now on.

    @return: whether it is in them.
    """
    own, its = groupsOf(os.getpid(), proc), groupsOf(pid, proc)
    hierarchies = mounted(proc / "self" / "mountinfo")
    for name in own:
        if own[name] == its.get(name):
            continue
        try:
            _enter(pid, own[name], hierarchies.get(name, []))
        except OSError as error:
            _log.warn(
                "process {pid} is not of the control group {group}: {why}",
                pid=pid,
                group=own[name],
                why=str(error),
            )
            return False
    return True


def _enter(pid: int, group: str, places: list[tuple[str, Path]]) -> None:
    """
    @param places: where the hierarchy is mounted, with the group that is its top there.
    @raise OSError: it is not there, or may not be written to.
    """
    files = [at / os.path.relpath(group, top) / "cgroup.procs" for top, at in places]
    for file in files:
        if file.exists():
            file.write_text(str(pid))
            return
    tried = ", ".join(map(str, files)) or "no hierarchy is mounted"
    raise FileNotFoundError(f"it is not there ({tried})")


def mounted(mountinfo: Path) -> dict[str, list[tuple[str, Path]]]:
    """
    @return: where each hierarchy by which a supervisor knows processes is mounted, by
        its name: the group that is the top there, and the directory.
    """
    found: dict[str, list[tuple[str, Path]]] = {NAMED: [], UNIFIED: []}
    for line in mountinfo.read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        top, where = fields.split()[3:5]
        kind, _, options = rest.split(" ", 2)
        if kind == "cgroup2":
            found[UNIFIED].append((top, Path(where)))
        elif kind == "cgroup" and NAMED in options.split(","):
            found[NAMED].append((top, Path(where)))
    return found
