"""
AMP, moved while questions are outstanding in both directions.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.protocols import amp

from tests.clients import Client
from tests.processes import freePort
from tests.services import ServiceTestCase

#: What both sides of the conversation know.
COMMANDS = r"""
from twisted.protocols import amp

class TooMuch(Exception):
    pass

class Sum(amp.Command):
    arguments = [(b"numbers", amp.ListOf(amp.Integer()))]
    response = [(b"total", amp.Integer())]
    errors = {TooMuch: b"TOO_MUCH"}

class Later(amp.Command):
    arguments = [(b"text", amp.Unicode())]
    response = [(b"text", amp.Unicode()), (b"asked", amp.Integer())]
    errors = {TooMuch: b"TOO_MUCH"}

class Release(amp.Command):
    arguments = [(b"fail", amp.Boolean())]
    response = [(b"count", amp.Integer())]

class Ask(amp.Command):
    arguments = [(b"question", amp.Unicode())]
    response = [(b"answer", amp.Unicode())]
    errors = {ValueError: b"VALUE"}

class Have(amp.Command):
    arguments = [(b"question", amp.Unicode())]
    response = [(b"answer", amp.Unicode())]
    errors = {ValueError: b"VALUE"}

class Tell(amp.Command):
    requiresAnswer = False
    arguments = [(b"text", amp.Unicode())]

class Read(amp.Command):
    arguments = [(b"descriptor", amp.Descriptor())]
    response = [(b"content", amp.String())]

class Lists(amp.Command):
    arguments = [(b"rows", amp.AmpList([(b"a", amp.Unicode()), (b"b", amp.Decimal())]))]
    response = [(b"rows", amp.AmpList([(b"a", amp.Unicode()), (b"b", amp.Decimal())]))]
"""

SERVICE = r"""
from commands import Ask, Have, Later, Lists, Read, Release, Sum, Tell, TooMuch
from twisted.application.internet import TCPServer, UNIXServer
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ServerFactory
from twisted.protocols import amp

class Questions(amp.AMP):
    asked = 0
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.waiting, self.told = [], []

    @Sum.responder
    def sum(self, numbers):
        self.asked += 1
        if len(numbers) > 10000:
            raise TooMuch("really")
        return {"total": sum(numbers)}

    @Later.responder
    def later(self, text):
        self.asked += 1
        waiting = Deferred()
        self.waiting.append(waiting)
        waiting.addCallback(lambda unused: {"text": text, "asked": self.asked})
        return waiting

    @Release.responder
    def release(self, fail):
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            each.errback(TooMuch("failed")) if fail else each.callback(None)
        return {"count": len(waiting)}

    @Have.responder
    def have(self, question):
        asking = self.callRemote(Ask, question=question)
        asking.addCallback(lambda found: {"answer": found["answer"] + "!"})
        return asking

    @Tell.responder
    def tell(self, text):
        self.told.append(text)
        return {}

    @Lists.responder
    def lists(self, rows):
        return {"rows": [dict(row, a=row["a"] + "".join(self.told)) for row in rows]}

    @Read.responder
    def read(self, descriptor):
        with open(descriptor, "rb") as stream:
            return {"content": stream.read()}

class Factory(ServerFactory):
    protocol = Questions

def makeService():
    parent, factory = MultiService(), Factory()
    TCPServer(PORT, factory, interface="127.0.0.1").setServiceParent(parent)
    UNIXServer("amp.sock", factory).setServiceParent(parent)
    return parent
"""

CLIENT = r"""
import sys
from decimal import Decimal
from commands import Ask, Have, Later, Lists, Release, Sum, Tell, TooMuch
from twisted.internet import reactor, stdio
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.protocols import amp
from twisted.protocols.basic import LineOnlyReceiver

class Answers(amp.AMP):
    held = None
    @Ask.responder
    def ask(self, question):
        if question.startswith("hold"):
            self.held = Deferred()
            print("held", question, flush=True)
            return self.held
        if question == "bad":
            raise ValueError("bad question")
        return {"answer": question.upper()}

class Console(LineOnlyReceiver):
    delimiter = b"\n"
    def lineReceived(self, line):
        name, _, rest = line.decode().partition(" ")
        getattr(self, name)(rest)
    def report(self, what, asking):
        asking.addCallbacks(
            lambda answer: print(what, answer, flush=True),
            lambda why: print(what, "failed", why.type.__name__, why.value, flush=True))
    def sum(self, count):
        self.report("sum", amp_.callRemote(Sum, numbers=range(int(count))))
    def later(self, text):
        self.report("later", amp_.callRemote(Later, text=text))
    def release(self, fail):
        self.report("release", amp_.callRemote(Release, fail=bool(fail)))
    def have(self, question):
        self.report("have", amp_.callRemote(Have, question=question))
    def tell(self, text):
        amp_.callRemote(Tell, text=text)
    def answer(self, text):
        amp_.held.callback({"answer": text})
    def lists(self, count):
        rows = [{"a": str(n), "b": Decimal(n) / 4} for n in range(int(count))]
        asking = amp_.callRemote(Lists, rows=rows)
        self.report("lists", asking.addCallback(lambda answer: (
            len(answer["rows"]), answer["rows"][-1])))

