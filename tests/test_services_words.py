"""
Twisted's chat server, moved while people talk, by IRC and by Perspective
Broker.

What C{twistd words} builds is used as it is, but for its channel and for one of
its users: C{--group} fails on Python 3, and a name comes as bytes by one protocol
and as text by the other, while the plugin's users are told in text.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.clients import Client
from tests.services import ServiceTestCase, freePort

SERVICE = """
from twisted.words import tap

IRC, PB = {irc}, {pb}


def makeService():
    options = tap.Options()
    place = ":interface=127.0.0.1"
    options.parseOptions(
        ["--irc-port", f"tcp:{{IRC}}{{place}}", "--pb-port", f"tcp:{{PB}}{{place}}",
         "--hostname", "words", "--auth", "memory:ann:aaa:ben:bbb"]
    )
    options["groups"].append("lobby")
    (checker,) = options["credCheckers"]
    for name in (b"carol", b"dave"):
        checker.addUser(name, b"secret")
    return tap.makeService(options)
"""

#: Somebody who talks by Perspective Broker: prints what is heard, and does what
#: lines of its input say.
TALKER = """
import sys

from twisted.cred.credentials import UsernamePassword
from twisted.internet import reactor, stdio
from twisted.internet.defer import inlineCallbacks
from twisted.protocols.basic import LineOnlyReceiver
from twisted.spread import pb
from twisted.words import service

port, name = int(sys.argv[1]), sys.argv[2]


class Mind(service.PBMind):
    def remote_receive(self, sender, recipient, message):
        print("heard", message["text"], flush=True)

    def remote_groupMetaUpdate(self, group, meta):
        print("topic", meta["topic"], flush=True)


class Orders(LineOnlyReceiver):
    delimiter = b"\\n"

    @inlineCallbacks
    def connectionMade(self):
        factory = pb.PBClientFactory()
        reactor.connectTCP("127.0.0.1", port, factory)
        credentials = UsernamePassword(name.encode(), b"secret")
        self.avatar = yield factory.login(credentials, client=Mind())
        self.group = yield self.avatar.join("lobby")
        print("joined", self.group.name, flush=True)

    @inlineCallbacks
    def lineReceived(self, line):
        word, _, text = line.decode().partition(" ")
        if word == "say":
            yield self.group.send({"text": text})
        elif word == "leave":
            yield self.group.leave(text)
        elif word == "quit":
            yield self.avatar.quit()
            reactor.stop()
        print("done", word, flush=True)


