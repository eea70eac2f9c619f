"""
What applications build of Deferreds, moved while somebody waits.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import ServiceTestCase, freePort

#: Each command begins something that ends after the moves.
MACHINERY = '''
from twisted.application.internet import TCPServer, TimerService
from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.defer import (
    Deferred, DeferredList, DeferredLock, DeferredQueue, DeferredSemaphore,
    TimeoutError, gatherResults, inlineCallbacks, race)
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Cooperator, LoopingCall, cooperate, deferLater
from twisted.protocols.basic import LineReceiver
from twisted.protocols.loopback import loopbackAsync

LONG = 1000

class Numbers:
    """Counts, one step for each turn, as long as it may."""
    def __init__(self, parent):
        self.parent, self.at = parent, 0
    def __iter__(self):
        return self
    def __next__(self):
        if self.parent.enough:
            raise StopIteration
        self.at += 1
        return self.parent.gate() if self.at % 5 == 0 else None

class Link(Protocol):
    # One end of a connection within the process.
    def __init__(self, says, makes):
        self.says, self.makes, self.data = says, makes, b""
    def dataReceived(self, data):
        self.data += data
        while b"." in self.data:
            text, _, self.data = self.data.partition(b".")
            self.says(self.makes(text))

class Machinery(LineReceiver):
    enough = False
    def connectionMade(self):
        self.parts, self.ticks, self.lock = [], 0, DeferredLock()
        self.semaphore, self.queue = DeferredSemaphore(2), DeferredQueue(10, 2)
        self.hungry = None
    def say(self, result, *what):
        self.sendLine(b" ".join([*what, repr(result).encode()]))
    def gate(self):
        return deferLater(reactor, 0.01)
    def part(self):
        self.parts.append(Deferred())
        return self.parts[-1]
    def lineReceived(self, line):
        command, *arguments = line.decode().split()
        getattr(self, "do_" + command)(*arguments)
        self.sendLine(b"ok " + line)
    def do_gather(self):
        gatherResults([self.part(), self.part()]).addCallback(self.say, b"gathered")
    def do_list(self):
        parts = [self.part(), self.part()]
        DeferredList(parts, consumeErrors=True).addCallback(
            lambda found: self.say([(ok, ok and x) for ok, x in found], b"list"))
    def do_race(self):
        race([self.part(), self.part()]).addCallback(self.say, b"race")
    def do_fire(self, index, value):
        self.parts[int(index)].callback(value)
    def do_fail(self, index):
        self.parts[int(index)].errback(ValueError("failed"))
    def do_locks(self):
        for one in (self.lock, self.semaphore):
            for number in range(3):
                name = type(one).__name__.encode()
                one.acquire().addCallback(self.locked, number, name)
    def locked(self, lock, number, name):
        self.say(number, name)
    def do_release(self):
        self.lock.release()
        self.semaphore.release()
    def do_run(self):
        self.lock.run(self.say, "ran")
    def do_get(self):
        self.queue.get().addCallback(self.say, b"got")
    def do_put(self, value):
        self.queue.put(value)
    def do_timers(self):
        late = Deferred()
        late.addTimeout(LONG, reactor)
        late.addErrback(lambda why: self.say(why.type is TimeoutError, b"late"))
        deferLater(reactor, LONG, self.say, "much later")
        reactor.callLater(LONG, self.say, "a call")
        self.cancelled = deferLater(reactor, LONG + 1, self.say, "never")
        self.cancelled.addErrback(lambda why: self.say(why.type.__name__, b"cancelled"))
    def do_hurry(self):
        for call in reactor.getDelayedCalls():
            if LONG - 300 < call.getTime() - reactor.seconds() <= LONG:
                call.reset(0)
        self.cancelled.cancel()
    def do_loop(self):
        self.loop = LoopingCall.withCount(self.tick)
        looped = self.loop.start(0.02)
        looped.addCallback(lambda loop: self.say(self.ticks > 0, b"looped"))
    def tick(self, count):
        self.ticks += count
    def do_ticks(self):
        if self.hungry is not None:
            self.say(self.ticks > self.hungry, b"more ticks")
        self.hungry = self.ticks
    def do_unloop(self):
        self.loop.stop()
    def do_cooperate(self):
        self.own = Cooperator()
        for begin in (self.own.cooperate, cooperate):
            numbers = Numbers(self)
            begin(numbers).whenDone().addCallback(
                self.counted, numbers)
    def counted(self, done, same):
        self.say((done is same, same.at > 10), b"counted")
    def do_enough(self):
        self.enough = True
    def do_beats(self):
        first = self.factory.beats
        self.factory.waiting.append(Deferred().addCallback(
            lambda beats: self.say(beats - first, b"beats")))
    def do_link(self):
        self.near = Link(self.linked, bytes)
        self.far = Link(self.answer, bytes.upper)
        done = loopbackAsync(self.far, self.near)
        done.addCallback(self.say, b"unlinked")
    def answer(self, text):
        self.far.transport.write(text + b".")
    def linked(self, text):
        self.say(text, b"linked")
    def do_through(self, text):
        self.near.transport.write(text.encode())
    def do_unlink(self):
        self.near.transport.loseConnection()
    def do_coroutine(self):
        self.patient = self.patiently()
    @inlineCallbacks
    def patiently(self):
        self.say((yield self.part()), b"patient")

class Factory(ServerFactory):
    protocol = Machinery
    def __init__(self):
        self.beats, self.waiting = 0, []
    def beat(self):
        self.beats += 1
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            each.callback(self.beats)

def makeService():
    parent, factory = MultiService(), Factory()
    TCPServer(PORT, factory, interface="127.0.0.1").setServiceParent(parent)
    TimerService(0.05, factory.beat).setServiceParent(parent)
    return parent
'''


class MachineryTests(ServiceTestCase):
    """
    A service that waits in all the ways of L{twisted.internet.defer} and
    L{twisted.internet.task}; somebody at C{nc}.
    """

    @inlineCallbacks
    def begin(self) -> Any:
        """
        Serve, and connect.
        """
        port = freePort()
        self.code("machinery", MACHINERY.replace("PORT", str(port)))
        yield self.serve("--service=machinery=machinery.makeService")
        self.nc = self.program("nc", "127.0.0.1", str(port), package="netcat-openbsd")

    @inlineCallbacks
    def tell(self, *lines: str) -> Any:
        """
        Give commands, and wait until they have been carried out.

        @return: what was said meanwhile.
        """
        before = len(self.nc.lines)
        for line in lines:
            self.nc.write(line.encode() + b"\r\n")
        yield self.nc.line(f"^ok {lines[-1]}$", after=before)
        said = self.nc.lines[before:]
        return [line for line in said if not line.startswith("ok ")]

    @inlineCallbacks
    def test_everything(self) -> Any:
        """
        Whoever waits before the moves has what he waited for after them, once,
        and in order.
        """
        yield self.begin()
        said = yield self.tell(
            *("gather", "list", "race", "locks", "run", "get", "get", "timers"),
            *("loop", "cooperate", "link", "through ab", "fire 0 a", "ticks"),
        )
        self.assertEqual(
            said,
            ["DeferredLock 0", "DeferredSemaphore 0", "DeferredSemaphore 1"],
        )
        yield self.move()
        said = yield self.tell("fire 2 c", "release", "put x")
        self.assertEqual(said, ["DeferredLock 1", "DeferredSemaphore 2", "got 'x'"])
        self.assertEqual((yield self.tell("ticks")), ["more ticks True"])
        yield self.tell("through cd")
        yield self.move()
        self.nc.write(b"through ef.\r\n")
        yield self.nc.line("^linked b'ABCDEF'$")
        self.nc.write(b"unlink\r\n")
        yield self.nc.line("^unlinked None$")
        said = yield self.tell("release", "release", "put y", "put z", "get")
        self.assertEqual(
            said,
            ["DeferredLock 2", "'ran'", "got 'y'", "got 'z'"],
        )
        said = yield self.tell("fire 1 b", "fail 3", "fire 5 e", "fail 4")
        self.assertEqual(
            said,
            [
                "gathered ['a', 'b']",
                "list [(True, 'c'), (False, False)]",
                "race (1, 'e')",
            ],
        )
        yield self.hurry()
        yield self.finish()

    @inlineCallbacks
    def hurry(self) -> Any:
        """
        The timers fire once they are due, but for the one that is cancelled.
        """
        before = len(self.nc.lines)
        self.nc.write(b"hurry\r\n")
        for text in ("cancelled 'CancelledError'", "late True", "'much later'"):
            yield self.nc.line(f"^{text}$", after=before)
        yield self.nc.line("^'a call'$", after=before)

    @inlineCallbacks
    def finish(self) -> Any:
        """
        What goes round goes on, and can be ended.
        """
        before = len(self.nc.lines)
        self.nc.write(b"beats\r\n")
        yield self.nc.line("^beats 1$", after=before)
        said = yield self.tell("ticks", "unloop")
        self.assertEqual(said, ["more ticks True", "looped True"])
        self.nc.write(b"enough\r\n")
        counted = "counted (True, True)"
        yield self.processes.until(
            lambda: self.nc.lines.count(counted) == 2, "the end of both counts"
        )

    @inlineCallbacks
    def test_coroutine(self) -> Any:
        """
        Nobody can move a function that waits in the middle; once it has gone
        on, the service moves.
        """
        yield self.begin()
        yield self.tell("coroutine")
        line = yield self.refused()
        self.assertIn("machinery<server>.protocol.parts[0]", line)
        self.assertIn("the generator Machinery.patiently waits in line", line)
        self.assertIn("it passes by itself", line)
        old, self.server = self.server, self.client("--all", "--wait", "60")
        yield self.server.line("machinery waits: .*Machinery.patiently")
        said = yield self.tell("fire 0 x")
        self.assertEqual(said, ["patient 'x'"])
        yield old.ended()
        yield self.move()
        self.assertEqual((yield self.tell("locks"))[0], "DeferredLock 0")
