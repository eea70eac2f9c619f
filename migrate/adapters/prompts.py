"""
Interactive interpreters, and the source of what is defined at their prompts.

A function travels as its source, so that it holds across versions of Python.
What is typed at a prompt has none, as all of it is compiled under the one name
C{<console>}.  Here every statement gets a file name of its own, under which
L{linecache} knows its lines: that is all that tracebacks, L{inspect} and the
adapters of functions and classes need.

It must not know telnet, nor any other way in which a prompt is reached: it
speaks of L{code.InteractiveInterpreter} and L{codeop}, which Twisted's manhole
builds upon.
"""

from __future__ import annotations
import __future__

import code
import codeop
import linecache
import secrets
import weakref
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import attrs
from zope.interface import implementer

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.errors import LoadError
from migrate.graph.registry import Registry
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description

_FEATURES = {
    name: getattr(__future__, name).compiler_flag
    for name in __future__.all_feature_names
}


def _session() -> str:
    """
    @return: what no other prompt on earth is called.
    """
    return secrets.token_hex(6)


def _within(compiled: CodeType) -> Iterator[CodeType]:
    """
    @return: C{compiled}, and every code object inside it.
    """
    yield compiled
    for constant in compiled.co_consts:
        if isinstance(constant, CodeType):
            yield from _within(constant)


@attrs.define(eq=False)
class _Lease:
    """
    Keeps one statement's lines for as long as anything compiled from it is
    alive, so that a session of a million statements holds only the source of
    what it defined.

    @ivar filename: the statement's own file name.
    @ivar entry: what L{linecache} was given; an entry that another one put in
        its place is not this lease's to remove.
    @ivar holders: how many code objects are alive.
    """

    filename: str
    entry: Any
    holders: int = 0

    def hold(self, compiled: CodeType) -> None:
        """
        Wait for the end of C{compiled}.
        """
        self.holders += 1
        weakref.finalize(compiled, self._drop).atexit = False

    def _drop(self) -> None:
        """
        One of them is gone.
        """
        self.holders -= 1
        if not self.holders and linecache.cache.get(self.filename) is self.entry:
            del linecache.cache[self.filename]


def keepLines(source: str, compiled: CodeType) -> None:
    """
    Have L{linecache} know C{source} under the file name of C{compiled}, until
    nothing compiled from it is alive.
    """
    filename = compiled.co_filename
    lines = source.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    entry = (len(source), None, lines, filename)
    lease = _Lease(filename, entry)
    for each in _within(compiled):
        lease.hold(each)
    linecache.cache[filename] = entry


@attrs.define(eq=False)
class SourceKeeper:
    """
    Stands in for the C{compile} of an interactive interpreter, and gives every
    statement a file name of its own.  It is part of the session: the names go
    on from where they were in the process before.

    @ivar original: the C{compile} that does the work.
    @ivar session: what tells this session's names from any other's.
    @ivar statements: how many statements were compiled.
    """

    original: Callable[..., CodeType | None]
    session: str = attrs.field(factory=_session)
    statements: int = 0

    @property
    def compiler(self) -> Any:
        """
        The L{codeop.Compile} that remembers C{from __future__ import}, where
        those who expect a L{codeop.CommandCompiler} look for it.
        """
        return self.original.compiler  # type: ignore[attr-defined]

    def __call__(
        self, source: str, filename: str = "<input>", symbol: str = "single"
    ) -> CodeType | None:
        """
        Compile a statement, as L{codeop.CommandCompiler} does.

        @param filename: what the caller calls all of its input.  Only what is
            in angle brackets is made unique: another name is a file's.
        @return: L{None} as long as the statement is incomplete.
        @raise SyntaxError: it can never be complete; what was refused has no
            name of its own.
        """
        if not (filename.startswith("<") and filename.endswith(">")):
            return self.original(source, filename, symbol)
        unique = f"<{filename[1:-1]}-{self.session}-{self.statements + 1}>"
        try:
            compiled = self.original(source, unique, symbol)
        except SyntaxError as error:
            error.filename = filename
            raise
        if compiled is not None:
            self.statements += 1
            keepLines(source, compiled)
        return compiled


