"""
What runs first in an image that was executed with services in its hands: the memory
file is an archive, and this is its C{__main__}.  It makes the process what the program
expects, runs the program, and, should that end in any way before it serves, executes
the old program, which finds the same memory file.

This text travels in the memory file, and comes from the process that was there before:
so it works whatever has become of the files on disk.  It must not import anything of
this package, nor anything beside the standard library.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import signal
import sys
import time
import traceback
import types
import zipfile
import zlib
from collections.abc import Callable
from importlib.abc import InspectLoader
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import decode_source, spec_from_file_location
from pathlib import Path
from typing import Any, NoReturn

VARIABLE = "TXMIGRATE_REEXEC"
"""
Names the memory file, and what is to become of it: C{FILENO:PHASE:ATTEMPT:REPORT}.
"""

REASON = "TXMIGRATE_REEXEC_REASON"
"""
Why the old program is back.
"""

GUARD = "_migrate_reexec"
"""
The entry of C{sys.modules} by which the program finds what watches over it.
"""

MOST = 60_000
"""
Characters of a reason that go on: one variable may have 128 KiB.
"""

SAYING = 300
"""
Characters of an error that are told in one line.
"""

ATTEMPTS = 3
"""
How often the old program is begun.
"""

OLDEST = (3, 10)
"""
The oldest Python that is good for it.
"""

NEW, OLD, REHEARSAL = "new", "old", "rehearsal"

_leave = os._exit

#: Python's options that have a word of their own, if none is attached.
_WITH_WORD = "WX"
_LONG_WITH_WORD = ("--check-hash-based-pycs",)

#: Where C{/proc/self/stat} says where the arguments begin and end (proc(5), from the
#: field after the name on).
_ARGUMENTS = (45, 46)

#: What an image does not survive that does not expect it.
_FATAL = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def split(command: list[str]) -> tuple[list[str], str, list[str]]:
    """
    Take a command line of Python apart.

    @param command: with the interpreter first.
    @return: Python's own options, what it runs (C{-c}, C{-m}, or a script), and the
        rest: what follows C{-c} or C{-m} first.
    @raise ValueError: it runs nothing.
    """
    words = list(command[1:])
    for place, word in enumerate(words):
        if place and _wantsWord(words[place - 1]):
            continue
        if word in ("-", "--") or not word.startswith("-"):
            found = word == "--"
            rest = words[place + found :]
            if not rest:
                break
            return words[:place], rest[0], rest[1:]
        taken = _terminal(word)
        if taken is not None:
            options, what, attached = taken
            rest = ([attached] if attached else []) + words[place + 1 :]
            if not rest:
                break
            return words[:place] + options, what, rest
    raise ValueError(f"{' '.join(command)!r} runs no script, -m MODULE or -c CODE")


def _wantsWord(option: str) -> bool:
    """
    @return: whether an option of Python is followed by a word that belongs to it.
    """
    if option.startswith("--"):
        return option in _LONG_WITH_WORD
    if not option.startswith("-"):
        return False
    for place, letter in enumerate(option[1:], 1):
        if letter in _WITH_WORD:
            return place == len(option) - 1
    return False


def _terminal(word: str) -> tuple[list[str], str, str] | None:
    """
    @return: of letters such as C{-um}, those before C{m} or C{c}, that one, and what
        is attached to it; L{None} if it has neither.
    """
    if word.startswith("--"):
        return None
    for place, letter in enumerate(word[1:], 1):
        if letter in _WITH_WORD:
            return None
        if letter in "cm":
            before = [word[:place]] if place > 1 else []
            return before, f"-{letter}", word[place + 1 :]
    return None


def argumentsFor(program: dict[str, Any], fileno: int) -> list[str]:
    """
    @return: the arguments with which the interpreter of a program runs this file in
        its place.  They take as much room as its own, so that these can be written
        over them.
    """
    command = program["command"]
    options, what, rest = split(command)
    room = len(os.fsencode("\0".join(command[1 + len(options) :])))
    if what in ("-c", "-m"):
        rest = rest[1:]
    room -= len(os.fsencode("\0".join(["", *rest]))) if rest else 0
    head, tail = "/proc/self/fd", f"/{fileno}"
    padding = "/" * (room - len(head) - len(tail))
    return [command[0], *options, f"{head}{padding}{tail}", *rest]


def environmentFor(program: dict[str, Any], where: str) -> dict[str, str]:
    """
    @param where: for L{VARIABLE}.
    @return: the environment of a program while it begins.
    """
    return {**program["environment"], VARIABLE: where}


def execute(program: dict[str, Any], fileno: int, where: str, why: str = "") -> None:
    """
    Replace this process's image.

    @param why: for L{REASON}.
    @raise OSError: the kernel cannot.
    """
    environment = environmentFor(program, where)
    if why:
        environment[REASON] = why[-MOST:]
    arguments = argumentsFor(program, fileno)
    os.execve(program["executable"], arguments, environment)


class Restored(InspectLoader):
    """
    Loads one module from the text that it was loaded from by the old program.

    @cvar restored: tells so.
    """

    restored = True

    def __init__(self, sources: Sources, name: str) -> None:
        self.sources = sources
        self.name = name
        self.path: str = sources.entries[name]["path"]

    def get_source(self, fullname: str) -> str:
        """
        See L{InspectLoader}.
        """
        return decode_source(self.sources.read(self.name))

    def is_package(self, fullname: str) -> bool:
        """
        See L{InspectLoader}.
        """
        return bool(self.sources.entries[self.name]["package"])

    def get_code(self, fullname: str) -> types.CodeType:
        """
        See L{InspectLoader}.
        """
        return self.source_to_code(self.sources.read(self.name), self.path)

    def get_filename(self, fullname: str) -> str:
        """
        See L{importlib.abc.ExecutionLoader.get_filename}.
        """
        return self.path


class Sources:
    """
    Finds modules as they were: from disk, where they are the same still.

    @ivar entries: what is kept of each module, by its name.
    """

    def __init__(self, archive: str, entries: dict[str, dict[str, Any]]) -> None:
        self._archive = archive
        self.entries = entries
        self._contents: dict[str, bytes] = {}
        self._open: list[int] = []

    def read(self, name: str) -> bytes:
        """
        @return: the text of a module.
        """
        return self._contents[name]

    def load(self) -> None:
        """
        Read what is not on disk any more: the memory file will be closed.
        """
        with zipfile.ZipFile(self._archive) as archive:
            for name, entry in self.entries.items():
                if not isUnchanged(entry):
                    data = archive.read(entry["entry"])
                    self._contents[name] = zlib.decompress(data)

    @property
    def changed(self) -> frozenset[str]:
        """
        The names of those that are not on disk any more.
        """
        return frozenset(self._contents)

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """
        See L{importlib.abc.MetaPathFinder.find_spec}.
        """
        if name not in self._contents:
            return None
        entry = self.entries[name]
        if entry["extension"]:
            return self._extension(name)
        loader = Restored(self, name)
        places = [os.path.dirname(entry["path"])] if entry["package"] else None
        return spec_from_file_location(
            name,
            entry["path"],
            loader=loader,
            submodule_search_locations=places,
        )

    def _extension(self, name: str) -> ModuleSpec | None:
        """
        The system's loader wants a file.
        """
        fileno = os.memfd_create(name, os.MFD_CLOEXEC)
        with open(fileno, "wb", closefd=False) as file:
            file.write(self._contents[name])
        self._open.append(fileno)
        path = f"/proc/self/fd/{fileno}"
        return spec_from_file_location(
            name, path, loader=ExtensionFileLoader(name, path)
        )

    def main(self, path: str) -> bytes | None:
        """
        @return: the text of the script that was run, if it has changed.
        """
        entry = self.entries.get("__main__")
        if entry is None or entry["path"] != os.path.abspath(path):
            return None
        return self._contents.get("__main__")


def isUnchanged(entry: dict[str, Any]) -> bool:
    """
    @return: whether a file is what it was.
    """
    try:
        found = os.stat(entry["path"])
    except OSError:
        return False
    same: bool = [found.st_mtime_ns, found.st_size] == entry["stamp"]
    return same


class Guard:
    """
    Watches over a program until it serves what it was given.

    @ivar fileno: the memory file.
    @ivar phase: which program this is: L{NEW}, L{OLD}, or a L{REHEARSAL} of the new.
    @ivar attempt: how often the old program was begun before.
    @ivar state: what the old program left.
    @ivar reason: why the old program is back.
    @ivar sources: the modules of the old program, if this is it.
    @ivar done: whether the program serves.
    """

    def __init__(self, where: str, reason: str) -> None:
        number, self.phase, attempt, report = where.split(":")
        self.fileno = int(number)
        self.attempt = int(attempt)
        self.report = int(report or -1)
        self.reason = reason
        self.done = False
        self.pid = os.getpid()
        self.archive = f"/proc/self/fd/{self.fileno}"
        with zipfile.ZipFile(self.archive) as archive:
            self.state: dict[str, Any] = json.loads(archive.read("state.json"))
        which = OLD if self.phase == OLD else NEW
        self.program: dict[str, Any] = self.state["programs"][which]
        self.sources = Sources(self.archive, {})

    def prepare(self) -> None:
        """
        Make this process what the program expects.

        @raise Exception: it cannot be.
        """
        os.set_inheritable(self.fileno, False)
        self.state["marks"]["start"] = time.monotonic()
        if sys.version_info < OLDEST:
            version = ".".join(map(str, sys.version_info[:3]))
            raise RuntimeError(f"Python {version} is older than 3.10")
        if self.report >= 0:
            os.set_inheritable(self.report, False)
        if self.phase == NEW:
            signal.signal(signal.SIGALRM, self._late)
            signal.setitimer(signal.ITIMER_REAL, self.state["deadline"])
            os._exit = self._exit
        os.chdir(self.program["directory"])
        limit = self.program["nofile"]
        if limit is not None:
            _limit(*limit)
        if self.phase == OLD:
            self.sources.entries = self.state["sources"]
            self.sources.load()
            sys.meta_path.insert(0, self.sources)
        self._write()

    def _write(self) -> None:
        """
        Have others see the command line that this is.
        """
        sys.orig_argv = list(self.program["command"])
        text = b"".join(os.fsencode(each) + b"\0" for each in sys.orig_argv)
        try:
            stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
            begin, end = (int(stat[field]) for field in _ARGUMENTS)
            if 0 < len(text) <= end - begin:
                with open("/proc/self/mem", "r+b", buffering=0) as memory:
                    memory.seek(begin)
                    memory.write(text.ljust(end - begin, b"\0"))
        except (OSError, ValueError, IndexError):
            # It is only for people to look at.
            return

    def run(self) -> None:
        """
        Run the program.
        """
        _, what, rest = split(self.program["command"])
        sys.path_importer_cache.pop(sys.path[0], None)
        place = {"-c": "", "-m": os.getcwd()}.get(what)
        if place is None:
            place = os.path.dirname(os.path.realpath(what))
        if getattr(sys.flags, "safe_path", False) or sys.flags.isolated:
            del sys.path[0]
        else:
            sys.path[0] = place
        if what == "-m":
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif what == "-c":
            sys.argv = ["-c", *rest[1:]]
            _main({}, compile(rest[0], "<string>", "exec"))
        else:
            self._script(what, rest)

    def _script(self, path: str, rest: list[str]) -> None:
        sys.argv = [path, *rest]
        text = self.sources.main(path)
        if text is None and (os.path.isdir(path) or zipfile.is_zipfile(path)):
            del sys.path[0]
            runpy.run_path(path, run_name="__main__")
            return
        if text is None:
            text = Path(path).read_bytes()
        _main({"__file__": path}, compile(text, path, "exec"))

    def _late(self, *_: object) -> None:
        self.fail(
            f"the new program did not serve within {self.state['deadline']:g} seconds",
            "".join(traceback.format_stack()),
        )

    def _exit(self, status: int) -> NoReturn:
        """
        Stands in for C{os._exit}, which asks nobody.
        """
        if not self.done and os.getpid() == self.pid:
            self.fail(f"the program left with status {status}", "")
        _leave(status)

    def adopted(self) -> None:
        """
        The program serves.
        """
        self.done = True
        os._exit = _leave
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self.phase == NEW:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        os.close(self.fileno)
        unblock()

    def fail(self, why: str, details: str) -> NoReturn:
        """
        The program does not serve, and never will.  Does not return.

        @param why: in one line.
        @param details: for a log.
        """
        if os.getpid() != self.pid:
            # A child of the program that did not get to execute its own.
            _leave(1)
        if self.phase == REHEARSAL:
            self.tell({"ok": False, "reason": why, "details": details[-MOST:]}, 1)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for stream in (sys.__stdout__, sys.__stderr__):
            try:
                stream.flush()  # type: ignore[union-attr]
            except Exception:
                continue
        again = self.attempt + 1 if self.phase == OLD else 0
        first = self.reason if self.phase == OLD else f"{why}\n{details}"
        if again < ATTEMPTS:
            self._goBack(again, first)
        os.write(2, f"re-execution failed: {why}\n{details}\n".encode())
        _leave(1)

    def _goBack(self, attempt: int, why: str) -> None:
        os.set_inheritable(self.fileno, True)
        where = f"{self.fileno}:{OLD}:{attempt}:"
        program = self.state["programs"][OLD]
        # A program that is not there any more may be so by another name.
        for executable in (program["executable"], "/proc/self/exe"):
            for said in (why, why.partition("\n")[0][:1000]):
                try:
                    chosen = {**program, "executable": executable}
                    execute(chosen, self.fileno, where, said)
                except OSError as error:
                    problem = f"cannot execute {executable}: {error}\n"
                    os.write(2, problem.encode())

    def tell(self, found: dict[str, Any], status: int) -> NoReturn:
        """
        End a rehearsal.  Does not return.
        """
        data = json.dumps(found).encode()
        while data:
            data = data[os.write(self.report, data) :]
        _leave(status)


def unblock() -> None:
    """
    Take the signals that came while nobody could.  What would only end this process
    is dropped.
    """
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    for number in _FATAL:
        if number in blocked and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.SIG_IGN)
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)


def _limit(soft: int, hard: int) -> None:
    """
    @raise OSError: this process may not have as many descriptors.
    """
    _, now = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now != resource.RLIM_INFINITY and not 0 <= soft <= now:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, max(soft, hard)))
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, now))


def _main(names: dict[str, Any], code: types.CodeType) -> None:
    """
    Run code as a program.
    """
    main = types.ModuleType("__main__")
    main.__dict__.update(names)
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    exec(code, main.__dict__)


def boot(run: Callable[[Guard], None] = Guard.run) -> None:
    """
    Do all of it.
    """
    where, reason = os.environ.pop(VARIABLE), os.environ.pop(REASON, "")
    guard = Guard(where, reason)
    sys.modules[GUARD] = guard  # type: ignore[assignment]
    try:
        guard.prepare()
        run(guard)
    except BaseException as error:
        if guard.done or os.getpid() != guard.pid:
            raise
        # What comes last says it, where a usage comes before.
        says = " ".join(str(error).split())[-SAYING:]
        why = f"{type(error).__name__}: {says}"
        guard.fail(f"the program ended: {why}", traceback.format_exc())
    else:
        if not guard.done:
            guard.fail("the program ended before it served", "")


if __name__ == "__main__":
    boot()