stdio.StandardIO(Orders())
reactor.run()
"""


class WordsTestCase(ServiceTestCase):
    """
    Serves a channel C{#lobby}.
    """

    @inlineCallbacks
    def serveWords(self) -> Any:
        """
        Start the server.
        """
        self.irc, self.pb = freePort(), freePort()
        self.code("wordsservice", SERVICE.format(irc=self.irc, pb=self.pb))
        yield self.serve("--service", "words=wordsservice.makeService")

    @inlineCallbacks
    def person(self, nick: str, password: str) -> Any:
        """
        @return: the connection of somebody who is on the channel by IRC.
        """
        person = yield self.processes.connect(self.irc)
        for line in (f"PASS {password}", f"NICK {nick}", f"USER {nick} 0 * :{nick}"):
            person.sendLine(line.encode())
        yield person.expect(b":words 004 .*\r\n")
        person.sendLine(b"JOIN #lobby")
        yield person.expect(b":words 366 .*\r\n")
        return person

    @inlineCallbacks
    def hears(self, person: Client, line: str) -> Any:
        """
        Wait for a line, and no other one before it but numbered ones.
        """
        said = yield person.line()
        while re.match(rb":\S+ \d\d\d ", said):
            said = yield person.line()
        self.assertEqual(said.decode(), line)


class IRCTests(WordsTestCase):
    """
    People who talk by IRC.
    """

    @inlineCallbacks
    def test_lines(self) -> Any:
        """
        Messages, topics, half a line, leaving and being lost, before and after
        moves.
        """
        yield self.serveWords()
        ann = yield self.person("ann", "aaa")
        ben = yield self.person("ben", "bbb")
        yield self.hears(ann, ":ben!ben@words JOIN #lobby")
        early = yield self.processes.connect(self.irc)
        early.sendLine(b"NICK ben")
        yield early.expect(b"Password\\?\r\n")
        ann.sendLine(b"PRIVMSG #lobby :before")
        yield self.hears(ben, ":ann!ann@words PRIVMSG #lobby :before")
        ann.send(b"PRIVMSG #lobby :ha")
        yield self.move()
        ann.send(b"lf\r\nPRIVMSG ben :in private\r\nTOPIC #lob")
        yield self.hears(ben, ":ann!ann@words PRIVMSG #lobby :half")
        yield self.hears(ben, ":ann!ann@words PRIVMSG ben :in private")
        yield self.move()
        ann.send(b"by :things\r\n")
        yield self.hears(ben, ":ann!ann@words TOPIC #lobby :things")
        yield self.hears(ann, ":ann!ann@words TOPIC #lobby :things")
        early.sendLine(b"PRIVMSG NickServ bbb")
        yield early.expect(b"Already logged in")
        yield self.move()
        ben.sendLine(b"PART #lobby :enough")
        yield self.hears(ann, ":ben!ben@words PART #lobby :enough")
        yield self.hears(ben, ":ben!ben@words PART #lobby :enough")
        ben.sendLine(b"JOIN #lobby")
        yield self.hears(ann, ":ben!ben@words JOIN #lobby")
        ann.sendLine(b"WHOIS ben")
        yield ann.expect(b":words 319 ann ben :#lobby\r\n")
        yield self.move()
        ben.sendLine(b"QUIT")
        yield ben.closed()
        yield ann.expect(b":ben!ben@words PART #lobby :leaving\r\n")
        again = yield self.person("ben", "bbb")
        yield self.hears(ann, ":ben!ben@words JOIN #lobby")
        yield again.disconnect()
        yield self.hears(ann, ":ben!ben@words PART #lobby :leaving")

    @inlineCallbacks
    def test_sic(self) -> Any:
        """
        sic talks with somebody, on one connection.
        """
        yield self.serveWords()
        ben = yield self.person("ben", "bbb")
        sic = self.program(
            "sic", "-h", "127.0.0.1", "-p", str(self.irc), "-n", "ann", "-k", "aaa"
        )
        yield sic.line("connected to Twisted IRC")
        sic.write(b":j #lobby\n")
        yield self.hears(ben, ":ann!ann@words JOIN #lobby")
        for number in range(2):
            sic.write(b"this is %d\n" % number)
            yield self.hears(ben, f":ann!ann@words PRIVMSG #lobby :this is {number}")
            yield self.move()
            ben.sendLine(b"PRIVMSG #lobby :that is %d" % number)
            yield sic.line(f"<ben> that is {number}$")
        sic.write(b":l #lobby\n")
        yield ben.expect(b":ann!ann@words PART #lobby .*\r\n")

    @inlineCallbacks
    def test_ii(self) -> Any:
        """
        ii talks with somebody, on one connection.
        """
        yield self.serveWords()
        ben = yield self.person("ben", "bbb")
        self.processes.start(
            [
                *(self.installed("ii"), "-s", "127.0.0.1", "-p", str(self.irc)),
                *("-i", "irc", "-n", "ann", "-k", "IIPASS"),
            ],
            self.directory,
            {"IIPASS": "aaa"},
        )
        place = self.directory / "irc" / "127.0.0.1"
        yield self.enter(place / "in", "/j #lobby")
        yield self.hears(ben, ":ann!ann@words JOIN #lobby")
        said = place / "#lobby" / "out"
        for number in range(2):
            yield self.enter(place / "#lobby" / "in", f"this is {number}")
            yield self.hears(ben, f":ann!ann@words PRIVMSG #lobby :this is {number}")
            yield self.move()
            ben.sendLine(b"PRIVMSG #lobby :that is %d" % number)
            yield self.processes.until(
                lambda text=f"<ben> that is {number}\n": text in said.read_text(),
                "what ben said",
            )

    @inlineCallbacks
    def enter(self, pipe: Any, line: str) -> Any:
        """
        Write a line into a named pipe, once somebody reads it.
        """

        def opened() -> int | None:
            with contextlib.suppress(OSError):
                return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            return None

        fileno = yield self.processes.until(opened, f"a reader of {pipe}")
        os.write(fileno, f"{line}\n".encode())
        os.close(fileno)


class PerspectiveTests(WordsTestCase):
    """
    People who talk by Perspective Broker.
    """

    @inlineCallbacks
    def test_avatars(self) -> Any:
        """
        Two of them and one by IRC hear each other, leave and are lost.
        """
        yield self.serveWords()
        ann = yield self.person("ann", "aaa")
        carol = self.script(TALKER, str(self.pb), "carol")
        yield carol.line("joined lobby")
        yield self.hears(ann, ":carol!carol@words JOIN #lobby")
        dave = self.script(TALKER, str(self.pb), "dave")
        yield dave.line("joined lobby")
        yield self.hears(ann, ":dave!dave@words JOIN #lobby")
        for number in range(2):
            yield self.move()
            carol.write(b"say this is %d\n" % number)
            yield dave.line(f"^heard this is {number}$")
            yield self.hears(
                ann, f":carol!carol@words PRIVMSG #lobby :this is {number}"
            )
            ann.sendLine(b"PRIVMSG #lobby :that is %d" % number)
            for talker in (carol, dave):
                yield talker.line(f"^heard that is {number}$")
        ann.sendLine(b"TOPIC #lobby :things")
        yield dave.line("^topic things$")
        carol.write(b"leave enough\n")
        yield ann.expect(b":carol!carol@words PART #lobby :enough\r\n")
        yield self.move()
        dave.write(b"quit\n")
        yield dave.ended()
        # Somebody who is there already would be turned away.
        again = self.script(TALKER, str(self.pb), "dave")
        yield again.line("joined lobby")
