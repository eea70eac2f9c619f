"""
Perspective Broker, moved while both sides refer to each other's objects.
"""

from __future__ import annotations

import hashlib
import signal
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.spread import banana

from tests.clients import Client
from tests.processes import freePorts
from tests.services import ServiceTestCase

#: The copies that the client has.
SHARED = r"""
from twisted.spread import pb

class Note(pb.Copyable):
    def __init__(self, text):
        self.text = text

class NoteCopy(Note, pb.RemoteCopy):
    pass

pb.setUnjellyableForClass(Note, NoteCopy)

class Board(pb.Cacheable):
    def __init__(self):
        self.items, self.observers = {}, []
    def getStateToCacheAndObserveFor(self, perspective, observer):
        self.observers.append(observer)
        return {"items": dict(self.items)}
    def stoppedObserving(self, perspective, observer):
        self.observers.remove(observer)
    def put(self, key, value):
        self.items[key] = value
        for observer in self.observers:
            observer.callRemote("put", key, value)

class BoardCache(pb.RemoteCache):
    def observe_put(self, key, value):
        self.items[key] = value

pb.setUnjellyableForClass(Board, BoardCache)
"""

SERVICE = r"""
import weakref
from shared import Board, Note
from twisted.application.internet import TCPServer
from twisted.application.service import MultiService
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.spread import pb, util
from zope.interface import implementer

class Thing(pb.Referenceable):
    def __init__(self, name):
        self.name, self.calls = name, 0
    def remote_call(self):
        self.calls += 1
        return f"{self.name} {self.calls}"

class Scene(pb.Viewable):
    def view_look(self, perspective, how):
        return f"{perspective.name} looks {how}"

class Person(pb.Avatar):
    def __init__(self, name, realm):
        self.name, self.realm = name, realm
        self.things, self.waiting, self.minds = {}, [], []
        self.broker = None
    def perspective_thing(self, name):
        return self.things.setdefault(name, Thing(name))
    def perspective_many(self, count):
        return [Thing(f"new{number}") for number in range(count)]
    def perspective_scene(self):
        return self.realm.scene
    def perspective_board(self):
        return self.realm.board
    def perspective_put(self, key, value):
        self.realm.board.put(key, value)
    def perspective_watched(self):
        return len(self.realm.board.observers)
    def perspective_note(self, text):
        return Note(text)
    def perspective_wait(self, text):
        self.waiting.append(Deferred().addCallback(lambda more: text + more))
        return self.waiting[-1]
    def perspective_release(self, more):
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            each.callback(more)
        return len(waiting)
    def perspective_fail(self):
        raise pb.Error("as you wish")
    def perspective_mind(self, mind):
        self.minds.append(mind)
        self.realm.known[mind] = self.name
        self.weakly = weakref.ref(mind)
        mind.notifyOnDisconnect(self.gone)
        self.broker = mind.broker
    def gone(self, mind):
        with open("gone.txt", "a") as log:
            log.write(f"{self.realm.known.pop(mind)}\n")
    def perspective_ask(self, question):
        mind = self.weakly()
        assert self.realm.known[mind] == self.name
        return mind.callRemote("ask", question).addCallback(lambda a: a + "!")
    def perspective_counts(self):
        broker = self.broker
        return len(broker.localObjects) - 1 == len(broker.luids), len(broker.luids)
    def perspective_page(self, collector, count):
        util.StringPager(collector, b"0123456789" * count, 1000)
    def perspective_file(self, collector):
        util.FilePager(collector, open("big", "rb"))
    def logout(self):
        with open("logout.txt", "a") as log:
            log.write(f"{self.name}\n")

@implementer(IRealm)
class Realm:
    def __init__(self):
        self.board, self.scene, self.known = Board(), Scene(), {}
    def requestAvatar(self, name, mind, *interfaces):
        person = Person(name.decode(), self)
        return pb.IPerspective, person, person.logout

class Root(pb.Root):
    def remote_echo(self, *what):
        return what[0][::-1]

def makeService():
    parent = MultiService()
    people = InMemoryUsernamePasswordDatabaseDontUse(eve=b"x")
    for port, root in zip(PORTS, (Portal(Realm(), [people]), Root())):
        factory = pb.PBServerFactory(root)
        TCPServer(port, factory, interface="127.0.0.1").setServiceParent(parent)
    return parent
"""

