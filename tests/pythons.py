"""
The Pythons of this machine that this project runs on, each with a virtual
environment in which it can be imported: services move from one to another.

Run as a program it makes them all ready, and says which there are.
"""

from __future__ import annotations

import argparse
import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parent.parent
PYTHONS = CHECKOUT / ".cache" / "pythons"

#: The versions that are looked for by name.
VERSIONS = tuple(f"3.{minor}" for minor in range(10, 15))

#: The oldest that will do.
OLDEST = (3, 10)

#: How long one answer of a Python, and one installation, may take, in seconds.
ANSWER_DEADLINE = 30
INSTALL_DEADLINE = 600

#: Asks a Python what it is, and fails where it could make no environment.
ASK = """
import ensurepip, json, platform, sys, venv
print(json.dumps({
    "implementation": platform.python_implementation(),
    "version": "%d.%d" % sys.version_info[:2],
    "release": sys.version,
    "final": sys.version_info.releaselevel == "final",
}))
"""

#: Fails in a Python that cannot import all that a test may need.
USE = "import attr, cryptography, migrate, msgspec, twisted.conch, zope.interface"


class Interpreter(NamedTuple):
    """
    A Python in which this project can be imported.

    @ivar version: such as C{"3.12"}.
    @ivar path: the program.
    """

    version: str
    path: str


class CannotUse(Exception):
    """
    A Python cannot be made ready; the message says why.
    """


def _run(command: list[str], deadline: float) -> str:
    """
    @return: what a command writes to standard output.
    @raise CannotUse: it failed.
    """
    environment = {**os.environ, "PYTHONNOUSERSITE": "1"}
    environment.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=deadline,
            cwd="/",
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotUse(str(error)) from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise CannotUse(f"{command[0]} ended with {done.returncode}: {said[-1]}")
    return done.stdout


def _places() -> Iterator[Path]:
    """
    @return: where a Python may be, the running one first.  One version may
        come more than once, and some may not run at all: the shims of a
        version manager fail for versions that are not switched on.
    """
    yield Path(getattr(sys, "_base_executable", sys.executable))
    directories = [*os.get_exec_path(), "/usr/local/bin", "/usr/bin"]
    for directory in dict.fromkeys(directories):
        for version in VERSIONS:
            yield Path(directory) / f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob("versions/3.*/bin/python3"), reverse=True)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@functools.cache
def _found() -> dict[str, tuple[Path, str]]:
    """
    @return: of every version that is here, the program and its exact release;
        the running version first.
    """
    found: dict[str, tuple[Path, str]] = {}
    for place in _places():
        if not place.exists():
            continue
        try:
            said = json.loads(_run([str(place), "-I", "-c", ASK], ANSWER_DEADLINE))
        except (CannotUse, ValueError):
            continue
        if said["implementation"] != "CPython" or not said["final"]:
            continue
        if _numbers(said["version"]) >= OLDEST:
            found.setdefault(said["version"], (place, said["release"]))
    running = f"{sys.version_info[0]}.{sys.version_info[1]}"
    order = sorted(found, key=lambda version: (version != running, _numbers(version)))
    return {version: found[version] for version in order}


@contextmanager
def _alone() -> Iterator[None]:
    """
    Wait until no other process makes an environment; the kernel ends the
    wait if that one dies.
    """
    PYTHONS.mkdir(parents=True, exist_ok=True)
    with (PYTHONS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compiled() -> str:
    """
    @return: all that is compiled.
    """
    sources = [CHECKOUT / "setup.py", *CHECKOUT.glob("migrate/*/native/*")]
    return "".join(path.read_text(encoding="utf-8") for path in sorted(sources))


def _fingerprint(release: str, pyproject: str, compiled: str = "") -> str:
    """
    @param release: what the Python says of itself.
    @param pyproject: the text of C{pyproject.toml}.
    @param compiled: see L{_compiled}.
    @return: what changes when an environment has to be made again: the
        package's metadata, what of it is compiled, the Python's release, or the
        place of this checkout.
    """
    metadata = pyproject.partition("\n[tool.mypy]")[0]
    parts = json.dumps([metadata, compiled, release, str(CHECKOUT), USE])
    return hashlib.sha256(parts.encode()).hexdigest()


def _make(program: Path, home: Path) -> None:
    """
    @raise CannotUse: no environment could be made.
    """
    shutil.rmtree(home, ignore_errors=True)
    python = str(home / "bin" / "python")
    _run([str(program), "-m", "venv", str(home)], INSTALL_DEADLINE)
    install = [python, "-m", "pip", "install", "--quiet", "--no-input"]
    _run([*install, "--editable", f"{CHECKOUT}[conch]"], INSTALL_DEADLINE)
    _run([python, "-I", "-c", USE], ANSWER_DEADLINE)


def _prepare(version: str, retry: bool) -> Interpreter:
    """
    @param retry: whether what failed before is tried again.
    @raise CannotUse: it could not be made ready, now or before.
    """
    program, release = _found()[version]
    pyproject = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    home, wanted = PYTHONS / version, _fingerprint(release, pyproject, _compiled())
    record = PYTHONS / f"{version}.json"
    with _alone():
        known = json.loads(record.read_text()) if record.exists() else {}
        if known.get("fingerprint") != wanted or (known["failure"] and retry):
            known = {"fingerprint": wanted, "failure": ""}
            try:
                _make(program, home)
            except CannotUse as error:
                known["failure"] = str(error)
            record.write_text(json.dumps(known))
    if known["failure"]:
        raise CannotUse(known["failure"])
    return Interpreter(version, str(home / "bin" / "python"))


@functools.cache
def _usable(retry: bool) -> tuple[tuple[Interpreter, ...], dict[str, str]]:
    usable, failed = [], {}
    for version in VERSIONS:
        if version not in _found():
            failed[version] = f"no Python {version} was found on this machine"
    for version in _found():
        try:
            usable.append(_prepare(version, retry))
        except CannotUse as error:
            failed[version] = f"Python {version} could not be made ready: {error}"
    return tuple(usable), failed


def interpreters() -> list[Interpreter]:
    """
    @return: every usable Python, one of each version; of the running one's
        version first.  Where an environment has to be made first this takes
        some seconds, and needs a package index.
    """
    return list(_usable(False)[0])


def unavailable() -> dict[str, str]:
    """
    @return: of every version that could be used and cannot be, the reason.
    """
    return dict(_usable(False)[1])


def other() -> Interpreter | None:
    """
    @return: the newest usable Python of another version than the running one,
        or L{None}.
    """
    return next(iter(reversed(interpreters()[1:])), None)


def main() -> None:
    """
    Make every Python ready, or name the other one.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.pythons")
    parser.add_argument(
        "--other",
        action="store_true",
        help="print the path of one Python of another version, if there is one",
    )
    if parser.parse_args().other:
        found = other()
        print(found.path if found else "", end="\n" if found else "")
        return
    usable, failed = _usable(True)
    for interpreter in usable:
        print(f"Python {interpreter.version}: {interpreter.path}")
    for reason in failed.values():
        print(reason)


if __name__ == "__main__":
    main()