def connected(made):
    global amp_
    amp_ = made
    stdio.StandardIO(Console())
    print("connected", flush=True)

endpoint = clientFromString(reactor, "tcp:127.0.0.1:" + sys.argv[1])
connectProtocol(endpoint, Answers()).addCallbacks(connected, lambda why: reactor.stop())
reactor.run()
"""


class AMPTests(ServiceTestCase):
    """
    L{twisted.protocols.amp}
    """

    @inlineCallbacks
    def begin(self) -> Any:
        """
        Serve.
        """
        self.port = freePort()
        self.code("commands", COMMANDS)
        self.code("questions", f"PORT = {self.port}\n" + SERVICE)
        yield self.serve("--service=questions=questions.makeService")

    @inlineCallbacks
    def test_outstanding(self) -> Any:
        """
        Every question is answered, those before the moves, between them and
        after them, whoever asked it.
        """
        yield self.begin()
        client = self.script(CLIENT, str(self.port))
        yield client.line("connected")

        def say(*lines: str) -> None:
            client.write("".join(f"{line}\n" for line in lines).encode())

        say("later one", "have hold on", "tell x", "sum 1000")
        yield client.line("^sum {'total': 499500}$")
        yield client.line("^held hold on$")
        yield self.move()
        say("later two", "have quick", "have bad", "tell y", "lists 300")
        yield client.line("^have {'answer': 'QUICK!'}$")
        yield client.line("^have failed ValueError bad question$")
        yield client.line(r"^lists \(300, {'a': '299xy', 'b': Decimal\('74.75'\)}\)$")
        yield self.move()
        say("answer at last", "release")
        yield client.line("^have {'answer': 'at last!'}$")
        yield client.line("^release {'count': 2}$")
        for text in ("one", "two"):
            line = f"^later {{'text': '{text}', 'asked': 3}}$"
            yield client.line(line)
        say("later three", "release fail")
        yield client.line("^later failed TooMuch failed$")

    @inlineCallbacks
    def test_halfReceived(self) -> Any:
        """
        A box that comes in three pieces to three processes is one box, as
        large as it may be; a descriptor that has come before the box which it
        belongs to is there when the box is whole.
        """
        yield self.begin()
        client: Client = yield self.processes.connect(self.port)
        near: Client = yield self.processes.connect(
            f"unix:{os.path.relpath(self.directory)}/amp.sock"
        )
        numbers = amp.ListOf(amp.Integer()).toString(range(9000))
        box = amp.Box(_ask=b"7", _command=b"Sum", numbers=numbers).serialize()
        self.assertGreater(len(box), 50000)
        boxes = [self.reading(number) for number in range(2)]
        tell = amp.Box(_ask=b"7", _command=b"Release", fail=b"False").serialize()
        client.send(box[:9])
        self.give(near, 0, tell + boxes[0][:1])
        yield near.expect(b"_answer\0\x017")
        yield self.move()
        client.send(box[9:30000])
        near.send(boxes[0][1:5])
        yield self.move()
        client.send(box[30000:])
        self.give(near, 1, boxes[0][5:] + boxes[1])
        answer = amp.Box(_answer=b"7", total=b"%d" % sum(range(9000))).serialize()
        yield self.processes.until(
            lambda: len(client.received) >= len(answer), "the answer"
        )
        self.assertEqual(client.received, answer)
        yield near.expect(b"content\0\x09content 0")
        yield near.expect(b"content\0\x09content 1")

    def reading(self, number: int) -> bytes:
        """
        @return: the box that asks for what is in a file.
        """
        (self.directory / f"file{number}").write_text(f"content {number}")
        box = amp.Box(_ask=b"%d" % number, _command=b"Read")
        box[b"descriptor"] = b"%d" % number
        data: bytes = box.serialize()
        return data

    def give(self, client: Any, number: int, data: bytes) -> None:
        """
        Send a descriptor with data.
        """
        with (self.directory / f"file{number}").open("rb") as stream:
            kept = os.dup(stream.fileno())
        self.addCleanup(os.close, kept)
        client.transport.sendFileDescriptor(kept)
        client.send(data)
