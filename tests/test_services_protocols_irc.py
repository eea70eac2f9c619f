"""
IRC: a server, and a client that is a service itself, both moved while people
talk.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import ServiceTestCase, freePort

#: The checkers of L{twisted.cred} take bytes, and this server gives them text.
IRC = r"""
from twisted.application.internet import TCPClient, TCPServer
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.portal import Portal
from twisted.internet.defer import succeed
from twisted.internet.protocol import ClientFactory
from twisted.words.protocols.irc import IRCClient
from twisted.words.service import InMemoryWordsRealm, IRCFactory
from zope.interface import implementer

@implementer(ICredentialsChecker)
class Anyone:
    credentialInterfaces = (IUsernamePassword,)
    def requestAvatarId(self, credentials):
        return succeed(credentials.username)

class Bot(IRCClient):
    nickname, password, lineRate, heartbeatInterval = "bot", "x", 0.03, 0.2
    pongs = heard = 0
    def signedOn(self):
        self.join("#room")
    def irc_PONG(self, prefix, params):
        self.pongs += 1
    def privmsg(self, user, channel, message):
        self.heard += 1
        command, *arguments = message.split()
        if command == "count":
            for number in range(int(arguments[0])):
                self.msg("#room", f"number {number}")
        elif command == "status":
            self.msg("#room", f"heard {self.heard} {self.pongs} pongs")

class BotFactory(ClientFactory):
    protocol = Bot

def chat():
    realm = InMemoryWordsRealm("room.example")
    realm.createGroupOnRequest = True
    factory = IRCFactory(realm, Portal(realm, [Anyone()]))
    return TCPServer(PORT, factory, interface="127.0.0.1")

def bot():
    return TCPClient("127.0.0.1", PORT, BotFactory())
"""


class IRCTests(ServiceTestCase):
    """
    L{twisted.words}, C{sic}, and a robot that is moved too.
    """

    @inlineCallbacks
    def test_talk(self) -> Any:
        """
        Nobody is cut off, what the robot has yet to say is said once and in
        order, and its heart goes on beating.
        """
        port = freePort()
        self.code("irc", f"PORT = {port}\n" + IRC)
        yield self.serve("--service=chat=irc.chat", "--service=bot=irc.bot")
        sic = self.program(
            *("sic", "-h", "127.0.0.1", "-p", str(port), "-n", "eve", "-k", "x")
        )
        yield sic.line("connected to Twisted IRC")
        sic.write(b":j #room\n")
        yield sic.line("JOIN.*#room")
        yield sic.line("^bot .*JOIN.*#room|353.*bot")
        sic.write(b":m #room status\n")
        yield sic.line("heard 1 [0-9]+ pongs")
        sic.write(b":m #room count 60\n")
        yield sic.line("number 0$")
        yield self.move()
        sic.write(b":m #room sta")
        yield self.move()
        sic.write(b"tus\n")
        first = yield sic.line("heard 3 ([0-9]+) pongs")
        numbers = [
            int(found.group(1))
            for found in (re.search("number ([0-9]+)$", line) for line in sic.lines)
            if found
        ]
        self.assertEqual(numbers, list(range(60)))
        pongs, heard = int(first.group(1)), 3
        while pongs == int(first.group(1)):
            heard += 1
            sic.write(b":m #room status\n")
            answer = yield sic.line(f"heard {heard} ([0-9]+) pongs")
            pongs = int(answer.group(1))