CLIENT = r"""
import gc, hashlib, sys
import shared
from twisted.cred.credentials import UsernamePassword
from twisted.internet import reactor, stdio
from twisted.internet.defer import Deferred
from twisted.protocols.basic import LineOnlyReceiver
from twisted.spread import pb, util

class Mind(pb.Referenceable):
    held = None
    def remote_ask(self, question):
        if question == "hold":
            self.held = Deferred()
            print("held", flush=True)
            return self.held
        return question.upper()

class Console(LineOnlyReceiver):
    delimiter = b"\n"
    def __init__(self, avatar):
        self.avatar, self.kept, self.mind = avatar, {}, Mind()
    def connectionMade(self):
        print("connected", flush=True)
    def lineReceived(self, line):
        name, *arguments = line.decode().split()
        method = getattr(self, "do_" + name, None)
        if method is None:
            result = self.avatar.callRemote(
                name, *(int(a) if a.isdigit() else a for a in arguments))
        else:
            result = method(*arguments)
        if result is not None:
            result.addErrback(lambda why: f"failed {why.value}")
            result.addCallback(lambda found: print(
                f"{line.decode()} -> {found}", flush=True))
    def do_keep(self, key, name, *arguments):
        def keep(found):
            same = key in self.kept and self.kept[key] == found
            luids = {getattr(each, "luid", 0) for each in (found, self.kept.get(key))}
            self.kept[key] = found
            return type(found).__name__, len(luids)
        return self.avatar.callRemote(name, *arguments).addCallback(keep)
    def do_call(self, key, *arguments):
        return self.kept[key].callRemote(*arguments)
    def do_drop(self, key):
        del self.kept[key]
        gc.collect()
    def do_board(self):
        print("board", sorted(self.kept["board"].items.items()), flush=True)
    def do_text(self):
        note = self.avatar.callRemote("note", "hello")
        return note.addCallback(lambda note: (type(note).__name__, note.text))
    def do_mind(self):
        return self.avatar.callRemote("mind", self.mind)
    def do_answer(self, text):
        self.mind.held.callback(text)
    def do_several(self, count):
        def call(found):
            self.kept["several"] = found
            answers = [each.callRemote("call") for each in found]
            return pb.defer.gatherResults(answers)
        asking = self.avatar.callRemote("many", int(count)).addCallback(call)
        return asking.addCallback(lambda all: all == [
            f"new{number} 1" for number in range(int(count))])
    def do_pages(self, name, *arguments):
        pages = util.getAllPages(Paging(self.avatar), name, *map(int, arguments))
        return pages.addCallback(
            lambda all: hashlib.sha256(b"".join(all)).hexdigest())

class Paging:
    def __init__(self, avatar):
        self.callRemote = avatar.callRemote

factory = pb.PBClientFactory()
reactor.connectTCP("127.0.0.1", int(sys.argv[1]), factory)
login = factory.login(UsernamePassword(b"eve", b"x"))
login.addCallback(lambda avatar: stdio.StandardIO(Console(avatar)))
login.addErrback(lambda why: (why.printTraceback(), reactor.stop()))
reactor.run()
"""

#: A service that has copies of what somebody else keeps.
OBSERVING = r"""
import gc
from shared import Board
from twisted.application.internet import TCPClient, TCPServer
from twisted.application.service import MultiService
from twisted.internet.protocol import ServerFactory
from twisted.protocols.basic import LineReceiver
from twisted.spread import pb

class Control(LineReceiver):
    def lineReceived(self, line):
        command, *arguments = line.decode().split()
        getattr(self, "do_" + command)(*arguments)
    def say(self, what):
        self.sendLine(repr(what).encode())
    def do_get(self, name):
        root = self.factory.client.getRootObject()
        asking = root.addCallback(lambda root: root.callRemote("board"))
        asking.addCallback(self.keep, name)
    def keep(self, board, name):
        self.factory.kept[name] = board
        self.say(sorted(self.factory.kept))
    def do_items(self):
        self.say({n: sorted(b.items.items()) for n, b in self.factory.kept.items()})
    def do_drop(self, name):
        del self.factory.kept[name]
        gc.collect()
        self.say(sorted(self.factory.kept))

def makeService():
    parent, control = MultiService(), ServerFactory()
    control.protocol, control.kept = Control, {}
    control.client = pb.PBClientFactory()
    TCPServer(CONTROL, control, interface="127.0.0.1").setServiceParent(parent)
    TCPClient("127.0.0.1", SERVER, control.client).setServiceParent(parent)
    return parent
"""

