"""
What a process does for a manager, or an operator, who has started it: a successor gets
ready, says so, and takes over once it is told to; what goes wrong before it serves is
written out in full.

It must not know what is taken over, nor how a manager works.
"""

from __future__ import annotations

import importlib
import json
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import suppress
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.python import reflect
from twisted.python.failure import Failure
from zope.interface import implementer

import twisted
from migrate.errors import MigrationError
from migrate.notify import Notifier
from migrate.resources import Provision

VARIABLE = "TXMIGRATE_GATE"
"""
The environment variable by which a manager tells what is expected.
"""

PREPARED = "X_TXMIGRATE_PREPARED"
"""
What a successor notifies its manager of when it has imported and opened all that it
needs.
"""

_OWN = (
    "<frozen importlib",
    os.path.dirname(importlib.__file__) + os.sep,
    os.path.dirname(__file__) + os.sep,
    os.path.dirname(twisted.__file__) + os.sep,
)
"""
Where that code lies which a person who reads a traceback has not written.
"""


@attrs.frozen
class Instructions:
    """
    What a manager tells a process.

    @ivar gate: a descriptor on which a byte says that it may take over; its end says
        that nobody is there any more who could.  -1 if there is no manager.
    @ivar imports: the dotted names of what it is to import before all else.
    @ivar notify: the path of the socket that it is to tell of itself on, if that is
        nobody who supervises it.
    """

    gate: int = -1
    imports: tuple[str, ...] = ()
    notify: str = ""

    def encode(self) -> str:
        """
        @return: for the environment.
        """
        return json.dumps(attrs.asdict(self))

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Instructions:
        """
        @return: those that are for this process, and for no other that it starts; none
            at all if it was started by no manager.
        """
        text = environ.pop(VARIABLE, "")
        if not text:
            return cls()
        found = json.loads(text)
        return cls(found["gate"], tuple(found["imports"]), found.get("notify", ""))


@implementer(IReadDescriptor)
@attrs.define(eq=False)
class Gate:
    """
    What one process does for its manager, if it has one.

    @ivar reactor: watches it.
    @ivar send: tells the manager something: see L{Notifier.send}.
    """

    reactor: Any
    instructions: Instructions
    send: Callable[..., object]
    _isKept: bool = attrs.field(init=False)
    _waiting: Deferred[None] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """
        Nobody that this process starts is to have it.
        """
        gate = self.instructions.gate
        self._isKept = gate >= 0
        if self._isKept:
            os.set_inheritable(gate, False)
            os.set_blocking(gate, False)

    @classmethod
    def fromEnvironment(cls, environ: MutableMapping[str, str] = os.environ) -> Gate:
        """
        @return: what the manager wants that has started this process.
        """
        from twisted.internet import reactor

        instructions = Instructions.take(environ)
        notifier = Notifier.fromEnvironment(environ)
        if instructions.notify:
            notifier = Notifier(instructions.notify)
        return cls(reactor, instructions, notifier.send)

    def preload(self) -> None:
        """
        Import what a service is made by, so that what is broken there is found before
        anything is touched.

        @raise MigrationError: something cannot be imported.
        """
        for dotted in self.instructions.imports:
            try:
                reflect.namedAny(dotted)
            except Exception as error:
                self._write(error)
                raise MigrationError(
                    f"cannot import {dotted}: {type(error).__name__}: {error}"
                ) from error

    def guard(self, client: Any) -> None:
        """
        Have a client take over only once it may.

        @param client: a L{migrate.client.MigrationClient}.
        """
        if self._isKept:
            client.provision = GatedProvision(client.provision.openers, gate=self)
            client.done.addCallbacks(self.served, self.failed)

    def passed(self, result: Any = None) -> Any:
        """
        Say that all is ready, and wait for the manager's word; once.

        @return: C{result}, or a Deferred of it; fails with a L{MigrationError} if there
            is no manager any more.
        """
        if self.instructions.gate < 0:
            return result
        self._waiting = Deferred()
        self.reactor.addReader(self)
        self.send(**{PREPARED: 1, "STATUS": "Ready to take over"})
        return self._waiting.addCallback(lambda _: result)

    def served(self, result: Any = None) -> Any:
        """
        All is well: from now on standard error is the same as standard output, which
        does not end with the manager.

        @return: C{result}.
        """
        if self._isKept:
            self._close()
            os.dup2(1, 2)
            self.send(READY=1, MAINPID=os.getpid(), STATUS="Serving")
        return result

    def failed(self, failure: Failure) -> Failure:
        """
        Write out what is wrong with the code of this process, if that is what is wrong.
        """
        self._write(failure.value)
        return failure

    def _write(self, error: BaseException | None) -> None:
        with suppress(OSError):
            os.write(2, "".join(readable(error)).encode())

    # The manager's word.

    def fileno(self) -> int:
        """
        See L{twisted.internet.interfaces.IFileDescriptor.fileno}.
        """
        return self.instructions.gate

    def logPrefix(self) -> str:
        """
        See L{twisted.internet.interfaces.ILoggingContext.logPrefix}.
        """
        return "gate"

    def doRead(self) -> None:
        """
        See L{IReadDescriptor.doRead}.
        """
        word = os.read(self.instructions.gate, 1)
        self._close()
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        if word:
            waiting.callback(None)
        else:
            waiting.errback(MigrationError("whoever started this process is no more"))

    def connectionLost(self, reason: Failure) -> None:
        """
        See L{twisted.internet.interfaces.IFileDescriptor.connectionLost}.
        """
        self._close()

    def _close(self) -> None:
        gate = self.instructions.gate
        if gate >= 0:
            self.reactor.removeReader(self)
            self.instructions = attrs.evolve(self.instructions, gate=-1)
            os.close(gate)


@attrs.define(eq=False)
class GatedProvision(Provision):
    """
    Resources that are ready once the manager has said so, too.

    @ivar gate: knows whether it has.
    """

    gate: Gate = attrs.field(kw_only=True)

    def open(self, names: Iterable[str]) -> Deferred[None]:
        """
        See L{Provision.open}.
        """
        return super().open(names).addCallback(self.gate.passed)


def readable(error: BaseException | None) -> Iterator[str]:
    """
    @return: the lines of the traceback of what an error comes from in the end, without
        this package's own part in it; none if it comes from this package.
    """
    while error is not None and isinstance(error, MigrationError):
        error = error.__cause__
    if error is None:
        return
    told = traceback.TracebackException.from_exception(error)
    each: traceback.TracebackException | None = told
    while each is not None:
        each.stack = traceback.StackSummary.from_list(
            [frame for frame in each.stack if not _isOwn(frame.filename)]
        )
        each = each.__cause__ or each.__context__
    yield from told.format()


def _isOwn(path: str) -> bool:
    return path.startswith(_OWN)