def keepSource(interpreter: code.InteractiveInterpreter) -> None:
    """
    Keep the source of what is typed at one prompt from now on.  Does nothing
    the second time.
    """
    if not isinstance(interpreter.compile, SourceKeeper):
        keeper: Any = SourceKeeper(interpreter.compile)
        interpreter.compile = keeper


def keepEverySource() -> Callable[[], None]:
    """
    Keep the source of what is typed at every prompt that is opened from now
    on, in the whole process: for servers whose prompts nobody changed, such as
    C{twistd manhole}.  It changes L{code.InteractiveInterpreter}, which is why
    a program has to ask for it, and importing this module does not.

    @return: what undoes it; sessions that were opened meanwhile go on keeping
        their source.
    """
    cls: Any = code.InteractiveInterpreter
    original = cls.__init__

    def __init__(self: Any, *args: Any, **keywords: Any) -> None:
        original(self, *args, **keywords)
        keepSource(self)

    def undo() -> None:
        if cls.__init__ is __init__:
            cls.__init__ = original

    if getattr(original, "__module__", None) == __name__:
        return lambda: None
    cls.__init__ = __init__
    return undo


@implementer(IAdapter)
class CompilerAdapter:
    """
    Speaks for L{codeop.Compile}: the features that a session asked for with
    C{from __future__ import} go by name, since their bits, and those of the
    interactive mode itself, are an interpreter's own.
    """

    name = "codeop.Compile"
    complete = False

    def describe(self, obj: codeop.Compile, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        rest = readAttributes(obj)
        del rest["flags"]
        features = [
            name for name, flag in _FEATURES.items() if flag and obj.flags & flag
        ]
        extra = obj.flags & ~codeop.Compile().flags
        for name in features:
            extra &= ~_FEATURES[name]
        state = {"features": features, "extra": extra, "attributes": rest}
        return Description(type(obj), (), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return cls.__new__(cls)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.

        @raise LoadError: this Python lacks one of the features.
        """

        def finish() -> None:
            unknown = [name for name in state["features"] if name not in _FEATURES]
            if unknown:
                raise LoadError(
                    f"a session uses 'from __future__ import {unknown[0]}', "
                    "which this Python does not have"
                )
            obj.flags = codeop.Compile().flags | state["extra"]
            for name in state["features"]:
                obj.flags |= _FEATURES[name]
            writeAttributes(obj, state["attributes"])

        loading.afterFill(finish)


@implementer(IAdapter)
class InterpreterAdapter:
    """
    Speaks for L{code.InteractiveInterpreter} and its subclasses, manhole's
    among them.
    """

    name = "code.InteractiveInterpreter"
    complete = False

    def describe(
        self, obj: code.InteractiveInterpreter, capture: ICapture
    ) -> Description:
        """
        See L{IAdapter.describe}.
        """
        return Description(type(obj), (), readAttributes(obj))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return cls.__new__(cls)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.  What is typed from now on can move, even if the
        session came from a process that kept nothing.
        """
        writeAttributes(obj, state)
        if type(obj.compile) is codeop.CommandCompiler:
            keepSource(obj)
        pending = state.get("_pendingDeferreds")
        if isinstance(pending, dict):
            loading.afterFill(lambda: _renumber(pending))


def _renumber(pending: dict[int, tuple[int, object]]) -> None:
    """
    Manhole remembers the Deferreds that it showed by their C{id}, which is
    another one in every process.
    """
    shown = list(pending.values())
    pending.clear()
    pending.update((id(entry[1]), entry) for entry in shown)


def register(registry: Registry) -> None:
    """
    Have C{registry} know interactive interpreters and their compilers.
    """
    registry.register(codeop.Compile, CompilerAdapter())
    registry.register(code.InteractiveInterpreter, InterpreterAdapter())