BOARD = r"""
import sys
import shared
from twisted.internet import reactor, stdio
from twisted.protocols.basic import LineOnlyReceiver
from twisted.spread import pb

class Root(pb.Root):
    board = shared.Board()
    def remote_board(self):
        return self.board

class Console(LineOnlyReceiver):
    delimiter = b"\n"
    def connectionMade(self):
        print("listening", flush=True)
    def lineReceived(self, line):
        key, _, value = line.decode().partition(" ")
        Root.board.put(key, value)
        print("observers", len(Root.board.observers), flush=True)

stopped = Root.board.stoppedObserving
def tell(*arguments):
    stopped(*arguments)
    print("nobody looks", flush=True)
Root.board.stoppedObserving = tell
reactor.listenTCP(int(sys.argv[1]), pb.PBServerFactory(Root()), interface="127.0.0.1")
stdio.StandardIO(Console())
reactor.run()
"""


class ObserverTests(ServiceTestCase):
    """
    A service that is a client of L{twisted.spread.pb}.
    """

    @inlineCallbacks
    def test_caches(self) -> Any:
        """
        All its copies of one thing stay copies of one thing, and change with
        it; that it needs them no longer is said once it is so, and not before.
        """
        control, port = freePorts(2)
        self.code("shared", SHARED)
        self.code("observing", f"CONTROL, SERVER = {control}, {port}\n" + OBSERVING)
        board = self.script(BOARD, str(port))
        yield board.line("^listening$")
        yield self.serve("--service=observing=observing.makeService")
        client: Client = yield self.processes.connect(control)
        self.assertEqual((yield client.ask(b"get a")), b"['a']")
        self.assertEqual((yield client.ask(b"get b")), b"['a', 'b']")
        for number in range(3):
            if number:
                yield self.move()
            board.write(f"x {number}\n".encode())
            yield board.line("^observers 1$")
            seen = f"[('x', '{number}')]"
            yield self.until(client, f"{{'a': {seen}, 'b': {seen}}}".encode())
        self.assertEqual((yield client.ask(b"drop a")), b"['b']")
        board.write(b"x last\n")
        yield self.until(client, b"{'b': [('x', 'last')]}")
        self.assertNotIn("nobody looks", board.lines)
        self.assertEqual((yield client.ask(b"drop b")), b"[]")
        yield board.line("^nobody looks$")
        self.assertEqual((yield client.ask(b"get c")), b"['c']")

    @inlineCallbacks
    def until(self, client: Client, wanted: bytes) -> Any:
        """
        Ask until what the service has is what the server has.
        """
        while (yield client.ask(b"items")) != wanted:
            pass


class BrokerTests(ServiceTestCase):
    """
    L{twisted.spread.pb}
    """

    @inlineCallbacks
    def begin(self) -> Any:
        """
        Serve.
        """
        self.ports = freePorts(2)
        self.code("shared", SHARED)
        self.code("broking", f"PORTS = {self.ports}\n" + SERVICE)
        yield self.serve("--service=broking=broking.makeService")

    @inlineCallbacks
    def tell(self, line: str, answer: Any) -> Any:
        """
        Give a command, and wait for its answer.
        """
        before = len(self.peer.lines)
        self.peer.write(f"{line}\n".encode())
        found = yield self.peer.line(f"^{line} -> (.*)", after=before)
        self.assertEqual(found.group(1), str(answer), line)

    @inlineCallbacks
    def join(self) -> Any:
        """
        Have somebody log in.
        """
        yield self.begin()
        self.peer = self.script(CLIENT, str(self.ports[0]))
        yield self.peer.line("^connected$")

    @inlineCallbacks
    def test_references(self) -> Any:
        """
        All that either side refers to is the same after the moves, counted as
        before, and what is new is nothing of the old.
        """
        yield self.join()
        yield self.tell("keep a thing a", ("RemoteReference", 2))
        yield self.tell("keep b thing b", ("RemoteReference", 2))
        yield self.tell("keep scene scene", ("RemoteReference", 2))
        yield self.tell("keep board board", ("BoardCache", 2))
        yield self.tell("put x 1", None)
        yield self.tell("call a call", "a 1")
        yield self.tell("mind", None)
        yield self.tell("counts", (True, 4))
        self.peer.write(b"wait one\nask hold\n")
        yield self.peer.line("^held$")
        for number in range(2):
            yield self.move()
            yield self.tell("keep a thing a", ("RemoteReference", 1))
            yield self.tell("keep scene scene", ("RemoteReference", 1))
            yield self.tell("call a call", f"a {number + 2}")
            yield self.tell("call scene look down", "eve looks down")
            yield self.tell(f"put y {number}", None)
            yield self.tell("several 200", True)
            yield self.tell("text", ("NoteCopy", "hello"))
            yield self.tell("fail", "failed as you wish")
            yield self.tell("ask hey", "HEY!")
        yield self.finish()

    @inlineCallbacks
    def finish(self) -> Any:
        """
        What was outstanding is answered, and what is dropped is dropped.
        """
        self.peer.write(b"board\nanswer now\n")
        yield self.peer.line(r"^board \[\('x', 1\), \('y', 1\)\]$")
        yield self.peer.line("^ask hold -> now!$")
        yield self.tell("release ed", 1)
        yield self.peer.line("^wait one -> oneed$")
        self.peer.write(b"drop several\ndrop b\ndrop board\n")
        yield self.tell("counts", (True, 3))
        yield self.tell("watched", 0)
        yield self.tell("keep b thing b", ("RemoteReference", 2))
        yield self.tell("call b call", "b 1")
        self.peer.closeInput()
        self.peer.signal(9)
        for name in ("logout.txt", "gone.txt"):
            yield self.processes.until(
                (self.directory / name).exists, f"{name} to be written"
            )
            self.assertEqual((self.directory / name).read_text(), "eve\n")

    @inlineCallbacks
    def test_pages(self) -> Any:
        """
        Pages of a file and of a string, to somebody who does not read just
        then, come all, once and in order.
        """
        yield self.join()
        content = b"".join(b"line %d\n" % number for number in range(400_000))
        (self.directory / "big").write_bytes(content)
        yield self.tell("keep a thing a", ("RemoteReference", 2))
        self.peer.write(b"pages file\npages page 100000\ncall a call\n")
        yield self.peer.line("^call a call -> a 1$")
        self.peer.signal(signal.SIGSTOP)
        yield self.move()
        yield self.move()
        self.peer.signal(signal.SIGCONT)
        for command, whole in (
            ("file", content),
            ("page 100000", b"0123456789" * 100_000),
        ):
            digest = hashlib.sha256(whole).hexdigest()
            yield self.peer.line(f"^pages {command} -> {digest}$")
        yield self.tell("call a call", "a 2")

    @inlineCallbacks
    def test_halfReceived(self) -> Any:
        """
        A message that comes in three pieces to three processes is one message.
        """
        yield self.begin()
        client: Client = yield self.processes.connect(self.ports[1])
        text = b"".join(b"%d." % number for number in range(50_000))
        arguments = [b"tuple", [b"list", 1, [b"list", text], b"end"]]
        message = [b"message", 1, b"root", b"echo", 1, arguments, [b"dictionary"]]
        data = banana.encode(message)
        client.send(banana.encode(b"none") + banana.encode([b"version", 6]))
        client.send(data[:20])
        yield client.expect(b"version")
        yield self.move()
        client.send(data[20:100_000])
        yield self.move()
        client.send(data[100_000:-1])
        client.send(data[-1:])
        answer = [b"list", b"end", [b"list", text], 1]
        expected = banana.encode([b"answer", 1, answer])
        yield self.processes.until(
            lambda: client.received.endswith(expected), "the answer"
        )
